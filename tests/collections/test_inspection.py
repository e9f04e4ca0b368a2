"""What a dataset holds, told before anything is run on it."""

from collections.abc import Callable
from pathlib import Path

from typer.testing import CliRunner

from bench.cli import app
from bench.collections.collection import Collection, Document, Rules, read_collection
from bench.collections.inspection import inspect
from bench.collections.writer import CollectionWriter

DOCUMENTS = [
    Document("d 1", "Pilot", "the harbour pilot"),
    Document("q1", "", "Pilot the harbour pilot"),
    Document("d3", "", ""),
]


def made(folder: Path, **rules: object) -> Collection:
    with CollectionWriter(folder) as writer:
        for document in DOCUMENTS:
            writer.document(document, "documents")
        for split, query, text in (("test", "q1", "Harbour?"), ("test", "q2", "fog"), ("train", "q3", "harbour?")):
            writer.query(split, query, text, "queries")
        for split, query, document, grade in (
            ("test", "q1", "d 1", 2),
            ("test", "q1", "q1", 1),
            ("test", "q2", "d3", 0),
        ):
            writer.judgement(split, query, document, grade, "qrels")
        writer.judgement("train", "q3", "d 1", 1, "qrels")
        writer.note("made", "by hand")
    return read_collection(folder, "small", Rules.from_options("rules", rules))


def test_every_fact_is_told(tmp_path: Path) -> None:
    told = {(part, name): value for part, name, value in inspect(made(tmp_path, minimum_relevance=2))}
    assert told == {
        ("documents", "number"): "3",
        ("documents", "words"): "0 to 4, median 4, mean 2.7",
        ("documents", "with a title"): "1",
        ("documents", "without any text"): "1",
        ("documents", "whose text another has"): "1 (they tie in every system)",
        ("documents", "ids"): "some hold blanks; run files write them as %20",
        ("test", "queries"): "2",
        ("test", "words of a query"): "1 to 1, median 1, mean 1.0",
        ("test", "queries whose text another has"): "0",
        ("test", "judgements for a query"): "1 to 2, median 1.5, mean 1.5",
        ("test", "judgements by grade"): "0: 1, 1: 1, 2: 1",
        ("test", "queries without a relevant document"): "1",
        ("train", "queries"): "1",
        ("train", "words of a query"): "1 to 1, median 1, mean 1.0",
        ("train", "queries whose text another has"): "0",
        ("train", "judgements for a query"): "1 to 1, median 1, mean 1.0",
        ("train", "judgements by grade"): "1: 1",
        ("train", "queries without a relevant document"): "1",
        ("test", "queries of train with the text of one here"): "1",
        ("test", "relevant documents that train has too"): "0 of 1",
        ("rules", "a system reads"): "{title} {text}",
        ("rules", "asked"): "1 query of test with a document of grade 2 or more",
        ("rules", "gain in nDCG"): "the grade",
        ("rules", "language"): "english",
        ("rules", "the document with the query's own id (1 query)"): (
            "an answer like any other; ?exclude_self=true if not"
        ),
        ("rules", "fingerprint"): made(tmp_path, minimum_relevance=2).fingerprint[:12],
        ("source", "made"): "by hand",
    }  # fmt: skip


def test_sequences_are_told_by_the_length_of_their_histories(make_sequences: Callable[..., Collection]) -> None:
    collection = make_sequences({"u": ["a", "b", "c", "d"], "v": ["b", "c", "d", "a", "e"]})
    told = {(part, name): value for part, name, value in inspect(collection)}
    assert told["test", "items in a history"] == "3 to 4, median 3.5, mean 3.5"
    assert told["documents", "number"] == "5"
    assert not any("with the text of one here" in name for _, name in told)


def test_the_command_prints_them_and_a_split_that_is_absent() -> None:
    done = CliRunner().invoke(app, ["inspect", "limit?split=dev"])
    assert done.exit_code == 0, done.output
    assert "there is no split dev; choose one with ?split=NAME" in done.output
    assert "number" in done.output
