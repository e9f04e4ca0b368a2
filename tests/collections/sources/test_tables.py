"""The same collection as people's tables, as the Hugging Face hub has it, and as MS MARCO's files."""

import csv
import gzip
import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bench.collections.catalogue import open_dataset, with_source
from bench.collections.collection import Collection
from bench.errors import BenchError

DOCUMENTS = [
    {"_id": "d1", "title": "Pilot", "text": "the harbour pilot, and ships"},
    {"_id": "d2", "title": "", "text": 'a "cold" greenhouse'},
    {"_id": "d3", "title": "Bread", "text": "rye flour"},
]
QUERIES = [
    {"_id": "q1", "text": "harbour ships"},
    {"_id": "q2", "text": "greenhouse, cold"},
    {"_id": "q3", "text": "nobody judged this"},
]
QRELS = [
    {"query-id": "q1", "corpus-id": "d1", "score": 2},
    {"query-id": "q2", "corpus-id": "d2", "score": 1},
    {"query-id": "q2", "corpus-id": "d3", "score": 0},
]
Rows = Sequence[Mapping[str, Any]]


def jsonl(path: Path, rows: Rows) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    data = "".join(json.dumps(row) + "\n" for row in rows).encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)


def parquet(path: Path, rows: Rows) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist([dict(row) for row in rows]), path)


def separated(path: Path, rows: Rows) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter="\t" if path.suffix == ".tsv" else ",")
        writer.writeheader()
        writer.writerows(rows)


WRITERS: dict[str, Callable[[Path, Rows], None]] = {
    ".jsonl": jsonl, ".gz": jsonl, ".parquet": parquet, ".csv": separated, ".tsv": separated,
}  # fmt: skip


def write(folder: Path, documents: str, queries: str, qrels: str) -> Path:
    for name, rows in ((documents, DOCUMENTS), (queries, QUERIES), (qrels, QRELS)):
        WRITERS[Path(name).suffix](folder / name, rows)
    return folder


def relevant(collection: Collection, split: str = "test") -> dict[str, dict[str, int]]:
    qrels, ids = collection.qrels(split), collection.documents.ids()
    return {
        query: {ids[row]: int(grade) for row, grade in zip(*qrels.of(i), strict=True)}
        for i, query in enumerate(qrels.query_ids)
    }


@pytest.fixture
def expected(tmp_path: Path) -> str:
    """The digest of the collection as BEIR's folder has it."""
    folder = write(tmp_path / "beir", "corpus.jsonl", "queries.jsonl", "qrels/test.tsv")
    return open_dataset(f"beir:{folder}").collection.digest


@pytest.mark.parametrize(
    ("source", "files"),
    [
        ("beir", ("corpus.jsonl.gz", "queries.jsonl", "qrels/test.tsv")),
        ("table", ("documents.parquet", "queries.parquet", "qrels.parquet")),
        ("table", ("documents.csv", "queries.csv", "qrels.csv")),
        ("table", ("documents.tsv", "queries.jsonl", "qrels.tsv")),
        ("table", ("documents.jsonl.gz", "queries.jsonl.gz", "qrels.jsonl")),
        ("hf", ("corpus.jsonl", "queries.jsonl", "qrels/test.jsonl")),
        ("hf", ("corpus/corpus-0-of-1.parquet", "queries/queries-0-of-1.parquet", "qrels/test-0-of-1.parquet")),
        ("hf", ("corpus/corpus-0-of-1.parquet", "queries/queries-0-of-1.parquet", "default/test-0-of-1.parquet")),
    ],
)
def test_every_layout_is_recognised_and_gives_the_same_collection(
    tmp_path: Path, expected: str, source: str, files: tuple[str, str, str]
) -> None:
    folder = write(tmp_path / "mine", *files)
    assert with_source(str(folder)) == f"{source}:{folder}"
    collection = open_dataset(str(folder)).collection
    assert collection.digest == expected
    assert relevant(collection) == {"q1": {"d1": 2}, "q2": {"d2": 1, "d3": 0}}
    assert [query.id for query in collection.queries("unjudged")] == ["q3"]


