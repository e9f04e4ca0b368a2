"""BEIR folders: read whole or refused with the file and line at fault."""

import gzip
import json
import random
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.collections.catalogue import open_dataset
from bench.collections.collection import Collection, Document, Rules, read_collection
from bench.collections.sources.beir import Beir
from bench.collections.writer import CollectionWriter
from bench.errors import BadLine, BenchError
from bench.progress import no_progress
from bench.tasks.search import Search

HEADER = "query-id\tcorpus-id\tscore\n"
DOCUMENTS = [
    Document("d1", "Wool", "Sheep are shorn once a year."),
    Document("d2", "", "Linen is woven from flax."),
    Document('"d 3"', "Silk", "A silkworm spins one thread."),
]
QUERIES = {"q2": "What is linen made of?", "q1": "When are sheep shorn?", 'q "3"': "Who spins silk?"}
QRELS = {
    "test": [("q1", "d1", 2), ("q2", "d2", 1), ("q2", "d1", 0)],
    "train": [('q "3"', '"d 3"', 1)],
}


def write_beir(
    folder: Path,
    documents: Sequence[Document] = DOCUMENTS,
    queries: Mapping[str, str] = QUERIES,
    qrels: Mapping[str, Sequence[tuple[str, str, int]]] = QRELS,
) -> Path:
    (folder / "qrels").mkdir(parents=True, exist_ok=True)
    _write_lines(folder / "corpus.jsonl", [{"_id": d.id, "title": d.title, "text": d.body} for d in documents])
    _write_lines(folder / "queries.jsonl", [{"_id": key, "text": text} for key, text in queries.items()])
    for split, rows in qrels.items():
        lines = "".join("\t".join(map(str, row)) + "\n" for row in rows)
        (folder / "qrels" / f"{split}.tsv").write_text(HEADER + lines, encoding="utf-8", newline="\n")
    return folder


def _write_lines(path: Path, records: Sequence[Any]) -> None:
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")


def read_beir(folder: Path) -> Collection:
    return read_options(folder.with_name(f"{folder.name}-read"), folder=folder)


def read_options(target: Path, **options: Any) -> Collection:
    target.mkdir(exist_ok=True)
    with CollectionWriter(target) as writer:
        Beir(**options).read(writer, no_progress)
    return read_collection(target, "beir", Rules())


def judgements(collection: Collection, split: str) -> list[tuple[str, str, int]]:
    qrels = collection.qrels(split)
    return [
        (query_id, document_id, grade)
        for position, query_id in enumerate(qrels.query_ids)
        for document_id, grade in zip(
            collection.documents.ids(qrels.of(position)[0]), qrels.of(position)[1].tolist(), strict=True
        )
    ]


def test_documents_queries_and_judgements_come_back(tmp_path: Path) -> None:
    collection = read_beir(write_beir(tmp_path / "fabrics"))
    assert list(collection.documents) == DOCUMENTS
    assert collection.splits == ["test", "train"]
    assert {query.id: query.text for query in collection.queries("train")} == {'q "3"': "Who spins silk?"}
    assert sorted(judgements(collection, "test")) == sorted(QRELS["test"])
    assert judgements(collection, "train") == QRELS["train"]


def test_a_split_has_its_judged_queries_in_the_order_of_the_queries_file(tmp_path: Path) -> None:
    collection = read_beir(write_beir(tmp_path / "fabrics"))
    assert [query.id for query in collection.queries("test")] == ["q2", "q1"]


