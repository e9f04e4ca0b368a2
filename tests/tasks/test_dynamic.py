"""The dynamic task: its averages by hand, what a system is given when, and systems that grow exactly."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from bench.collections.catalogue import open_dataset
from bench.collections.collection import Collection, Query
from bench.errors import BenchError, CannotAdd
from bench.rankings import Rankings
from bench.retriever import Retriever, construct
from bench.runner.fitting import grow
from bench.tasks.dynamic import Dynamic
from bench.workplace import Workplace
from retrievers.composed.hybrid import Hybrid
from retrievers.generative.dsi import DSI

MakeCollection = Callable[..., Collection]


@pytest.fixture
def numbers(make_collection: MakeCollection) -> Collection:
    """Ten documents, each asked for by a query of its own."""
    return make_collection(
        {f"d{i}": f"{i} bottles" for i in range(10)},
        {f"q{i}": f"bottles {i}" for i in range(10)},
        {f"q{i}": {f"d{i}": 1} for i in range(10)},
    )


class Finds(Retriever):
    """Takes no documents after its fit."""

    def fit(self, collection: Collection) -> "Finds":
        return self

    def retrieve(self, queries: Sequence[Query], k: int) -> Rankings:
        return Rankings.from_hits(queries, [([0], [1.0]) for _ in queries])


class Remembers(Retriever):
    """Finds a document by its text, unless it is older than the last two parts that it was given."""

    def fit(self, collection: Collection) -> "Remembers":
        self.parts = [list(collection.texts())]
        self.splits = collection.splits
        return self

    def add(self, documents: Collection) -> None:
        assert documents.splits == []
        self.parts = [*self.parts, list(documents.texts())]

    def retrieve(self, queries: Sequence[Query], k: int) -> Rankings:
        texts = [text for part in self.parts for text in part]
        forgotten = sum(map(len, self.parts[:-2]))
        hits = []
        for query in queries:
            number = query.text.split()[1]
            rows = [row for row, text in enumerate(texts) if text.split()[0] == number and row >= forgotten]
            hits.append((rows, [1.0] * len(rows)))
        return Rankings.from_hits(queries, hits)


def figures(system: Retriever, task: Dynamic, collection: Collection) -> dict[str, float]:
    exam = task.on(collection)
    evaluation = exam.evaluate(grow(system, exam, Workplace.temporary()).rankings)
    return {figure.measure: figure.value for figure in evaluation.figures}


def test_averages_by_hand(numbers: Collection) -> None:
    """Parts of 4, 2, 2 and 2; two parts back everything is forgotten."""
    found = figures(Remembers(), Dynamic(first=0.4, parts=3), numbers)
    assert [found[f"P(3,{part})"] for part in range(4)] == [0, 0, 1, 1]
    assert [found[f"A@{number}"] for number in range(4)] == pytest.approx([1, 1, 2 / 3, 2 / 4])
    assert found["F@3"] == pytest.approx((1 + 1 + 0) / 3)
    assert found["GA@3"] == 1


def test_a_system_that_forgets_nothing_has_no_forgetting(numbers: Collection) -> None:
    found = figures(construct("bm25", {"stop_words": "none"}), Dynamic(first=0.4, parts=3), numbers)
    assert (found["A@3"], found["F@3"], found["GA@3"]) == (1, 0, 1)


def test_the_first_part_comes_with_its_queries_and_the_others_with_none(manuals: Collection) -> None:
    exam = Dynamic(first=0.5, parts=4).on(manuals)
    first, *others = exam.stages
    assert first.given.splits == ["dev", "train"]
    own = set(first.given.documents.ids())
    for query, rows in first.given.relevant("train"):
        assert query.text
        assert {first.given.documents[row].id for row in rows.tolist()} <= own
    assert [stage.given.splits for stage in others] == [[]] * 4
    given = [one for stage in exam.stages for one in stage.given.documents.ids()]
    assert sorted(given) == sorted(manuals.documents.ids())
    assert exam.stages[-1].documents.ids() == given


def test_of_the_first_part_only_hidden_queries_are_asked_and_of_the_others_all(manuals: Collection) -> None:
    exam = Dynamic(first=0.5, parts=2).on(manuals)
    learned = {query.text for split in ("train", "dev") for query in exam.stages[0].given.queries(split)}
    assert not learned & {query.text for query in exam.queries}
    last = exam.queries[exam.stages[-1].asked]
    assert len(last) == len({query.id for query in last}) > len(manuals.queries())
    assert exam.units is None  # no measure counts a query twice


def test_a_system_that_takes_no_documents_says_so(numbers: Collection) -> None:
    exam = Dynamic(first=0.4, parts=3).on(numbers)
    with pytest.raises(CannotAdd, match="popularity|Popularity"):
        grow(construct("popularity", {}), exam, Workplace.temporary())


def test_a_collection_that_cannot_be_divided_is_refused(numbers: Collection) -> None:
    with pytest.raises(BenchError, match="too few for a first part"):
        Dynamic(first=0.9, parts=5).on(numbers)


@pytest.fixture(scope="module")
def manuals() -> Collection:
    return open_dataset("pydoc?sample=60").collection


@pytest.mark.parametrize(
    "name",
    [
        "bm25",
        "splade",
        "sbert",
        "colbert",
        "hybrid",
        "bm25?variant=bm25l",
        "sbert?index.kind=hnsw",
        "colbert?storage=float16",
    ],
)
@pytest.mark.parametrize("seed", [0, 1])
def test_adding_bit_by_bit_equals_a_fit_on_all(name: str, seed: int, manuals: Collection) -> None:
    """An exact system of which no document's score depends on when it came."""
    exam = Dynamic(first=0.5, parts=3, seed=seed).on(manuals)
    base, _, option = name.partition("?")
    options = dict([option.split("=")]) if option else {}
    grown, whole = construct(base, options), construct(base, options)
    grown.fit(exam.stages[0].given)
    for stage in exam.stages[1:]:
        grown.add(stage.given)  # type: ignore[attr-defined]
    last = exam.stages[-1].documents
    rows = np.array([manuals.documents.rows[one] for one in last.ids()])
    whole.fit(manuals)
    queries = manuals.queries()
    found = grown.retrieve(queries, 60).canonical(queries, last, 60)
    expected = whole.retrieve(queries, 60).canonical(queries, manuals.documents, 60)
    for position in range(len(queries)):
        ours = dict(zip(rows[found.of(position)[0]].tolist(), found.of(position)[1].tolist(), strict=True))
        theirs = dict(zip(*(part.tolist() for part in expected.of(position)), strict=True))
        assert ours == pytest.approx(theirs, rel=1e-4, abs=1e-5)
    assert grown.search("copy a file", k=3)


