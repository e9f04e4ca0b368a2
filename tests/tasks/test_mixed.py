"""A collection that is searched and recommended from: each task asks its own queries, and no system confuses them."""

from dataclasses import replace
from pathlib import Path

import pytest

import bench
from bench.collections.collection import Collection, Document, Rules, read_collection
from bench.collections.histories import training_sequences
from bench.collections.sources.protocols import leave_one_out
from bench.collections.sources.recbole import RecBole
from bench.collections.sources.sequences import InWords, Item
from bench.collections.writer import CollectionWriter
from bench.suite import Suite, SystemEntry, TaskEntry
from bench.tasks.complements import Complements
from bench.tasks.failures import Failures
from bench.tasks.next_item import NextItem
from bench.tasks.search import Search
from retrievers.recommenders.popularity import Popularity

BOOKS = {"emma": "A match is made in Highbury.", "villette": "A school abroad.", "shirley": "Mills and machines."}
READERS = {"ann": ["emma", "villette", "shirley", "emma"], "bob": ["villette", "emma", "villette", "shirley"]}
QUESTIONS = [
    InWords("train", "q1", "teaching in another country", "villette"),
    InWords("test", "q2", "machines in mills", "shirley"),
    InWords("test", "q3", "who made a match in Highbury", "emma"),
    InWords("dev", "q4", "a novel of industry", "shirley"),
]


@pytest.fixture
def library(tmp_path: Path) -> Collection:
    with CollectionWriter(tmp_path) as writer:
        items = [Item(Document(name, name, text), name) for name, text in BOOKS.items()]
        RecBole(folder=tmp_path).ask(writer, items, leave_one_out(READERS), in_words=QUESTIONS)
    return read_collection(tmp_path, "library", Rules(mixed=True))


def test_each_task_asks_its_own_queries(library: Collection) -> None:
    assert [query.id for query in Search().on(library).queries] == ["q2", "q3"]
    assert [query.id for query in Failures().on(library).queries] == ["q2", "q3"]
    assert [query.id for query in NextItem().on(library).queries] == ["ann", "bob"]
    assert "each of 2 users has one relevant item" in NextItem().on(library).definition
    assert "mean over 2 judged queries" in Search().on(library).definition


def test_questions_in_words_tell_nothing_of_what_goes_together(library: Collection) -> None:
    assert "0 held-out items that have no history" in Complements(least=1).on(library).definition


def test_without_the_rule_each_task_asks_all(library: Collection) -> None:
    plain = replace(library, rules=Rules())
    assert [query.id for query in Search().on(plain).queries] == ["ann", "bob", "q2", "q3"]
    assert plain.asking("users") is plain
    assert plain.fingerprint != library.fingerprint


def test_a_question_is_no_training_sequence(library: Collection) -> None:
    view = library.training_view()
    learnt = [view.documents.ids(rows) for rows in training_sequences(view)]
    assert learnt == [["emma", "villette"], ["villette", "emma"]]
    counts = Popularity().fit(view)._learned["counts"]
    assert dict(zip(view.documents.ids(), counts.tolist(), strict=True)) == {"emma": 2, "villette": 2, "shirley": 0}


def test_where_no_task_is_named_both_are_asked(library: Collection) -> None:
    suite = Suite(name="s", datasets=["d"], systems=[SystemEntry(retriever="bm25")])
    assert [entry.task for entry in suite.on(library).tasks] == ["search", "next_item"]
    named = suite.model_copy(update={"tasks": [TaskEntry(task="search")]})
    assert [entry.task for entry in named.on(library).tasks] == ["search"]


def test_answers_to_the_other_kind_do_not_count(library: Collection, tmp_path: Path) -> None:
    """A run may answer users and questions; each task takes what it asks."""
    lines = [
        f"{query.id} Q0 {item} {rank} {9 - rank} run\n"
        for query in library.queries()
        for rank, item in enumerate(BOOKS, 1)
    ]
    path = tmp_path / "both.trec"
    path.write_text("".join(lines))
    table = bench.evaluate({"both": path}, library, [Search(measured=("MRR@10",)), NextItem(measured=("MRR@10",))])
    found = {one.result.task: one.values["MRR@10"].tolist() for one in table["both"].cell.tasks}
    assert found == {"search": [1 / 3, 1.0], "next_item": [1.0, 1 / 3]}
