"""Codes made of item vectors: which codebooks, what they give, and what they lose."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from bench.progress import Progress
from retrievers.clustering import nearest
from retrievers.generative.docids import Identifiers
from retrievers.recommenders.semantic_ids.descent import Training
from retrievers.recommenders.semantic_ids.uniform import spread
from retrievers.residual import ResidualCodes, decoded, quantise, residual_k_means

if TYPE_CHECKING:
    from retrievers.recommenders.semantic_ids.options import TokenizerOptions


class VectorCodes(NamedTuple):
    """variance_left: mean squared error of the rebuilt vectors, after each level where levels build on each other.

    made_of: what codes that build on each other are made of
    """

    identifiers: Identifiers
    variance_left: list[float] | None
    made_of: ResidualCodes | None = None


def vector_codes(options: "TokenizerOptions", vectors: np.ndarray, seed: int, progress: Progress) -> VectorCodes:
    """Codes of standardised vectors, float32 of shape [items, dimension]."""
    levels, codes, normalise = options.levels, options.codes, options.normalise_residuals
    if options.kind == "residual-k-means":
        books = residual_k_means(vectors, levels, codes, seed, normalise)
        return _residual(options, vectors, vectors, books, lambda described: described)
    training = Training(options.steps, options.learning_rate, seed, progress)
    if options.kind == "fsq":
        from retrievers.recommenders.semantic_ids.fsq import fsq

        gridded = fsq(vectors, levels, codes, training)
        return _all(gridded.tokens, (gridded.codes,) * levels, vectors, gridded.described)
    from retrievers.recommenders.semantic_ids.autoencoders import residual_vq, rq_vae, vq_vae
    from retrievers.recommenders.semantic_ids.quantisers import Rules

    rules = Rules(options.commitment, options.revive_codes)
    if options.kind == "vq-vae":
        encoded = vq_vae(vectors, levels, codes, options.latent, rules, training)
        parts = map(np.ascontiguousarray, np.split(encoded.latents, levels, axis=1))
        tokens = np.column_stack([nearest(part, book) for part, book in zip(parts, encoded.books, strict=True)])
        described = np.hstack([book[level] for book, level in zip(encoded.books, tokens.T, strict=True)])
        return _all(tokens, tuple(map(len, encoded.books)), vectors, encoded.decode(described))
    if options.kind == "rq-vae":
        encoded = rq_vae(vectors, levels, codes, options.latent, rules, training)
    else:
        encoded = residual_vq(vectors, levels, codes, rules, training, normalise)
    return _residual(options, vectors, encoded.latents, encoded.books, encoded.decode)


def _residual(
    options: "TokenizerOptions",
    vectors: np.ndarray,
    latents: np.ndarray,
    books: Sequence[np.ndarray],
    decode: Callable[[np.ndarray], np.ndarray],
) -> VectorCodes:
    """Codes of the vectors by residual codebooks of their latents, which `decode` makes vectors again."""
    made_of = ResidualCodes(latents, books, options.normalise_residuals)
    tokens, given = quantise(latents, books, options.normalise_residuals)
    if options.uniform_last:
        tokens = spread(tokens, given, books[-1])
    identifiers = Identifiers(tokens.astype(np.int32), tuple(map(len, books)))
    if options.normalise_residuals:
        return VectorCodes(identifiers, None, made_of)
    errors = [_error(vectors, decode(described)) for described in decoded(tokens, books)]
    return VectorCodes(identifiers, errors, made_of)


def _all(tokens: np.ndarray, codes: tuple[int, ...], vectors: np.ndarray, described: np.ndarray) -> VectorCodes:
    return VectorCodes(Identifiers(tokens.astype(np.int32), codes), [_error(vectors, described)])


def _error(vectors: np.ndarray, described: np.ndarray) -> float:
    return float(np.square(vectors - described).mean())