@pytest.mark.parametrize("docid", ["semantic", "atomic"])
def test_dsi_names_new_documents_and_finds_some_of_them(docid: str, manuals: Collection) -> None:
    exam = Dynamic(first=0.5, parts=2).on(manuals)
    options = {"docid": docid, "leaf_size": 5, "training.epochs": 1, "reading.chunks": 1}
    system = construct("dsi", options)
    before = grow(system, exam, Workplace.temporary())
    docids = system.docids()  # type: ignore[attr-defined]
    assert len(set(docids)) == len(docids) == 60
    found = {figure.measure: figure.value for figure in exam.evaluate(before.rankings).figures}
    assert found["GA@2"] > 0.5
    assert before.seconds_per_document > 0


def test_what_dsi_learns_of_added_documents_it_forgets_less_for_with_a_memory(manuals: Collection) -> None:
    """Each earlier document is asked for by its own beginning, before and after others were learned for long."""
    exam = Dynamic(first=0.5, parts=1).on(manuals)
    first, added = (stage.given for stage in exam.stages)
    options = {
        "docid": "atomic",
        "start": "random",
        "decoder.head": "shared",
        "training.epochs": 40,
        "training.learning_rate": 3e-3,
        "training.held_out": 0,
        "growth.epochs": 20,
        "growth.learning_rate": 3e-3,
    }

    def found(system: Retriever, documents: Collection, at: int) -> float:
        asked = [Query(str(row), text) for row, text in enumerate(documents.texts())]
        hits = system.retrieve(asked, 1).canonical(asked, exam.stages[-1].documents, 1)
        return float(np.mean([list(rows[:1]) == [at + row] for row, (_, rows, _) in enumerate(hits)]))

    shares = {}
    for replayed in (0.0, 0.5):
        system = construct("dsi", {**options, "growth.replayed": replayed})
        system.fit(first)
        system.add(added)  # type: ignore[attr-defined]
        assert len(system.facts()["training_on_added_documents"]) == 1
        shares[replayed] = found(system, first, 0), found(system, added, len(first))
    (forgot, learned), (kept, learned_too) = shares[0.0], shares[0.5]
    assert min(learned, learned_too) > 0.5
    assert kept > forgot + 0.2


