"""Collections: what the writer takes and refuses, what the reader gives, and what the fingerprint covers."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.collections.collection import Collection, Document, Qrels, Query, Rules, read_collection
from bench.collections.writer import CollectionWriter
from bench.errors import BenchError
from bench.store import new_folder

MakeCollection = Callable[..., Collection]

DOCUMENTS = [
    Document("ash", "Ash", "Its wood makes tool handles."),
    Document("birch", "", "Its bark peels in sheets."),
    Document("cedar", "Cedar", ""),
]


def write(folder: Path, *steps: tuple[Any, ...], drop_unknown: bool = False) -> CollectionWriter:
    """Makes a collection's folder from calls of the writer: (method, arguments ...)."""
    folder.mkdir(exist_ok=True)
    with CollectionWriter(folder, drop_unknown) as writer:
        for method, *arguments in steps:
            getattr(writer, method)(*arguments, "input:1")
    return writer


STEPS: list[tuple[Any, ...]] = [
    *(("document", document) for document in DOCUMENTS),
    ("query", "test", "q1", "which wood for a hammer"),
    ("query", "train", "q2", "which bark peels"),
    ("query", "dev", "q1", "which wood for a hammer"),
    ("query", "test", "q3", "which tree smells"),
    ("judgement", "train", "q2", "birch", 1),
    ("judgement", "test", "q3", "cedar", 2),
    ("judgement", "test", "q3", "ash", 0),
    ("judgement", "dev", "q1", "ash", 1),
]


@pytest.fixture
def trees(tmp_path: Path) -> Collection:
    write(tmp_path / "trees", *STEPS)
    return read_collection(tmp_path / "trees", "trees", Rules())


def test_documents_are_read_by_row_slice_and_id(trees: Collection) -> None:
    assert len(trees) == 3
    assert list(trees.documents) == DOCUMENTS
    assert trees.documents[-1] == DOCUMENTS[2]
    assert trees.documents[:2] == DOCUMENTS[:2]
    assert trees.documents[::-1] == DOCUMENTS[::-1]
    assert trees.documents[2:1] == []
    assert trees.documents.ids([2, 0]) == ["cedar", "ash"]
    assert trees.documents.rows == {"ash": 0, "birch": 1, "cedar": 2}
    with pytest.raises(IndexError):
        trees.documents[3]


def test_queries_and_judgements_belong_to_their_split(trees: Collection) -> None:
    assert trees.splits == ["dev", "test", "train"]
    assert trees.queries() == [Query("q1", "which wood for a hammer"), Query("q3", "which tree smells")]
    assert trees.queries("train") == [Query("q2", "which bark peels")]
    assert [part.tolist() for part in trees.qrels("test").of(0)] == [[], []]
    assert [part.tolist() for part in trees.qrels("test").of(1)] == [[2, 0], [2, 0]]
    assert [part.tolist() for part in trees.qrels("dev").of(0)] == [[0], [1]]


def test_a_missing_split_is_refused_with_those_that_exist(trees: Collection) -> None:
    with pytest.raises(
        BenchError, match=r"trees has no split 'eval': it has dev, test, train; choose one with \?split"
    ):
        trees.queries("eval")


@pytest.mark.parametrize(("split", "left"), [("test", ["dev", "train"]), ("dev", ["train"]), ("train", ["dev"])])
def test_the_training_view_hides_the_evaluated_split_and_the_test_split(
    trees: Collection, split: str, left: list[str]
) -> None:
    rules = Rules(split=split)
    view = Collection("trees", trees.documents, rules, trees.digest, trees.split_queries, trees.split_qrels)
    hidden = view.training_view()
    assert hidden.splits == left
    assert sorted(hidden.split_qrels) == left
    assert list(hidden.documents) == DOCUMENTS
    for name in {split, "test"}:
        with pytest.raises(BenchError, match="has no split"):
            hidden.qrels(name)


