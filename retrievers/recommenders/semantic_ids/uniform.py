"""Colliding items spread over the codes of the last level (Zheng et al. 2023, arXiv 2311.09049, section 3.1)."""

from collections.abc import Iterator

import numpy as np

_EPSILON = 0.003
_ITERATIONS = 50
_ROUNDS = 20
_EQUAL = 1e-6
"""Shares of a transport plan are equal if their logarithms differ by less."""

_CELLS = 2**22
"""Distances held at once."""


def spread(tokens: np.ndarray, residuals: np.ndarray, book: np.ndarray) -> np.ndarray:
    """The tokens, shape [items, levels], with other last codes for colliding items, that fewer may collide.

    `residuals`, of shape [items, dimension], is what the codebook of the last level, of shape [codes, dimension], was
    given to code. The colliding items below one prefix share the codes evenly, by optimal transport; this is done
    again with what still collides, up to 20 times. Items with equal residuals keep equal codes.
    """
    _, one, of_item = np.unique(
        np.hstack([tokens[:, :-1], residuals]), axis=0, return_index=True, return_inverse=True
    )
    distinct = tokens[one]
    for _ in range(_ROUNDS):
        colliding = _colliding(distinct)
        if not len(colliding):
            break
        for rows in _below_one_prefix(distinct, colliding, len(book)):
            distances = _distances(residuals[one[rows]], book)
            distinct[rows, -1] = _codes(distances)
    return distinct[of_item]


def _colliding(tokens: np.ndarray) -> np.ndarray:
    """The rows whose tokens another row has too."""
    _, place, counts = np.unique(tokens, axis=0, return_inverse=True, return_counts=True)
    return np.flatnonzero(counts[place] > 1)


def _below_one_prefix(tokens: np.ndarray, rows: np.ndarray, codes: int) -> Iterator[np.ndarray]:
    """Some of the rows that share all tokens but the last, in arrays [groups, size] of as many rows each."""
    _, place, counts = np.unique(tokens[rows, :-1], axis=0, return_inverse=True, return_counts=True)
    order = rows[np.argsort(place, kind="stable")]
    starts = np.cumsum(counts) - counts
    for size in np.unique(counts):
        groups = order[starts[counts == size][:, None] + np.arange(size)]
        at_once = max(1, _CELLS // (size * codes))
        for first in range(0, len(groups), at_once):
            yield groups[first : first + at_once]


def _distances(vectors: np.ndarray, book: np.ndarray) -> np.ndarray:
    """Squared distances of shape [..., codes] of vectors of shape [..., dimension] from the codes."""
    exact, codes = vectors.astype(np.float64), book.astype(np.float64)
    return (exact**2).sum(axis=-1, keepdims=True) - 2 * exact @ codes.T + (codes**2).sum(axis=1)


def _codes(distances: np.ndarray) -> np.ndarray:
    """The code that each item has most of in the transport plan; of equals, the nearest. Shapes as `plan`'s."""
    shares = plan(distances)
    most = shares >= shares.max(axis=-1, keepdims=True) - _EQUAL
    return np.where(most, distances, np.inf).argmin(axis=-1)


def plan(distances: np.ndarray) -> np.ndarray:
    """Logarithms of the shares of mass that items send to codes, shape [groups, items, codes].

    By Sinkhorn's algorithm, for distances of that shape scaled to [-1, 1]: each code receives as much as any other,
    and so does each item send. Logarithms neither overflow nor vanish.
    """
    low = distances.min(axis=(1, 2), keepdims=True)
    span = np.maximum(distances.max(axis=(1, 2), keepdims=True) - low, np.finfo(np.float64).tiny)
    shares = -(2 * (distances - low) / span - 1) / _EPSILON
    for _ in range(_ITERATIONS):
        shares -= _log_sum(shares, 1) + np.log(shares.shape[2])
        shares -= _log_sum(shares, 2) + np.log(shares.shape[1])
    return shares


def _log_sum(values: np.ndarray, axis: int) -> np.ndarray:
    largest = values.max(axis=axis, keepdims=True)
    return largest + np.log(np.exp(values - largest).sum(axis=axis, keepdims=True))