def test_compressed_files_read_the_same(tmp_path: Path) -> None:
    plain = read_beir(write_beir(tmp_path / "plain"))
    packed = write_beir(tmp_path / "packed")
    for path in [*packed.glob("*.jsonl"), *packed.glob("qrels/*.tsv")]:
        path.with_name(path.name + ".gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    assert read_beir(packed).digest == plain.digest


@pytest.mark.parametrize("title", [{}, {"title": None}, {"title": ""}])
def test_an_absent_title_is_empty(tmp_path: Path, title: dict[str, Any]) -> None:
    folder = write_beir(tmp_path / "fabrics", qrels={"test": []})
    _write_lines(folder / "corpus.jsonl", [{"_id": "d1", "text": "Felt is pressed wool."} | title])
    collection = read_beir(folder)
    assert list(collection.documents) == [Document("d1", "", "Felt is pressed wool.")]
    assert list(collection.texts()) == ["Felt is pressed wool."]


@pytest.mark.parametrize(
    ("record", "complaint"),
    [
        ({"text": "Felt."}, "no '_id'; expected text as '_id'"),
        ({"_id": 4.5, "text": "Felt."}, "'_id' is 4.5; expected text or a whole number"),
        ({"_id": True, "text": "Felt."}, "'_id' is True; expected text as '_id'"),
        ({"_id": "4"}, "no 'text'; expected text as 'text'"),
        ({"_id": "4", "text": 4}, "'text' is 4; expected"),
        ({"_id": "4", "text": "Felt.", "title": ["Felt"]}, r"'title' is \['Felt'\]; expected"),
        ({"_id": "", "text": "Felt."}, "a document without an id"),
        ({"_id": "d1", "text": "Felt."}, "document id 'd1' occurs twice"),
        ({"_id": "d4", "text": "Felt \ud83d"}, "half a character"),
    ],
)
def test_a_bad_document_is_refused_with_its_line(tmp_path: Path, record: dict[str, Any], complaint: str) -> None:
    folder = write_beir(tmp_path / "fabrics")
    with (folder / "corpus.jsonl").open("a") as file:
        file.write(json.dumps(record) + "\n")
    with pytest.raises(BenchError, match=rf"corpus\.jsonl:4: {complaint}"):
        read_beir(folder)


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        ("q1\td2\t1.0", "the grade is '1.0'; expected an integer"),
        ("q1\td2", "2 fields in .*; expected 3 tab-separated fields: query-id corpus-id score"),
        ("q1 d2 1", "1 fields in .*; expected 3 tab-separated fields"),
        ("q1\td9\t1", "a judgement on the unknown document 'd9'"),
        ("q9\td1\t1", "a judgement on the unknown query 'q9'"),
        ("q1\td1\t1", "document 'd1' is judged twice for query 'q1'; keep one of the two lines"),
    ],
)
def test_a_bad_judgement_is_refused_with_its_line(tmp_path: Path, row: str, complaint: str) -> None:
    folder = write_beir(tmp_path / "fabrics")
    with (folder / "qrels" / "test.tsv").open("a") as file:
        file.write(row + "\n")
    with pytest.raises(BenchError, match=rf"test\.tsv:5: {complaint}"):
        read_beir(folder)


@pytest.mark.parametrize("header", ["", "q1\td1\t1\n", "corpus-id\tquery-id\tscore\n"])
def test_judgements_without_the_header_are_refused(tmp_path: Path, header: str) -> None:
    folder = write_beir(tmp_path / "fabrics")
    (folder / "qrels" / "test.tsv").write_text(header + "q2\td2\t1\n")
    with pytest.raises(BadLine, match=r"test\.tsv:1: no header; expected .*query-id corpus-id score"):
        read_beir(folder)


def test_an_empty_judgements_file_is_refused(tmp_path: Path) -> None:
    folder = write_beir(tmp_path / "fabrics")
    (folder / "qrels" / "test.tsv").write_text("")
    with pytest.raises(BadLine, match="no header"):
        read_beir(folder)


@pytest.mark.parametrize("name", ["corpus.jsonl", "queries.jsonl"])
def test_a_missing_file_is_named_with_what_a_folder_holds(tmp_path: Path, name: str) -> None:
    folder = write_beir(tmp_path / "fabrics")
    (folder / name).unlink()
    with pytest.raises(BenchError, match=rf"fabrics lacks {name}; a BEIR folder holds corpus\.jsonl, queries"):
        Beir(folder=folder).state()


def test_missing_judgements_or_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match=r"lacks qrels/SPLIT\.tsv; a BEIR folder holds"):
        Beir(folder=write_beir(tmp_path / "fabrics", qrels={})).state()
    with pytest.raises(BenchError, match="nowhere is not a folder; a BEIR folder holds"):
        Beir(folder=tmp_path / "nowhere").state()


def test_state_covers_every_file(tmp_path: Path) -> None:
    folder = write_beir(tmp_path / "fabrics")
    seen = {Path(file["path"]).name for file in Beir(folder=folder).state()["files"]}
    assert seen == {"corpus.jsonl", "queries.jsonl", "test.tsv", "train.tsv"}


def test_numbers_as_ids_and_null_texts_are_taken_with_a_word(tmp_path: Path) -> None:
    folder = write_beir(tmp_path / "fabrics")
    _write_lines(folder / "corpus.jsonl", [{"_id": 1, "title": "Felt", "text": None}, {"_id": 2, "text": "Wool."}])
    _write_lines(folder / "queries.jsonl", [{"_id": 7, "text": "what is felt"}])
    (folder / "qrels" / "test.tsv").write_text(HEADER + "7\t1\t1\n")
    (folder / "qrels" / "train.tsv").unlink()
    collection = read_beir(folder)
    assert list(collection.documents) == [Document("1", "Felt", ""), Document("2", "", "Wool.")]
    assert judgements(collection, "test") == [("7", "1", 1)]
    assert collection.notes == {
        "document ids that are numbers, taken as text": 2,
        "documents whose text is null, taken as empty": 1,
        "query ids that are numbers, taken as text": 1,
    }