def test_texts_follow_the_rules_and_an_absent_title_leaves_no_blank(trees: Collection) -> None:
    assert list(trees.texts()) == ["Ash Its wood makes tool handles.", "Its bark peels in sheets.", "Cedar"]
    assert trees.texts()[1] == "Its bark peels in sheets."
    assert trees.texts()[1:] == ["Its bark peels in sheets.", "Cedar"]
    assert len(trees.texts()) == 3


def test_a_text_of_unknown_parts_is_refused() -> None:
    with pytest.raises(BenchError, match=r"\{body\} is no part of a document; write \{title\} and \{text\}"):
        Rules(text="{text} {body}")
    assert Rules(text="{text} {}, {1:2}").text == "{text} {}, {1:2}"


def test_a_document_that_looks_like_a_template_is_left_as_it_is() -> None:
    document = Document("d", "How {text} works", "It stands for {title}.")
    assert Rules().render(document) == "How {text} works It stands for {title}."
    assert Rules(text="{text} / {title}").render(document) == "It stands for {title}. / How {text} works"


def test_a_template_that_reads_nothing_is_refused() -> None:
    with pytest.raises(BenchError, match=r"dataset x\.text: give text that matches"):
        Rules.from_options("dataset x", {"text": "{body}"})


def test_texts_read_in_batches_are_the_same(make_collection: MakeCollection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.collections.collection.Texts._BATCH", 7)
    texts = {f"d{number}": f"Page {number} of the ledger." for number in range(30)}
    assert list(make_collection(texts).texts()) == list(texts.values())


def test_a_collection_may_come_in_many_batches(
    make_collection: MakeCollection, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = {f"d{number}": f"Page {number} of the ledger." for number in range(30)}
    qrels = {"q": {f"d{number}": number % 3 for number in range(30)}}
    whole = make_collection(texts, {"q": "which page"}, qrels)
    monkeypatch.setattr("bench.collections.writer._BATCH", 4)
    parts = make_collection(texts, {"q": "which page"}, qrels)
    assert parts.digest == whole.digest
    assert parts.documents[5:25] == whole.documents[5:25]
    assert parts.documents.ids([29, 3]) == ["d29", "d3"]
    assert parts.documents.id_order.tolist() == whole.documents.id_order.tolist()
    assert parts.qrels().of(0)[1].tolist() == whole.qrels().of(0)[1].tolist()


def test_history_comes_back(tmp_path: Path) -> None:
    with CollectionWriter(tmp_path) as writer:
        writer.document(DOCUMENTS[0], "items:1")
        writer.query("test", "u1", "", "users:1", history=["ash", "ash"])
    assert read_collection(tmp_path, "items", Rules()).queries() == [Query("u1", "", ("ash", "ash"))]


def test_a_query_with_a_history_needs_no_text_even_if_the_history_is_empty(tmp_path: Path) -> None:
    with CollectionWriter(tmp_path) as writer:
        writer.document(DOCUMENTS[0], "items:1")
        writer.query("train", "u1", "", "users:1", history=[])
        with pytest.raises(BenchError, match="users:2: query 'u2' has no text"):
            writer.query("train", "u2", "", "users:2")
    assert read_collection(tmp_path, "items", Rules()).queries("train") == [Query("u1", "", ())]


def test_the_order_of_a_history_changes_the_fingerprint(tmp_path: Path) -> None:
    prints = []
    for name, history in {"one": ["ash", "birch"], "two": ["birch", "ash"], "same": ["ash", "birch"]}.items():
        (tmp_path / name).mkdir()
        with CollectionWriter(tmp_path / name) as writer:
            for document in DOCUMENTS:
                writer.document(document, "items")
            writer.query("test", "u1", "", "users", history)
        prints.append(read_collection(tmp_path / name, name, Rules()).fingerprint)
    assert prints[0] == prints[2] != prints[1]


def test_notes_come_back_and_are_no_part_of_the_fingerprint(tmp_path: Path, trees: Collection) -> None:
    assert trees.notes == {}
    (tmp_path / "noted").mkdir()
    with CollectionWriter(tmp_path / "noted") as writer:
        for method, *arguments in STEPS:
            getattr(writer, method)(*arguments, "input:1")
        writer.note("trees felled", 0)
        writer.note("wood", "Föhre")
    noted = read_collection(tmp_path / "noted", "trees", Rules())
    assert noted.notes == noted.training_view().notes == {"trees felled": 0, "wood": "Föhre"}
    assert noted.fingerprint == trees.fingerprint


def test_a_collection_without_queries_has_no_splits(make_collection: MakeCollection) -> None:
    collection = make_collection({"d": "A lone page."})
    assert collection.splits == []
    with pytest.raises(BenchError, match="it has none"):
        collection.qrels()


def test_a_split_without_judgements_has_empty_ones(make_collection: MakeCollection) -> None:
    qrels = make_collection({"d": "A lone page."}, {"q": "which page"}).qrels()
    assert len(qrels) == 0
    assert qrels.with_relevant(1).tolist() == [False]


def test_ids_sort_as_text(make_collection: MakeCollection) -> None:
    documents = make_collection(dict.fromkeys(["b", "a10", "a2", "é", "Z"], "text")).documents
    assert documents.id_order.tolist() == [3, 1, 2, 4, 0]


@pytest.mark.parametrize("space", [" ", "\t", "\n", "\v", "\x1c", "\x85", "\xa0", "\u2003", "\u2028", "\u3000"])
def test_any_white_space_in_an_id_asks_for_quoting(make_collection: MakeCollection, space: str) -> None:
    assert make_collection({"plain": "a", f"two{space}words": "b"}).documents.ids_need_quoting
    assert not make_collection({"plain": "a", "100%": "b", "ü": "c"}).documents.ids_need_quoting


@pytest.mark.parametrize(
    ("step", "complaint"),
    [
        (("document", Document("", "t", "b")), "a document without an id"),
        (("document", Document("ash", "t", "b")), "document id 'ash' occurs twice; ids must be unique"),
        (("document", Document("elm", "t", "cut \ud800 short")), r"half a character \('\\ud800'\)"),
        (("document", {"id": "elm"}), r"dict is no document; give Document\(id, title, body\)"),
        (("document", Document(7, "t", "b")), "7 is no text; ids, titles, texts"),  # type: ignore[arg-type]
        (("query", "test", "", "text"), "a query without an id"),
        (("query", "test", "q9", " \n"), "query 'q9' has no text"),
        (("query", "test", "q1", "again"), "query id 'q1' occurs twice in split 'test'"),
        (("query", "test", "q9", "\udfff"), "half a character"),
        (("judgement", "test", "q3", "ash", 1), "document 'ash' is judged twice for query 'q3'"),
        (("judgement", "test", "q3", "oak", 1), "unknown document 'oak'; correct it, or leave"),
        (("judgement", "test", "q2", "ash", 1), "unknown query 'q2'"),
    ],
)
def test_bad_input_is_refused_with_its_place(tmp_path: Path, step: tuple[Any, ...], complaint: str) -> None:
    with pytest.raises(BenchError, match=f"input:1: .*{complaint}"):
        write(tmp_path / "trees", *STEPS, step)


def test_a_collection_without_documents_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="no documents"):
        write(tmp_path / "empty")
    with pytest.raises(BenchError, match="no documents"):
        write(tmp_path / "judged", ("judgement", "test", "q1", "d1", 1))


def test_unknown_judgements_are_dropped_and_counted_on_demand(tmp_path: Path) -> None:
    strays = [("judgement", "test", "q3", "oak", 1), ("judgement", "test", "q2", "ash", 1)]
    writer = write(tmp_path / "trees", *STEPS, *strays, drop_unknown=True)
    assert writer.dropped == 2
    write(tmp_path / "same", *STEPS)
    assert (tmp_path / "trees" / "digest").read_text() == (tmp_path / "same" / "digest").read_text()


def test_nothing_is_left_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="occurs twice"), new_folder(tmp_path / "trees") as draft:
        write(draft, ("document", DOCUMENTS[0]), ("document", DOCUMENTS[0]))
    assert list(tmp_path.iterdir()) == []


