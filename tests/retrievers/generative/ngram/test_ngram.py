"""The n-gram system on a small collection of real text."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from merging import merged

from bench.collections.collection import Collection, Document, Query, part_of
from bench.errors import BenchError
from bench.rankings import Rankings
from bench.workplace import Workplace
from retrievers.generative.ngram.retriever import Ngram
from retrievers.lexical.bm25 import BM25

QUICK = {
    "device": "cpu",
    "decoder": {"dimension": 32, "feed_forward": 64, "layers": 1},
    "training": {"epochs": 2, "training_batch": 16},
    "scoring": {"smoothing": 0.1},  # 5 is as much as words have here at all
}


@pytest.fixture(scope="module")
def common(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """States that all of these tests share, so that each text is read once."""
    return tmp_path_factory.mktemp("common")


@pytest.fixture
def fit(learnable: Collection, common: Path, tmp_path: Path) -> Any:
    def fit(collection: Collection = learnable, **options: Any) -> Ngram:
        retriever = Ngram(**merged(QUICK, options))
        retriever.work_in(Workplace(tmp_path / "checkpoints", common))
        return retriever.fit(collection)

    return fit


def answer(retriever: Ngram, collection: Collection, k: int = 10) -> Rankings:
    asked = collection.queries("test")
    return retriever.retrieve(asked, k).canonical(asked, collection.documents, k)


def reciprocal_rank(found: Rankings, collection: Collection) -> float:
    ranks = []
    for position, (_, rows, _) in enumerate(found):
        hits = np.flatnonzero(np.isin(rows, collection.qrels("test").of(position)[0]))
        ranks.append(1 / (hits[0] + 1) if len(hits) else 0.0)
    return float(np.mean(ranks))


def test_trained_it_answers_questions_that_it_has_not_learned(fit: Any, learnable: Collection) -> None:
    retriever = fit(training={"epochs": 4, "learning_rate": 2e-3, "held_out": 0})
    losses = [epoch["loss"] for epoch in retriever.facts()["training"]["epochs"][1:]]
    assert losses[-1] < losses[0] - 0.2
    bm25 = BM25().fit(learnable)
    asked = learnable.queries("test")
    words_alone = bm25.retrieve(asked, 10).canonical(asked, learnable.documents, 10)
    found = reciprocal_rank(answer(retriever, learnable), learnable)
    assert found > 0.3
    assert found > 1.5 * reciprocal_rank(words_alone, learnable)


def test_a_loaded_index_answers_as_the_fitted_one(fit: Any, learnable: Collection, tmp_path: Path) -> None:
    fitted = fit(views=("span", "pseudo-query"))
    (tmp_path / "index").mkdir()
    fitted.save(tmp_path / "index")
    loaded = Ngram(**merged(QUICK, {"views": ("span", "pseudo-query")}))
    loaded.load(tmp_path / "index")
    first, second = answer(fitted, learnable), answer(loaded, learnable)
    assert np.array_equal(first.rows, second.rows)
    assert np.array_equal(first.scores, second.scores)
    assert loaded.facts() == fitted.facts()


def test_a_question_without_a_word_has_no_answer(fit: Any, learnable: Collection) -> None:
    retriever = fit(training={"epochs": 0})
    found = retriever.retrieve([Query("nothing", " "), Query("something", "returns a list")], 3)
    assert [len(found.of(place)[0]) > 0 for place in (0, 1)] == [False, True]


def test_documents_that_are_added_are_found_without_training(fit: Any, learnable: Collection) -> None:
    rows = np.arange(len(learnable))
    retriever = fit(part_of(learnable, rows[:20], asked=True), training={"epochs": 2})
    before = {name: weight.clone() for name, weight in retriever._writer.learned().items()}
    retriever.add(part_of(learnable, rows[20:], asked=False))
    assert all(np.array_equal(weight, before[name]) for name, weight in retriever._writer.learned().items())
    asked = [Query(str(row), " ".join(text.split()[:12])) for row, text in enumerate(learnable.texts())]
    found = retriever.retrieve(asked, 1).canonical(asked, learnable.documents, 1)
    assert np.mean([row in rows for row, (_, rows, _) in enumerate(found)][20:]) > 0.7


def test_a_long_document_is_found_by_one_of_its_passages(fit: Any, make_collection: Any) -> None:
    filler = "the value of this setting is read once when the program starts and is kept until its end " * 20
    collection = make_collection(
        {"long": f"{filler} purple elephants juggle quietly {filler}", "short": "elephants are grey", "none": filler}
    )
    retriever = fit(collection, passage_tokens=64, training={"epochs": 1})
    (_, rows, _) = next(iter(retriever.retrieve([Query("1", "purple elephants juggle quietly")], 3)))
    assert rows[0] == 0


def test_titles_are_a_view_of_their_own(fit: Any, make_collection: Any) -> None:
    documents = [
        Document("a", "binary search", "Halve the sorted list until the item is found."),
        Document("b", "merge sort", "Halve the list, order both parts and join them."),
        Document("c", "", "An untitled note."),
    ]
    retriever = fit(make_collection(documents), views=("title",), training={"epochs": 1})
    assert retriever.facts()["texts"] == {"title": 2}
    (_, rows, _) = next(iter(retriever.retrieve([Query("1", "merge sort")], 3)))
    assert rows[0] == 1


def test_a_view_that_no_document_has_is_refused(fit: Any, learnable: Collection) -> None:
    with pytest.raises(BenchError, match="no document of learnable has a title to take n-grams of"):
        fit(views=("span", "title"))


def test_texts_of_documents_with_nothing_to_write_are_refused(fit: Any, make_collection: Any) -> None:
    documents = [Document("a", "binary search", "Halve the list."), Document("b", "", "An untitled note.")]
    asked = make_collection(documents, {"1": "a note"}, {"1": {"b": 1}})
    queries, qrels = ({"train": one["test"]} for one in (asked.split_queries, asked.split_qrels))
    learned = replace(asked, split_queries=queries, split_qrels=qrels)
    with pytest.raises(BenchError, match=r"an n-gram to write; add `span` to ngram.views, or give parts"):
        fit(learned, views=("title",), reading={"parts": ()}, training={"epochs": 1})


def test_a_view_that_is_named_twice_is_refused() -> None:
    with pytest.raises(BenchError, match="name each view once"):
        Ngram(views=("span", "span"))
