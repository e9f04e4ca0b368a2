"""Next-item recommendation: who is asked, what is left out of an answer, what the table says of it."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bench.collections.catalogue import open_dataset
from bench.collections.collection import Collection, Query
from bench.errors import BenchError
from bench.rankings import Rankings
from bench.results import read_result
from bench.runner.local import run_cells
from bench.runner.plan import make_plan
from bench.suite import Suite, SystemEntry, TaskEntry
from bench.tasks.next_item import NextItem
from bench.tasks.search import Search

MakeSequences = Callable[..., Collection]

TRIPS = {
    "ada": ["oslo", "bergen", "tromso", "narvik"],
    "bo": ["bergen", "oslo", "narvik", "hamar"],
    "cleo": ["oslo", "narvik", "bergen"],
}


def judged(collection: Collection, answers: list[list[str]], task: NextItem) -> tuple[Rankings, dict[str, float]]:
    """Answers as lists of ids, best first."""
    asked = task.questions(collection)
    hits = [[(item, -float(rank)) for rank, item in enumerate(answer)] for answer in answers]
    ranked = task.final(Rankings.from_ids(asked, hits, collection.documents), collection, asked)
    return ranked, {figure.measure: figure.value for figure in task.judge(collection, ranked).figures}


def test_each_user_has_one_relevant_item_among_all(make_sequences: MakeSequences) -> None:
    _, values = judged(
        make_sequences(TRIPS), [["narvik"], ["tromso", "hamar"], ["tromso", "hamar"]], NextItem(mask_history="no")
    )
    assert values["Recall@10"] == values["Recall@5"] == pytest.approx(2 / 3)
    assert values["MRR@10"] == pytest.approx((1 + 1 / 2) / 3)
    assert values["nDCG@10"] == pytest.approx((1 + 1 / np.log2(3)) / 3)
    assert "Judged@10" not in values


def test_items_of_the_history_make_way(make_sequences: MakeSequences) -> None:
    collection = make_sequences(TRIPS)
    answers = [["oslo", "bergen", "tromso", "narvik"], ["narvik", "hamar"], ["bergen", "oslo"]]
    ranked, values = judged(collection, answers, NextItem())
    found = [collection.documents.ids(rows) for _, rows, _ in ranked]
    assert found == [["narvik"], ["hamar"], ["bergen"]]
    assert values["MRR@10"] == 1
    _, unmasked = judged(collection, answers, NextItem(mask_history="no"))
    assert unmasked["MRR@10"] == pytest.approx((1 / 4 + 1 / 2 + 1) / 3)


def test_histories_are_masked_by_default_only_where_none_repeats(make_sequences: MakeSequences) -> None:
    again = make_sequences({**TRIPS, "dan": ["oslo", "oslo", "hamar", "narvik"]})
    assert NextItem().masks_history(make_sequences(TRIPS))
    assert not NextItem().masks_history(again)
    assert NextItem(mask_history="yes").masks_history(again)
    assert "items of the history are allowed in the answer" in NextItem().definition(again)


def test_so_many_items_are_asked_for_that_enough_are_left(make_sequences: MakeSequences) -> None:
    collection = make_sequences({"ada": [f"stop-{number:02}" for number in range(40)]})
    task = NextItem(depth=10)
    asked = task.questions(collection)
    assert task.reach(collection, asked) == 10 + 39
    order = [*asked[0].history, "stop-39"]
    ranked, values = judged(collection, [order], task)
    assert ranked.lengths.tolist() == [1]
    assert values["Recall@5"] == 1
    assert NextItem(depth=10, mask_history="no").reach(collection, asked) == 10
    assert Search().reach(collection, asked) == 100


def test_an_answer_is_short_only_if_more_items_could_be_in_it(make_sequences: MakeSequences) -> None:
    collection = make_sequences(TRIPS)
    task = NextItem()
    ranked, _ = judged(collection, [["narvik", "hamar"], ["hamar"], []], task)
    assert task.judge(collection, ranked).counts["short"] == 2
    assert task.judge(collection, ranked).counts["unanswered"] == 1


def test_the_split_comes_from_the_rules(make_sequences: MakeSequences) -> None:
    questions = NextItem().questions(make_sequences(TRIPS, split="valid"))
    assert [question.history for question in questions] == [("oslo", "bergen"), ("bergen", "oslo"), ("oslo",)]


def test_the_definition_tells_the_protocol_and_how_the_data_were_made(make_sequences: MakeSequences) -> None:
    definition = NextItem().definition(make_sequences({**TRIPS, "eve": ["oslo"]}))
    assert definition.startswith("leave-one-out (test): each of 3 users has one relevant item among all 5")
    assert "items of the history are left out of the answer" in definition
    assert "users left out (fewer than 3 interactions): 1" in definition


def test_a_search_collection_has_nothing_next(make_collection: Callable[..., Collection]) -> None:
    search = make_collection({"a": "Bread.", "b": "Soup."}, {"q": "how to bake"}, {"q": {"a": 1}})
    with pytest.raises(BenchError, match="small has no histories, so nothing comes next; ask the task search"):
        NextItem().questions(search)


def test_a_catalogue_of_one_item_leaves_no_choice(make_sequences: MakeSequences) -> None:
    with pytest.raises(BenchError, match="a catalogue of one item; there is nothing to choose from"):
        NextItem().questions(make_sequences({"ada": ["oslo", "oslo", "oslo"]}))


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
    names = ["bm25", "item-knn", "popularity", "markov"]
    suite = Suite(
        name="trips",
        datasets=[f"recbole:{shop}"],
        systems=[SystemEntry(retriever=name) for name in names],
        tasks=[TaskEntry(task="next_item")],
    )
    cells = make_plan(suite, [open_dataset(suite.datasets[0])], tmp_path)
    run_cells(cells, _Nobody())
    results = [read_result(cell) for cell in cells]
    assert [result.problem for result in results] == [""] * 4
    assert [cell.trained for cell in cells] == [False, True, True, True]
    assert all(0 <= result.tasks[0].figures["Recall@10"].value <= 1 for result in results)
    assert results[2].tasks[0].figures["Recall@10"].value == 1  # nothing else is left


class _Nobody:
    """Watches nothing."""

    def started(self, cell: object) -> None: ...
    def progressed(self, cell: object, phase: str, done: int, total: int) -> None: ...
    def finished(self, cell: object, seconds: float, problem: str) -> None: ...
