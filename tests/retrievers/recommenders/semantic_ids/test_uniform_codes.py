"""The uniform last level: Sinkhorn against plain arithmetic and linear programming, and what it does to codes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from retrievers.recommenders.semantic_ids.uniform import _codes, _distances, plan, spread
from retrievers.residual import quantise, residual_k_means


def sinkhorn_by_hand(distances: np.ndarray) -> np.ndarray:
    """LC-Rec's steps on shares themselves; e to the 333rd still fits double precision."""
    middle = (distances.max() + distances.min()) / 2
    shares = np.exp(-(distances - middle) / (distances.max() - middle) / 0.003)
    for _ in range(50):
        shares /= shares.sum(axis=0, keepdims=True) * shares.shape[1]
        shares /= shares.sum(axis=1, keepdims=True) * shares.shape[0]
    return shares


def distances_of(items: int, codes: int, seed: int) -> np.ndarray:
    generator = np.random.default_rng(seed)
    vectors, book = generator.standard_normal((items, 4)), generator.standard_normal((codes, 4))
    return _distances(vectors, book)


@given(st.integers(2, 8), st.integers(2, 8), st.integers(0, 20))
@settings(max_examples=60, deadline=None)
def test_the_plan_is_that_of_plain_arithmetic(items: int, codes: int, seed: int) -> None:
    distances = distances_of(items, codes, seed)
    with np.errstate(under="ignore"):
        expected = sinkhorn_by_hand(distances)
    np.testing.assert_allclose(np.exp(plan(distances[None])[0]), expected, atol=1e-9)


def test_many_plans_at_once_are_those_of_each() -> None:
    distances = np.stack([distances_of(5, 7, seed) for seed in range(3)])
    for together, alone in zip(plan(distances), distances, strict=True):
        np.testing.assert_allclose(together, plan(alone[None])[0])


@pytest.mark.parametrize("scale", [1e-20, 1.0, 1e20])
def test_nothing_overflows_or_vanishes(scale: float) -> None:
    shares = plan(distances_of(40, 16, 0)[None] * scale)
    assert np.isfinite(shares).all()
    assert np.exp(shares).sum() == pytest.approx(1)


def test_equal_distances_are_no_division_by_zero() -> None:
    distances = np.full((1, 3, 4), 2.0)
    np.testing.assert_allclose(np.exp(plan(distances)), 1 / 12)


def test_the_plan_costs_nearly_what_the_best_there_is_costs() -> None:
    distances = distances_of(6, 6, 1)
    items, codes = distances.shape
    sums = np.vstack([np.kron(np.eye(items), np.ones(codes)), np.kron(np.ones(items), np.eye(codes))])
    best = linprog(distances.ravel(), A_eq=sums, b_eq=np.full(items + codes, 1 / 6)).fun
    cost = (np.exp(plan(distances[None])[0]) * distances).sum()
    assert cost == pytest.approx(best, abs=0.01 * np.ptp(distances))


def test_items_that_want_one_code_get_different_ones() -> None:
    book = np.array([[0.0, 0], [1, 0], [0, 1], [9, 9]])
    vectors = np.array([[0.1, 0.0], [0.0, 0.1]])
    assert _distances(vectors, book).argmin(axis=1).tolist() == [0, 0]
    assert len(set(_codes(_distances(vectors, book)[None])[0].tolist())) == 2


def test_fewer_items_share_and_the_last_level_is_used_more_evenly(item_vectors: np.ndarray) -> None:
    vectors = np.unique(item_vectors, axis=0)
    books = residual_k_means(vectors, 2, 32, 0)
    tokens, given = quantise(vectors, books)
    uniform = spread(tokens, given, books[-1])
    np.testing.assert_array_equal(uniform[:, 0], tokens[:, 0])
    before, after = (_collisions(one) for one in (tokens, uniform))
    assert after < before / 2

    def unevenness(tokens: np.ndarray) -> float:
        """Mean over the prefixes of the squared counts of last codes, as a share of what one code would give."""
        cells = np.zeros((32, 32))
        np.add.at(cells, tuple(tokens.T), 1)
        return float(((cells**2).sum(axis=1) / cells.sum(axis=1) ** 2).mean())

    assert unevenness(uniform) < unevenness(tokens)


def _collisions(tokens: np.ndarray) -> int:
    _, counts = np.unique(tokens, axis=0, return_counts=True)
    return int(counts[counts > 1].sum())


def test_items_that_do_not_collide_keep_their_codes(item_vectors: np.ndarray) -> None:
    books = residual_k_means(item_vectors, 3, 16, 0)
    tokens, given = quantise(item_vectors, books)
    _, place, counts = np.unique(tokens, axis=0, return_inverse=True, return_counts=True)
    prefixes, of_prefix = np.unique(tokens[:, :2], axis=0, return_inverse=True)
    troubled = np.zeros(len(prefixes), dtype=bool)
    np.logical_or.at(troubled, of_prefix, counts[place] > 1)
    uniform = spread(tokens, given, books[-1])
    calm = ~troubled[of_prefix]
    assert calm.any()
    np.testing.assert_array_equal(uniform[calm], tokens[calm])


def test_equal_items_stay_together(item_vectors: np.ndarray) -> None:
    vectors = np.concatenate([item_vectors[:40]] * 2)
    books = residual_k_means(vectors, 2, 8, 0)
    tokens, given = quantise(vectors, books)
    uniform = spread(tokens, given, books[-1])
    np.testing.assert_array_equal(uniform[:40], uniform[40:])
    assert len(np.unique(uniform, axis=0)) > len(np.unique(tokens, axis=0))


def test_more_items_than_codes_below_a_prefix_end_all_the_same() -> None:
    vectors = np.random.default_rng(0).standard_normal((50, 3)).astype(np.float32)
    tokens, book = np.zeros((50, 2), dtype=np.int64), vectors[:4]
    uniform = spread(tokens, vectors, book)
    assert set(uniform[:, 1]) <= set(range(4))
    assert np.bincount(uniform[:, 1], minlength=4).max() < 50
