"""One model and one set of identifiers for search and recommendation (Penha et al. 2025, arXiv 2508.10478)."""

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self

import numpy as np
from pydantic import Field, PrivateAttr, model_validator

from bench.collections.collection import Collection, Query
from bench.collections.histories import known_items
from bench.errors import BenchError
from bench.options import Options
from bench.protocols import Trace
from retrievers.encoding import refuse_textless
from retrievers.recommenders.semantic_ids.joint_data import (
    Pairs,
    held_out_searches,
    held_out_steps,
    in_words,
    questions_of,
    searches_in,
    steps_of,
)
from retrievers.recommenders.semantic_ids.options import TokenizerOptions
from retrievers.recommenders.sid import SID, Named

if TYPE_CHECKING:
    from retrievers.recommenders.semantic_ids.asked import AskedDecoderOnly
    from retrievers.recommenders.semantic_ids.examples import JointExamples
    from retrievers.recommenders.semantic_ids.sequence_model import History, Shape

Vectors = Literal["text", "search", "recommendation", "concatenated", "averaged", "joint", "separate"]
_Task = Literal["search", "recommendation"]


class JointTokenizerOptions(TokenizerOptions):
    """How items become codes, and what the vectors are made for that they come from."""

    vectors: Vectors = Field(
        "text",
        description="of the items' texts; these by a linear map learned for search, or for both; of what users "
        "have together (recommendation); search's and recommendation's concatenated or averaged; or separate: two "
        "identifiers, one that questions are answered with and one for what comes next",
    )

    @model_validator(mode="after")
    def _vectors_are_read(self) -> "JointTokenizerOptions":
        if self.vectors != "text" and not self.reads_text:
            raise ValueError(f"vectors={self.vectors} is for tokenizers that read vectors, not {self.kind}")
        return self


class QuestionOptions(Options):
    """What is learned of search."""

    share: float = Field(
        0.5, ge=0, lt=1, description="of the training examples that are searches; the others are users' sequences"
    )
    sentences: int = Field(
        6,
        ge=0,
        description="of an item's text, from its beginning, that are learned as questions for it, as its title is; "
        "0: training queries alone",
    )


