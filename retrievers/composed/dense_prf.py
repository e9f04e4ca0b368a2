"""Dense retrieval asked again with a query that has moved towards its first answers."""

from collections.abc import Mapping, Sequence
from typing import Self

import numpy as np
from pydantic import Field, model_validator

from bench.collections.collection import Query
from bench.parts import Part
from bench.protocols import SearchesVectors
from bench.rankings import Rankings
from bench.retriever import Retriever
from retrievers.composed.composed import Composed
from retrievers.dense.ann import refuse_approximate


class DensePRF(Composed):
    """Rocchio's feedback on vectors: the new query is `query` times the old one and `feedback` times the mean answer.

    Li et al. 2021 (vector PRF). With query = 1 / (1 + n) and feedback = n / (1 + n) of n documents it is their
    average of all. The new vector has the old one's length, so that scores stay comparable.
    """

    part: Part = Field("sbert", description="dense system that is asked twice")
    feedback_documents: int = Field(3, ge=1, description="first answers whose vectors are read")
    query: float = Field(0.6, ge=0, description="weight of the query's own vector")
    feedback: float = Field(0.4, ge=0, description="weight of the mean of the feedback vectors")

    @model_validator(mode="after")
    def _moves_vectors(self) -> Self:
        if not isinstance(self.part, SearchesVectors):
            raise ValueError(f"part: {type(self.part).__name__} has no single query vector to move; take sbert")
        refuse_approximate("part", self.part)
        if not self.query + self.feedback:
            raise ValueError("query and feedback are both 0; give one some weight")
        return self

    def named(self) -> Mapping[str, Retriever]:
        return {"part": self.part}

    def retrieve(self, queries: Sequence[Query], k: int) -> Rankings:
        self.begin()
        if not queries:
            return Rankings.from_hits([], [])
        with self.timed("part"):
            vectors = self.part.query_vectors(queries)
        first = self.asked("part", queries, self.feedback_documents, vectors)
        with self.timed("part"):
            moved = [self._moved(vectors[position], first.of(position)[0]) for position in range(len(queries))]
            found: Rankings = self.part.search_vectors(queries, moved, k)
        return found

    def _moved(self, vector: np.ndarray, rows: np.ndarray) -> np.ndarray:
        mean = np.mean(self.part.document_vectors(rows), axis=0) if len(rows) else np.zeros_like(vector)
        moved = self.query * vector + self.feedback * mean
        length = np.linalg.norm(moved)
        return moved * (np.linalg.norm(vector) / length) if length else vector
