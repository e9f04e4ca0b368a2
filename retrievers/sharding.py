"""Exact search of an index in parts: blocks that are scored one by one, and shards of blocks that work at once."""

import sys
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np
from pydantic import Field, ValidationInfo

from bench.collections.collection import Query
from bench.rankings import Rankings
from retrievers.scoring import Batched

if TYPE_CHECKING:
    from scipy.sparse import csr_array

Hits = tuple[np.ndarray, np.ndarray]
"""Rows and float64 scores of what was found for a query."""


class Best:
    """The k best rows for each of some queries, with all that tie with the k-th, of scores that come in any parts."""

    def __init__(self, queries: int, k: int) -> None:
        self._k = k
        self._found: list[Hits] = [(np.zeros(0, dtype=np.int64), np.zeros(0))] * queries
        self._least = [-np.inf] * queries

    def __iter__(self) -> Iterator[Hits]:
        """What was found for each query."""
        return iter(self._found)

    def add(self, scores: "np.ndarray | csr_array", first: int) -> None:
        """Take scores of shape [queries, rows] into account, the first of which is the row `first`.

        -inf, or what a sparse matrix does not store, is no match. What is no number is kept, to be refused later.
        """
        lines = _dense(scores, self._least) if isinstance(scores, np.ndarray) else _sparse(scores, self._least)
        for query, (rows, values) in enumerate(lines):
            if len(rows):
                self._take(query, rows + first, values)

    def merge(self, other: "Best") -> None:
        """Take what another found for the same queries in other rows into account."""
        for query, found in enumerate(other):
            self._take(query, *found)

    def _take(self, query: int, rows: np.ndarray, values: np.ndarray) -> None:
        known, scores = self._found[query]
        if len(known):
            rows, values = np.concatenate([known, rows]), np.concatenate([scores, values])
        found = best(rows, values, self._k)
        self._found[query] = found
        if len(found[0]) >= self._k:
            self._least[query] = float(found[1].min())


def best(rows: np.ndarray, values: np.ndarray, k: int) -> Hits:
    """The k of highest value and all that tie with the k-th, in no order; what is no number counts as highest."""
    if len(values) <= k:
        return rows, values
    least = np.partition(values, len(values) - k)[len(values) - k]
    keep = ~(values < least)
    return rows[keep], values[keep]


def _dense(scores: np.ndarray, least: Sequence[float]) -> Iterator[Hits]:
    for line, threshold in zip(scores, least, strict=True):
        rows = np.flatnonzero(~(line < threshold) if threshold > -np.inf else line != -np.inf)
        yield rows, line[rows].astype(np.float64)


def _sparse(scores: "csr_array", least: Sequence[float]) -> Iterator[Hits]:
    for start, stop, threshold in zip(scores.indptr[:-1], scores.indptr[1:], least, strict=True):
        rows, values = scores.indices[start:stop], scores.data[start:stop]
        if threshold > -np.inf:
            keep = ~(values < threshold)
            rows, values = rows[keep], values[keep]
        yield rows.astype(np.int64), values.astype(np.float64)


class Sharded(Batched):
    """A system that scores texts block by block and keeps the best of each query as it goes.

    So memory does not grow with the index, and a block is scored in the same way whichever shard it is in: what is
    found does not depend on their number. A subclass implements `blocks` and `block_scores`, and `holders_of` where
    texts are not documents.
    """

    shards: int = Field(
        1, ge=1, le=256, description="parts of the index that are searched at once, by a thread each, and merged"
    )

    @property
    @abstractmethod
    def blocks(self) -> Sequence[slice]:
        """After `fit`: spans of texts that cover the index, in order."""

    @abstractmethod
    def block_scores(self, read: Any, number: int) -> "np.ndarray | csr_array":
        """Shape [queries, texts of the block], from a part of what `read` gave.

        -inf in a dense matrix, or what a SciPy sparse one does not store, is a text that did not match.
        """

    def best_scores(self, read: Any, number: int, _k: int) -> "np.ndarray | csr_array":
        """As `block_scores`, but a text that is not among the block's first k may be one that did not match.

        Overridden where it is quicker not to score every text in full.
        """
        return self.block_scores(read, number)

    def holders_of(self, texts: np.ndarray, scores: np.ndarray) -> Hits:
        """The documents that hold the texts, with their scores."""
        return texts, scores

    @property
    def width(self) -> int:
        return max(block.stop - block.start for block in self.blocks)

    def answer(self, queries: Sequence[Query], read: Any, k: int) -> Rankings:
        hits = [best(*self.holders_of(*found), k) for found in self._best(read, len(queries), k)]
        return replace(Rankings.from_hits(queries, hits), documents=self.documents)

    def _best(self, read: Any, queries: int, k: int) -> Best:
        search = partial(self._search, read, queries, k)
        number = min(self.shards, len(self.blocks))
        if number == 1:
            return search(range(len(self.blocks)))
        shards = np.array_split(np.arange(len(self.blocks)), number)
        with ThreadPoolExecutor(
            len(shards), initializer=_compute_with, initargs=(_threads() // len(shards),)
        ) as pool:
            found, *others = pool.map(search, shards)
        for other in others:
            found.merge(other)
        return found

    def _search(self, read: Any, queries: int, k: int, blocks: Iterable[int]) -> Best:
        found = Best(queries, k)
        for number in blocks:
            found.add(self.best_scores(read, number, k), self.blocks[number].start)
        return found


def even_blocks(length: int, size: int) -> list[slice]:
    """Spans of `size` that cover `length`; the last may be shorter."""
    return [slice(start, min(start + size, length)) for start in range(0, length, size)]


class _Kind(Protocol):
    kind: str

    @property
    def exact(self) -> bool: ...


Index = TypeVar("Index", bound=_Kind)


def whole_unless_exact(index: Index, info: ValidationInfo) -> Index:
    """Validates the options of an index: one that is approximate is a single structure."""
    if not index.exact and info.data.get("shards", 1) > 1:
        raise ValueError(f"{index.kind} is searched as a whole; leave shards at 1, or take exact search")
    return index


def _threads() -> int:
    """Threads with which torch computes, if it is loaded."""
    torch = sys.modules.get("torch")
    return torch.get_num_threads() if torch else 1


def _compute_with(threads: int) -> None:
    """Have torch compute with so many threads, at least one, in this thread."""
    torch = sys.modules.get("torch")
    if torch:
        torch.set_num_threads(max(1, threads))
