"""The canonical order, and what is refused at the harness's border."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_array, csr_matrix

from bench.collections.collection import Collection, Documents, Query
from bench.errors import BenchError
from bench.rankings import Rankings, as_rankings

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


@pytest.mark.parametrize(
    ("rows", "scores", "complaint"),
    [
        ([0.0, 2.0], [1.0, 0.5], "document rows of the type float64; give integers"),
        ([True, False], [1.0, 0.5], "document rows of the type bool"),
        (["arrival"], [1.0], "document rows of the type <U7; give integers, or ids by from_ids"),
        ([0], [1 + 2j], "scores of the type complex128; give real numbers"),
        ([0], ["high"], "scores of the type <U4"),
        ([0], [None], "scores of the type object"),
        ([0], [True], "scores of the type bool"),
        ([0, 1], [1.0], "give two lists of one length"),
    ],
)
def test_rows_and_scores_of_another_type_are_refused_and_name_the_query(
    rows: list[object], scores: list[object], complaint: str
) -> None:
    with pytest.raises(BenchError, match=f"query 'what': .*{complaint}"):
        Rankings.from_hits(ASKED, [([0], [1.0]), (rows, scores)])  # type: ignore[list-item]


@pytest.mark.parametrize(
    ("scores", "complaint"),
    [
        (np.ones((2, 4), dtype=complex), "a score matrix of the type complex128"),
        (np.ones((2, 4), dtype=bool), "a score matrix of the type bool"),
        (np.full((2, 4), "high"), "a score matrix of the type <U4"),
        (np.ones((2, 4, 1)), r"scores of shape \(2, 4, 1\)"),
        (np.ones(2), r"scores of shape \(2,\)"),
    ],
)
def test_a_score_matrix_of_another_type_or_shape_is_refused(scores: np.ndarray, complaint: str) -> None:
    with pytest.raises(BenchError, match=complaint):
        Rankings.from_scores(ASKED, scores, k=1)


@pytest.mark.parametrize("columns", [1, 3, 5])
@pytest.mark.parametrize("form", [np.asarray, csr_matrix])
def test_a_score_matrix_with_another_number_of_documents_is_refused(
    port: Collection, columns: int, form: Callable[..., np.ndarray]
) -> None:
    answers = Rankings.from_scores(ASKED, form(np.ones((2, columns))), k=1)
    for batch in (answers, Rankings.concatenate([answers]), answers.take([0, 1])):
        with pytest.raises(BenchError, match=f"scores for {columns} documents, but the collection has 4"):
            batch.canonical(ASKED, port.documents, k=1)


@pytest.mark.parametrize("sparse", [False, True])
def test_a_matrix_that_is_an_answer_is_cut_at_what_was_asked(port: Collection, sparse: bool) -> None:
    scores = np.array([[float(column % 3 + 1) for column in range(len(port))] for _ in ASKED])
    answer = csr_array(scores) if sparse else scores
    cut = as_rankings(answer, ASKED, port.documents, 1)
    best = int((scores[0] == scores[0].max()).sum())
    assert cut.lengths.tolist() == [best] * len(ASKED)
    assert as_rankings(answer, ASKED, port.documents).lengths.tolist() == [len(port)] * len(ASKED)


def test_a_matrix_of_a_part_of_the_documents_says_where_it_begins(port: Collection) -> None:
    parts = [Rankings.from_scores(ASKED[:1], np.ones((1, 2)), k=2, first=first) for first in (0, 2)]
    found = [_ids(part.canonical(ASKED[:1], port.documents, k=2), port) for part in parts]
    assert found == [[["arrival", "berth"]], [["cargo", "departure"]]]


def test_batches_over_different_numbers_of_documents_are_refused() -> None:
    parts = [Rankings.from_scores([query], np.ones((1, n)), k=1) for n, query in enumerate(ASKED, start=3)]
    with pytest.raises(BenchError, match=r"batches scored \[3, 4\] documents"):
        Rankings.concatenate(parts)


def _frame(**columns: list[object]) -> pd.DataFrame:
    return pd.DataFrame(columns)


@pytest.mark.parametrize(
    "answer",
    [
        {"what": {"cargo": 2.0, "berth": 1}, "when": {"arrival": 0.5}},
        {"when": [("arrival", 0.5)], "what": [("berth", 1.0), ["cargo", 2.0]]},
        [[("arrival", 0.5)], {"cargo": 2.0, "berth": 1.0}],
        _frame(query=["what", "when", "what"], document=["berth", "arrival", "cargo"], score=[1.0, 0.5, 2.0]),
        _frame(qid=["what", "when", "what"], docno=["berth", "arrival", "cargo"], score=[1, 0.5, 2]),
        np.array([[0.5, -np.inf, -np.inf, -np.inf], [-np.inf, 1.0, 2.0, -np.inf]]),
    ],
    ids=["mappings", "pairs", "list", "frame", "pyterrier", "matrix"],
)
def test_what_people_have_as_answers_is_taken(port: Collection, answer: object) -> None:
    ranked = as_rankings(answer, ASKED, port.documents).canonical(ASKED, port.documents, k=10)
    assert _ids(ranked, port) == [["arrival"], ["cargo", "berth"]]
    assert ranked.scores.tolist() == [0.5, 2.0, 1.0]
    assert as_rankings(ranked, ASKED, port.documents) is ranked


def test_a_mapping_may_leave_queries_out_and_ids_may_be_numbers(make_collection: Callable[..., Collection]) -> None:
    numbered = make_collection({"1": "one", "2": "two"})
    asked = [Query("7", "seven"), Query("8", "eight")]
    ranked = as_rankings({8: {2: 1.0}}, asked, numbered.documents)
    assert _ids(ranked, numbered) == [[], ["2"]]


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        (None, "the answers are NoneType None; give Rankings"),
        ("arrival", "the answers are str 'arrival'"),
        ({"where": {"berth": 1.0}}, "answers to 1 queries that were not asked, such as 'where'"),
        ({"when": ["arrival", "berth"]}, r"query 'when': the answer is list .*give \{document id: score\}"),
        ({"when": 3}, "query 'when': the answer is int 3"),
        ({"when": {"anchor": 1.0}}, "query 'when': the unknown document 'anchor'"),
        ({"when": {"arrival": "high"}}, "query 'when': scores of the type <U4"),
        ({"when": {1.5: 1.0}}, "float 1.5 is no id"),
        ([[("arrival", 1.0)]], "1 answers to 2 queries"),
        (_frame(query=["when"], text=["dawn"]), r"the frame has no column 'document' \(it has query, text\)"),
    ],
)
def test_answers_of_another_kind_are_refused_and_say_what_is_taken(
    port: Collection, answer: object, complaint: str
) -> None:
    with pytest.raises(BenchError, match=complaint):
        as_rankings(answer, ASKED, port.documents)


def test_rankings_show_their_counts_and_give_a_frame(port: Collection) -> None:
    ranked = Rankings.from_hits(ASKED, [([0, 1], [2.0, 1.0]), ([2], [1.0])])
    assert repr(ranked) == "Rankings(2 queries, 3 hits)"
    frame = ranked.frame(port.documents)
    assert frame.to_dict("list") == {
        "query": ["when", "when", "what"],
        "document": ["arrival", "berth", "cargo"],
        "rank": [1, 2, 1],
        "score": [2.0, 1.0, 1.0],
    }
