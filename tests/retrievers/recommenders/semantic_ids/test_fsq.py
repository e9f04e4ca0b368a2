"""Finite scalar quantisation: a grid's numbers, its codes, and what training does."""

from itertools import product
from math import prod

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.errors import BenchError
from bench.progress import no_progress
from retrievers.recommenders.semantic_ids.descent import Training
from retrievers.recommenders.semantic_ids.fsq import Grid, fsq, grid_for

counts = st.lists(st.integers(2, 8), min_size=1, max_size=4).filter(lambda values: prod(values) <= 600)


@given(st.integers(2, 65_536))
@settings(max_examples=30, deadline=None)
def test_a_grid_has_as_many_codes_as_it_may(codes: int) -> None:
    grid = grid_for(codes)
    assert all(2 <= values <= 8 for values in grid)
    assert 0.8 * codes <= prod(grid) <= codes
    assert 8 ** (len(grid) - 1) < codes


def test_recgpt_s_grid() -> None:
    assert grid_for(15_360) == (8, 8, 8, 6, 5)


@given(counts)
@settings(max_examples=40, deadline=None)
def test_values_and_codes_are_a_bijection(counts: list[int]) -> None:
    grid = Grid(counts)
    codes = torch.arange(prod(counts))
    values = grid.values(codes)
    assert torch.equal(grid.index(values), codes)
    by_hand = product(*(range(-(count // 2), count - count // 2) for count in counts))
    assert values.tolist() == [list(map(float, row)) for row in by_hand]


@given(counts)
@settings(max_examples=40, deadline=None)
def test_every_value_can_be_reached_and_no_other(counts: list[int]) -> None:
    grid = Grid(counts)
    numbers = torch.linspace(-12, 12, 4001)[:, None].expand(-1, len(counts))
    values = grid(numbers)
    for place, count in enumerate(counts):
        assert values[:, place].unique().tolist() == list(range(-(count // 2), count - count // 2))
    assert grid.spread(values).abs().max() <= 1


def test_gradients_pass_straight_through_the_rounding() -> None:
    numbers = torch.tensor([[0.3, -0.7]], requires_grad=True)
    grid = Grid([8, 5])
    grid(numbers).sum().backward()
    expected = (1 - torch.tanh(numbers.detach()) ** 2) * grid.bounds
    torch.testing.assert_close(numbers.grad, expected)


def standardised(vectors: np.ndarray) -> np.ndarray:
    centred = vectors - vectors.mean(axis=0)
    return centred / centred.std()


def training(steps: int) -> Training:
    return Training(steps, 3e-3, 0, no_progress)


def test_training_lowers_the_absolute_error(item_vectors: np.ndarray) -> None:
    vectors = standardised(item_vectors)
    start, end = (np.abs(fsq(vectors, 3, 64, training(steps)).described - vectors).mean() for steps in (0, 60))
    assert end < start < np.abs(vectors).mean()


def test_most_codes_are_used_before_training(item_vectors: np.ndarray) -> None:
    coded = fsq(standardised(item_vectors), 4, 16, training(0))
    assert coded.codes == 16
    assert all(len(np.unique(level)) >= 13 for level in coded.tokens.T)


def test_slices_of_vectors_that_levels_do_not_divide() -> None:
    vectors = np.random.default_rng(0).standard_normal((40, 5)).astype(np.float32)
    coded = fsq(vectors, 3, 512, training(3))
    assert coded.tokens.shape == (40, 3)
    assert coded.described.shape == (40, 5)


def test_more_levels_than_dimensions_are_refused() -> None:
    with pytest.raises(BenchError, match="fsq: vectors of 2 dimensions cannot be cut into 3 slices; lower levels"):
        fsq(np.ones((4, 2), dtype=np.float32), 3, 8, training(1))
