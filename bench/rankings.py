"""Rankings: the one canonical result of a system, from which every figure and every run file is made."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from reprlib import repr as short
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from bench.collections.collection import Documents, Query
from bench.errors import BenchError

if TYPE_CHECKING:
    import pandas as pd
    from scipy.sparse import spmatrix

_FRAME = {
    "query": ("query", "query_id", "qid", "user"),
    "document": ("document", "document_id", "doc_id", "docid", "docno", "item"),
    "score": ("score",),
}
"""Columns of a frame of answers, and how they may be called."""


@dataclass(frozen=True, repr=False)
class Rankings:
    """Answers to a sequence of queries.

    `rows[offsets[i]:offsets[i + 1]]` are the collection rows of the documents found for `query_ids[i]`,
    and `scores` (float64) their scores. A retriever returns rankings in any order; `canonical` makes
    the total order that everything else relies on. `documents` is the number of documents that were scored,
    where it is known: then `canonical` refuses a collection of another size.
    """

    query_ids: Sequence[str]
    offsets: np.ndarray
    rows: np.ndarray
    scores: np.ndarray
    documents: int | None = None

    def __repr__(self) -> str:
        return f"Rankings({len(self):,} queries, {len(self.rows):,} hits)"

    @classmethod
    def from_scores(
        cls, queries: Sequence[Query], scores: "np.ndarray | spmatrix", k: int, first: int | None = None
    ) -> Self:
        """From a score matrix of shape [queries, documents], columns in the collection's order.

        In a dense matrix -inf marks a document that did not match; in a SciPy sparse matrix only stored
        entries match. Keeps the k best of each query and all that tie with the k-th, so that the cut is
        decided by the canonical order and not by the order of the corpus. `first` is the row of the
        first column, for a matrix that covers a part of the collection. Raises BenchError for another shape
        and for values that are not real numbers.
        """
        matrix = scores if _is_sparse(scores) else np.asarray(scores)
        _refuse_type(matrix.dtype, "iuf", "a score matrix", "real numbers")
        if len(matrix.shape) != 2:
            raise BenchError(f"scores of shape {matrix.shape}; give one row for each query, one column a document")
        if matrix.shape[0] != len(queries):
            raise BenchError(f"{matrix.shape[0]} rows of scores for {len(queries)} queries; give one row each")
        found = [_best(*columns, k) for columns in _matched(matrix)]
        parts = [(rows + (first or 0), values) for rows, values in found]
        return cls._from_parts(queries, parts, matrix.shape[1] if first is None else None)

    @classmethod
    def from_hits(
        cls, queries: Sequence[Query], hits: Iterable[tuple[Sequence[int] | np.ndarray, Sequence[float] | np.ndarray]]
    ) -> Self:
        """From one pair (document rows, scores) for each query, in any order."""
        return cls._from_parts(queries, [(np.asarray(rows), np.asarray(values)) for rows, values in hits])

    @classmethod
    def from_ids(
        cls, queries: Sequence[Query], hits: Iterable[Sequence[tuple[str, float]]], documents: Documents
    ) -> Self:
        """From (document id, score) pairs for each query. Raises BenchError for an unknown id."""
        answers = list(hits)
        _refuse_count(answers, queries)
        parts = []
        for query, answer in zip(queries, answers, strict=True):
            for document_id, _ in answer:
                if document_id not in documents.rows:
                    raise BenchError(
                        f"query '{query.id}': the unknown document '{document_id}' was returned; "
                        "return only ids of the collection that `fit` was given"
                    )
            rows = np.array([documents.rows[document_id] for document_id, _ in answer], dtype=np.int64)
            parts.append((rows, np.asarray([score for _, score in answer])))
        return cls._from_parts(queries, parts)

    @classmethod
    def _from_parts(
        cls, queries: Sequence[Query], parts: Sequence[tuple[np.ndarray, np.ndarray]], documents: int | None = None
    ) -> Self:
        _refuse_count(parts, queries)
        for query, (rows, values) in zip(queries, parts, strict=True):
            if rows.shape != values.shape or rows.ndim != 1:
                raise BenchError(
                    f"query '{query.id}': documents of shape {rows.shape}, but scores of shape {values.shape}; "
                    "give two lists of one length"
                )
            if len(rows):
                _refuse_type(rows.dtype, "iu", f"query '{query.id}': document rows", "integers, or ids by from_ids")
                _refuse_type(values.dtype, "iuf", f"query '{query.id}': scores", "real numbers")
        lengths = [len(rows) for rows, _ in parts]
        return cls(
            query_ids=[query.id for query in queries],
            offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
            rows=_join([rows for rows, _ in parts], np.int64),
            scores=_join([values for _, values in parts], np.float64),
            documents=documents,
        )

    @classmethod
    def concatenate(cls, parts: Sequence[Self]) -> Self:
        """One answer from the answers to consecutive batches of queries."""
        sizes = {part.documents for part in parts if part.documents is not None}
        if len(sizes) > 1:
            raise BenchError(f"batches scored {short(sorted(sizes))} documents; score the same ones in each")
        starts = np.cumsum([0, *(len(part.rows) for part in parts)])
        offsets = [part.offsets[1:] + start for part, start in zip(parts, starts, strict=False)]
        return cls(
            query_ids=[query_id for part in parts for query_id in part.query_ids],
            offsets=np.concatenate([[0], *offsets]).astype(np.int64),
            rows=_join([part.rows for part in parts], np.int64),
            scores=_join([part.scores for part in parts], np.float64),
            documents=max(sizes, default=None),
        )

    def __len__(self) -> int:
        return len(self.query_ids)

    def __iter__(self) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
        """(query id, document rows, scores) for each query."""
        for position, query_id in enumerate(self.query_ids):
            yield query_id, *self.of(position)

    def of(self, position: int) -> tuple[np.ndarray, np.ndarray]:
        """Document rows and scores of the query at `position`."""
        span = slice(self.offsets[position], self.offsets[position + 1])
        return self.rows[span], self.scores[span]

    @property
    def lengths(self) -> np.ndarray:
        """Shape [queries]: how many documents were found."""
        return np.diff(self.offsets)

    @property
    def owners(self) -> np.ndarray:
        """Shape [hits]: the position of the query that each hit answers."""
        return np.repeat(np.arange(len(self)), self.lengths)

    def take(self, positions: Sequence[int]) -> Self:
        """The answers to some of the queries, in the order of `positions`."""
        parts = [self.of(position) for position in positions]
        return type(self)(
            query_ids=[self.query_ids[position] for position in positions],
            offsets=np.cumsum([0, *(len(rows) for rows, _ in parts)]).astype(np.int64),
            rows=_join([rows for rows, _ in parts], np.int64),
            scores=_join([scores for _, scores in parts], np.float64),
            documents=self.documents,
        )

    def without_histories(self, queries: Sequence[Query], documents: Documents) -> Self:
        """The answers without what the history of their query holds. `queries` are those asked, in their order."""
        size = len(documents)
        hidden = [
            owner * size + documents.rows[item]
            for owner, query in enumerate(queries)
            for item in query.history
            if item in documents.rows
        ]
        kept = ~np.isin(self.owners * size + self.rows, np.array(hidden, dtype=np.int64))
        return type(self)(
            query_ids=self.query_ids,
            offsets=np.concatenate([[0], np.cumsum(kept)])[self.offsets],
            rows=self.rows[kept],
            scores=self.scores[kept],
            documents=self.documents,
        )

    def canonical(self, queries: Sequence[Query], documents: Documents, k: int, exclude_self: bool = False) -> Self:
        """The total order: score descending, then document id ascending, at most k for each query.

        With `exclude_self` a document whose id equals the query's is left out before the cut. Raises
        BenchError for a wrong set of queries, an unknown row, a repeated document or a score that is not
        finite; a mistake never becomes a low figure.
        """
        expected = [query.id for query in queries]
        if list(self.query_ids) != expected:
            raise BenchError("the answers are not to the queries asked, in their order; keep that order")
        self._check(documents)
        order = np.lexsort((documents.id_order[self.rows], -self.scores, self.owners))
        keep = np.ones(len(order), dtype=bool)
        if exclude_self:
            own = np.array([documents.rows.get(query_id, -1) for query_id in expected], dtype=np.int64)
            keep = self.rows[order] != own[self.owners]
        order, owners = order[keep], self.owners[keep]
        starts = np.searchsorted(owners, np.arange(len(self)))
        inside = np.arange(len(owners)) - starts[owners] < k
        return type(self)(
            query_ids=expected,
            offsets=np.searchsorted(owners[inside], np.arange(len(self) + 1)),
            rows=self.rows[order][inside],
            scores=self.scores[order][inside],
            documents=self.documents,
        )

    def frame(self, documents: Documents) -> "pd.DataFrame":
        """A pandas frame with the columns query, document, rank and score."""
        import pandas as pd

        ranks = np.arange(len(self.rows)) - self.offsets[:-1][self.owners] + 1
        return pd.DataFrame(
            {
                "query": np.asarray(self.query_ids, dtype=object)[self.owners],
                "document": documents.ids(self.rows),
                "rank": ranks,
                "score": self.scores,
            }
        )

    def _check(self, documents: Documents) -> None:
        if self.documents not in (None, len(documents)):
            raise BenchError(
                f"scores for {self.documents:,} documents, but the collection has {len(documents):,}; give one "
                "column for each, in the collection's order (for a part of them: from_scores(..., first=ROW))"
            )
        self._refuse((self.rows < 0) | (self.rows >= len(documents)), "a document that is not in the collection")
        self._refuse(~np.isfinite(self.scores), "a score that is not a finite number")
        order = np.lexsort((self.rows, self.owners))
        repeated = np.zeros(len(order), dtype=bool)
        repeated[order[1:]] = (np.diff(self.rows[order]) == 0) & (np.diff(self.owners[order]) == 0)
        self._refuse(repeated, "a document twice")

    def _refuse(self, bad: np.ndarray, what: str) -> None:
        if bad.any():
            hit = int(np.argmax(bad))
            raise BenchError(
                f"query '{self.query_ids[self.owners[hit]]}': the retriever returned {what} "
                f"(row {self.rows[hit]}, score {self.scores[hit]}, {int(bad.sum())} such hits); mend its retrieve()"
            )


def as_rankings(answer: Any, queries: Sequence[Query], documents: Documents, k: int | None = None) -> Rankings:
    """What people have as answers to `queries`, as Rankings that are still to be made canonical.

    Takes Rankings; a mapping from query id to {document id: score} or to (document id, score) pairs, in which a
    query that is absent has no answer; a list of such answers, one for each query in order; a frame with the
    columns query, document and score; a score matrix of shape [queries, documents], of which the `k` best are taken
    with those that tie with the last. Raises BenchError for anything else, with what was found in its place.
    """
    if isinstance(answer, Rankings):
        return answer
    if isinstance(answer, Mapping):
        return Rankings.from_ids(queries, _by_query(answer, queries), documents)
    if hasattr(answer, "columns"):
        return Rankings.from_ids(queries, _by_query(_of_frame(answer), queries), documents)
    if isinstance(answer, np.ndarray) or _is_sparse(answer):
        return Rankings.from_scores(queries, answer, len(documents) if k is None else k)
    if isinstance(answer, list | tuple):
        _refuse_count(answer, queries)
        pairs = [_pairs(query.id, hits) for query, hits in zip(queries, answer, strict=True)]
        return Rankings.from_ids(queries, pairs, documents)
    raise BenchError(
        f"the answers are {_kind(answer)}; give Rankings, a mapping from query id to {{document id: score}}, "
        "a list with an answer for each query, or a frame with the columns query, document, score"
    )


def _by_query(answer: Mapping[Any, Any], queries: Sequence[Query]) -> list[list[tuple[str, Any]]]:
    found = {_id(query_id): hits for query_id, hits in answer.items()}
    unknown = found.keys() - {query.id for query in queries}
    if unknown:
        raise BenchError(
            f"answers to {len(unknown)} queries that were not asked, such as '{min(unknown)}'; "
            "leave them out, or name the collection that they belong to"
        )
    return [_pairs(query.id, found.get(query.id, {})) for query in queries]


def _pairs(query_id: str, hits: Any) -> list[tuple[str, Any]]:
    items = list(hits.items()) if isinstance(hits, Mapping) else hits
    if not isinstance(items, list | tuple) or not all(
        isinstance(hit, list | tuple) and len(hit) == 2 for hit in items
    ):
        raise BenchError(
            f"query '{query_id}': the answer is {_kind(hits)}; give {{document id: score}}, or (id, score) pairs"
        )
    return [(_id(document_id), score) for document_id, score in items]


def _of_frame(frame: Any) -> dict[str, list[tuple[str, Any]]]:
    names = {}
    for wanted, known in _FRAME.items():
        names[wanted] = next((name for name in known if name in frame.columns), "")
        if not names[wanted]:
            raise BenchError(
                f"the frame has no column '{wanted}' (it has {', '.join(map(str, frame.columns))}); "
                "give query, document and score"
            )
    found: dict[str, list[tuple[str, Any]]] = {}
    for query_id, document_id, score in zip(*(frame[name] for name in names.values()), strict=True):
        found.setdefault(_id(query_id), []).append((document_id, score))
    return found


def _id(value: Any) -> str:
    """An id as text: people's frames hold numbers."""
    if isinstance(value, str):
        return value
    if isinstance(value, int | np.integer) and not isinstance(value, bool):
        return str(value)
    raise BenchError(f"{_kind(value)} is no id; give a text or an integer")