def test_queries_that_nobody_judged_are_in_a_split_of_their_own(tmp_path: Path) -> None:
    folder = write_beir(tmp_path / "fabrics", queries={**QUERIES, "q9": "What is felt?"})
    collection = read_beir(folder)
    assert {query.id for query in collection.queries("unjudged")} == {"q9"}
    assert {query.id for query in collection.queries("test")} == {"q1", "q2"}


def test_files_are_named_one_by_one(tmp_path: Path) -> None:
    folder = write_beir(tmp_path / "fabrics")
    named = {"corpus": folder / "corpus.jsonl", "queries": folder / "queries.jsonl"}
    every = read_options(tmp_path / "every", **named, qrels=folder / "qrels")
    assert every.digest == read_beir(folder).digest
    one = read_options(tmp_path / "one", folder=folder, qrels=folder / "qrels" / "train.tsv")
    assert one.splits == ["train", "unjudged"]
    with pytest.raises(BenchError, match=r"no folder and no file to take corpus\.jsonl's place"):
        Beir(queries=folder / "queries.jsonl").state()


def test_dropped_judgements_are_counted_at_the_foot(tmp_path: Path) -> None:
    folder = write_beir(tmp_path / "fabrics", qrels={"test": [*QRELS["test"], ("q1", "d99", 1), ("q2", "d98", 1)]})
    collection = open_dataset(f"beir:{folder}?unknown_judgements=drop").collection
    assert "; judgements on unknown documents or queries: 2 dropped" in Search().on(collection).definition


any_text = st.text(st.characters(codec="utf-8"), max_size=20)
any_id = st.text(st.characters(codec="utf-8", exclude_characters="\t\n\r"), min_size=1, max_size=8)


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    documents=st.dictionaries(any_id, st.tuples(any_text, any_text), min_size=1, max_size=5),
    queries=st.dictionaries(any_id, any_text.filter(str.strip), max_size=4),
    data=st.data(),
)
def test_whatever_is_written_is_read(
    tmp_path: Path, documents: dict[str, tuple[str, str]], queries: dict[str, str], data: st.DataObject
) -> None:
    pairs = [(query_id, document_id) for query_id in queries for document_id in documents]
    judged = [(*pair, data.draw(st.integers(-2, 4))) for pair in pairs if data.draw(st.booleans())]
    written = [Document(key, *parts) for key, parts in documents.items()]
    collection = read_beir(write_beir(tmp_path / "any", written, queries, {"test": judged}))
    assert list(collection.documents) == written
    if judged:
        asked = {query_id for query_id, *_ in judged}
        assert {q.id: q.text for q in collection.queries()} == {key: queries[key] for key in queries if key in asked}
        assert judgements(collection, "test") == judged


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("name", "documents", "splits"),
    [
        ("scifact", 5183, {"test": (300, 339), "train": (809, 919)}),
        ("nfcorpus", 3633, {"test": (323, 12334), "dev": (324, 11385), "train": (2590, 110575)}),
    ],
)
def test_real_folders_have_their_published_sizes(
    data_folder: Path, name: str, documents: int, splits: dict[str, tuple[int, int]]
) -> None:
    collection = open_dataset(f"beir:{data_folder / name}").collection
    assert len(collection) == documents
    assert {s: (len(collection.queries(s)), len(collection.qrels(s))) for s in collection.splits} == splits


_LOAD = """
import resource, sys
from bench.collections.catalogue import open_dataset
collection = open_dataset(f"beir:{sys.argv[1]}").collection
characters = sum(map(len, collection.texts()))
last = collection.documents.rows[collection.documents[-1].id]
print(len(collection), last, characters, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.slow
def test_a_million_documents_need_less_than_two_gigabytes(tmp_path: Path) -> None:
    source = random.Random(0)
    words = [word for document in DOCUMENTS for word in document.body.split()]
    (tmp_path / "qrels").mkdir()
    (tmp_path / "qrels" / "test.tsv").write_text(HEADER + "q\td999999\t1\n")
    (tmp_path / "queries.jsonl").write_text('{"_id": "q", "text": "Who spins silk?"}\n')
    characters = 0
    with (tmp_path / "corpus.jsonl").open("w") as file:
        for number in range(1_000_000):
            text = " ".join(source.choices(words, k=60))
            characters += len(text) + len(f"Passage {number} ")
            file.write(json.dumps({"_id": f"d{number}", "title": f"Passage {number}", "text": text}) + "\n")
    done = subprocess.run([sys.executable, "-c", _LOAD, str(tmp_path)], check=True, capture_output=True, text=True)
    size, last, seen, kilobytes = map(int, done.stdout.split())
    assert (size, last, seen) == (1_000_000, 999_999, characters)
    assert kilobytes < 2_000_000