def test_json_lines_may_each_lack_columns_whatever_their_order(tmp_path: Path) -> None:
    documents = [{"_id": "d1", "text": "ships"}, {"_id": "d2", "title": "Rye", "text": "grain"}]
    queries = [{"_id": "q1", "text": "ships"}, {"_id": "q2", "text": "grain"}]
    qrels = [
        {"query-id": "q1", "corpus-id": "d1", "score": 1},
        {"query-id": "q1", "corpus-id": "d2", "score": 0},
        {"query-id": "q2", "corpus-id": "d2", "score": 3, "split": "dev"},
    ]
    for number, order in enumerate((1, -1)):
        for name, rows in (("documents", documents), ("queries", queries), ("qrels", qrels)):
            WRITERS[".jsonl"](tmp_path / str(number) / f"{name}.jsonl", rows[::order])
        collection = open_dataset(f"table:{tmp_path / str(number)}").collection
        assert {document.id: document.title for document in collection.documents} == {"d1": "", "d2": "Rye"}
        assert relevant(collection) == {"q1": {"d1": 1, "d2": 0}}
        assert relevant(collection, "dev") == {"q2": {"d2": 3}}


def test_a_grade_may_be_written_as_pandas_writes_it(tmp_path: Path) -> None:
    folder = write(tmp_path / "mine", "documents.csv", "queries.csv", "qrels.csv")
    qrels = folder / "qrels.csv"
    qrels.write_text(re.sub(r"(?<=,)(\d)$", r"\1.0", qrels.read_text(), flags=re.MULTILINE))
    assert ".0" in qrels.read_text()
    assert relevant(open_dataset(f"table:{folder}").collection) == {"q1": {"d1": 2}, "q2": {"d2": 1, "d3": 0}}


def test_ms_marco_is_read_with_its_splits(tmp_path: Path) -> None:
    folder = tmp_path / "marco"
    folder.mkdir()
    (folder / "collection.tsv").write_text("7\tthe harbour pilot\n8\ta greenhouse\n")
    (folder / "queries.dev.tsv").write_text("1\tharbour\n2\tgreenhouse\n")
    (folder / "queries.train.tsv").write_text("3\tpilot\n")
    (folder / "qrels.dev.small.tsv").write_text("1\t0\t7\t1\n")
    (folder / "qrels.train.tsv").write_text("3\t0\t7\t1\n")
    collection = open_dataset(f"{folder}?split=dev.small").collection
    assert collection.name == f"msmarco:{folder}?split=dev.small"
    assert (relevant(collection, "dev.small"), relevant(collection, "train")) == ({"1": {"7": 1}}, {"3": {"7": 1}})
    assert [query.id for query in collection.queries("unjudged")] == ["2"]
    with pytest.raises(BenchError, match=r"no split 'test'.*dev\.small"):
        open_dataset(str(folder)).collection.queries()


def test_ms_marcos_documents_have_a_title(tmp_path: Path) -> None:
    (tmp_path / "docs.tsv").write_text("D1\thttps://a.example\tPilot\tharbour ships\n")
    (tmp_path / "queries.test.tsv").write_text("1\tharbour\n")
    (tmp_path / "qrels.test.tsv").write_text("1 0 D1 1\n")
    assert list(open_dataset(str(tmp_path)).collection.texts()) == ["Pilot harbour ships"]


def test_columns_are_named_and_numbers_are_ids(tmp_path: Path) -> None:
    parquet(tmp_path / "items.parquet", [{"sku": 1, "label": "Pilot", "words": None}, {"sku": 2, "words": "rye"}])
    separated(tmp_path / "asked.csv", [{"nr": 9, "q": "pilot"}])
    separated(tmp_path / "judged.csv", [{"q": 9, "sku": 1, "part": "dev"}, {"q": 9, "sku": 2, "part": "test"}])
    files = f"documents={tmp_path}/items.parquet&queries={tmp_path}/asked.csv&qrels={tmp_path}/judged.csv"
    names = {
        "document_id": "sku", "document_title": "label", "document_text": "words", "query_id": "nr",
        "query_text": "q", "judged_query": "q", "judged_document": "sku", "judged_split": "part",
    }  # fmt: skip
    named = "&".join(f"columns.{name}={column}" for name, column in names.items())
    collection = open_dataset(f"table?{files}&{named}").collection
    assert list(collection.texts()) == ["Pilot", "rye"]
    assert (relevant(collection, "dev"), relevant(collection)) == ({"9": {"1": 1}}, {"9": {"2": 1}})
    assert collection.notes["document ids that are numbers, taken as text"] == 2
    assert collection.notes["documents whose text is null, taken as empty"] == 1


