"""The search task: who is asked, what is counted, what stands beside the means."""

from collections.abc import Callable

import pytest

from bench.collections.collection import Collection
from bench.errors import BenchError
from bench.rankings import Rankings
from bench.tasks.search import Search

TEXTS = {
    "bread": "Knead the dough, let it rise, and bake it in a hot oven.",
    "soup": "Simmer the bones with leek and carrot for three hours.",
    "salad": "Toss the leaves with oil, salt and lemon.",
}
QUERIES = {"q1": "how to bake", "q2": "what goes into stock", "q3": "who invented the fork", "q4": "dressing"}
QRELS = {"q1": {"bread": 2, "soup": 0}, "q2": {"soup": 1}, "q3": {"bread": 0}, "q4": {"salad": 1}}


@pytest.fixture
def kitchen(make_collection: Callable[..., Collection]) -> Collection:
    return make_collection(TEXTS, QUERIES, QRELS)


def test_queries_without_a_relevant_document_are_not_asked_and_the_definition_says_so(kitchen: Collection) -> None:
    assert [query.id for query in Search().questions(kitchen)] == ["q1", "q2", "q4"]
    assert "mean over 3 judged queries (1 without a relevant document left out)" in Search().definition(kitchen)


def test_the_minimum_relevance_decides_who_is_asked(make_collection: Callable[..., Collection]) -> None:
    strict = make_collection(TEXTS, QUERIES, QRELS, minimum_relevance=2)
    assert [query.id for query in Search().questions(strict)] == ["q1"]
    with pytest.raises(BenchError, match="no query of split 'test' has a document of grade 3"):
        Search().questions(make_collection(TEXTS, QUERIES, QRELS, minimum_relevance=3))


def test_missing_answers_count_zero_and_are_counted(kitchen: Collection) -> None:
    task = Search()
    asked = task.questions(kitchen)
    answers = Rankings.from_hits(asked, [([0, 1, 2], [3.0, 2.0, 1.0]), ([], []), ([2, 0], [1.0, 1.0])])
    judged = task.judge(kitchen, answers.canonical(asked, kitchen.documents, task.depth))
    by_name = {figure.measure: figure for figure in judged.figures}
    assert by_name["Hits@10"].value == pytest.approx(2 / 3)
    assert by_name["MRR@10"].value == pytest.approx((1 + 0 + 1 / 2) / 3)
    assert (by_name["MRR@10"].n, by_name["Judged@10"].n) == (3, 2)
    assert {name: judged.counts[name] for name in ("unanswered", "short", "tied_at_10")} == {
        "unanswered": 1,
        "short": 2,
        "tied_at_10": 0,
    }
    assert judged.counts["nDCG@10 worst ties"] <= by_name["nDCG@10"].value <= judged.counts["nDCG@10 best ties"]


def test_the_interval_holds_the_mean(kitchen: Collection) -> None:
    task = Search()
    asked = task.questions(kitchen)
    answers = Rankings.from_hits(asked, [([0], [1.0]), ([0], [1.0]), ([2], [1.0])])
    figure = task.judge(kitchen, answers.canonical(asked, kitchen.documents, task.depth)).figures[0]
    assert figure.low <= figure.value <= figure.high
    assert figure.low < figure.high


def test_an_unknown_measure_is_refused() -> None:
    with pytest.raises(BenchError, match="did you mean nDCG"):
        Search.from_options("task search", {"measured": ["nDGC@10"]})
