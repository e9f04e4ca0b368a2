"""Residual codebooks: each level codes what the levels before it left of a vector."""

from collections.abc import Sequence
from itertools import accumulate
from typing import NamedTuple

import numpy as np

from retrievers.clustering import k_means, nearest
from retrievers.unit_vectors import unit


class ResidualCodes(NamedTuple):
    """What codes that build on each other are made of.

    latents: float32 of shape [items, dimension]: what is coded
    books: the codebook of each level, of shape [codes, dimension]
    normalise: what a level leaves is scaled to length 1
    """

    latents: np.ndarray
    books: Sequence[np.ndarray]
    normalise: bool

    def after(self, residuals: np.ndarray, chosen: np.ndarray) -> np.ndarray:
        """What the chosen codes leave of the residuals, all of shape [items, dimension]."""
        return _left(residuals, chosen, self.normalise)


def left_over(made_of: ResidualCodes, tokens: np.ndarray) -> np.ndarray:
    """What tokens of shape [items, levels] leave of the items, shape [items, dimension]; never scaled at the end."""
    residuals = made_of.latents
    for book, codes in zip(made_of.books[:-1], tokens.T, strict=False):
        residuals = made_of.after(residuals, book[codes])
    return residuals - made_of.books[-1][tokens[:, -1]]


def residual_k_means(
    vectors: np.ndarray, levels: int, codes: int, seed: int, normalise: bool = False
) -> list[np.ndarray]:
    """The codebook of each level, float32 of shape [codes, dimension]: centroids of what is left of the vectors.

    `vectors` is float32 of shape [items, dimension]. There are no more codes than items. With `normalise` what is
    left is scaled to length 1 before the next level (Ju et al. 2025, arXiv 2507.22224).
    """
    books = []
    residuals = np.ascontiguousarray(vectors)
    for level in range(levels):
        clusters = k_means(residuals, min(codes, len(vectors)), seed + level, near_mean=True)
        books.append(clusters.centroids)
        residuals = _left(residuals, clusters.centroids[clusters.nearest], normalise)
    return books


def quantise(
    vectors: np.ndarray, books: Sequence[np.ndarray], normalise: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """The nearest code of each level, int64 of shape [items, levels], and what the last level was given to code."""
    tokens = np.empty((len(vectors), len(books)), dtype=np.int64)
    residuals = np.ascontiguousarray(vectors)
    for level, book in enumerate(books):
        given = residuals
        tokens[:, level] = nearest(given, book)
        residuals = _left(given, book[tokens[:, level]], normalise)
    return tokens, given


def _left(residuals: np.ndarray, chosen: np.ndarray, normalise: bool) -> np.ndarray:
    left = residuals - chosen
    return unit(left) if normalise else left


def decoded(tokens: np.ndarray, books: Sequence[np.ndarray]) -> list[np.ndarray]:
    """The vectors as the first level, the first two levels, ... describe them; of residuals not normalised."""
    return list(accumulate(book[codes] for book, codes in zip(books, tokens.T, strict=True)))
