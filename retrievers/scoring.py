"""The loop of every system that scores all documents: batches of queries whose score matrices fit in memory."""

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from bench.collections.collection import Query
from bench.rankings import Rankings
from bench.retriever import Retriever

if TYPE_CHECKING:
    from scipy.sparse import csr_array


class Scoring(Retriever):
    """A system that gives every document a score for a query.

    A subclass implements `scores` and `documents`, and `read` where all queries are better prepared at once (an
    encoder sorts them by length) than batch by batch. What it answers a query must not depend on what else is asked.
    """

    cells: ClassVar[int] = 2**26
    """Scores held at once, which bounds a batch of queries."""

    @property
    @abstractmethod
    def documents(self) -> int:
        """After `fit`: how many documents are scored."""

    def read(self, queries: Sequence[Query]) -> Any:
        """What `scores` needs of each query, as a sequence or an array with a row for each; here the queries."""
        return queries

    @abstractmethod
    def scores(self, read: Any) -> "np.ndarray | csr_array":
        """Shape [queries, documents], from a part of what `read` gave.

        -inf in a dense matrix, or what a SciPy sparse one does not store, is a document that did not match.
        """

    def answer(self, queries: Sequence[Query], read: Any, k: int) -> Rankings:
        """The answers to a batch; overridden where not every document is scored."""
        return Rankings.from_scores(queries, self.scores(read), k)

    def retrieve(self, queries: Sequence[Query], k: int) -> Rankings:
        return self.retrieve_read(queries, self.read(queries), k)

    def retrieve_read(self, queries: Sequence[Query], read: Any, k: int) -> Rankings:
        """The answers to queries from what `read` gave of them, or from other such things."""
        step = max(1, self.cells // self.documents)
        parts = []
        for start in range(0, len(queries), step):
            span = slice(start, start + step)
            parts.append(self.answer(queries[span], read[span], k))
            self.progress("retrieving", min(span.stop, len(queries)), len(queries))
        return Rankings.concatenate(parts)

    def score(self, queries: Sequence[Query], rows: Sequence[np.ndarray]) -> list[np.ndarray]:
        """For each query the scores of the documents in its array of rows; -inf for one that did not match.

        Overridden where it is quicker not to score all documents first.
        """
        read = self.read(queries)
        step = max(1, self.cells // self.documents)
        found: list[np.ndarray] = []
        for start in range(0, len(queries), step):
            span = slice(start, start + step)
            found += map(of_rows, _lines(self.scores(read[span])), rows[span])
        return found


def _lines(scores: "np.ndarray | csr_array") -> "Iterator[np.ndarray | csr_array]":
    return (scores[[line]] for line in range(scores.shape[0]))


def of_rows(line: "np.ndarray | csr_array", rows: np.ndarray) -> np.ndarray:
    """Of one query's scores of all documents, shape [1, documents], those of some rows."""
    if isinstance(line, np.ndarray):
        return line[0, rows]
    found = np.full(line.shape[1], -np.inf)
    found[line.indices] = line.data
    return found[rows]
