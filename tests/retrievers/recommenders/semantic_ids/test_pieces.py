"""Pieces of identifiers: which vectors an item has, and that frequent ones share long pieces."""

import numpy as np
import pytest

from retrievers.recommenders.semantic_ids import pieces as piece_module
from retrievers.recommenders.semantic_ids.pieces import PieceOptions, piece_rows

TOKENS = np.array([[0, 1, 2, 3], [0, 1, 2, 0], [0, 1, 1, 3], [2, 1, 2, 3], [2, 1, -1, -1]])
COUNTS = np.array([5, 5, 1, 1, 0])


def pieces(**options: object) -> list[set[int]]:
    rows, number = piece_rows(TOKENS, COUNTS, PieceOptions(**options))
    assert rows.max() < number
    return [set(line[line >= 0].tolist()) for line in rows]


def test_single_codes_are_of_their_level() -> None:
    first, second, third, fourth, short = pieces(kind="n-gram", codes=1)
    assert len(first & second) == 3
    assert len(first & third) == 3
    assert len(first & fourth) == 3
    assert short == fourth - (fourth - short)
    assert len(set().union(first, second, third, fourth)) == 2 + 1 + 2 + 2


@pytest.mark.parametrize(("codes", "shared"), [(2, 1), (3, 1), (4, 0)])
def test_n_grams_are_of_neighbouring_codes_that_do_not_overlap(codes: int, shared: int) -> None:
    first, second, *_ = pieces(kind="n-gram", codes=codes)
    assert len(first) == -(-4 // codes)
    assert len(first & second) == shared


@pytest.mark.parametrize("kind", ["unigram", "bpe"])
def test_learned_pieces_are_longer_where_items_are_frequent(kind: str) -> None:
    draws = np.random.default_rng(0)
    tokens, counts = draws.integers(16, size=(300, 4)), np.where(np.arange(300) < 20, 100, 1)
    rows, number = piece_rows(tokens, counts, PieceOptions(kind=kind, vocabulary=60))
    lengths = (rows >= 0).sum(axis=1)
    assert lengths[:20].mean() < lengths[20:].mean() - 0.3
    assert number <= 4 * 16 + 60


@pytest.mark.parametrize("kind", ["unigram", "bpe"])
def test_learned_pieces_are_the_identifier_in_parts(kind: str) -> None:
    cut = piece_module._learned(TOKENS, COUNTS, PieceOptions(kind=kind, vocabulary=10))
    whole = [tuple(code for piece in of_item for code in piece) for of_item in cut]
    assert [len(codes) for codes in whole] == [4, 4, 4, 4, 2], "also of the item that training lacks"
    assert whole[0][:3] == whole[1][:3]
    assert whole[3][:2] == whole[4]
    assert len({code for codes in whole for code in codes}) == 2 + 1 + 2 + 2


def test_items_are_pieces_of_their_own() -> None:
    assert pieces(kind="item") == [{0}, {1}, {2}, {3}, {4}]


@pytest.mark.parametrize("kind", ["n-gram", "unigram", "bpe", "item"])
def test_pieces_share_so_many_vectors_by_a_hash_that_stays(kind: str) -> None:
    rows, number = piece_rows(TOKENS, COUNTS, PieceOptions(kind=kind, rows=3))
    assert number == 3
    assert set(rows.ravel().tolist()) <= {-1, 0, 1, 2}
    np.testing.assert_array_equal(rows, piece_rows(TOKENS, COUNTS, PieceOptions(kind=kind, rows=3))[0])
