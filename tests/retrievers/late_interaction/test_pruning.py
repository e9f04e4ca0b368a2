"""A first pass in bfloat16 loses none of the best documents: `maxsim` is the oracle."""

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.collections.collection import Collection
from retrievers.late_interaction import colbert, pruning
from retrievers.late_interaction.colbert import ColBERT
from retrievers.late_interaction.maxsim import maxsim
from retrievers.late_interaction.pruning import maxsim_of_likely, pays

LENGTHS = st.lists(st.integers(0, 9), min_size=1, max_size=30)


@pytest.fixture(autouse=True, scope="module")
def however_few_are_ruled_out() -> Iterator[None]:
    """These collections are too small for a first pass to rule out most of their documents."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pruning, "_MOST_LIKELY", 1.0)
        yield


def tokens(seed: int, lengths: list[int], dimension: int = 8, like: float = 0.0) -> list[np.ndarray]:
    """Vectors of length 1 that are the more alike the higher `like`, of any length where it is 0."""
    generator = np.random.default_rng(seed)
    texts = [generator.standard_normal((length, dimension)).astype(np.float32) for length in lengths]
    if not like:
        return texts
    moved = [text + np.float32(like) for text in texts]
    return [text / np.linalg.norm(text, axis=1, keepdims=True) for text in moved]


def laid_out(documents: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    documents = sorted(documents, key=len)
    return np.concatenate(documents), np.cumsum([0, *map(len, documents)])


@settings(deadline=None)
@given(LENGTHS, LENGTHS, st.integers(1, 12), st.sampled_from([0.0, 1.0, 20.0]), st.integers(0, 99))
def test_the_best_have_their_scores_and_no_other_document_has_a_false_one(
    asked: list[int], lengths: list[int], k: int, like: float, seed: int
) -> None:
    queries = tokens(seed, asked, like=like)
    vectors, offsets = laid_out(tokens(seed + 1, lengths, like=like))
    found, exact = maxsim_of_likely(queries, vectors, offsets, k), maxsim(queries, vectors, offsets)
    told = found > -np.inf
    np.testing.assert_allclose(found[told], exact[told], rtol=1e-5, atol=1e-5)
    least = np.sort(exact, axis=1)[:, -min(k, len(lengths))][:, np.newaxis]
    best = (exact > least + 1e-5 * (1 + np.abs(np.nan_to_num(least)))) & (exact > -np.inf)
    assert told[best].all()
    assert (told.sum(axis=1) >= np.minimum(k, (exact > -np.inf).sum(axis=1))).all()


@settings(deadline=None)
@given(LENGTHS, LENGTHS, st.sampled_from([0.0, 1.0, 20.0]), st.integers(0, 99))
def test_the_first_pass_errs_by_no_more_than_it_says(
    asked: list[int], lengths: list[int], like: float, seed: int
) -> None:
    queries, (vectors, offsets) = tokens(seed, asked, like=like), laid_out(tokens(seed + 1, lengths, like=like))
    scores, error = pruning._first_pass(queries, vectors, offsets)
    exact = maxsim(queries, vectors, offsets)
    there = exact > -np.inf
    assert (np.abs(scores - exact)[there] <= error[there]).all()


def test_most_of_many_documents_are_ruled_out() -> None:
    queries = tokens(0, [40] * 8, 64, like=0.3)
    vectors, offsets = laid_out([*tokens(1, [7, 30, 31, 90] * 500, 64, like=0.3), *tokens(2, [5000], 64)])
    found, exact = maxsim_of_likely(queries, vectors, offsets, 10), maxsim(queries, vectors, offsets)
    told = found > -np.inf
    assert told.sum() < 0.2 * told.size
    for line, own in zip(found, exact, strict=True):
        assert np.argsort(-line, kind="stable")[:10].tolist() == np.argsort(-own, kind="stable")[:10].tolist()


def test_where_too_few_are_ruled_out_all_are_scored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pruning, "_MOST_LIKELY", 0.2)
    queries, (vectors, offsets) = tokens(0, [4, 2]), laid_out(tokens(1, [3, 5, 5, 9]))
    found = maxsim_of_likely(queries, vectors, offsets, 4)
    np.testing.assert_array_equal(found, maxsim(queries, vectors, offsets))


def test_copies_of_the_last_of_the_best_are_kept() -> None:
    (query,), (document,) = tokens(0, [5]), tokens(1, [4])
    vectors, offsets = laid_out([document] * 6)
    (found,) = maxsim_of_likely([query], vectors, offsets, 2)
    assert len(set(found.tolist())) == 1
    assert found[0] > -np.inf


def test_what_is_no_number_is_kept_to_be_refused() -> None:
    (query,), documents = tokens(0, [5]), tokens(1, [4] * 6)
    documents[3][1] = np.nan
    (found,) = maxsim_of_likely([query], *laid_out(documents), 2)
    assert np.isnan(found[3])


@pytest.mark.parametrize("storage", [np.float16, np.float32])
def test_stored_half_precision_is_scored_in_full(storage: type) -> None:
    queries, (vectors, offsets) = tokens(0, [3, 4]), laid_out(tokens(1, [5, 5, 7]))
    stored = vectors.astype(storage)
    found, exact = maxsim_of_likely(queries, stored, offsets, 3), maxsim(queries, stored, offsets)
    np.testing.assert_allclose(found, exact, rtol=1e-5)


def test_it_is_done_for_many_questions_that_ask_for_few_of_the_documents(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pruning, "computes_bfloat16", lambda _: True)
    many, few, offsets = tokens(0, [64] * 64), tokens(0, [64]), np.arange(101)
    assert pays(many, offsets, 10, "cpu")
    assert not pays(few, offsets, 10, "cpu")
    assert not pays(many, offsets, 50, "cpu")
    assert not pays(many, offsets, 10, "cuda")
    monkeypatch.setattr(pruning, "computes_bfloat16", lambda _: False)
    assert not pays(many, offsets, 10, "cpu")


@pytest.mark.parametrize("shards", [1, 3])
def test_colbert_answers_alike_with_it_and_without(
    learnable: Collection, monkeypatch: pytest.MonkeyPatch, shards: int
) -> None:
    queries = learnable.queries("test")
    system = ColBERT(device="cpu", shards=shards).fit(learnable)
    found = []
    for first_pass in (False, True):
        monkeypatch.setattr(colbert, "pays", lambda *_, chosen=first_pass: chosen)
        found.append(system.retrieve(queries, 5).canonical(queries, learnable.documents, 5))
    assert found[0].rows.tolist() == found[1].rows.tolist()
    np.testing.assert_allclose(found[0].scores, found[1].scores, rtol=1e-5)
