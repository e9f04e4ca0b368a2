"""The canonical order, and what is refused at the harness's border."""

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_matrix

from bench.collections.collection import Collection, Documents, Query
from bench.errors import BenchError
from bench.rankings import Rankings

PORT = {
    "arrival": "The ship reached the harbour at dawn.",
    "berth": "A berth had been kept free beside the grain silo.",
    "cargo": "Her cargo was timber and dried fish.",
    "departure": "She left again on the evening tide.",
}
ASKED = [Query("when", "when did the ship arrive"), Query("what", "what did she carry")]


@pytest.fixture
def port(make_collection: Callable[..., Collection]) -> Collection:
    return make_collection(PORT)


def _ids(rankings: Rankings, collection: Collection) -> list[list[str]]:
    return [collection.documents.ids(rows) for _, rows, _ in rankings]


def test_equal_scores_are_ordered_by_document_id(port: Collection) -> None:
    answers = Rankings.from_hits(ASKED, [([3, 0, 1], [1.0, 1.0, 2.0]), ([], [])])
    ranked = answers.canonical(ASKED, port.documents, k=10)
    assert _ids(ranked, port) == [["berth", "arrival", "departure"], []]
    assert ranked.scores.tolist() == [2.0, 1.0, 1.0]


def test_the_tie_at_the_cut_is_decided_by_id_and_not_by_the_order_of_the_corpus(
    make_collection: Callable[..., Collection],
) -> None:
    found = []
    for documents in (PORT, dict(reversed(PORT.items()))):
        collection = make_collection(documents)
        answers = Rankings.from_scores(ASKED[:1], np.ones((1, 4)), k=2)
        found.append(_ids(answers.canonical(ASKED[:1], collection.documents, k=2), collection))
    assert found == [[["arrival", "berth"]], [["arrival", "berth"]]]


def test_minus_infinity_marks_a_document_that_did_not_match(port: Collection) -> None:
    scores = np.array([[-np.inf, -3.0, -np.inf, -2.0], [-np.inf] * 4])
    ranked = Rankings.from_scores(ASKED, scores, k=10).canonical(ASKED, port.documents, k=10)
    assert _ids(ranked, port) == [["departure", "berth"], []]


def test_of_a_sparse_matrix_only_stored_entries_match(port: Collection) -> None:
    scores = csr_matrix(([0.0, 2.0], ([0, 0], [2, 1])), shape=(2, 4))
    ranked = Rankings.from_scores(ASKED, scores, k=10).canonical(ASKED, port.documents, k=10)
    assert _ids(ranked, port) == [["berth", "cargo"], []]


def test_a_documents_own_query_is_left_out_before_the_cut(port: Collection) -> None:
    asked = [Query("cargo", PORT["cargo"])]
    answers = Rankings.from_hits(asked, [([2, 1, 0], [9.0, 2.0, 1.0])])
    assert _ids(answers.canonical(asked, port.documents, k=2, exclude_self=True), port) == [["berth", "arrival"]]


@pytest.mark.parametrize(
    ("rows", "scores", "complaint"),
    [
        ([0, 4], [1.0, 0.5], "not in the collection"),
        ([-1], [1.0], "not in the collection"),
        ([1, 2], [np.nan, 1.0], "not a finite number"),
        ([1], [np.inf], "not a finite number"),
        ([1, 2, 1], [3.0, 2.0, 1.0], "a document twice"),
    ],
)
def test_a_mistake_of_a_retriever_is_refused_and_names_the_query(
    port: Collection, rows: list[int], scores: list[float], complaint: str
) -> None:
    answers = Rankings.from_hits(ASKED, [([0], [1.0]), (rows, scores)])
    with pytest.raises(BenchError, match=f"'what'.*{complaint}"):
        answers.canonical(ASKED, port.documents, k=10)


def test_nan_in_a_score_matrix_is_refused_even_beyond_the_cut(port: Collection) -> None:
    answers = Rankings.from_scores(ASKED[:1], np.array([[3.0, np.nan, 2.0, 1.0]]), k=1)
    with pytest.raises(BenchError, match="not a finite number"):
        answers.canonical(ASKED[:1], port.documents, k=1)


def test_unknown_ids_and_missing_answers_are_refused(port: Collection) -> None:
    with pytest.raises(BenchError, match="unknown document 'anchor'"):
        Rankings.from_ids(ASKED[:1], [[("anchor", 1.0)]], port.documents)
    with pytest.raises(BenchError, match="1 answers to 2 queries"):
        Rankings.from_hits(ASKED, [([0], [1.0])])
    with pytest.raises(BenchError, match="1 rows of scores for 2 queries"):
        Rankings.from_scores(ASKED, np.ones((1, 4)), k=1)
    with pytest.raises(BenchError, match="not to the queries asked"):
        Rankings.from_hits(ASKED, [([], []), ([], [])]).canonical(ASKED[::-1], port.documents, k=1)


def test_batches_of_answers_join_to_one(port: Collection) -> None:
    scores = np.arange(8.0).reshape(2, 4)
    whole = Rankings.from_scores(ASKED, scores, k=3)
    parts = [Rankings.from_scores([query], line[None], k=3) for query, line in zip(ASKED, scores, strict=True)]
    joined = Rankings.concatenate(parts)
    assert list(joined.query_ids) == list(whole.query_ids)
    assert joined.rows.tolist() == whole.rows.tolist()
    assert joined.offsets.tolist() == whole.offsets.tolist()
    assert _ids(joined.take([1]), port) == _ids(whole, port)[1:]


@given(
    st.lists(st.lists(st.integers(-2, 2), min_size=12, max_size=12), min_size=1, max_size=4),
    st.integers(1, 12),
    st.permutations(range(12)),
)
def test_the_canonical_order_is_that_of_a_plain_sort(lines: list[list[int]], k: int, order: list[int]) -> None:
    documents = _letters(order)
    queries = [Query(str(i), "?") for i in range(len(lines))]
    scores = np.array(lines, dtype=np.float32)
    ranked = Rankings.from_scores(queries, scores, k).canonical(queries, documents, k)
    for (_, rows, values), line in zip(ranked, lines, strict=True):
        pairs = sorted(zip(line, documents.ids(), strict=True), key=lambda pair: (-pair[0], pair[1]))[:k]
        assert documents.ids(rows) == [letter for _, letter in pairs]
        assert values.tolist() == [float(score) for score, _ in pairs]


def _letters(order: list[int]) -> Documents:
    ids = ["abcdefghijkl"[place] for place in order]
    return Documents(pa.table({"id": ids, "title": ids, "body": ids}))
