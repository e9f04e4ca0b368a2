"""What systems that answer elsewhere share: of a collection they keep nothing but the documents' ids."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np

from bench.collections.collection import Collection, Query
from bench.errors import BenchError
from bench.rankings import Rankings, as_rankings
from bench.retriever import Retriever
from retrievers.known_ids import load_ids, save_ids


class Outside(Retriever):
    """A system whose index is not ours; its answers name documents by their ids."""

    family = "outside"

    @property
    def deterministic(self) -> bool:
        return True

    def fit(self, collection: Collection) -> Self:
        self._documents = collection.documents
        return self

    def ranked(self, queries: Sequence[Query], answers: Iterable[Any]) -> Rankings:
        """From an answer to each query: ids from the best on, (id, score) pairs, or {id: score}.

        Raises BenchError for anything else, and for an unknown document.
        """
        pairs = [scored(answer) for answer in answers]
        return as_rankings(pairs, queries, self._documents)


class Kept(Outside):
    """One that can be asked in another process: there is nothing to load but the ids."""

    def save(self, folder: Path) -> None:
        save_ids(folder, self._documents)

    def load(self, folder: Path) -> None:
        self._documents = load_ids(folder)


def scored(answer: Any) -> Any:
    """An answer with scores: ids alone have the reciprocals of their ranks."""
    if isinstance(answer, str | bytes):
        raise BenchError(
            f"the answer is the text {answer!r}; give a list of ids, of (id, score) pairs, or {{id: score}}"
        )
    if isinstance(answer, Mapping):
        return answer
    hits = list(answer) if isinstance(answer, Iterable) else answer
    if isinstance(hits, list) and all(isinstance(hit, str | int | np.integer) for hit in hits):
        return [(hit, 1 / rank) for rank, hit in enumerate(hits, start=1)]
    return hits