def _kind(value: Any) -> str:
    return f"{type(value).__name__} {short(value)}"


def _refuse_count(answers: Sequence[Any], queries: Sequence[Query]) -> None:
    if len(answers) != len(queries):
        raise BenchError(f"{len(answers)} answers to {len(queries)} queries; answer each, with nothing if need be")


def _refuse_type(dtype: Any, kinds: str, what: str, wanted: str) -> None:
    if getattr(dtype, "kind", "") not in kinds:
        raise BenchError(f"{what} of the type {dtype}; give {wanted}")


def _is_sparse(scores: Any) -> bool:
    if isinstance(scores, np.ndarray):
        return False
    from scipy.sparse import issparse

    return issparse(scores)


def _matched(scores: Any) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Columns and values that matched, for each row of a dense or sparse matrix."""
    if isinstance(scores, np.ndarray):
        for line in scores:
            columns = np.flatnonzero(line != -np.inf)
            yield columns, line[columns].astype(np.float64)
        return
    matrix = scores.tocsr()
    matrix.sum_duplicates()
    for start, stop in zip(matrix.indptr[:-1], matrix.indptr[1:], strict=True):
        yield matrix.indices[start:stop].astype(np.int64), matrix.data[start:stop].astype(np.float64)


def _best(columns: np.ndarray, values: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The k best and all that tie with the k-th; values that are not numbers are kept, to be refused."""
    if len(values) <= k:
        return columns, values
    threshold = np.partition(values, len(values) - k)[len(values) - k]
    keep = ~(values < threshold)
    return columns[keep], values[keep]


def _join(arrays: Sequence[np.ndarray], dtype: type) -> np.ndarray:
    return np.concatenate([np.zeros(0, dtype=dtype), *arrays]).astype(dtype)
