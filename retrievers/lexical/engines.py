"""The two libraries that compute BM25, behind one interface: term numbers in, scores of matching documents out."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from bench.libraries import import_bm25s
from retrievers.ragged import flatten

if TYPE_CHECKING:
    from scipy.sparse import csr_array

Variant = Literal["lucene", "robertson", "atire", "bm25+", "bm25l", "okapi"]
Terms = Sequence[int]
"""Numbers of a text's terms, repeated as often as they occur."""


@dataclass(frozen=True)
class Formula:
    """Which BM25, with its parameters."""

    variant: Variant
    k1: float
    b: float
    delta: float
    epsilon: float


class Engine(ABC):
    """An index of documents that are given as term numbers."""

    variants: ClassVar[tuple[Variant, ...]]

    def __init__(self, formula: Formula, shards: int = 1) -> None:
        self.formula = formula
        self.shards = shards

    @abstractmethod
    def index(self, documents: Sequence[Terms], size: int) -> None:
        """Index documents over `size` different terms, of which at least one occurs."""

    @property
    @abstractmethod
    def blocks(self) -> Sequence[slice]:
        """Spans of documents that are scored together; what a term weighs is decided by all documents."""

    @abstractmethod
    def scores(self, queries: Sequence[Terms], number: int) -> "csr_array":
        """Shape [queries, documents of a block]: an entry for each with a term of the query, even if it is 0."""

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write the index into a folder."""

    @abstractmethod
    def load(self, folder: Path) -> None:
        """Read what `save` wrote."""

    @property
    @abstractmethod
    def documents(self) -> int:
        """How many documents are indexed."""


class Bm25sEngine(Engine):
    """bm25s (Lù 2024): every document's share of every term is computed when indexing.

    A query's scores are then a sum of rows of a sparse matrix [terms, documents], and a batch of queries is one
    sparse product, which reaches only documents that match. The shares are the float32 values of bm25s; they are
    summed in float64, where the sum of a few is exact, so that neither the order of the terms nor that of the corpus
    breaks or makes a tie.
    """

    variants = ("lucene", "robertson", "atire", "bm25+", "bm25l")

    block: ClassVar[int] = 2**20
    """Documents, at most, that a product reaches."""

    _LEAST = np.finfo(np.float64).tiny
    """Stands for a share of 0 (a term in every document), which a sparse product would take for no match."""

    def index(self, documents: Sequence[Terms], size: int) -> None:
        from scipy.sparse import csr_array

        formula = self.formula
        bm25s = import_bm25s()
        library = bm25s.BM25(k1=formula.k1, b=formula.b, delta=formula.delta, method=formula.variant)
        numbers = {str(term): term for term in range(size)}
        library.index(bm25s.tokenization.Tokenized(documents, numbers), create_empty_token=False, show_progress=False)
        absent = library.nonoccurrence_array
        # BM25+ and BM25L give a document this for a term that it lacks; the shares are what exceeds it.
        self._absent = np.zeros(size) if absent is None else absent.astype(np.float64)
        found = library.scores
        whole = csr_array((found["data"], found["indices"], found["indptr"]), shape=(size, found["num_docs"]))
        parts = max(self.shards, -(-whole.shape[1] // self.block))
        bounds = np.unique(np.linspace(0, whole.shape[1], parts + 1).astype(np.int64))
        self._bounds = bounds
        self._shares = [self._exact(whole[:, start:stop]) for start, stop in pairwise(bounds)]

    def _exact(self, shares: "csr_array") -> "csr_array":
        exact = shares.astype(np.float64)
        exact.data[exact.data == 0] = self._LEAST
        return exact

    @property
    def blocks(self) -> Sequence[slice]:
        return [slice(start, stop) for start, stop in pairwise(self._bounds.tolist())]

    def scores(self, queries: Sequence[Terms], number: int) -> "csr_array":
        terms, offsets = flatten(queries)
        asked = _sparse(np.ones(len(terms)), terms, offsets, len(self._absent))
        found = asked @ self._shares[number]
        found.data[found.data < 1e-300] = 0.0
        if self._absent.any():
            found.data += np.repeat(asked @ self._absent, np.diff(found.indptr))
        # No document comes twice in a row; that rows are not sorted by document matters to nobody.
        found.has_canonical_format = True
        return found

    def save(self, folder: Path) -> None:
        np.save(folder / "bounds.npy", self._bounds)
        np.save(folder / "absent.npy", self._absent)
        for number, block in enumerate(self._shares):
            np.save(folder / f"shares-{number}.npy", block.data.astype(np.float32))
            np.save(folder / f"documents-{number}.npy", block.indices)
            np.save(folder / f"offsets-{number}.npy", block.indptr)

    def load(self, folder: Path) -> None:
        self._bounds, self._absent = _array(folder, "bounds"), _array(folder, "absent")
        self._shares = []
        for number, width in enumerate(np.diff(self._bounds)):
            names = ("shares", "documents", "offsets")
            shares, documents, offsets = (_array(folder, f"{name}-{number}") for name in names)
            self._shares.append(self._exact(_sparse(shares, documents, offsets, int(width))))

    @property
    def documents(self) -> int:
        return int(self._bounds[-1])


class RankBm25Engine(Engine):
    """rank-bm25 (Brown 2020): every document is scored for every query.

    Its BM25Plus is bm25s' bm25+. Its BM25Okapi is Robertson's formula times k1 + 1 as long as no term of the query is
    in half of the documents; a negative idf becomes `epsilon` times the mean idf. Its BM25L is not bm25s' bm25l: it
    multiplies by the term frequency once more, and gives nothing for a term that a document lacks.
    """

    variants = ("okapi", "bm25+", "bm25l")

    def index(self, documents: Sequence[Terms], size: int) -> None:
        import rank_bm25

        formula = self.formula
        kinds: dict[str, Any] = {
            "okapi": (rank_bm25.BM25Okapi, {"epsilon": formula.epsilon}),
            "bm25+": (rank_bm25.BM25Plus, {"delta": formula.delta}),
            "bm25l": (rank_bm25.BM25L, {"delta": formula.delta}),
        }
        kind, parameters = kinds[formula.variant]
        self._library = kind(documents, k1=formula.k1, b=formula.b, **parameters)
        self._size = size
        self._terms, self._offsets = flatten(documents)
        self._occurs = _sparse(np.ones(len(self._terms)), self._terms, self._offsets, size).tocsc()

    @property
    def blocks(self) -> Sequence[slice]:
        return [slice(0, self.documents)]

    def scores(self, queries: Sequence[Terms], number: int) -> "csr_array":  # noqa: ARG002
        matched = [np.unique(self._occurs[:, sorted(set(query))].indices) for query in queries]
        values = [self._library.get_scores(query)[rows] for query, rows in zip(queries, matched, strict=True)]
        offsets = np.cumsum([0, *map(len, matched)])
        return _sparse(np.concatenate(values), np.concatenate(matched), offsets, self.documents)

    def save(self, folder: Path) -> None:
        np.save(folder / "terms.npy", self._terms)
        np.save(folder / "offsets.npy", self._offsets)
        np.save(folder / "size.npy", np.array(self._size))

    def load(self, folder: Path) -> None:
        terms, offsets, size = (_array(folder, name) for name in ("terms", "offsets", "size"))
        self.index([part.tolist() for part in np.split(terms, offsets[1:-1])], int(size))

    @property
    def documents(self) -> int:
        return len(self._offsets) - 1


ENGINES: dict[str, type[Engine]] = {"bm25s": Bm25sEngine, "rank-bm25": RankBm25Engine}


def _sparse(values: np.ndarray, columns: np.ndarray, offsets: np.ndarray, width: int) -> "csr_array":
    from scipy.sparse import csr_array

    return csr_array((values, columns, offsets), shape=(len(offsets) - 1, width))


def _array(folder: Path, name: str) -> np.ndarray:
    return np.load(folder / f"{name}.npy", allow_pickle=False)
