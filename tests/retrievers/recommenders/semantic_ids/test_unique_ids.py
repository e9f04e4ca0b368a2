"""Identifiers of their own for items that collide: all different, nothing else changed, each the best unused one."""

from itertools import product
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.errors import BenchError
from retrievers.generative.docids import Identifiers
from retrievers.recommenders.semantic_ids.unique import OtherCodes, numbered, with_other_codes
from retrievers.residual import ResidualCodes, left_over, quantise, residual_k_means

WAYS: tuple[OtherCodes, ...] = get_args(OtherCodes)


@st.composite
def coded_items(draw: st.DrawFn) -> tuple[Identifiers, ResidualCodes]:
    """Up to thirty items of few distinct vectors, so that many collide, and codes that name them all."""
    items, levels, codes = draw(st.integers(2, 30)), draw(st.integers(1, 3)), draw(st.integers(2, 6))
    items = min(items, codes**levels)
    codes = min(codes, items)
    items = min(items, codes**levels)
    generator = np.random.default_rng(draw(st.integers(0, 2**16)))
    vectors = generator.normal(size=(draw(st.integers(1, items)), 3)).astype(np.float32)
    latents = vectors[generator.integers(len(vectors), size=items)]
    normalise = draw(st.booleans())
    made_of = ResidualCodes(latents, residual_k_means(latents, levels, codes, 0, normalise), normalise)
    tokens = quantise(latents, made_of.books, normalise)[0].astype(np.int32)
    return Identifiers(tokens, (codes,) * levels), made_of


def errors(made_of: ResidualCodes, row: int, paths: np.ndarray) -> np.ndarray:
    repeated = made_of._replace(latents=np.repeat(made_of.latents[row][None], len(paths), axis=0))
    return np.square(left_over(repeated, paths)).sum(axis=1)


@pytest.mark.parametrize("how", WAYS)
@given(coded=coded_items(), seed=st.integers(0, 3))
@settings(deadline=None, max_examples=40)
def test_all_differ_and_one_of_each_group_keeps_its_codes(
    how: OtherCodes, coded: tuple[Identifiers, ResidualCodes], seed: int
) -> None:
    before, made_of = coded
    after = with_other_codes(before, made_of, how, seed)
    assert len(np.unique(after.tokens, axis=0)) == len(before)
    assert after.tokens.min() >= 0
    assert (after.tokens < after.vocabularies).all()
    kept = (after.tokens == before.tokens).all(axis=1)
    _, groups, sizes = np.unique(before.tokens, axis=0, return_inverse=True, return_counts=True)
    np.testing.assert_array_equal(np.bincount(groups.reshape(-1), kept), np.ones(len(sizes)))
    best = errors_of_all(before.tokens, made_of)
    for group in range(len(sizes)):
        members = np.flatnonzero(groups.reshape(-1) == group)
        assert best[members[kept[members]]].item() == best[members].min()


def errors_of_all(tokens: np.ndarray, made_of: ResidualCodes) -> np.ndarray:
    return np.square(left_over(made_of, tokens)).sum(axis=1)


@pytest.fixture
def crowded() -> tuple[Identifiers, ResidualCodes]:
    """Twelve items near one another, which all have the same codes, and three that are far away."""
    generator = np.random.default_rng(1)
    books = [generator.normal(size=(4, 5)).astype(np.float32) for _ in range(2)]
    near = books[0][2] + books[1][1] + 0.01 * generator.normal(size=(12, 5))
    far = np.array([books[0][a] + books[1][b] for a, b in ((0, 0), (1, 3), (3, 2))])
    made_of = ResidualCodes(np.concatenate([near, far]).astype(np.float32), books, False)
    tokens = quantise(made_of.latents, books)[0].astype(np.int32)
    assert len(np.unique(tokens, axis=0)) == 4
    return Identifiers(tokens, (4, 4)), made_of


def test_the_nearest_unused_combination_is_taken(crowded: tuple[Identifiers, ResidualCodes]) -> None:
    """With four codes a level every combination is compared."""
    before, made_of = crowded
    after = with_other_codes(before, made_of, "nearest-unused", 0).tokens
    every = np.array(list(product(range(4), range(4))))
    best = errors_of_all(before.tokens, made_of)[:12]
    taken = {tuple(row) for row in before.tokens.tolist()}
    for row in np.argsort(best)[1:].tolist():
        order = every[np.argsort(errors(made_of, row, every))].tolist()
        expected = next(path for path in order if tuple(path) not in taken)
        assert after[row].tolist() == expected
        taken.add(tuple(expected))


def test_the_recursive_search_changes_the_last_code_first(crowded: tuple[Identifiers, ResidualCodes]) -> None:
    before, made_of = crowded
    after = with_other_codes(before, made_of, "recursive", 0).tokens
    order = np.argsort(errors_of_all(before.tokens, made_of)[:12])
    first_codes = after[order, 0]
    latent = made_of.latents[order[0]]
    nearest = np.argsort(np.square(made_of.books[0] - latent).sum(axis=1)).tolist()
    assert first_codes[:4].tolist() == [2] * 4
    assert nearest[0] == 2
    free = [4 - (before.tokens[12:, 0] == code).sum() for code in nearest[1:]]
    assert first_codes[4:].tolist() == np.repeat(nearest[1:], free)[:8].tolist()


def test_the_order_of_the_rows_decides_nothing_where_items_are_described_equally_well() -> None:
    """Equal items are told apart by what the seed draws, and not by their places in the catalogue."""
    books = [np.arange(6, dtype=np.float32)[:, None]]
    made_of = ResidualCodes(np.zeros((6, 1), dtype=np.float32), books, False)
    before = Identifiers(np.zeros((6, 1), dtype=np.int32), (6,))
    drawn = {tuple(with_other_codes(before, made_of, "recursive", seed).tokens[:, 0].tolist()) for seed in range(5)}
    assert len(drawn) > 1
    again = with_other_codes(before, made_of, "recursive", 0).tokens
    np.testing.assert_array_equal(again, with_other_codes(before, made_of, "recursive", 0).tokens)


def test_more_codes_are_compared_where_the_nearest_are_taken() -> None:
    books = [np.arange(40, dtype=np.float32)[:, None]]
    made_of = ResidualCodes(np.zeros((30, 1), dtype=np.float32), books, False)
    after = with_other_codes(Identifiers(np.zeros((30, 1), dtype=np.int32), (40,)), made_of, "nearest-unused", 0)
    assert sorted(after.tokens[:, 0].tolist()) == list(range(30))


@pytest.mark.parametrize("how", WAYS)
def test_too_few_codes_are_refused(how: OtherCodes) -> None:
    made_of = ResidualCodes(np.zeros((5, 1), dtype=np.float32), [np.zeros((2, 1), np.float32)] * 2, False)
    with pytest.raises(BenchError, match="codes of 2 x 2 name no 5 items"):
        with_other_codes(Identifiers(np.zeros((5, 2), dtype=np.int32), (2, 2)), made_of, how, 0)


def test_numbers_tell_apart_what_shares_codes() -> None:
    before = Identifiers(np.array([[0], [1], [0], [0]], dtype=np.int32), (2,))
    drawn = [numbered(before, seed).tokens for seed in range(4)]
    assert all(tokens[1].tolist() == [1, 0] for tokens in drawn)
    assert all(sorted(tokens[[0, 2, 3], 1].tolist()) == [0, 1, 2] for tokens in drawn)
    assert len({tuple(tokens[:, 1].tolist()) for tokens in drawn}) > 1
