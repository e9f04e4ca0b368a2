"""Approximate nearest neighbours by inner product, with faiss. The same seed gives the same index."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import Field

from bench.errors import BenchError
from bench.options import Options

_PQ_CENTROIDS = 256


class IndexOptions(Options):
    """How the nearest vectors are found."""

    kind: Literal["flat", "hnsw", "ivf-pq"] = Field("flat", description="flat is exact, the others are faiss's")
    hnsw_links: int = Field(32, ge=2, le=512, description="hnsw: neighbours of a vector in the graph")
    hnsw_effort: int = Field(200, ge=1, description="hnsw: candidates weighed while building (efConstruction)")
    ef_search: int = Field(128, ge=1, description="hnsw: candidates weighed while searching, at least k")
    lists: int = Field(0, ge=0, description="ivf-pq: number of inverted lists; 0: 4 times the root of the documents")
    probes: int = Field(16, ge=1, description="ivf-pq: lists that a query visits")
    pq_bytes: int = Field(48, ge=1, description="ivf-pq: bytes per vector; must divide the dimension")

    @property
    def exact(self) -> bool:
        """Whether every vector is compared, without an index."""
        return self.kind == "flat"


def refuse_approximate(role: str, system: object) -> None:
    """Raise ValueError for a part whose vectors lie in an approximate index alone, where none can be looked up."""
    index = getattr(system, "index", None)
    if isinstance(index, IndexOptions) and not index.exact:
        raise ValueError(
            f"{role}: {type(system).__name__} keeps no exact vectors with an approximate index; take index.kind=flat"
        )


def build(vectors: np.ndarray, options: IndexOptions, seed: int) -> Any:
    """The approximate index that the options choose."""
    if options.kind == "hnsw":
        return hnsw(vectors, options.hnsw_links, options.hnsw_effort, seed)
    return ivf_pq(vectors, options.lists, options.pq_bytes, seed)


def tune(index: Any, options: IndexOptions) -> None:
    """Have a search take the trouble that the options ask for."""
    if options.kind == "hnsw":
        index.hnsw.efSearch = options.ef_search
    else:
        index.nprobe = options.probes


def hnsw(vectors: np.ndarray, links: int, effort: int, seed: int) -> Any:
    """A navigable graph over vectors of shape [n, dimension] (Malkov and Yashunin 2018)."""
    import faiss

    index = faiss.IndexHNSWFlat(vectors.shape[1], links, faiss.METRIC_INNER_PRODUCT)
    index.hnsw.efConstruction = effort
    index.hnsw.rng = faiss.RandomGenerator(seed)  # type: ignore[attr-defined]
    with _one_thread():
        index.add(vectors)
    return index


def ivf_pq(vectors: np.ndarray, lists: int, code_bytes: int, seed: int) -> Any:
    """Inverted lists of product-quantised vectors (Jégou et al. 2011, section IV); its scores are approximate.

    `lists` = 0 takes 4 sqrt(n). Raises BenchError for too few vectors or a dimension that cannot be split.
    """
    import faiss

    number, dimension = vectors.shape
    if dimension % code_bytes:
        raise BenchError(f"pq_bytes={code_bytes} does not divide the dimension {dimension}; choose one that does")
    if number < _PQ_CENTROIDS:
        raise BenchError(
            f"{number} vectors are too few to train product quantisation, which needs {_PQ_CENTROIDS}; take "
            "index.kind=flat or hnsw"
        )
    lists = _checked_lists(lists, number)
    index = faiss.IndexIVFPQ(
        faiss.IndexFlatIP(dimension), dimension, lists, code_bytes, 8, faiss.METRIC_INNER_PRODUCT
    )
    index.pq.cp.seed = seed
    index.pq.cp.min_points_per_centroid = 1
    return _filled(index, vectors, seed)


def ivf_bytes(vectors: np.ndarray, lists: int, seed: int) -> Any:
    """Inverted lists of vectors with one byte per dimension, a quarter of float32; scores are approximate."""
    import faiss

    number, dimension = vectors.shape
    lists = _checked_lists(lists, number)
    index = faiss.IndexIVFScalarQuantizer(
        faiss.IndexFlatIP(dimension), dimension, lists, faiss.ScalarQuantizer.QT_8bit, faiss.METRIC_INNER_PRODUCT
    )
    return _filled(index, vectors, seed)


def nearest(index: Any, queries: np.ndarray, k: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Positions and scores of up to k neighbours of each query vector."""
    scores, positions = index.search(np.ascontiguousarray(queries, dtype=np.float32), min(k, index.ntotal))
    for found, values in zip(positions, scores, strict=True):
        yield found[found >= 0], values[found >= 0]


def write(index: Any, path: Path) -> None:
    """Save an index."""
    import faiss

    faiss.write_index(index, str(path))


def read(path: Path) -> Any:
    """Open a saved index."""
    import faiss

    return faiss.read_index(str(path))


def _checked_lists(wanted: int, number: int) -> int:
    """How many inverted lists to make of so many vectors; 4 times their root where none are wanted."""
    if wanted > number:
        raise BenchError(f"{number} vectors are too few to train {wanted} lists; set `lists` to {number} at most")
    return wanted or min(number, int(4 * number**0.5))


def _filled(index: Any, vectors: np.ndarray, seed: int) -> Any:
    index.cp.seed = seed
    index.cp.min_points_per_centroid = 1
    sample = np.random.default_rng(seed).permutation(len(vectors))[: index.cp.max_points_per_centroid * index.nlist]
    index.train(np.asarray(vectors[np.sort(sample)], dtype=np.float32))
    for start in range(0, len(vectors), 2**16):
        index.add(np.asarray(vectors[start : start + 2**16], dtype=np.float32))
    return index


@contextmanager
def _one_thread() -> Iterator[None]:
    """Threads insert into a graph in an order that differs from run to run."""
    import faiss

    threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(threads)
