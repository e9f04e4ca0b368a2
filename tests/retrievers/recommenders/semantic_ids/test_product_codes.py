"""Codes of parts of vectors: what they are learned from, and what they say."""

import numpy as np
import pytest

from bench.errors import BenchError
from retrievers.recommenders.semantic_ids.product import ProductOptions, product_codes, whitened

OPTIONS = ProductOptions(digits=4, bits=3, components=8)


@pytest.fixture
def vectors() -> np.ndarray:
    """Forty vectors whose dimensions vary by very different amounts and together."""
    generator = np.random.default_rng(0)
    return (generator.normal(size=(40, 12)) @ generator.normal(size=(12, 12)) + 5).astype(np.float32)


def test_whitened_components_vary_by_one_and_not_together(vectors: np.ndarray) -> None:
    white = whitened(vectors, np.arange(40), 8)
    np.testing.assert_allclose(white.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(np.cov(white.T, bias=True), np.eye(8), atol=1e-4)


def test_the_first_component_is_the_direction_of_most_variance(vectors: np.ndarray) -> None:
    centred = vectors - vectors.mean(axis=0)
    leading = np.linalg.eigh(centred.T @ centred)[1][:, -1]
    assert abs(np.corrcoef(centred @ leading, whitened(vectors, np.arange(40), 1)[:, 0])[0, 1]) > 0.9999


def test_components_that_vectors_lack_are_zero() -> None:
    flat = np.ones((6, 3), dtype=np.float32)
    assert not whitened(flat, np.arange(6), 4).any()
    line = np.outer(np.arange(6), [1, 2, 3]).astype(np.float32)
    white = whitened(line, np.arange(6), 4)
    assert white[:, 0].std() == pytest.approx(1)
    assert not white[:, 1:].any()


def test_a_digit_has_no_more_codes_than_allowed_and_uses_most(vectors: np.ndarray) -> None:
    codes = product_codes(vectors, np.arange(40), OPTIONS, 0)
    assert codes.shape == (40, 4)
    assert codes.min() >= 0
    assert codes.max() < 8
    assert all(len(np.unique(digit)) >= 6 for digit in codes.T)


def test_items_that_were_not_seen_decide_nothing(vectors: np.ndarray) -> None:
    seen = np.arange(30)
    changed = vectors.copy()
    changed[30:] *= -3
    before, after = (product_codes(some, seen, OPTIONS, 0) for some in (vectors, changed))
    np.testing.assert_array_equal(before[:30], after[:30])
    assert (before[30:] != after[30:]).any()


def test_equal_vectors_have_equal_codes_and_near_ones_share_most(vectors: np.ndarray) -> None:
    twins = np.concatenate([vectors, vectors[:1], vectors[1:2] + 1e-4])
    codes = product_codes(twins, np.arange(40), OPTIONS, 0)
    np.testing.assert_array_equal(codes[40], codes[0])
    assert (codes[41] == codes[1]).sum() >= 3


def test_the_seed_decides(vectors: np.ndarray) -> None:
    first, same, other = (product_codes(vectors, np.arange(40), OPTIONS, seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, same)
    assert (first != other).any()


def test_few_items_have_few_codes(vectors: np.ndarray) -> None:
    assert product_codes(vectors, np.arange(5), OPTIONS, 0).max() < 4
    with pytest.raises(BenchError, match="one item"):
        product_codes(vectors, np.arange(1), OPTIONS, 0)


def test_parts_are_equally_long() -> None:
    with pytest.raises(BenchError, match="components 100 is no multiple of digits 32"):
        ProductOptions(components=100)