def test_a_plan_grows_with_its_writer_and_its_planner(manuals: Collection, tmp_path: Path) -> None:
    """What it saves then is what it answers with."""
    exam = Dynamic(first=0.5, parts=2).on(manuals)
    writer = {"retriever": "dsi", "docid": "atomic", "training.epochs": 1, "reading.chunks": 1}
    options = {"writer": writer, "planner": "bm25", "weight": [5]}
    system = construct("pag", options)
    grown = grow(system, exam, Workplace.temporary())
    found = {figure.measure: figure.value for figure in exam.evaluate(grown.rankings).figures}
    assert found["GA@2"] > 0.5
    system.save(tmp_path)  # type: ignore[attr-defined]
    again = construct("pag", options)
    again.load(tmp_path)  # type: ignore[attr-defined]
    queries, documents = manuals.queries(), exam.stages[-1].documents
    first, second = (one.retrieve(queries, 60).canonical(queries, documents, 60) for one in (system, again))
    assert np.array_equal(first.rows, second.rows)


def test_a_combination_with_a_part_that_takes_no_documents_names_it(numbers: Collection) -> None:
    exam = Dynamic(first=0.4, parts=3).on(numbers)
    system = Hybrid(parts={"words": construct("bm25", {}), "other": Finds()})
    with pytest.raises(CannotAdd, match="other: Finds takes no documents"):
        grow(system, exam, Workplace.temporary())


def test_a_combination_that_cannot_grow_answers_on_as_before(manuals: Collection, tmp_path: Path) -> None:
    """Its last part knows no documents once it is loaded; none of the others has taken any by then."""
    first, more = (stage.given for stage in Dynamic(first=0.5, parts=1).on(manuals).stages)
    options = {"parts": {"first": "sif?remove=0", "inner": {"retriever": "rerank", "first": "sif", "second": "bm25"}}}
    Hybrid(**options).fit(first).save(tmp_path)
    loaded = Hybrid(**options)
    loaded.load(tmp_path)
    before = loaded.retrieve(manuals.queries(), 5)
    with pytest.raises(CannotAdd, match="bm25 does not know its documents once it is loaded"):
        loaded.add(more)
    assert np.array_equal(loaded.retrieve(manuals.queries(), 5).rows, before.rows)


def test_dsi_keeps_what_it_has_learned(manuals: Collection) -> None:
    exam = Dynamic(first=0.5, parts=2).on(manuals)
    system = construct("dsi", {"leaf_size": 5, "training.epochs": 1, "reading.chunks": 1})
    system.fit(exam.stages[0].given)
    names = system.docids()  # type: ignore[attr-defined]
    queries = manuals.queries()
    first = system.retrieve(queries, 60)
    system.add(exam.stages[1].given)  # type: ignore[attr-defined]
    assert system.docids()[: len(names)] == names  # type: ignore[attr-defined]
    second = system.retrieve(queries, 60)
    old = len(exam.stages[0].given)
    for position in range(len(queries)):
        rows, scores = second.of(position)
        known = dict(zip(*(part.tolist() for part in first.of(position)), strict=True))
        assert [row for row in rows.tolist() if row < old and row in known]
        assert scores.max() <= 0


def test_naive_numbers_take_no_more_documents(manuals: Collection) -> None:
    with pytest.raises(CannotAdd, match="naive"):
        DSI.add.unguarded(DSI(docid="naive"), manuals)  # type: ignore[attr-defined]