def fingerprint(folder: Path, steps: list[tuple[Any, ...]], **rules: Any) -> str:
    write(folder, *steps)
    return read_collection(folder, folder.name, Rules(**rules)).fingerprint


def test_the_fingerprint_does_not_depend_on_name_or_place(tmp_path: Path) -> None:
    assert fingerprint(tmp_path / "one", STEPS) == fingerprint(tmp_path / "two", STEPS)


def _swapped(first: int, second: int) -> list[tuple[Any, ...]]:
    steps = list(STEPS)
    steps[first], steps[second] = steps[second], steps[first]
    return steps


@pytest.mark.parametrize(
    "steps",
    [
        _swapped(0, 1),
        _swapped(3, 6),
        STEPS[:-1],
        [("document", Document("ash", "Ash", "Its wood makes tool handles")), *STEPS[1:]],
        [("document", Document("ash", "", "Ash Its wood makes tool handles.")), *STEPS[1:]],
        [*STEPS[:-1], ("judgement", "dev", "q1", "ash", 2)],
        [*STEPS, ("query", "extra", "q1", "which wood")],
    ],
)
def test_the_fingerprint_changes_with_order_and_content(tmp_path: Path, steps: list[tuple[Any, ...]]) -> None:
    assert fingerprint(tmp_path / "changed", steps) != fingerprint(tmp_path / "trees", STEPS)


