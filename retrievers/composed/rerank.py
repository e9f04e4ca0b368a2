"""A second system orders what a first one has found."""

from collections.abc import Mapping, Sequence
from typing import Self

import numpy as np
from pydantic import Field, model_validator

from bench.collections.collection import Query
from bench.parts import Part
from bench.protocols import ScoresDocuments
from bench.rankings import Rankings
from bench.retriever import Retriever
from retrievers.composed.composed import Composed
from retrievers.dense.ann import refuse_approximate
from retrievers.sharding import best


class Rerank(Composed):
    """The first system's best documents in the order of the second one's scores; the rest below, as it was.

    The second system scores these documents and no others. One that does not match in its eyes stays below those
    that do, in the first system's order. The recall of what was scored stands beside the figures as `ceiling`.
    """

    first: Part = Field("bm25", description="system that finds the candidates")
    second: Part = Field("colbert", description="system that scores them")
    depth: int = Field(100, ge=1, description="candidates that are scored; those below keep their order")

    @model_validator(mode="after")
    def _can_score(self) -> Self:
        if not isinstance(self.second, ScoresDocuments):
            raise ValueError(
                f"second: {type(self.second).__name__} cannot score documents that another system found; take one "
                "that has `score`, such as colbert, sbert, splade, bm25 or cross-encoder"
            )
        refuse_approximate("second", self.second)
        return self

    def named(self) -> Mapping[str, Retriever]:
        return {"first": self.first, "second": self.second}

    def retrieve(self, queries: Sequence[Query], k: int) -> Rankings:
        self.begin()
        found = self.asked("first", queries, max(k, self.depth))
        lists = [found.of(position) for position in range(len(queries))]
        heads = [rows[: self.depth] for rows, _ in lists]
        with self.timed("second"):
            scored = self.second.score(queries, heads) if queries else []
        self._candidates = Rankings.from_hits(queries, [(rows, np.zeros(len(rows))) for rows in heads])
        return Rankings.from_hits(
            queries,
            [best(rows, below(scores, len(rows)), k) for (rows, _), scores in zip(lists, scored, strict=True)],
        )

    def candidates(self) -> Rankings:
        return self._candidates


def below(scores: np.ndarray, size: int) -> np.ndarray:
    """Scores for a whole list from those of its head, where -inf did not match: the rest stays below."""
    padded = np.full(size, -np.inf)
    padded[: len(scores)] = scores
    without = np.flatnonzero(padded == -np.inf)
    lowest = float(padded[padded > -np.inf].min(initial=0.0))
    padded[without] = lowest - max(1.0, abs(lowest)) * np.arange(1, len(without) + 1)
    return padded
