"""The search task: who is asked, what is measured how deep, what is counted, what stands beside the means."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import pytrec_eval

from bench.collections.catalogue import open_dataset
from bench.collections.collection import Collection
from bench.errors import BenchError
from bench.measures.measure import Count
from bench.rankings import Rankings
from bench.tasks.exam import Evaluation
from bench.tasks.search import Search
from bench.trec import read_run

MakeCollection = Callable[..., Collection]

TEXTS = {
    "bread": "Knead the dough, let it rise, and bake it in a hot oven.",
    "soup": "Simmer the bones with leek and carrot for three hours.",
    "salad": "Toss the leaves with oil, salt and lemon.",
}
QUERIES = {"q1": "how to bake", "q2": "what goes into stock", "q3": "who invented the fork", "q4": "dressing"}
QRELS = {"q1": {"bread": 2, "soup": 0}, "q2": {"soup": 1}, "q3": {"bread": 0}, "q4": {"salad": 1}}
COLUMNS = ["nDCG@10", "MRR@10", "Hits@1", "Recall@100"]


@pytest.fixture
def kitchen(make_collection: MakeCollection) -> Collection:
    return make_collection(TEXTS, QUERIES, QRELS)


def asked(task: Search, collection: Collection) -> list[str]:
    return [query.id for query in task.on(collection).queries]


def values_of(evaluation: Evaluation) -> dict[str, float]:
    return {figure.measure: figure.value for figure in evaluation.figures}


def counts_of(evaluation: Evaluation) -> dict[str, Count]:
    return {count.name: count for count in evaluation.counts}


def test_queries_without_a_relevant_document_are_not_asked_and_the_definition_says_so(kitchen: Collection) -> None:
    assert asked(Search(), kitchen) == ["q1", "q2", "q4"]
    assert "mean over 3 judged queries (1 without a relevant document left out)" in Search().on(kitchen).definition


def test_they_may_count_zero_as_in_trec_eval(kitchen: Collection) -> None:
    exam = Search(unanswerable="zero", measured=["MAP"]).on(kitchen)
    assert [query.id for query in exam.queries] == ["q1", "q2", "q3", "q4"]
    answers = Rankings.from_hits(exam.queries, [([1, 0], [2.0, 1.0]), ([1], [1.0]), ([0], [1.0]), ([], [])])
    run = {"q1": {"soup": 2.0, "bread": 1.0}, "q2": {"soup": 1.0}, "q3": {"bread": 1.0}}
    theirs = pytrec_eval.RelevanceEvaluator(QRELS, {"map"}).evaluate(run)
    assert values_of(exam.evaluate(answers))["MAP"] == pytest.approx(sum(q["map"] for q in theirs.values()) / 4)
    assert "mean over 4 judged queries (those without a relevant document count 0, as in trec_eval" in exam.definition


def test_queries_that_nobody_judged_are_never_asked(make_collection: MakeCollection) -> None:
    collection = make_collection(TEXTS, {**QUERIES, "q5": "who cares"}, QRELS)
    assert asked(Search(unanswerable="zero"), collection) == ["q1", "q2", "q3", "q4"]


def test_the_minimum_relevance_decides_who_is_asked(make_collection: MakeCollection) -> None:
    assert asked(Search(), make_collection(TEXTS, QUERIES, QRELS, minimum_relevance=2)) == ["q1"]
    with pytest.raises(BenchError, match="no query of split 'test' has a document of grade 3"):
        Search().on(make_collection(TEXTS, QUERIES, QRELS, minimum_relevance=3))


def test_a_query_whose_only_relevant_document_is_itself_is_left_out_where_that_is_no_answer(
    make_collection: MakeCollection,
) -> None:
    queries = {"bread": TEXTS["bread"], "soup": TEXTS["soup"]}
    qrels = {"bread": {"bread": 1}, "soup": {"soup": 1, "salad": 1}}
    exam = Search().on(make_collection(TEXTS, queries, qrels, exclude_self=True))
    assert [query.id for query in exam.queries] == ["soup"]
    assert "(1 without a relevant document beside itself left out)" in exam.definition
    answers = Rankings.from_hits(exam.queries, [([1, 2], [2.0, 1.0])])
    assert values_of(exam.evaluate(answers))["Recall@100"] == values_of(exam.evaluate(answers))["nDCG@10"] == 1
    assert asked(Search(), make_collection(TEXTS, queries, qrels)) == ["bread", "soup"]


def test_missing_answers_count_zero_and_are_counted(kitchen: Collection) -> None:
    exam = Search().on(kitchen)
    answers = Rankings.from_hits(exam.queries, [([0, 1, 2], [3.0, 2.0, 1.0]), ([], []), ([2, 0], [1.0, 1.0])])
    evaluation = exam.evaluate(answers)
    by_name = {figure.measure: figure for figure in evaluation.figures}
    assert by_name["Hits@10"].value == pytest.approx(2 / 3)
    assert by_name["MRR@10"].value == pytest.approx((1 + 0 + 1 / 2) / 3)
    assert (by_name["MRR@10"].n, by_name["Judged@10"].n) == (3, 2)
    counts = counts_of(evaluation)
    assert {count.header: count.value for count in counts.values() if count.header} == {
        "no answer": 1,
        "short": 2,
        "tied @10": 1,
    }
    worst, best = counts["nDCG@10 worst ties"], counts["nDCG@10 best ties"]
    assert worst.value < best.value
    assert worst.value <= by_name["nDCG@10"].value <= best.value


def test_what_depends_on_full_scores_says_so(kitchen: Collection) -> None:
    exam = Search().on(kitchen)
    counts = exam.evaluate(Rankings.from_hits(exam.queries, [([0], [1.0])] * 3)).counts
    of_scores = {count.name for count in counts if count.needs_scores}
    assert of_scores == {"tied_at_10", "nDCG@10 worst ties", "nDCG@10 best ties"}


def test_answers_that_all_tie_are_flagged(kitchen: Collection) -> None:
    """As of an encoder that is given texts without a word."""
    exam = Search().on(kitchen)
    evaluation = exam.evaluate(Rankings.from_hits(exam.queries, [([0, 1, 2], [0.0] * 3)] * 3))
    assert counts_of(evaluation)["tied_at_10"].value == 3


def test_the_interval_holds_the_mean(kitchen: Collection) -> None:
    exam = Search().on(kitchen)
    figure = exam.evaluate(Rankings.from_hits(exam.queries, [([0], [1.0]), ([0], [1.0]), ([2], [1.0])])).figures[0]
    assert figure.low < figure.value < figure.high


def test_an_unknown_measure_is_refused() -> None:
    with pytest.raises(BenchError, match="did you mean nDCG"):
        Search.from_options("task search", {"measured": ["nDGC@10"]})


@pytest.mark.parametrize("given", ["P_5, recip_rank", ["P@5", "RR"], ("P@5", "MRR", "P.5")])
def test_measures_are_given_as_a_list_or_with_commas_by_any_tools_names(given: object) -> None:
    assert Search.from_options("task search", {"measured": given}).measured == ("P@5", "MRR")


def test_tables_show_the_usual_measures_and_those_asked_for_of_which_the_first_ranks(kitchen: Collection) -> None:
    usual = Search().on(kitchen)
    assert list(usual.columns) == COLUMNS
    names = [measure.name for measure in usual.measures]
    assert names == ["nDCG@10", "MRR@10", "Hits@1", "Hits@10", "Recall@100", "MAP", "Judged@10"]
    exam = Search(measured=["MAP", "P@5", "MRR@10"]).on(kitchen)
    assert exam.primary.name == "MAP"
    assert list(exam.columns) == ["MAP", "P@5", "MRR@10", "nDCG@10", "Hits@1", "Recall@100"]
    evaluation = exam.evaluate(Rankings.from_hits(exam.queries, [([0], [1.0])] * 3))
    assert set(exam.columns) <= set(values_of(evaluation))
    assert "MAP worst ties" in counts_of(evaluation)


def test_a_collection_may_name_its_own_primary_measure(make_collection: MakeCollection) -> None:
    collection = make_collection(TEXTS, QUERIES, QRELS, primary="recall_2")
    assert list(Search().on(collection).columns) == ["Recall@2", *COLUMNS]
    assert Search().on(collection).primary.name == "Recall@2"
    assert Search(measured=["P@5"]).on(collection).primary.name == "P@5"
    with pytest.raises(BenchError, match="unknown measure"):
        Search().on(make_collection(TEXTS, QUERIES, QRELS, primary="speed"))


def test_a_primary_measure_is_part_of_the_fingerprint_only_where_there_is_one(
    make_collection: MakeCollection, kitchen: Collection
) -> None:
    named = make_collection(TEXTS, QUERIES, QRELS, primary="Recall@2")
    assert named.fingerprint != kitchen.fingerprint == make_collection(TEXTS, QUERIES, QRELS).fingerprint


def test_a_diagnostic_ranks_nothing(kitchen: Collection) -> None:
    exam = Search(measured=["Judged@5"]).on(kitchen)
    assert exam.primary.name == "nDCG@10"
    assert list(exam.columns) == [*COLUMNS, "Judged@5"]
    assert [measure.name for measure in exam.measures if measure.diagnostic] == ["Judged@5", "Judged@10"]


def test_answers_are_as_deep_as_the_deepest_cut_off(tmp_path: Path) -> None:
    """Of 300 documents in the order d000, d001, ..., those at ranks 4 and 151 answer q1, that at 251 answers q2."""
    ids = [f"d{place:03}" for place in range(300)]
    corpus = "".join(json.dumps({"_id": name, "title": "", "text": f"{name} common"}) + "\n" for name in ids)
    (tmp_path / "corpus.jsonl").write_text(corpus)
    asking = "".join(json.dumps({"_id": name, "text": "common"}) + "\n" for name in ("q1", "q2"))
    (tmp_path / "queries.jsonl").write_text(asking)
    (tmp_path / "qrels").mkdir()
    judged = "query-id\tcorpus-id\tscore\nq1\td150\t1\nq1\td003\t1\nq2\td250\t1\n"
    (tmp_path / "qrels" / "test.tsv").write_text(judged)
    lines = [f"{query} Q0 {name} {rank} {1000 - rank} x\n" for query in ("q1", "q2") for rank, name in enumerate(ids)]
    (tmp_path / "run.txt").write_text("".join(lines))

    collection = open_dataset(f"beir:{tmp_path}").collection
    exam = Search(measured=("Recall@1000", "MAP", "Recall@200", "nDCG@500")).on(collection)
    assert exam.depth == exam.reach == 1000
    assert exam.definition.endswith("first 1000 documents")
    values = values_of(exam.evaluate(read_run(tmp_path / "run.txt", exam.queries, collection.documents)))
    assert [round(values[name], 4) for name in ("Recall@1000", "MAP", "Recall@200", "nDCG@500")] == [
        1.0, 0.0678, 0.5, 0.2370,
    ]  # fmt: skip


def test_usual_measures_beyond_a_depth_that_is_enough_for_those_asked_are_left_out(kitchen: Collection) -> None:
    exam = Search(depth=5, measured=["P@5"]).on(kitchen)
    assert exam.depth == 5
    assert [measure.name for measure in exam.measures] == ["P@5", "Hits@1"]
    assert Search(depth=5).on(kitchen).depth == 100
