"""The exclusivity task: whose beginnings are asked, and what a memory of all of them reaches."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from bench.collections.collection import Collection, Query
from bench.errors import BenchError
from bench.rankings import Rankings
from bench.tasks.exclusivity import Exclusivity

MakeCollection = Callable[..., Collection]


def remembered(questions: Sequence[Query], collection: Collection) -> Rankings:
    """For each question every document that begins with it, word for word."""
    texts = [" ".join(text.split()) + " " for text in collection.texts()]
    rows = [[row for row, text in enumerate(texts) if text.startswith(query.text + " ")] for query in questions]
    return Rankings.from_hits(questions, [(found, [1.0] * len(found)) for found in rows])


@pytest.fixture
def manuals(docstrings: dict[str, tuple[str, str]], make_collection: MakeCollection) -> Collection:
    return make_collection({name: f"{summary} {rest}" for name, (summary, rest) in docstrings.items()})


def test_a_perfect_memory_of_beginnings_finds_every_document_first(manuals: Collection) -> None:
    exam = Exclusivity().on(manuals)
    result = exam.evaluate(remembered(exam.queries, manuals))
    by_name = {figure.measure: figure for figure in result.figures}
    documents = {count.name: count.value for count in result.counts}["documents"]
    for length in (16, 32, 64):
        whole = by_name[f"Hits@1 N={length}"]
        assert (whole.value, whole.n) == (1.0, documents)
    assert by_name["Hits@10 N=32 dropped"].value < 0.2
    assert list(by_name) == [measure.name for measure in exam.measures]


def test_every_question_stands_in_a_column(manuals: Collection) -> None:
    exam = Exclusivity().on(manuals)
    shown = {name.partition(" ")[2] for name in exam.columns}
    assert {group for one in exam.draw.asked for group in one.groups} == shown


def test_what_is_not_found_counts_zero_and_ranks_count_by_their_place(make_collection: MakeCollection) -> None:
    collection = make_collection({"a": "leek and potato soup", "b": "rye and barley bread", "c": "oil and salt"})
    exam = Exclusivity(lengths=(2,), dropped=0).on(collection)
    answers = Rankings.from_hits(exam.queries, [([1, 0], [2.0, 1.0]), ([1], [1.0]), ([], [])])
    result = exam.evaluate(answers)
    assert [figure.value for figure in result.figures] == pytest.approx([1 / 3, 2 / 3, 1.5 / 3])
    assert [count.value for count in result.counts if count.name == "unanswered"] == [1]


def test_documents_that_are_too_short_or_share_a_beginning_are_left_out_and_counted(
    make_collection: MakeCollection,
) -> None:
    collection = make_collection(
        {
            "bread": "knead the dough and let it rise",
            "cake": "knead the  dough\nand bake it at once",
            "soup": "simmer the bones with leek and carrot",
            "salad": "toss the leaves",
        }
    )
    task = Exclusivity(lengths=(4, 5))
    draw = task.draw(collection)
    assert {one.row for one in draw.asked} == {2}
    counts = draw.facts
    assert (counts["shorter N=4"], counts["shorter N=5"]) == (1, 1)
    assert (counts["not unique N=4"], counts["not unique N=5"]) == (2, 0)
    assert "shorter than 4/5 words: 1/1" in task.on(collection).definition
    assert "same first words as another: 2/0" in task.on(collection).definition
    with pytest.raises(BenchError, match="no document has 9 words"):
        Exclusivity(lengths=(9,)).on(collection)


def test_questions_are_the_first_words_and_the_control_lacks_some(manuals: Collection) -> None:
    for one in Exclusivity(lengths=(16, 64), sample=20).draw(manuals).asked:
        words, asked = manuals.texts()[one.row].split(), one.query.text.split()
        length = int(one.groups[0].split()[0].removeprefix("N="))
        if one.groups[0].endswith("dropped"):
            assert len(asked) == length - round(0.15 * length)
            rest = iter(words[:length])
            assert all(word in rest for word in asked)
        else:
            assert asked == words[:length]


def test_every_length_asks_for_the_same_documents_and_no_more_than_the_sample(manuals: Collection) -> None:
    task = Exclusivity(sample=7)
    rows = {group: [one.row for one in task.draw(manuals).asked if group in one.groups] for group in task.groups()}
    assert len(rows) == 4
    assert len({tuple(found) for found in rows.values()}) == 1
    assert len(rows["N=32"]) == 7


def test_the_draw_follows_the_seed_of_the_task_alone(manuals: Collection) -> None:
    np.random.seed(1)
    first = Exclusivity(sample=9).on(manuals).queries
    np.random.seed(2)
    assert list(first) == list(Exclusivity(sample=9).on(manuals).queries)
    assert list(first) != list(Exclusivity(sample=9, seed=1).on(manuals).queries)


def test_ids_of_any_text_lead_back_to_their_documents(make_collection: MakeCollection) -> None:
    ids = ["x", "dropped x", "whole x", "N=3 whole x", "Ada Lovelace"]
    collection = make_collection({name: f"{i} is the number of {name}" for i, name in enumerate(ids)})
    exam = Exclusivity(lengths=(3,)).on(collection)
    assert len({query.id for query in exam.queries}) == len(exam.queries) == 10
    figures = exam.evaluate(remembered(exam.queries, collection)).figures
    assert figures[0].value == 1.0


def test_without_a_control_there_are_no_figures_of_one(manuals: Collection) -> None:
    exam = Exclusivity(lengths=(32, 16), dropped=0).on(manuals)
    assert {measure.name for measure in exam.measures} == {
        f"{measure} N={n}" for n in (16, 32) for measure in ("Hits@1", "Hits@10", "MRR@10")
    }
    assert list(exam.columns) == ["Hits@1 N=32", "MRR@10 N=32", "Hits@1 N=16"]
    with pytest.raises(BenchError, match="lengths"):
        Exclusivity.from_options("task exclusivity", {"lengths": [1]})


def test_systems_are_ranked_by_the_middle_length_and_tables_show_the_others_beside(manuals: Collection) -> None:
    exam = Exclusivity().on(manuals)
    assert list(exam.columns) == ["Hits@1 N=32", "MRR@10 N=32", "Hits@1 N=32 dropped", "Hits@1 N=16", "Hits@1 N=64"]
    assert exam.primary.name == exam.columns[0]
    assert {measure.name for measure in exam.measures} >= set(exam.columns)


def test_all_questions_of_a_document_are_one_unit(manuals: Collection) -> None:
    exam = Exclusivity(sample=5).on(manuals)
    assert exam.units is not None
    assert [query.id.split()[-1] for query in exam.queries] == list(exam.units)
    assert len(set(exam.units)) == 5
    assert not exam.timed


def test_how_the_questions_were_drawn_stands_in_no_column(manuals: Collection) -> None:
    exam = Exclusivity().on(manuals)
    counts = exam.evaluate(remembered(exam.queries, manuals)).counts
    assert {"documents", "eligible", "shorter N=16", "not unique N=64"} <= {count.name for count in counts}
    assert not any(count.header for count in counts)
    assert {count.kind for count in counts if count.name != "unanswered"} == {"amount"}
