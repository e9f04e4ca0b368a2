"""The completeness task: key sentences of each third, and what a system that knows all of them reaches."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from bench.collections.collection import Collection, Document, Query
from bench.errors import BenchError
from bench.measures.measure import Instrument
from bench.models import MINILM, find_weights
from bench.rankings import Rankings
from bench.tasks.chunks import THIRDS
from bench.tasks.completeness import Completeness

MakeCollection = Callable[..., Collection]


def by_tf_idf(**options: Any) -> Completeness:
    return Completeness(**{"selector": "tf-idf", "second_selector": "none", **options})


LICENCE = "All rights are reserved by the author."

BREAD = Document(
    "bread",
    "Rye bread",
    "Rye bread is made of flour. Zymurgists ferment sourdough with lactobacilli. "
    "Let it stand where it is warm. Knead it well and let it rise. "
    f"Bake it until it is dark and firm. {LICENCE}",
)
SOUP = Document(
    "soup",
    "",
    "Let it stand in the cold for an hour. Simmer the bones with leek and carrot. "
    "Skim the foam whenever it rises again. Season it with bay and lovage. "
    f"Strain it into a warm tureen at noon. {LICENCE}",
)
SALT = Document("salt", "", "Salt is salt.")


def holding(questions: Sequence[Query], collection: Collection) -> Rankings:
    """For each question every document that holds its words in this order."""
    texts = [" ".join(text.split()) for text in collection.texts()]
    rows = [[row for row, text in enumerate(texts) if query.text in text] for query in questions]
    return Rankings.from_hits(questions, [(found, [1.0] * len(found)) for found in rows])


@pytest.fixture
def kitchen(make_collection: MakeCollection) -> Collection:
    return make_collection([BREAD, SOUP, SALT])


@pytest.fixture
def manuals(docstrings: dict[str, tuple[str, str]], make_collection: MakeCollection) -> Collection:
    return make_collection([Document(name, name, rest) for name, (_, rest) in docstrings.items()])


def test_the_sentence_with_the_rarest_words_of_each_third_is_asked(kitchen: Collection) -> None:
    asked = {one.query.id: one for one in by_tf_idf().draw(kitchen).asked}
    assert asked["start bread"].query.text == "Zymurgists ferment sourdough with lactobacilli."
    assert asked["middle soup"].query.text in SOUP.body
    assert {one.groups[-1] for one in asked.values()} <= set(THIRDS)
    assert all(kitchen.documents[one.row].id == one.query.id.split()[1] for one in asked.values())


def test_a_system_that_knows_every_sentence_finds_every_document_first(manuals: Collection) -> None:
    exam = by_tf_idf(sample=60).on(manuals)
    figures = {figure.measure: figure for figure in exam.evaluate(holding(exam.queries, manuals)).figures}
    assert figures["Hits@1"].value == 1.0
    assert figures["Hits@1"].n == sum(figures[f"Hits@1 {third}"].n for third in THIRDS) == len(exam.queries)
    assert list(figures) == [measure.name for measure in exam.measures]


def test_each_third_has_figures_of_its_own(kitchen: Collection) -> None:
    task = by_tf_idf()
    exam, asked = task.on(kitchen), task.draw(kitchen).asked
    hits = [([one.row], [1.0]) if one.groups[-1] == "start" else ([], []) for one in asked]
    answers = Rankings.from_hits(exam.queries, hits)
    figures = {figure.measure: figure.value for figure in exam.evaluate(answers).figures}
    assert (figures["Hits@1 start"], figures["Hits@1 middle"]) == (1.0, 0.0)
    assert figures["Hits@1"] == pytest.approx(sum(one.groups[-1] == "start" for one in asked) / len(asked))


def test_sentences_of_two_documents_are_left_out_and_counted(make_collection: MakeCollection) -> None:
    middle, end = "Knead it and let it rise.", "Bake it until it is dark."
    collection = make_collection(
        {
            "rye": f"Take a pound of rye flour. {middle} {end}",
            "oat": f"Take a pound of oat meal. {middle} Fry it in a little butter.",
        }
    )
    task = by_tf_idf()
    assert {one.query.text for one in task.draw(collection).asked} == {
        "Take a pound of rye flour.",
        "Take a pound of oat meal.",
        end,
        "Fry it in a little butter.",
    }
    assert task.draw(collection).facts["in another document too"] == 2
    assert "2 sentences that occur in another document too" in task.on(collection).definition


def test_a_sentence_that_a_document_holds_twice_is_asked(make_collection: MakeCollection) -> None:
    collection = make_collection({"song": "Row the boat down the stream. " * 3})
    assert len(by_tf_idf().on(collection).queries) == 3


def test_documents_without_a_sentence_in_each_third_are_left_out_and_counted(kitchen: Collection) -> None:
    task = by_tf_idf()
    assert task.draw(kitchen).facts["documents"] == 2
    assert task.draw(kitchen).facts["without a sentence in each third"] == 1
    with pytest.raises(BenchError, match="no document has a sentence of 30 words in each third"):
        by_tf_idf(shortest=30).on(kitchen)


def test_the_title_is_never_part_of_a_question(manuals: Collection, kitchen: Collection) -> None:
    for query in by_tf_idf(shortest=2, sample=1000).on(kitchen).queries:
        assert "rye bread" not in query.text.casefold()
    titles = [document.title for document in manuals.documents]
    for one in by_tf_idf().draw(manuals).asked:
        assert titles[one.row] not in one.query.text.split()


@pytest.mark.parametrize("selector", ["tf-idf", "textrank"])
def test_the_draw_follows_the_seed_of_the_task_alone(manuals: Collection, selector: str) -> None:
    np.random.seed(1)
    first = by_tf_idf(selector=selector, sample=5).on(manuals).queries
    np.random.seed(2)
    assert list(first) == list(by_tf_idf(selector=selector, sample=5).on(manuals).queries)
    assert list(first) != list(by_tf_idf(selector=selector, sample=5, seed=1).on(manuals).queries)


def test_a_selector_with_weights_tells_whose_they_are(kitchen: Collection) -> None:
    attention = Instrument("selector", "all-MiniLM-L6-v2's attention", find_weights(MINILM).digest)
    exam = Completeness().on(kitchen)
    assert (exam.instrument, exam.second_instrument) == (attention, None)
    exam = Completeness(selector="tf-idf", second_selector="attention").on(kitchen)
    assert (exam.instrument, exam.second_instrument) == (None, attention)
    assert by_tf_idf().on(kitchen).instrument is None
    assert (Completeness().weights(), by_tf_idf().weights()) == ([MINILM], [])


def test_by_default_attention_chooses_as_in_chen_et_al_and_tf_idf_beside_it(manuals: Collection) -> None:
    """The same documents; a sentence that both choose is asked once."""
    task = Completeness(sample=12)
    asked = task.draw(manuals).asked
    alone = [Completeness(sample=12, selector=name, second_selector="none") for name in ("attention", "tf-idf")]
    texts = [{one.query.text for one in each.draw(manuals).asked} for each in alone]
    assert {one.query.text for one in asked if "" in one.groups} == texts[0]
    assert {one.query.text for one in asked if "tf-idf" in one.groups} == texts[1]
    assert len(asked) == len({one.query.id for one in asked}) == len(texts[0] | texts[1])
    exam = task.on(manuals)
    assert list(exam.columns)[3] == "Hits@1 tf-idf"
    figures = {figure.measure: figure for figure in exam.evaluate(holding(exam.queries, manuals)).figures}
    assert figures["Hits@1"].n == len(texts[0])
    assert figures["Hits@1 tf-idf"].n == len(texts[1])


def test_the_sentences_of_a_document_are_one_unit(kitchen: Collection) -> None:
    exam = by_tf_idf().on(kitchen)
    assert [query.id.split()[1] for query in exam.queries] == list(exam.units or ())
    assert list(exam.columns) == ["Hits@1", "Hits@10", "MRR@10", "Hits@1 start", "Hits@1 middle", "Hits@1 end"]
    assert exam.primary.name == "Hits@1"


def test_limits_that_contradict_are_refused() -> None:
    with pytest.raises(BenchError, match="shortest must not exceed longest"):
        Completeness.from_options("task completeness", {"shortest": 9, "longest": 8})
