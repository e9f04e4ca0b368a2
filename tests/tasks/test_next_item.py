"""Next-item recommendation: who is asked, what is left out of an answer, what the table says of it."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bench.collections.catalogue import open_dataset
from bench.collections.collection import Collection, Document, Query, Rules, read_collection
from bench.collections.writer import CollectionWriter
from bench.errors import BenchError
from bench.rankings import Rankings
from bench.registry import find
from bench.tasks.exam import Evaluation
from bench.tasks.next_item import NextItem
from bench.tasks.search import Search

MakeSequences = Callable[..., Collection]

TRIPS = {
    "ada": ["oslo", "bergen", "tromso", "narvik"],
    "bo": ["bergen", "oslo", "narvik", "hamar"],
    "cleo": ["oslo", "narvik", "bergen"],
}


def evaluated(
    collection: Collection, answers: list[list[str]], task: NextItem
) -> tuple[Evaluation, dict[str, float]]:
    """Answers as lists of ids, best first."""
    exam = task.on(collection)
    hits = [[(item, -float(rank)) for rank, item in enumerate(answer)] for answer in answers]
    evaluation = exam.evaluate(Rankings.from_ids(exam.queries, hits, collection.documents))
    return evaluation, {figure.measure: figure.value for figure in evaluation.figures}


def test_each_user_has_one_relevant_item_among_all(make_sequences: MakeSequences) -> None:
    _, values = evaluated(
        make_sequences(TRIPS), [["narvik"], ["tromso", "hamar"], ["tromso", "hamar"]], NextItem(mask_history="no")
    )
    assert values["Recall@10"] == values["Recall@5"] == pytest.approx(2 / 3)
    assert values["MRR@10"] == pytest.approx((1 + 1 / 2) / 3)
    assert values["nDCG@10"] == pytest.approx((1 + 1 / np.log2(3)) / 3)
    assert "Judged@10" not in values


def test_questions_of_one_user_are_one_unit(make_sequences: MakeSequences) -> None:
    collection = make_sequences(TRIPS)
    assert NextItem().on(collection).units is None
    ada, bo, cleo = collection.queries()
    asked = {**collection.split_queries, "test": [ada, bo, replace(cleo, of="ada")]}
    exam = NextItem().on(replace(collection, split_queries=asked))
    assert exam.units == ["ada", "bo", "ada"]
    assert exam.units_are == "users"


def test_items_of_the_history_make_way(make_sequences: MakeSequences) -> None:
    collection = make_sequences(TRIPS)
    answers = [["oslo", "bergen", "tromso", "narvik"], ["narvik", "hamar"], ["bergen", "oslo"]]
    evaluation, values = evaluated(collection, answers, NextItem())
    found = [collection.documents.ids(rows) for _, rows, _ in evaluation.rankings]
    assert found == [["narvik"], ["hamar"], ["bergen"]]
    assert values["MRR@10"] == 1
    _, unmasked = evaluated(collection, answers, NextItem(mask_history="no"))
    assert unmasked["MRR@10"] == pytest.approx((1 / 4 + 1 / 2 + 1) / 3)


def test_one_repeated_click_does_not_decide_for_all(make_sequences: MakeSequences) -> None:
    again = make_sequences({**TRIPS, "dan": ["oslo", "oslo", "hamar", "narvik"]})
    for collection in (make_sequences(TRIPS), again):
        exam = NextItem().on(collection)
        assert exam.hides_histories
        assert "items of the history are left out of the answer;" in exam.definition
    assert not NextItem(mask_history="no").on(again).hides_histories


def test_histories_stay_where_what_comes_next_stands_in_them(make_sequences: MakeSequences) -> None:
    returning = make_sequences({**TRIPS, "dan": ["oslo", "bergen", "hamar", "oslo"]})
    exam = NextItem().on(returning)
    assert not exam.hides_histories
    assert "allowed in the answer (1 of those that come next stand in the history already)" in exam.definition
    hidden = NextItem(mask_history="yes").on(returning)
    assert "left out of the answer (so 1 of those that come next cannot be found)" in hidden.definition


def test_figures_tell_apart_what_comes_again_and_what_is_new(make_sequences: MakeSequences) -> None:
    returning = make_sequences({**TRIPS, "dan": ["oslo", "bergen", "hamar", "oslo"]})
    evaluation, values = evaluated(returning, [["narvik"], [], ["bergen"], ["oslo"]], NextItem())
    assert values["Recall@10 repeated"] == 1
    assert values["Recall@10 new"] == pytest.approx(2 / 3)
    assert {figure.measure: figure.n for figure in evaluation.figures}["Recall@10 repeated"] == 1
    assert NextItem().on(returning).columns[5:7] == ["Recall@10 repeated", "Recall@10 new"]
    assert "Recall@10 new" not in evaluated(make_sequences(TRIPS), [[], [], []], NextItem())[1]


def test_so_many_items_are_asked_for_that_enough_are_left(make_sequences: MakeSequences) -> None:
    collection = make_sequences({"ada": [f"stop-{number:02}" for number in range(40)]})
    exam = NextItem(depth=10).on(collection)
    assert exam.reach == 10 + 39
    order = [*exam.queries[0].history, "stop-39"]
    evaluation, values = evaluated(collection, [order], NextItem(depth=10))
    assert evaluation.rankings.lengths.tolist() == [1]
    assert values["Recall@5"] == 1
    assert NextItem(depth=10, mask_history="no").on(collection).reach == 10
    assert Search().on(collection).reach == 100


def test_answers_are_as_deep_as_the_deepest_cut_off(make_sequences: MakeSequences) -> None:
    exam = NextItem(measured=["Recall@50", "Recall@10"]).on(make_sequences(TRIPS))
    assert (exam.depth, exam.primary.name) == (50, "Recall@50")
    assert "first 50 items" in exam.definition


def test_an_answer_is_short_only_if_more_items_could_be_in_it(make_sequences: MakeSequences) -> None:
    collection = make_sequences(TRIPS)
    evaluation, _ = evaluated(collection, [["narvik", "hamar"], ["hamar"], []], NextItem())
    counts = {count.name: count.value for count in evaluation.counts}
    assert (counts["short"], counts["unanswered"]) == (2, 1)


def test_the_split_comes_from_the_rules(make_sequences: MakeSequences) -> None:
    questions = NextItem().on(make_sequences(TRIPS, split="valid")).queries
    assert [question.history for question in questions] == [("oslo", "bergen"), ("bergen", "oslo"), ("oslo",)]


def test_the_definition_tells_the_protocol_and_how_the_data_were_made(make_sequences: MakeSequences) -> None:
    definition = NextItem().on(make_sequences({**TRIPS, "eve": ["oslo"]})).definition
    assert definition.startswith("leave-one-out (test): each of 3 users has one relevant item among all 5")
    assert "items of the history are left out of the answer" in definition
    assert "users left out (fewer than 3 interactions): 1" in definition


def test_histories_of_any_source_are_asked_also_without_anything_to_learn_from(tmp_path: Path) -> None:
    with CollectionWriter(tmp_path) as writer:
        for place in ("oslo", "bergen", "narvik"):
            writer.document(Document(place, place, ""), "places")
        writer.query("test", "ada", "", "users", ["oslo", "bergen"])
        writer.judgement("test", "ada", "narvik", 1, "users")
    exam = NextItem().on(read_collection(tmp_path, "places", Rules()))
    assert exam.definition.startswith("(test): each of 1 users has one relevant item among all 3")
    assert "fitted on" not in exam.definition
    evaluation = exam.evaluate(Rankings.from_hits(exam.queries, [([2], [1.0])]))
    assert not any("coverage" in count.name for count in evaluation.counts)
    assert evaluation.values["Recall@10"].tolist() == [1]


def test_a_search_collection_has_nothing_next(make_collection: Callable[..., Collection]) -> None:
    search = make_collection({"a": "Bread.", "b": "Soup."}, {"q": "how to bake"}, {"q": {"a": 1}})
    with pytest.raises(BenchError, match="small has no histories, so nothing comes next; ask the task search"):
        NextItem().on(search)


def test_a_catalogue_of_one_item_leaves_no_choice(make_sequences: MakeSequences) -> None:
    with pytest.raises(BenchError, match="a catalogue of one item; there is nothing to choose from"):
        NextItem().on(make_sequences({"ada": ["oslo", "oslo", "oslo"]}))


def test_unknown_items_of_a_history_mask_nothing(make_sequences: MakeSequences) -> None:
    collection = make_sequences(TRIPS)
    asked = [Query("x", "", ("oslo", "atlantis"))]
    answers = Rankings.from_hits(asked, [(np.arange(5), np.arange(5.0))])
    kept = answers.without_histories(asked, collection.documents)
    assert kept.rows.tolist() == [row for row in range(5) if row != collection.documents.rows["oslo"]]


def test_text_systems_and_recommenders_share_a_table(tmp_path: Path) -> None:
    shop = tmp_path / "shop"
    shop.mkdir()
    lines = [f"{user}\t{item}\t{time}\n" for user, items in TRIPS.items() for time, item in enumerate(items)]
    (shop / "shop.inter").write_text("user_id:token\titem_id:token\ttimestamp:float\n" + "".join(lines))
    places = sorted({item for items in TRIPS.values() for item in items})
    described = [f"{place}\tA town called {place}\tNorway\n" for place in places]
    (shop / "shop.item").write_text("item_id:token\ttitle:token_seq\tland:token\n" + "".join(described))
    collection = open_dataset(f"recbole:{shop}").collection
    exam = NextItem().on(collection)
    for name in ("bm25", "item-knn", "popularity", "markov"):
        retriever = find("retriever", name).load()()
        retriever.fit(collection.training_view())
        evaluation = exam.evaluate(retriever.retrieve(exam.queries, exam.reach))
        recall = {figure.measure: figure.value for figure in evaluation.figures}["Recall@10"]
        assert recall == 1 if name == "popularity" else 0 <= recall <= 1  # nothing else is left


def test_what_shared_identifiers_hide_is_measured_only_of_systems_that_have_them(
    make_sequences: MakeSequences,
) -> None:
    collection = make_sequences(TRIPS)
    exam = NextItem(mask_history="no").on(collection)
    expected, sid_level = (measure for measure in exam.measures if not measure.of_answers)
    assert (expected.name, expected.column, expected.diagnostic) == ("expected Recall@10", "expected @10", False)
    assert (sid_level.name, sid_level.column, sid_level.diagnostic) == (
        "SID-level Recall@10",
        "[SID-level @10]",
        True,
    )
    assert list(exam.columns[-3:-1]) == [expected.name, sid_level.name]
    answers = Rankings.from_hits(exam.queries, [([0], [1.0])] * 3)
    alone = exam.evaluate(answers)
    assert not {expected.name, sid_level.name} & set(alone.values)
    shared = exam.evaluate(answers, groups=np.zeros(len(collection), dtype=np.int64))
    assert shared.values[sid_level.name].tolist() == shared.values[expected.name].tolist() == [1, 1, 1]
    assert [figure.n for figure in shared.figures if figure.measure in (expected.name, sid_level.name)] == [3, 3]
    for name, found in alone.values.items():
        np.testing.assert_array_equal(shared.values[name], found)


def test_a_primary_measure_that_groups_have_no_value_of_is_measured_alone(make_sequences: MakeSequences) -> None:
    collection = make_sequences(TRIPS)
    exam = NextItem(measured=["MAP"]).on(collection)
    answers = Rankings.from_hits(exam.queries, [([0], [1.0])] * 3)
    assert not any(
        "expected" in name for name in exam.evaluate(answers, np.zeros(len(collection), dtype=np.int64)).values
    )