class JointSID(SID):
    """Writes the identifier of the item that a question in words asks for, or that comes next in a history.

    One decoder-only model learns both, from training queries and parts of the items' texts, half of each, and from
    users' sequences; what differs is its first position, which holds the question's vector or one for all users. The
    paper's model is a T5 that reads words. A query with a history is read by it alone. The weights that are kept
    have the highest mean of MRR@10 on the questions of the split `dev` and on the users of `valid`.

    With separate vectors an item has two identifiers, in tokens of their own: its row is that of the one for
    recommendation, which is told of where one is asked for, and `len(self._rows)` more is that of the one for search.
    """

    tokenizer: JointTokenizerOptions = Field(
        default_factory=JointTokenizerOptions, description="how items become codes"
    )
    questions: QuestionOptions = Field(default_factory=QuestionOptions, description="what is learned of search")

    _remembered: dict[str, np.ndarray] = PrivateAttr(default_factory=dict)

    @model_validator(mode="after")
    def _options_suit_both_tasks(self) -> "JointSID":
        if self.architecture != "decoder-only" or self.user_bins:
            raise ValueError("joint-sid is decoder-only, and has no vectors of users (user_bins)")
        if self.tokenizer.vectors == "separate" and self.collisions not in ("nearest-unused", "recursive"):
            raise ValueError("tokenizer.vectors=separate needs collisions=nearest-unused or recursive")
        return self

    def fit(self, collection: Collection) -> Self:
        """As `SID.fit`. Raises BenchError where no item has text, or nothing of search is there to learn."""
        refuse_textless(collection)
        self._searches = searches_in(collection, self.questions.sentences, self.text_vectors)
        self._dimension = self._searches.vectors.shape[1]
        held_out = [text for text, _ in questions_of(collection, "dev")]
        if held_out:  # read once, and not after every epoch
            self._remembered = dict(zip(held_out, self.text_vectors(held_out), strict=True))
        super().fit(collection)
        self._remembered = {}
        return self

    def _named(self, collection: Collection, sequences: Sequence[np.ndarray]) -> "Named":
        if self.tokenizer.vectors != "separate":
            return super()._named(collection, sequences)
        from retrievers.recommenders.semantic_ids.two_names import with_both

        tasks: tuple[_Task, _Task] = ("recommendation", "search")
        vectors = (self._vectors(task, collection, sequences) for task in tasks)
        first, second = (self._told_apart(self.codes_of(made, sequences)) for made in vectors)
        facts = dict(zip(tasks, (first.facts, second.facts), strict=True))
        return Named(with_both(first.identifiers, second.identifiers), first.groups, facts)

    def coded(self, collection: Collection, sequences: Sequence[np.ndarray]) -> np.ndarray:
        return self._vectors(self.tokenizer.vectors, collection, sequences)

    def _vectors(self, made_for: Vectors, collection: Collection, sequences: Sequence[np.ndarray]) -> np.ndarray:
        """What the items' codes are made of, shape [items, dimension]."""
        from retrievers.recommenders.semantic_ids.joint_vectors import factors_of, fused

        if made_for == "text":
            return self.item_vectors(collection)
        if made_for == "recommendation":
            return factors_of(sequences, len(collection), self.seed)
        asked = self._projected(collection, self.item_vectors(collection), sequences)
        if made_for in ("concatenated", "averaged"):
            return fused(asked, factors_of(sequences, len(collection), self.seed), made_for)
        return asked

    def _projected(self, collection: Collection, texts: np.ndarray, sequences: Sequence[np.ndarray]) -> np.ndarray:
        """The items' text vectors by a map that is learned from training queries, and for `joint` from sequences."""
        from retrievers.recommenders.semantic_ids.joint_vectors import projected

        asked = self._searches.asked
        if not asked:
            raise BenchError(
                f"{collection.name} has no training queries in words, which tokenizer.vectors="
                f"{self.tokenizer.vectors} learns from; take text or recommendation"
            )
        learned = [Pairs(self._searches.vectors[:asked], self._searches.rows[:asked])]
        held_out = dict(held_out_searches(collection, self.text_vectors))
        if self.tokenizer.vectors == "joint":
            learned.append(steps_of(texts, sequences))
            held_out |= held_out_steps(collection, texts)
        below = self.workplace.below("vectors")
        vectors = projected(texts, learned, held_out, self.seed, below, self.progress)
        self.workplace.reused_seconds += below.reused_seconds
        return vectors

    def _network(self, shape: "Shape") -> "AskedDecoderOnly":
        from retrievers.recommenders.semantic_ids.asked import AskedDecoderOnly

        last_only, first = self.sliding == "off", self.vocabularies()[0]
        return AskedDecoderOnly(
            shape, self._dimension, first if self._second else None, last_only=last_only, seed=self.seed
        )

    def _examples(self, collection: Collection, sequences: Sequence[np.ndarray]) -> "JointExamples":  # noqa: ARG002
        from retrievers.recommenders.semantic_ids.examples import JointExamples

        users = np.zeros(len(sequences), dtype=np.int64)
        return JointExamples(
            self._windows(sequences),
            users,
            self.training.training_batch,
            self._model.tables.device,
            self._searches._replace(rows=self._searches.rows + self._second),
            self.questions.share,
        )

    def _evaluation(self, collection: Collection) -> Callable[[], dict[str, float]] | None:
        """Measures how the model answers questions of `dev` and users of `valid`, of what is not asked."""
        parts = {"next_item": super()._evaluation(collection)}
        asked = [(query, rows[0]) for query, rows in collection.relevant("dev") if in_words(query) and len(rows)]
        if asked:
            parts["search"] = self._measured_on([one for one, _ in asked], np.array([row for _, row in asked]))
        measured = {name: part for name, part in parts.items() if part}
        if not measured:
            return None

        def evaluate() -> dict[str, float]:
            found = {name: part()["MRR@10"] for name, part in measured.items()}
            each = {f"MRR@10 of {name}": value for name, value in found.items()}
            return {"MRR@10": float(np.mean(list(found.values()))), **each}

        return evaluate

    def _read(self, queries: Sequence[Query]) -> "tuple[list[int], History]":
        """The places of queries in words or with a known item, and what the model reads of these."""
        import torch

        histories = [items[-self.longest :] for items in known_items(queries, self._rows)]
        asking = [place for place, query in enumerate(queries) if in_words(query)]
        vectors = np.zeros((len(queries), self._dimension), dtype=np.float32)
        if asking:
            vectors[asking] = self._question_vectors([queries[place].text for place in asking])
        known = [place for place, items in enumerate(histories) if len(items) or vectors[place].any()]
        history = self._history([histories[place] for place in known], np.zeros(len(known), dtype=np.int64))
        questions = torch.from_numpy(vectors[known]).to(self._model.tables.device)
        return known, history._replace(questions=questions)

    @property
    def _second(self) -> int:
        """What is added to an item's row for the identifier that questions are answered with: 0 if it has but one."""
        return len(self._identifiers) - len(self._rows)

    def _found(self, history: "History", ids: Sequence[str], k: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for rows, scores in super()._found(history, ids, k):
            yield rows % len(self._rows), scores

    def traces(self, queries: Sequence[Query], rows: Sequence[np.ndarray], k: int) -> Iterator[list[Trace]]:  # noqa: ARG002
        found: dict[int, list[Trace]] = {}
        for asked in (False, True):
            places = [place for place, query in enumerate(queries) if in_words(query) == asked]
            tokens = self._identifiers.tokens[self._second if asked else 0 :]
            told = self._traced([queries[place] for place in places], [rows[place] for place in places], tokens)
            found |= dict(zip(places, told, strict=True))
        return iter([found[place] for place in range(len(queries))])

    def docids(self) -> Sequence[tuple[str, ...]]:
        return super().docids()[: len(self._rows)]

    def vocabularies(self) -> Sequence[int]:
        own = super().vocabularies()
        return [size // 2 for size in own] if self._second else own

    def _question_vectors(self, texts: Sequence[str]) -> np.ndarray:
        known = self._remembered
        if all(text in known for text in texts):
            return np.stack([known[text] for text in texts])
        return self.encode(texts)

    def weights(self) -> list[str]:
        return [self.model]

    def save(self, folder: Path) -> None:
        super().save(folder)
        (folder / "questions.json").write_text(json.dumps({"dimension": self._dimension}))

    def load(self, folder: Path) -> None:
        self._dimension = json.loads((folder / "questions.json").read_text())["dimension"]
        super().load(folder)
