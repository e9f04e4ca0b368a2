"""The completeness task: key sentences of each third, and what a system that knows all of them reaches."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from bench.collections.collection import Collection, Document, Query
from bench.errors import BenchError
from bench.models import MINILM, find_weights
from bench.rankings import Rankings
from bench.tasks.chunks import THIRDS
from bench.tasks.completeness import Completeness

MakeCollection = Callable[..., Collection]

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
    asked = {one.query.id: one for one in Completeness().drawn(kitchen).asked}
    assert asked["start bread"].query.text == "Zymurgists ferment sourdough with lactobacilli."
    assert asked["middle soup"].query.text in SOUP.body
    assert {one.group for one in asked.values()} <= set(THIRDS)
    assert all(kitchen.documents[one.row].id == one.query.id.split()[1] for one in asked.values())


def test_a_system_that_knows_every_sentence_finds_every_document_first(manuals: Collection) -> None:
    task = Completeness(sample=60)
    questions = task.questions(manuals)
    answers = holding(questions, manuals).canonical(questions, manuals.documents, task.depth)
    figures = {figure.measure: figure for figure in task.judge(manuals, answers).figures}
    assert figures["Hits@1"].value == 1.0
    assert figures["Hits@1"].n == sum(figures[f"Hits@1 {third}"].n for third in THIRDS) == len(questions)
    assert list(figures) == task.measures()


def test_each_third_has_figures_of_its_own(kitchen: Collection) -> None:
    task = Completeness()
    asked = task.drawn(kitchen).asked
    hits = [([one.row], [1.0]) if one.group == "start" else ([], []) for one in asked]
    questions = task.questions(kitchen)
    answers = Rankings.from_hits(questions, hits).canonical(questions, kitchen.documents, task.depth)
    figures = {figure.measure: figure.value for figure in task.judge(kitchen, answers).figures}
    assert (figures["Hits@1 start"], figures["Hits@1 middle"]) == (1.0, 0.0)
    assert figures["Hits@1"] == pytest.approx(sum(one.group == "start" for one in asked) / len(asked))


def test_sentences_of_two_documents_are_left_out_and_counted(make_collection: MakeCollection) -> None:
    middle, end = "Knead it and let it rise.", "Bake it until it is dark."
    collection = make_collection(
        {
            "rye": f"Take a pound of rye flour. {middle} {end}",
            "oat": f"Take a pound of oat meal. {middle} Fry it in a little butter.",
        }
    )
    task = Completeness()
    assert {one.query.text for one in task.drawn(collection).asked} == {
        "Take a pound of rye flour.",
        "Take a pound of oat meal.",
        end,
        "Fry it in a little butter.",
    }
    assert task.drawn(collection).counts["in another document too"] == 2
    assert "2 sentences that occur in another document too" in task.definition(collection)


def test_a_sentence_that_a_document_holds_twice_is_asked(make_collection: MakeCollection) -> None:
    collection = make_collection({"song": "Row the boat down the stream. " * 3})
    assert len(Completeness().questions(collection)) == 3


def test_documents_without_a_sentence_in_each_third_are_left_out_and_counted(kitchen: Collection) -> None:
    task = Completeness()
    assert task.drawn(kitchen).counts["documents"] == 2
    assert task.drawn(kitchen).counts["without a sentence in each third"] == 1
    with pytest.raises(BenchError, match="no document has a sentence of 30 words in each third"):
        Completeness(shortest=30).questions(kitchen)


def test_the_title_is_never_part_of_a_question(manuals: Collection, kitchen: Collection) -> None:
    for query in Completeness(shortest=2, sample=1000).questions(kitchen):
        assert "rye bread" not in query.text.casefold()
    titles = [document.title for document in manuals.documents]
    for one in Completeness().drawn(manuals).asked:
        assert titles[one.row] not in one.query.text.split()


@pytest.mark.parametrize("selector", ["tf-idf", "textrank"])
def test_the_draw_follows_the_seed_of_the_task_alone(manuals: Collection, selector: str) -> None:
    np.random.seed(1)
    first = Completeness(selector=selector, sample=5).questions(manuals)
    np.random.seed(2)
    assert list(first) == list(Completeness(selector=selector, sample=5).questions(manuals))
    assert list(first) != list(Completeness(selector=selector, sample=5, seed=1).questions(manuals))


def test_a_selector_with_weights_tells_whose_they_are(kitchen: Collection) -> None:
    assert Completeness(selector="attention").drawn(kitchen).counts["selector_weights"] == find_weights(MINILM).digest
    assert "selector_weights" not in Completeness().drawn(kitchen).counts
    assert (Completeness(selector="attention").weights(), Completeness().weights()) == ([MINILM], [])


def test_limits_that_contradict_are_refused() -> None:
    with pytest.raises(BenchError, match="shortest must not exceed longest"):
        Completeness.from_options("task completeness", {"shortest": 9, "longest": 8})
