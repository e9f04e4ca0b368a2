"""Unordered codes of vectors: each digit codes a part of its own (Hou et al. 2025, RPG, arXiv 2506.05781)."""

from typing import Any

import numpy as np
from pydantic import Field, model_validator

from bench.errors import BenchError
from bench.options import Options

_ROTATIONS = 20
"""Rounds of k-means and of turning the vectors so that the parts lose less."""

_ORDER = b"catalogue"

_FLAT = 1e-6
"""Share of the largest variance below which a direction says nothing."""


class ProductOptions(Options):
    """How items become sets of codes."""

    digits: int = Field(32, ge=2, le=256, description="codes of an item, each of a part of its vector")
    bits: int = Field(8, ge=1, le=8, description="a digit has two to this power codes; fewer than training items")
    components: int = Field(128, ge=2, le=4096, description="principal components that are coded; see digits")

    @model_validator(mode="after")
    def _parts_are_equal(self) -> "ProductOptions":
        if self.components % self.digits:
            raise ValueError(f"components {self.components} is no multiple of digits {self.digits}")
        return self


def product_codes(vectors: np.ndarray, seen: np.ndarray, options: ProductOptions, seed: int) -> np.ndarray:
    """Codes of float32 vectors of shape [items, dimension], int64 of shape [items, digits].

    Whitened principal components are turned and cut into parts, each coded by k-means (optimised product
    quantisation, Ge et al. 2013). All of that is learned from the rows `seen`, in an order drawn at random, because
    their own may follow the sequences. The same seed gives the same codes: all runs on one thread, because sums
    depend on their order. Raises BenchError for fewer than two rows.
    """
    import faiss
    from threadpoolctl import threadpool_limits

    if len(seen) < 2:
        raise BenchError("the training sequences have one item; there is nothing to tell apart")
    seen = np.random.default_rng([seed, *_ORDER]).permutation(seen)
    bits = digit_bits(len(seen), options)
    with threadpool_limits(limits=1):
        white = whitened(vectors, seen, options.components)
        turn = faiss.OPQMatrix(options.components, options.digits)
        turn.niter = _ROTATIONS
        inner = _quantiser(options, bits, seed)
        turn.pq = inner  # a pointer alone: the name keeps it alive
        turn.train(white[np.resize(seen, max(len(seen), options.components))])  # fewer crash faiss (#4038)
        turned = turn.apply(white)
        quantiser = _quantiser(options, bits, seed)
        quantiser.train(turned[seen])
        packed = quantiser.compute_codes(turned)
    return faiss.unpack_bitstrings(packed, options.digits, bits).astype(np.int64)


def digit_bits(items: int, options: ProductOptions) -> int:
    """To this power of two a digit has codes, where `product_codes` learns from so many items."""
    return min(options.bits, items.bit_length() - 1)


def _quantiser(options: ProductOptions, bits: int, seed: int) -> Any:
    import faiss

    made = faiss.ProductQuantizer(options.components, options.digits, bits)
    made.cp.seed = seed
    made.cp.min_points_per_centroid = 1
    return made


def whitened(vectors: np.ndarray, seen: np.ndarray, components: int) -> np.ndarray:
    """The principal components of the rows `seen`, each of variance 1 there; float32 of shape [items, components].

    What varies by nothing is 0 everywhere, and so are components beyond what the vectors have.
    """
    some = vectors[seen].astype(np.float64)
    mean = some.mean(axis=0)
    _, lengths, directions = np.linalg.svd(some - mean, full_matrices=False)
    deviations = lengths / len(seen) ** 0.5
    kept = (deviations**2 > _FLAT * max(deviations[0] ** 2, np.finfo(np.float64).tiny))[:components]
    white = np.zeros((len(vectors), components), dtype=np.float32)
    places = np.flatnonzero(kept)
    white[:, places] = (vectors - mean) @ directions[places].T / deviations[places]
    return white
