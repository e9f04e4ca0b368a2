import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sentence_transformers.util import maxsim as library_maxsim

from retrievers.late_interaction.maxsim import maxsim


def in_order(documents: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Vectors and offsets as `maxsim` takes them: documents by number of tokens."""
    documents.sort(key=len)
    return np.concatenate(documents), np.concatenate([[0], np.cumsum([len(tokens) for tokens in documents])])


def by_loop(queries: list[np.ndarray], documents: list[np.ndarray]) -> list[list[float]]:
    """The definition in float64."""
    return [
        [
            sum(max(float(q @ d) for d in document.astype(float)) for q in query.astype(float))
            for document in documents
        ]
        for query in queries
    ]


def random_texts(seed: int, lengths: list[int], dimension: int = 8) -> list[np.ndarray]:
    generator = np.random.default_rng(seed)
    return [generator.standard_normal((length, dimension)).astype(np.float32) for length in lengths]


@settings(deadline=None)
@given(st.lists(st.integers(1, 6), min_size=1), st.lists(st.integers(1, 9), min_size=1), st.integers(0, 99))
def test_equals_the_definition(query_lengths: list[int], document_lengths: list[int], seed: int) -> None:
    queries, documents = random_texts(seed, query_lengths), random_texts(seed + 1, document_lengths)
    found = maxsim(queries, *in_order(documents))
    np.testing.assert_allclose(found, by_loop(queries, documents), rtol=1e-5, atol=1e-5)


def test_equals_the_library_over_many_blocks_of_queries_and_documents() -> None:
    queries = random_texts(0, [30, 500, 40, 7, 600, 1] * 2, 16)
    documents = random_texts(1, [*range(1, 200, 7), *[50] * 200, 5000], 16)
    vectors, offsets = in_order(documents)
    expected = library_maxsim(list(map(torch.from_numpy, queries)), list(map(torch.from_numpy, documents)))
    np.testing.assert_allclose(maxsim(queries, vectors, offsets), expected.numpy(), rtol=1e-4, atol=1e-3)


def test_nothing_but_a_documents_own_tokens_can_win() -> None:
    query = [np.array([[1.0, 0.0]], dtype=np.float32)]
    documents = [np.array([[-0.2, 0.0]], dtype=np.float32), np.array([[-0.6, 0.8], [-0.4, 0.9], [-1, 0]], np.float32)]
    np.testing.assert_allclose(maxsim(query, *in_order(documents)), [[-0.2, -0.4]])


def test_without_tokens_there_is_no_match() -> None:
    queries = [*random_texts(0, [2]), np.zeros((0, 8), np.float32), *random_texts(1, [3])]
    scores = maxsim(queries, *in_order(random_texts(2, [0, 4, 0, 1])))
    assert (scores[:, :2] == -np.inf).all()
    assert (scores[1] == -np.inf).all()
    assert np.isfinite(scores[[0, 2]][:, 2:]).all()


def test_all_queries_without_tokens() -> None:
    assert (maxsim([np.zeros((0, 8), np.float32)], *in_order(random_texts(0, [1, 2]))) == -np.inf).all()


@pytest.mark.parametrize("storage", [np.float16, np.float32])
def test_stored_half_precision_is_multiplied_in_full(storage: type) -> None:
    queries, documents = random_texts(0, [3]), random_texts(1, [5, 5, 7])
    vectors, offsets = in_order(documents)
    stored = vectors.astype(storage)
    np.testing.assert_allclose(
        maxsim(queries, stored, offsets), maxsim(queries, stored.astype(np.float32), offsets), rtol=1e-6
    )
