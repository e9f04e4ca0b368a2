"""P5: recommendation as prompts to an encoder-decoder (Geng et al. 2022, "Recommendation as language processing",
arXiv 2203.13366), with the identifiers of OpenP5 (Hua et al. 2023, arXiv 2305.06569)."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from bench.collections.collection import Collection, Query
from bench.errors import BenchError
from bench.models import ModelOptions
from retrievers.recommenders.semantic_ids.options import (
    ItemBeamOptions,
    SequenceTrainingOptions,
    TokenizerOptions,
)
from retrievers.recommenders.sid import SID

if TYPE_CHECKING:
    from retrievers.recommenders.semantic_ids.prompt_reader import PromptReader
    from retrievers.recommenders.semantic_ids.sequence_model import Shape


class PromptTokenizerOptions(TokenizerOptions):
    """How items become the tokens that stand for them in prompts and answers."""

    kind: Literal["random", "sequential", "collaborative", "mapping"] = Field(
        "collaborative",
        description="arbitrary numbers, numbers by first appearance in training, or the path through clusters of "
        "what users have together",
    )


class PromptBeamOptions(ItemBeamOptions):
    """How identifiers of items are searched for."""

    width: int = Field(20, ge=1, description="prefixes kept at each step; also the most identifiers returned")


class PromptTrainingOptions(SequenceTrainingOptions):
    """How the encoder-decoder learns to answer prompts."""

    epochs: int = Field(6, ge=0, le=10_000, description="passes over the training windows; 0: as it starts")
    valid_users: int = Field(300, ge=1, description="users of the split `valid` by whom the epoch is chosen")


class P5(SID):
    """Answers prompts of two of P5's families with the identifier of an item: what comes next, and what suits a user.

    A sequential prompt names the user and the items so far, a direct one the user alone; both are learned, and
    `asked` chooses which one is asked. The families of ratings, reviews and explanations are left out: users'
    sequences have none of these. Unlike the paper's, the model is a small T5 that starts at random (`model` names
    one that has been trained); the direct prompts have no list of candidates; a user is one token; and an
    identifier's codes are new tokens, of which each level has its own, not pieces that a tokenizer makes of numbers.
    Numbers follow training sequences alone, so that none tells what is asked for: numbered along whole sequences, as
    in the paper's release, an item that comes next has the next number. An unknown user is the mean of all.
    """

    architecture: ClassVar[str] = "encoder-decoder"  # type: ignore[assignment,misc]
    reading: ClassVar[str] = "codes"  # type: ignore[assignment,misc]
    sliding: ClassVar[str] = "prefixes"  # type: ignore[assignment,misc]
    collisions: ClassVar[str] = "extra-token"  # type: ignore[assignment,misc]
    user_bins: ClassVar[int] = 0  # type: ignore[misc]

    model: str = Field(
        "", description="name or folder of an encoder-decoder (T5) that goes on learning; none: a small one"
    )
    tokenizer: PromptTokenizerOptions = Field(
        default_factory=PromptTokenizerOptions, description="how items become tokens"
    )
    direct: float = Field(0.2, ge=0, le=1, description="share of the training examples that are direct prompts")
    asked: Literal["sequential", "direct"] = Field("sequential", description="the family of prompts that is asked")
    beams: PromptBeamOptions = Field(
        default_factory=PromptBeamOptions, description="how identifiers are searched for"
    )
    training: PromptTrainingOptions = Field(
        default_factory=PromptTrainingOptions, description="how the model is trained"
    )

    @model_validator(mode="after")
    def _options_suit_prompts(self) -> "P5":
        if self.decoder.head != "shared":
            raise ValueError(f"head={self.decoder.head} is none of T5's; leave decoder.head at shared")
        if self.direct == (0 if self.asked == "direct" else 1):
            raise ValueError(f"direct={self.direct:g} learns no {self.asked} prompts, which asked={self.asked} asks")
        return self

    def fit(self, collection: Collection) -> Self:
        asked = dict.fromkeys(query.user for query in collection.queries("train"))
        self._users = {user: number for number, user in enumerate(asked, 1)}
        return super().fit(collection)

    def _network(self, shape: "Shape") -> "PromptReader":
        from retrievers.recommenders.semantic_ids.prompt_reader import PromptReader

        t5, tokens_of = self._opened()
        return PromptReader(
            shape._replace(bins=len(self._users) + 1),
            t5.to(shape.tables.device),
            tokens_of,
            direct=self.direct,
            asked=self.asked,
            seed=self.seed,
        )

    def _opened(self) -> tuple[Any, Callable[[str], list[int]]]:
        """The model before it learns, and what makes tokens of words. Raises BenchError for one without a decoder."""
        from retrievers.recommenders.semantic_ids.prompt_reader import small_t5, words_as_tokens

        if not self.model:
            return small_t5(self.decoder, self.encoder_layers, self.seed), words_as_tokens
        from retrievers.generative.encoders import TextEncoder

        whole = TextEncoder.open(self.model, ModelOptions(device=self.device))
        if not whole.generates:
            raise BenchError(
                f"model '{self.model}' has no decoder; choose an encoder-decoder (T5), or leave model empty"
            )
        return whole.model, lambda text: whole.tokens_of([text])[0]

    def _bins(self, queries: Sequence[Query]) -> np.ndarray:
        return np.array([self._users.get(query.user, 0) for query in queries], dtype=np.int64)

    def weights(self) -> list[str]:
        return [self.model] if self.model else []

    def save(self, folder: Path) -> None:
        super().save(folder)
        (folder / "users.json").write_text(json.dumps(list(self._users)), encoding="utf-8")

    def load(self, folder: Path) -> None:
        users = json.loads((folder / "users.json").read_text(encoding="utf-8"))
        self._users = {user: number for number, user in enumerate(users, 1)}
        super().load(folder)

    def facts(self) -> dict[str, Any]:
        learned = {"sequential": self.direct < 1, "direct": self.direct > 0}
        return {**super().facts(), "prompts": ", ".join(family for family, there in learned.items() if there)}
