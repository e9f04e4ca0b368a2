"""Residual codebooks: what each level codes, against doing it by hand."""

import numpy as np
import pytest

from retrievers.residual import decoded, quantise, residual_k_means


def by_hand(vectors: np.ndarray, books: list[np.ndarray], normalise: bool) -> tuple[list[list[int]], np.ndarray]:
    """One vector at a time, in double precision."""
    tokens, given = [], []
    for vector in vectors.astype(np.float64):
        rest, row = vector, []
        for book in books:
            last = rest
            row.append(int(((book - rest) ** 2).sum(axis=1).argmin()))
            rest = rest - book[row[-1]]
            if normalise and np.linalg.norm(rest) > 0:
                rest = rest / np.linalg.norm(rest)
        tokens.append(row)
        given.append(last)
    return tokens, np.array(given)


@pytest.mark.parametrize("normalise", [False, True])
def test_each_level_codes_what_the_levels_before_left(item_vectors: np.ndarray, normalise: bool) -> None:
    books = residual_k_means(item_vectors, 3, 12, 0, normalise)
    tokens, given = quantise(item_vectors, books, normalise)
    expected, last = by_hand(item_vectors, books, normalise)
    assert tokens.tolist() == expected
    np.testing.assert_allclose(given, last, atol=1e-5)


def test_the_codebook_of_a_level_is_of_what_was_left(item_vectors: np.ndarray) -> None:
    books = residual_k_means(item_vectors, 2, 12, 0)
    tokens, given = quantise(item_vectors, books)
    np.testing.assert_allclose(given, item_vectors - books[0][tokens[:, 0]], atol=1e-6)
    for code in np.unique(tokens[:, 1]):  # each centroid is the mean of what is nearest to it, as far as k-means came
        mean = given[tokens[:, 1] == code].mean(axis=0)
        assert np.linalg.norm(mean - books[1][code]) < 0.2 * np.linalg.norm(mean) + 1e-6


def test_what_the_levels_describe_adds_up(item_vectors: np.ndarray) -> None:
    books = residual_k_means(item_vectors, 4, 12, 0)
    tokens, _ = quantise(item_vectors, books)
    described = decoded(tokens, books)
    np.testing.assert_allclose(
        described[2], books[0][tokens[:, 0]] + books[1][tokens[:, 1]] + books[2][tokens[:, 2]], atol=1e-6
    )
    errors = [np.square(item_vectors - one).mean() for one in described]
    assert errors == sorted(errors, reverse=True)


def test_as_many_codes_as_items_leave_nothing(item_vectors: np.ndarray) -> None:
    vectors = np.unique(item_vectors, axis=0)[:20]
    books = residual_k_means(vectors, 2, 300, 0)
    assert list(map(len, books)) == [20, 20]
    tokens, given = quantise(vectors, books)
    assert len(np.unique(tokens[:, 0])) == 20
    np.testing.assert_allclose(given, 0, atol=1e-6)


def test_zero_residuals_are_not_scaled() -> None:
    vectors = np.array([[1, 0], [1, 0], [0, 1]], dtype=np.float32)
    books = residual_k_means(vectors, 3, 2, 0, normalise=True)
    tokens, given = quantise(vectors, books, normalise=True)
    assert np.isfinite(given).all()
    assert tokens[0].tolist() == tokens[1].tolist() != tokens[2].tolist()