@pytest.mark.parametrize(
    "rules", [{"text": "{text}"}, {"split": "dev"}, {"gains": "exponential"}, {"minimum_relevance": 2}]
)
def test_the_fingerprint_changes_with_the_rules(tmp_path: Path, rules: dict[str, Any]) -> None:
    assert fingerprint(tmp_path / "ruled", STEPS, **rules) != fingerprint(tmp_path / "trees", STEPS)


judged = st.lists(st.lists(st.tuples(st.integers(0, 9), st.integers(-2, 3)), max_size=4), min_size=1, max_size=6)


@given(judged, st.data())
def test_taking_queries_takes_their_judgements(lists: list[list[tuple[int, int]]], data: st.DataObject) -> None:
    pairs = [pair for judgements in lists for pair in judgements]
    qrels = Qrels(
        query_ids=[f"q{position}" for position in range(len(lists))],
        offsets=np.cumsum([0, *map(len, lists)]),
        rows=np.array([row for row, _ in pairs], dtype=np.int64),
        grades=np.array([grade for _, grade in pairs], dtype=np.int64),
    )
    minimum = data.draw(st.integers(1, 3))
    relevant = [any(grade >= minimum for _, grade in judgements) for judgements in lists]
    assert qrels.with_relevant(minimum).tolist() == relevant
    positions = data.draw(st.lists(st.integers(0, len(lists) - 1), unique=True))
    taken = qrels.take(np.array(positions, dtype=np.int64))
    assert taken.query_ids == [f"q{position}" for position in positions]
    assert len(taken) == sum(len(lists[position]) for position in positions)
    for place, position in enumerate(positions):
        assert list(zip(*(part.tolist() for part in taken.of(place)), strict=True)) == lists[position]


anything = st.text(st.characters(codec="utf-8"), max_size=12)
an_id = st.text(st.characters(codec="utf-8"), min_size=1, max_size=6)


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.dictionaries(an_id, st.tuples(anything, anything), min_size=1), st.dictionaries(an_id, an_id.filter(str.strip))
)
def test_any_text_comes_back_unchanged(
    make_collection: MakeCollection, documents: dict[str, tuple[str, str]], queries: dict[str, str]
) -> None:
    written = [Document(key, *parts) for key, parts in documents.items()]
    collection = make_collection(written, queries)
    assert list(collection.documents) == written
    assert collection.documents.ids_need_quoting == any(letter.isspace() for key in documents for letter in key)
    assert np.argsort(collection.documents.id_order).tolist() == sorted(
        range(len(written)), key=lambda row: written[row].id
    )
    if queries:
        assert {query.id: query.text for query in collection.queries()} == queries
