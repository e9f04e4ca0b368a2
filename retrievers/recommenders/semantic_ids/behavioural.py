"""Identifiers that say nothing of an item's text: arbitrary ones, and those made of what users did.

Hua et al. 2023 (arXiv 2305.06569), section 3. Only training sequences are looked at: numbers along whole sequences
would tell which item comes next.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from retrievers.clustering import k_means
from retrievers.generative.docids import Identifiers, digits, nested
from retrievers.recommenders.sequences import ownership
from retrievers.unit_vectors import unit

if TYPE_CHECKING:
    from scipy.sparse import csr_array

_MOST = 2**62
"""Random numbers are below this."""

_DENSE = 200
"""Nodes of a graph up to which its matrix is not treated as sparse."""


def random(items: int, levels: int, codes: int, seed: int) -> Identifiers:
    """A different number for each item, drawn at random, as `levels` digits in base `codes`."""
    numbers = np.random.default_rng(seed).choice(min(codes**levels, _MOST), items, replace=False)
    tokens = np.empty((items, levels), dtype=np.int32)
    for level in reversed(range(levels)):
        numbers, tokens[:, level] = np.divmod(numbers, codes)
    return Identifiers(tokens, (codes,) * levels)


def sequential(items: int, sequences: Sequence[np.ndarray], codes: int) -> Identifiers:
    """Numbers by first appearance in the training sequences, as digits in base `codes`, no more than are needed.

    Items that do not appear are numbered last, in the order of their rows.
    """
    appearing = np.concatenate([*sequences, np.arange(items)])
    _, first = np.unique(appearing, return_index=True)
    numbers = np.empty(items, dtype=np.int64)
    numbers[np.argsort(first)] = np.arange(items)
    return digits(numbers, codes)


def collaborative(
    items: int, sequences: Sequence[np.ndarray], branch: int, levels: int, codes: int, seed: int
) -> Identifiers:
    """The path of each item through nested clusters of the graph of items that users have both, then its number.

    At each level spectral clustering (Ng et al. 2001) makes at most `branch` clusters; those of the last level have
    up to `codes` items. Items that no user has in training share a cluster of the first level, which is then divided
    evenly. There must be room: items <= codes * branch ** (levels - 1).
    """
    together = _together(items, sequences)
    unseen = np.bincount(np.concatenate([*sequences, np.arange(0)]), minlength=items) == 0

    def clusters_of(rows: np.ndarray, number: int) -> np.ndarray:
        seen = ~unseen[rows]
        clusters = np.full(len(rows), number - 1)
        of_seen = rows[seen]
        if len(of_seen):
            wanted = number if seen.all() else number - 1
            clusters[seen] = _spectral(together[of_seen][:, of_seen], min(wanted, len(of_seen)), seed)
        return clusters

    return nested(items, clusters_of, branch, branch, levels, codes, seed)


def _together(items: int, sequences: Sequence[np.ndarray]) -> "csr_array":
    """Shape [items, items]: how many users have both, 0 on the diagonal."""
    has = ownership(sequences, items)
    both = (has.T @ has).tocsr()
    both.setdiag(0)
    return both


def _spectral(graph: "csr_array", number: int, seed: int) -> np.ndarray:
    """The cluster of each node: k-means of the leading eigenvectors' rows, each scaled to length 1."""
    from scipy.sparse import diags_array
    from threadpoolctl import threadpool_limits

    degrees = graph.sum(axis=0)
    scale = diags_array(np.divide(1, np.sqrt(degrees), out=np.zeros_like(degrees), where=degrees > 0))
    with threadpool_limits(limits=1):
        leading = _eigenvectors(scale @ graph @ scale, number, seed)
    return k_means(np.ascontiguousarray(unit(leading), dtype=np.float32), number, seed).nearest


def _eigenvectors(matrix: "csr_array", number: int, seed: int) -> np.ndarray:
    """Of the largest eigenvalues, shape [nodes, number]."""
    from scipy.linalg import eigh
    from scipy.sparse.linalg import eigsh

    size = matrix.shape[0]
    if size <= _DENSE:
        return eigh(matrix.toarray(), subset_by_index=(size - number, size - 1))[1]
    start = np.random.default_rng(seed).standard_normal(size)
    return eigsh(matrix, number, which="LA", v0=start)[1]
