"""Several systems asked at once, and their lists fused."""

from collections.abc import Mapping, Sequence
from typing import Any, Self

from pydantic import Field, model_validator

from bench.collections.collection import Query
from bench.parts import Part
from bench.rankings import Rankings
from bench.retriever import Retriever
from retrievers.composed.composed import Composed
from retrievers.composed.fusion import Method, fuse
from retrievers.sharding import best


class Hybrid(Composed):
    """Fusion of the lists of several systems: by reciprocal rank, or by sums of scores.

    `rrf` sums 1 / (60 + rank) (Cormack, Clarke and Büttcher 2009); `sum` the scores as they are, none below 0;
    `min-max` scores between 0 and 1 of each list (Lee 1997); `dbsf` their places in the list's distribution. A
    document that a list lacks gets nothing from it.
    """

    parts: dict[str, Part] = Field(
        {"bm25": "bm25", "sbert": "sbert"},
        min_length=2,
        description='systems, as ["bm25", "sbert"] or { a = "bm25", ... }',
    )
    method: Method = Field("rrf", description="how their lists are fused")
    factors: dict[str, float] = Field(
        default_factory=dict, description="factor of each part's share, by the part's name; 1 where none is given"
    )
    depth: int = Field(100, ge=1, description="documents taken of each part; more where more are asked for")
    constant: float = Field(60, ge=0, description="rrf: what is added to a rank")

    @model_validator(mode="after")
    def _knows_its_parts(self) -> Self:
        unknown = self.factors.keys() - self.parts.keys()
        if unknown:
            raise ValueError(
                f"factors name '{min(unknown)}', which is no part; the parts are {', '.join(self.parts)}"
            )
        return self

    def named(self) -> Mapping[str, Retriever]:
        return self.parts

    def retrieve(self, queries: Sequence[Query], k: int) -> Rankings:
        self.begin()
        lists = [self.asked(name, queries, max(k, self.depth)) for name in self.parts]
        weights = [self.factors.get(name, 1.0) for name in self.parts]
        return Rankings.from_hits(
            queries,
            [
                best(*fuse([one.of(position) for one in lists], weights, self.method, self.constant), k)
                for position in range(len(queries))
            ],
        )

    def facts(self) -> dict[str, Any]:
        return {"missing": "adds nothing", **super().facts()}
