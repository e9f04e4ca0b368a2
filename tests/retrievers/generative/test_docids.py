from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.errors import BenchError
from retrievers.generative.docids import (
    Identifiers,
    atomic,
    centroids,
    compressed,
    digits,
    items_below,
    naive,
    semantic,
    with_collision_numbers,
)
from retrievers.generative.trie import Trie


def random_vectors(number: int, seed: int = 0, dimension: int = 8) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((number, dimension)).astype(np.float32)


def assert_unique_and_prefix_free(identifiers: Identifiers) -> None:
    trie = identifiers.trie()  # refuses prefixes
    assert trie.groups == len(identifiers) == len(np.unique(identifiers.tokens, axis=0))
    assert (identifiers.tokens.max(axis=0) < identifiers.vocabularies).all()


def test_atomic_is_one_token_for_each() -> None:
    assert atomic(3).tokens.tolist() == [[0], [1], [2]]
    assert atomic(3).vocabularies == (3,)


@pytest.mark.parametrize(("items", "width"), [(1, 1), (10, 1), (11, 2), (100, 2), (101, 3)])
def test_digits_are_as_many_as_the_largest_number_needs(items: int, width: int) -> None:
    identifiers = digits(np.arange(items))
    assert ["".join(map(str, row)) for row in identifiers.tokens] == [f"{row:0{width}}" for row in range(items)]
    assert_unique_and_prefix_free(identifiers)


def test_naive_identifiers_are_the_digits_of_numbers_that_do_not_follow_the_rows() -> None:
    identifiers = naive(1000, seed=0)
    numbers = identifiers.tokens @ [100, 10, 1]
    assert sorted(numbers) == list(range(1000))
    neighbours = identifiers.tokens[1:, 0] == identifiers.tokens[:-1, 0]
    assert neighbours.mean() == pytest.approx(0.1, abs=0.03)  # of rows in a drawn order; in their own 0.99
    assert np.array_equal(naive(1000, seed=0).tokens, identifiers.tokens)
    assert not np.array_equal(naive(1000, seed=1).tokens, identifiers.tokens)


def test_numbers_in_a_leaf_do_not_follow_the_rows() -> None:
    identifiers = semantic(np.ones((1000, 4)), branch=10, leaf_size=100, max_levels=2)
    for level in range(2):
        order = identifiers.tokens[:, level].astype(float)
        assert abs(np.corrcoef(order, np.arange(1000))[0, 1]) < 0.1


def test_digits_in_another_base() -> None:
    assert digits(np.arange(5), base=2).tokens.tolist() == [[0, 0, 0], [0, 0, 1], [0, 1, 0], [0, 1, 1], [1, 0, 0]]


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 60), st.integers(2, 4), st.integers(1, 5), st.integers(0, 5), st.booleans())
def test_semantic_identifiers_are_unique_prefix_free_and_within_their_bounds(
    items: int, branch: int, leaf_size: int, seed: int, with_equals: bool
) -> None:
    vectors = random_vectors(items, seed, dimension=2)
    if with_equals:
        vectors = np.round(vectors)
    identifiers = semantic(vectors, branch, leaf_size, max_levels=8, seed=seed)
    assert_unique_and_prefix_free(identifiers)
    assert identifiers.tokens.shape[1] <= 8
    assert max(identifiers.vocabularies) <= max(branch, leaf_size)


def test_the_first_tokens_tell_far_apart_clusters_from_each_other() -> None:
    centres = np.array([[100, 0], [0, 100], [-100, 0]])
    owners = np.repeat([0, 1, 2], 20)
    identifiers = semantic(centres[owners] + random_vectors(60, dimension=2), branch=3, leaf_size=20)
    firsts = identifiers.tokens[:, 0].reshape(3, 20)
    assert (firsts == firsts[:, :1]).all()
    assert sorted(firsts[:, 0]) == [0, 1, 2]
    assert sorted(identifiers.tokens[:20, 1]) == list(range(20))


def test_equal_vectors_are_divided_evenly() -> None:
    identifiers = semantic(np.ones((100, 4)), branch=5, leaf_size=4)
    assert_unique_and_prefix_free(identifiers)
    assert identifiers.vocabularies == (5, 5, 4)


def test_clusters_too_uneven_for_the_depth_are_cut() -> None:
    distances = np.concatenate([np.zeros(50), 10.0 ** np.arange(1, 15)])
    identifiers = semantic(distances[:, None], branch=2, leaf_size=4, max_levels=5)
    assert_unique_and_prefix_free(identifiers)
    assert identifiers.vocabularies == (2, 2, 2, 2, 4)


def test_fewer_documents_than_clusters() -> None:
    assert_unique_and_prefix_free(semantic(random_vectors(3), branch=10, leaf_size=1))
    assert sorted(semantic(random_vectors(3), branch=10, leaf_size=5).tokens.tolist()) == [[0], [1], [2]]
    assert semantic(random_vectors(1)).tokens.tolist() == [[0]]


