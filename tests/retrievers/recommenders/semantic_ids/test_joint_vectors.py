"""Vectors for search, for recommendation and for both: what is near what."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from bench.progress import no_progress
from bench.workplace import Workplace
from retrievers.recommenders.semantic_ids.joint_data import Pairs
from retrievers.recommenders.semantic_ids.joint_vectors import _mixed, factors_of, fused, projected
from retrievers.unit_vectors import unit

TWO_GROUPS = [
    np.array([0, 1, 2]),
    np.array([0, 1]),
    np.array([1, 2]),
    np.array([3, 4, 5]),
    np.array([4, 5]),
    np.array([3, 5]),
]


def test_items_that_users_have_together_are_near_each_other() -> None:
    vectors = unit(factors_of(TWO_GROUPS, 7, seed=0))
    cosines = vectors @ vectors.T
    assert cosines[:3, :3].min() > 0.15
    assert abs(cosines[:3, 3:6]).max() < 1e-5
    assert not vectors[6].any()  # nobody has it


def test_the_factors_give_back_the_pointwise_mutual_information() -> None:
    """Written out for three items: log P(i, j) / (P(i) P(j)), nothing below 0, over pairs of different items."""
    sequences = [np.array([0, 1]), np.array([0, 1]), np.array([1, 2])]
    pairs = {(0, 1): 2, (1, 2): 1}
    of_item, total = {0: 2, 1: 3, 2: 1}, 6
    expected = np.zeros((3, 3))
    for (first, second), count in pairs.items():
        value = max(0.0, np.log(count * total / (of_item[first] * of_item[second])))
        expected[first, second] = expected[second, first] = value
    strengths = np.linalg.svd(expected, compute_uv=False)[:2]
    found = factors_of(sequences, 3, seed=0)
    assert_allclose(np.sort((found**2).sum(axis=0))[::-1], strengths, atol=1e-5)


def test_two_vectors_become_one() -> None:
    first, second = np.array([[3.0, 4.0], [0.0, 0.0]]), np.array([[2.0], [5.0]])
    assert_allclose(fused(first, second, "concatenated"), [[0.6, 0.8, 1.0], [0.0, 0.0, 1.0]])
    assert_allclose(fused(first, second, "averaged"), [[0.8, 0.4], [0.5, 0.0]])


def test_each_kind_of_pairs_has_as_many_in_a_batch() -> None:
    kinds, places = zip(*_mixed([100, 7], np.random.default_rng(0)), strict=True)
    assert all((one == 0).sum() == (one == 1).sum() for one in kinds)
    of_first = np.concatenate([place[kind == 0] for kind, place in zip(kinds, places, strict=True)])
    assert sorted(of_first.tolist()) == list(range(100))


@pytest.mark.parametrize("held", [True, False])
def test_a_map_brings_questions_to_their_items(held: bool) -> None:
    """The first half of the dimensions says what is asked, the other half is noise."""
    generator = np.random.default_rng(0)
    meaning = generator.standard_normal((640, 8))
    items = unit(np.hstack([meaning, generator.standard_normal((640, 8))]).astype(np.float32))
    asked = unit(np.hstack([meaning, generator.standard_normal((640, 8))]).astype(np.float32))
    pairs = Pairs(asked[:600], np.arange(600))
    other = Pairs(asked[600:], np.arange(600, 640))
    workplace = Workplace.temporary()
    made = projected(items, [pairs], {"search": other} if held else {}, 0, workplace, no_progress)
    again = projected(items, [pairs], {"search": other} if held else {}, 0, workplace, no_progress)
    np.testing.assert_array_equal(made, again)
    assert_allclose(np.linalg.norm(made, axis=1), 1, rtol=1e-5)
    true = unit(meaning) @ unit(meaning).T
    before, after = (np.corrcoef((one @ one.T).ravel(), true.ravel())[0, 1] for one in (items, made))
    assert after > before + 0.02