@pytest.mark.parametrize(
    ("name", "rows", "column"),
    [
        ("documents.parquet", [{"_id": 1.0, "text": "rye"}, {"_id": None, "text": "oats"}], "_id"),
        ("qrels.parquet", [{"query-id": "q1", "corpus-id": 2.0, "score": 1}], "corpus-id"),
    ],
)
def test_ids_that_pandas_made_fractions_are_refused_with_the_remedy(
    tmp_path: Path, name: str, rows: Rows, column: str
) -> None:
    write(tmp_path, "documents.parquet", "queries.parquet", "qrels.parquet")
    parquet(tmp_path / name, rows)
    with pytest.raises(
        BenchError, match=rf"{name}:1: '{column}' is \d\.0; .*write ids as text, in pandas with dtype=str"
    ):
        open_dataset(f"table:{tmp_path}")


@pytest.mark.parametrize(
    ("broken", "complaint"),
    [
        (
            {"documents.csv": "a,b\n1,2\n"},
            r"documents\.csv has no column for the document id \(it has a, b\).*columns\.",
        ),
        ({"documents.csv": "id,text\n1,2,3\n"}, r"documents\.csv:2: 3 fields; expected 2 fields: id text"),
        (
            {"documents.csv": "id,id,text\n1,2,3\n"},
            r"documents\.csv:1: 2 columns 'id'; expected columns of different",
        ),
        ({"qrels.csv": "qid,docid,rel\nq1,d1,0.5\n"}, r"qrels\.csv:2: the grade is '0\.5'; expected an integer"),
        ({"qrels.csv": "qid,docid,rel\nq1,d1,\n"}, r"qrels\.csv:2: no 'rel'; expected a grade"),
        (
            {"documents.csv": "id,text\n1," + "a" * 200_000 + "\n"},
            r"documents\.csv:2: field larger .*jsonl takes any text",
        ),
        (
            {"documents.csv": 'id,text\n1,rye\n2,"a stray quote\n3,oats\n4,"wheat"\n'},
            r"documents\.csv:3: ',' expected after '\"' on line 5, in the row that begins here; .*\"\" for one",
        ),
        (
            {"documents.csv": 'id,text\n1,"rye\n2,oats\n'},
            r"documents\.csv:2: unexpected end of data on line 3, in the row that begins here; .*jsonl takes any",
        ),
        ({"documents.csv": 'id,text\n1,"Rye" flour\n'}, r"documents\.csv:2: ',' expected after '\"'; expected a"),
        ({"documents.csv": 'id,text\n1,"rye\nflour",x\n'}, r"documents\.csv:2: 3 fields; expected 2 fields: id text"),
        ({"queries.csv": "id,text\nq1,\n"}, r"queries\.csv:2: 'text' is None; expected text as 'text'"),
    ],
)
def test_broken_tables_are_refused_with_their_place(tmp_path: Path, broken: dict[str, str], complaint: str) -> None:
    write(tmp_path, "documents.csv", "queries.csv", "qrels.csv")
    for name, content in broken.items():
        (tmp_path / name).write_text(content)
    with pytest.raises(BenchError, match=complaint):
        open_dataset(f"table:{tmp_path}")


def test_what_is_not_there_is_named_with_the_layout(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="lacks documents; a folder of tables holds documents, queries and qrels"):
        open_dataset(f"table:{tmp_path}")
    with pytest.raises(BenchError, match="lacks qrels and default of subset de; a dataset of the Hugging Face hub"):
        open_dataset(f"hf:{tmp_path}?subset=de")
    with pytest.raises(BenchError, match=r"lacks collection\.tsv; an MS MARCO folder holds"):
        open_dataset(f"msmarco:{tmp_path}")
    with pytest.raises(BenchError, match=r"x\.txt is no file of records; give one that ends in \.jsonl, \.csv"):
        (tmp_path / "x.txt").touch()
        open_dataset(f"table?documents={tmp_path}/x.txt&queries={tmp_path}/x.txt&qrels={tmp_path}/x.txt")


def test_a_subset_is_chosen_by_name(tmp_path: Path) -> None:
    for language in ("de", "fr"):
        write(
            tmp_path,
            f"{language}-corpus/0.parquet",
            f"{language}-queries/0.parquet",
            f"{language}-qrels/test.parquet",
        )
    assert relevant(open_dataset(f"hf:{tmp_path}?subset=de").collection)["q1"] == {"d1": 2}


@pytest.mark.parametrize("nothing", ["", " "])
def test_a_judgement_without_a_split_is_of_test(tmp_path: Path, nothing: str) -> None:
    write(tmp_path, "documents.csv", "queries.csv", "qrels.csv")
    (tmp_path / "qrels.csv").write_text(f"qid,docid,split\nq1,d1,{nothing}\nq2,d2,dev\n")
    collection = open_dataset(f"table:{tmp_path}").collection
    assert list(relevant(collection)) == ["q1"]
    assert list(relevant(collection, "dev")) == ["q2"]