def test_the_same_seed_gives_the_same_identifiers_whatever_the_number_of_threads() -> None:
    import faiss

    vectors, threads = random_vectors(3000), faiss.omp_get_max_threads()
    try:
        faiss.omp_set_num_threads(1)
        alone = semantic(vectors, seed=3)
        faiss.omp_set_num_threads(2)
        together = semantic(vectors, seed=3)
        assert faiss.omp_get_max_threads() == 2
    finally:
        faiss.omp_set_num_threads(threads)
    np.testing.assert_array_equal(alone.tokens, together.tokens)
    assert not np.array_equal(alone.tokens, semantic(vectors, seed=4).tokens)


def test_refuses_what_cannot_be_named() -> None:
    with pytest.raises(BenchError, match="no documents"):
        atomic(0)
    with pytest.raises(BenchError, match="no documents"):
        semantic(np.empty((0, 4)))
    with pytest.raises(BenchError, match="raise max_levels, branch or leaf_size"):
        semantic(random_vectors(100), branch=3, leaf_size=3, max_levels=3)
    with pytest.raises(BenchError, match="finite"):
        semantic(np.array([[0.0, np.nan]]))


def test_collision_numbers_tell_items_apart_in_their_order() -> None:
    identifiers = with_collision_numbers(Identifiers(np.array([[3, 1], [0, 2], [3, 1], [3, 0], [3, 1]]), (4, 256)))
    assert identifiers.tokens.tolist() == [[3, 1, 0], [0, 2, 0], [3, 1, 1], [3, 0, 0], [3, 1, 2]]
    assert identifiers.vocabularies == (4, 256, 3)


def test_collision_numbers_of_identifiers_of_different_lengths_follow_their_ends() -> None:
    identifiers = with_collision_numbers(Identifiers(np.array([[1, -1], [0, 2], [1, -1]]), (2, 3)))
    assert identifiers.tokens.tolist() == [[1, 0, -1], [0, 2, 0], [1, 1, -1]]
    assert_unique_and_prefix_free(identifiers)


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 40), st.integers(0, 9))
def test_centroids_are_the_means_of_the_items_under_each_state(items: int, seed: int) -> None:
    tokens = np.random.default_rng(seed).integers(0, 3, (items, 3))
    tokens[tokens[:, 0] == 2, 1:] = -1
    vectors = random_vectors(items, seed)
    trie = Identifiers(tokens, (3, 3, 3)).trie()
    found = centroids(trie, vectors)
    assert found.dtype == np.float32
    paths = trie.on("cpu").paths(torch.from_numpy(tokens)).numpy()
    for state in range(trie.states):
        np.testing.assert_allclose(found[state], vectors[(paths == state).any(axis=1)].mean(axis=0), atol=1e-5)


def test_finds_what_was_saved(tmp_path: Path) -> None:
    identifiers = Identifiers(np.array([[1, -1], [0, 2]], np.int32), (2, 300))
    identifiers.save(tmp_path)
    loaded = Identifiers.load(tmp_path)
    np.testing.assert_array_equal(loaded.tokens, identifiers.tokens)
    assert loaded.vocabularies == (2, 300)


def test_compressed_identifiers_are_the_choices_on_the_way() -> None:
    words = np.array([[4, 2, 7, 0], [4, 2, 5, 0], [4, 3, 0, -1], [6, 1, 1, 0]])
    found = compressed(Identifiers.of(words))
    assert found.tokens.tolist() == [[0, 0, 1], [0, 0, 0], [0, 1, -1], [1, -1, -1]]
    assert compressed(Identifiers.of(words[:1])).tokens.tolist() == [[0]]


@given(st.lists(st.lists(st.integers(1, 3), min_size=1, max_size=6), min_size=1, max_size=30))
@settings(deadline=None)
def test_compressing_keeps_the_tree(sequences: list[list[int]]) -> None:
    width = max(map(len, sequences)) + 1
    padded = np.array([[*s, 0, *[-1] * (width - 1 - len(s))] for s in sequences])
    before, after = Identifiers.of(padded).trie(), compressed(Identifiers.of(padded)).trie()
    assert after.levels <= before.levels
    assert groups_of(after) == groups_of(before)
    branching = np.diff(before.indptr) > 1
    if branching.any():
        assert sorted(np.diff(after.indptr)[np.diff(after.indptr) > 0]) == sorted(np.diff(before.indptr)[branching])


def groups_of(trie: Trie) -> set[tuple[int, ...]]:
    return {tuple(group.tolist()) for group in np.split(trie.items, trie.group_indptr[1:-1])}


def test_items_below_a_state_are_those_whose_identifiers_pass_it() -> None:
    trie = Identifiers.of(np.array([[0, 0], [0, 1], [0, 1], [1, 0]])).trie()
    assert items_below(trie).tolist() == [4, 3, 1, 1, 2, 1]
