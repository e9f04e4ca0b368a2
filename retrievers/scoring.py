"""The loops of every system that scores all documents: batches of queries whose scores fit in memory."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from bench.collections.collection import Query
from bench.rankings import Rankings
from bench.retriever import Retriever

if TYPE_CHECKING:
    from scipy.sparse import csr_array


class Batched(Retriever):
    """A system that answers queries in batches.

    A subclass implements `answer`, and `read` where all queries are better prepared at once (an encoder sorts them by
    length) than batch by batch. What it answers a query must not depend on what else is asked.
    """

    cells: ClassVar[int] = 2**26
    """Scores held at once, which bounds a batch of queries."""

    @property
    @abstractmethod
    def documents(self) -> int:
        """After `fit`: how many documents are searched."""

    @property
    def width(self) -> int:
        """After `fit`: how many scores of one query are held at once."""
        return self.documents

    def read(self, queries: Sequence[Query]) -> Any:
        """What `answer` needs of each query, as a sequence or an array with a row for each; here the queries."""
        return queries

    @abstractmethod
    def answer(self, queries: Sequence[Query], read: Any, k: int) -> Rankings:
        """The answers to a batch, of which `read` is a part of what the method of that name gave."""

    def retrieve(self, queries: Sequence[Query], k: int) -> Rankings:
        return self.retrieve_read(queries, self.read(queries), k) if queries else Rankings.from_hits([], [])

    def retrieve_read(self, queries: Sequence[Query], read: Any, k: int) -> Rankings:
        """The answers to queries from what `read` gave of them, or from other such things."""
        step = max(1, self.cells // self.width)
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
        found = []
        for start in range(0, len(queries), step):
            span = slice(start, start + step)
            answers = self.answer(queries[span], read[span], self.documents)
            for position, wanted in enumerate(rows[span]):
                scores = np.full(self.documents, -np.inf)
                hits, values = answers.of(position)
                scores[hits] = values
                found.append(scores[wanted])
        return found


class Scoring(Batched):
    """A system that gives every document a score for a query. A subclass implements `scores` and `documents`."""

    @abstractmethod
    def scores(self, read: Any) -> "np.ndarray | csr_array":
        """Shape [queries, documents], from a part of what `read` gave.

        -inf in a dense matrix, or what a SciPy sparse one does not store, is a document that did not match.
        """

    def answer(self, queries: Sequence[Query], read: Any, k: int) -> Rankings:
        return Rankings.from_scores(queries, self.scores(read), k)
