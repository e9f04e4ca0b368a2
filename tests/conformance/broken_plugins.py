"""Retrievers that break one clause of the contract each, named by the check that is meant for it."""

import itertools
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from bench.collections.collection import Collection, Query
from bench.models import MINILM, find_weights
from bench.rankings import Rankings
from bench.retriever import Retriever


class Overlap(Retriever):
    """Counts shared words, and keeps every clause."""

    def fit(self, collection: Collection) -> None:
        self.texts = [set(text.lower().split()) for text in collection.texts()]

    def retrieve(self, queries: Sequence[Query], k: int) -> Rankings:
        return Rankings.from_scores(queries, self.scores(queries), k)

    def scores(self, queries: Sequence[Query]) -> np.ndarray:
        asked = [set(query.text.lower().split()) for query in queries]
        return np.array([[len(words & text) for text in self.texts] for words in asked], dtype=float)

    def save(self, folder: Path) -> None:
        (folder / "texts").write_text("\n".join(" ".join(sorted(text)) for text in self.texts), encoding="utf-8")

    def load(self, folder: Path) -> None:
        self.texts = [set(line.split()) for line in (folder / "texts").read_text(encoding="utf-8").split("\n")]


class Options(Overlap):
    factor: float = 1.0


class Constructor(Overlap):
    def model_post_init(self, context: Any) -> None:
        super().model_post_init(context)
        self._words = Path(__file__).read_text(encoding="utf-8")


class Collections(Overlap):
    def retrieve(self, queries: Sequence[Query], k: int) -> Rankings:
        return Rankings.from_hits(queries, [([0], [float("nan")]) for _ in queries])


class Refusals(Overlap):
    def fit(self, collection: Collection) -> None:
        if collection.name == "tiny-sequences":
            raise KeyError("title")
        super().fit(collection)


class Depth(Overlap):
    def retrieve(self, queries: Sequence[Query], k: int) -> Rankings:
        noise = np.arange(len(self.texts)) * 1e-3
        return Rankings.from_scores(queries, self.scores(queries) + noise, k + 2)


class Batches(Overlap):
    def scores(self, queries: Sequence[Query]) -> np.ndarray:
        scores = super().scores(queries)
        return scores - scores.mean(axis=0)


class Repetition(Overlap):
    def fit(self, collection: Collection) -> None:
        super().fit(collection)
        self.calls = itertools.count()

    def scores(self, queries: Sequence[Query]) -> np.ndarray:
        return np.roll(super().scores(queries), next(self.calls), axis=1)


class Seed(Overlap):
    def fit(self, collection: Collection) -> None:
        super().fit(collection)
        random.shuffle(self.texts)


class Deterministic(Overlap):
    @property
    def deterministic(self) -> bool:
        return True

    def fit(self, collection: Collection) -> None:
        super().fit(collection)
        random.Random(self.seed).shuffle(self.texts)


class Saving(Overlap):
    def load(self, folder: Path) -> None:
        super().load(folder)
        self.texts.reverse()


class SavingNothing(Overlap):
    def load(self, folder: Path) -> None:
        if (folder / "texts").exists():
            super().load(folder)


class Ids(Overlap):
    def fit(self, collection: Collection) -> None:
        super().fit(collection)
        self.order = collection.documents.id_order

    def scores(self, queries: Sequence[Query]) -> np.ndarray:
        return super().scores(queries) + self.order / 100


class SmallCollections(Overlap):
    def fit(self, collection: Collection) -> None:
        super().fit(collection)
        self.share = [1 / len(text) for text in self.texts]


class Questions(Overlap):
    def retrieve(self, queries: Sequence[Query], k: int) -> Rankings:
        assert all(len(query.text) < 5000 for query in queries), "too long"
        return super().retrieve(queries, k)


class Learning(Overlap):
    def fit(self, collection: Collection) -> None:
        super().fit(collection)
        for query, rows in collection.relevant("train"):
            for row in rows:
                self.texts[row] |= set(query.text.split())


class Weights(Overlap):
    def fit(self, collection: Collection) -> None:
        super().fit(collection)
        self.vectors = (find_weights(MINILM).folder / "config.json").open("rb").read()


class Facts(Overlap):
    def facts(self) -> dict[str, Any]:
        return {"texts": self.texts}


class Judgements(Overlap):
    hidden: str = Field("", description="where judgements lie that nobody handed it")

    def fit(self, collection: Collection) -> None:
        super().fit(collection)
        if collection.name == "tiny-rejudged":  # as one that reads the collection's folder by itself
            self.texts.reverse()
