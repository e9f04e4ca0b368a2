"""ULMRec: titles in place of identifiers, and users by codes (Shao et al. 2024, arXiv 2412.05543)."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from pydantic import Field, model_validator

from bench.collections.collection import Collection
from bench.collections.histories import training_sequences
from bench.options import Options
from retrievers.recommenders.semantic_ids.options import ItemBeamOptions
from retrievers.recommenders.semantic_ids.titles import END, title_identifiers
from retrievers.recommenders.semantic_ids.tokenizers import Codes, report
from retrievers.recommenders.sid import SID
from retrievers.residual import residual_k_means
from retrievers.unit_vectors import unit

if TYPE_CHECKING:
    from retrievers.recommenders.semantic_ids.sequence_model import Shape
    from retrievers.recommenders.semantic_ids.title_decoder import TitleDecoder


class UserIndexOptions(Options):
    """How users become codes."""

    levels: int = Field(2, ge=0, le=8, description="codes of a user; 0: nothing is told of the user")
    codes: int = Field(32, ge=2, le=65_536, description="different codes of a level, at most")


class TitleBeamOptions(ItemBeamOptions):
    """How titles are searched for."""

    width: int = Field(20, ge=1, description="prefixes kept at each step; also the most titles returned")


class ULMRec(SID):
    """Writes the title of the item that comes next, piece by piece, after the titles of the history.

    A user is told by codes, residual k-means of the mean vector of the texts in the history. Unlike the paper's, the
    model is no LLaMA that has read other text, but a small decoder that learns the catalogue's titles from a random
    start; there are no tasks that align users, titles and attributes beside that of the next item; users' codes come
    from what they had, since the sequences have no reviews, so that anybody with a history has some, and they are
    read as one position, the sum of their vectors. Answers are titles of the catalogue alone, and of items with equal
    titles each has an end of its own.
    """

    architecture: ClassVar[str] = "decoder-only"  # type: ignore[assignment,misc]
    reading: ClassVar[str] = "codes"  # type: ignore[assignment,misc]
    sliding: ClassVar[str] = "prefixes"  # type: ignore[assignment,misc]
    collisions: ClassVar[str] = "extra-token"  # type: ignore[assignment,misc]
    user_bins: ClassVar[int] = 0  # type: ignore[misc]
    encoder_layers: ClassVar[int] = 0  # type: ignore[misc]
    tokenizer: ClassVar[None] = None  # type: ignore[assignment,misc]

    title_tokens: int = Field(12, ge=1, le=64, description="pieces of a title, at most; the text of an item without")
    users: UserIndexOptions = Field(default_factory=UserIndexOptions, description="how users become codes")
    beams: TitleBeamOptions = Field(default_factory=TitleBeamOptions, description="how titles are searched for")

    @model_validator(mode="after")
    def _options_suit_titles(self) -> "ULMRec":
        if self.decoder.head != "shared":
            raise ValueError(f"head={self.decoder.head} writes no words; leave decoder.head at shared")
        return self

    def fit(self, collection: Collection) -> Self:
        """As `SID.fit`. Raises BenchError where no item has text."""
        self._vectors = unit(self.item_vectors(collection))
        had = [self._vectors[items].mean(axis=0) for items in training_sequences(collection)]
        levels, codes = self.users.levels, self.users.codes
        self._books = residual_k_means(np.stack(had), levels, codes, self.seed) if levels else []
        return super().fit(collection)

    def codes(self, collection: Collection, sequences: Sequence[np.ndarray]) -> Codes:  # noqa: ARG002
        """As `ItemCoder.codes`: the titles' pieces."""
        tokenizer = self._encoder.encoder.tokenizer
        shown = [document.title.strip() or document.body for document in collection.documents]
        read = tokenizer(shown, add_special_tokens=False, truncation=True, max_length=self.title_tokens)
        titles = title_identifiers([tokenizer.convert_ids_to_tokens(some) for some in read["input_ids"]], self.seed)
        self._pieces = list(titles.pieces)
        return Codes(titles.identifiers, report(titles.identifiers))

    def _network(self, shape: "Shape") -> "TitleDecoder":
        import torch

        from retrievers.recommenders.semantic_ids.title_decoder import TitleDecoder

        books = [torch.from_numpy(book) for book in self._books]
        return TitleDecoder(shape, torch.from_numpy(self._vectors), books, seed=self.seed)

    def docids(self) -> Sequence[tuple[str, ...]]:
        pieces = self._pieces
        written = [[pieces[token] for token in row[row >= 0]] for row in self._identifiers.tokens]
        return [tuple(piece for piece in title if piece != END) for title in written]

    def weights(self) -> list[str]:
        return [self.model]

    def files(self) -> list[Path]:
        return []

    def save(self, folder: Path) -> None:
        super().save(folder)
        np.save(folder / "vectors.npy", self._vectors)
        for level, book in enumerate(self._books):
            np.save(folder / f"book_{level}.npy", book)
        (folder / "pieces.json").write_text(json.dumps(self._pieces), encoding="utf-8")

    def load(self, folder: Path) -> None:
        self._vectors = np.load(folder / "vectors.npy", allow_pickle=False)
        books = (folder / f"book_{level}.npy" for level in range(self.users.levels))
        self._books = [np.load(book, allow_pickle=False) for book in books]
        self._pieces = json.loads((folder / "pieces.json").read_text(encoding="utf-8"))
        super().load(folder)

    def facts(self) -> dict[str, Any]:
        return {**super().facts(), "words": len(self._pieces) - self._pieces.count(END)}
