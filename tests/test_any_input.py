"""Whatever bytes a file holds, reading it gives what it means or one line that says what is wrong, and soon.

Inputs that were once answered otherwise stay here as examples. `-m slow` looks through a hundred times as many.
"""

import gzip
import io
import json
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import boards
import lz4.frame
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from bad_input import EXTENT, MANY, changes, mutations, one_clear_line, search
from hypothesis import strategies as st

from bench import textfiles
from bench.cells.record import Failure, Manifest, TaskResult
from bench.cells.sealed import read_sealed
from bench.collections.archives import unpacked
from bench.collections.cards import read_card
from bench.collections.collection import Collection, Query, Rules, read_collection
from bench.collections.sources import Source
from bench.collections.sources.beir import Beir
from bench.collections.sources.item_lists import Letter, S3Rec
from bench.collections.sources.markup import blocks, elements
from bench.collections.sources.msmarco import MsMarco
from bench.collections.sources.recbole import RecBole
from bench.collections.sources.tables import Tables
from bench.collections.sources.trec import Trec
from bench.collections.writer import CollectionWriter
from bench.errors import BenchError
from bench.leaderboard.published import PublishedCell, read_board
from bench.leaderboard.writers.json import as_json
from bench.mappings import read_mapping
from bench.measures.similarity import read_pairs
from bench.progress import no_progress
from bench.rankings import Rankings
from bench.suite import read_suite
from bench.textfiles import read_json_lines, read_lines, read_toml
from bench.trec import read_run, write_run
from retrievers.dense.word_files import read_counts, read_vectors

MakeCollection = Callable[..., Collection]
Read = Callable[[Path], object]


def _parquet(columns: dict[str, list[Any]]) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(columns), sink)
    return sink.getvalue().to_pybytes()


BEIR = {
    "corpus.jsonl": b'{"_id": "heron", "title": "", "text": "A heron waits."}\n{"_id": "eel", "text": "Eels."}\n',
    "queries.jsonl": b'{"_id": "q1", "text": "who waits"}\n{"_id": "q 2", "text": "who swims"}\n',
    "qrels/test.tsv": b"query-id\tcorpus-id\tscore\nq1\theron\t1\nq 2\teel\t2\n",
}
TREC = {
    "documents.trec": b"<DOC>\n<DOCNO> heron </DOCNO>\n<TITLE>A heron</TITLE>\n<TEXT>It waits.</TEXT>\n</DOC>\n",
    "topics.trec": b"<top>\n<num> Number: 1\n<title> Topic: who waits\n<desc> Description: that\n</top>\n",
    "topics.tsv": b"1\twho waits\n",
    "qrels.txt": b"1 0 heron 1\n",
}
TABLES = {
    "documents.csv": b'id,title,text\nheron,,"A heron, waits."\neel,,Eels.\n',
    "queries.tsv": b"id\ttext\nq1\twho waits\n",
    "qrels.jsonl": b'{"query-id": "q1", "corpus-id": "heron", "score": 1, "split": "test"}\n',
}
PARQUET = {
    name: _parquet({"id": ["q1"], "text": ["who waits"]}) for name in ("documents.parquet", "queries.parquet")
} | {"qrels.parquet": _parquet({"qid": ["q1"], "docid": ["q1"], "rel": [1.0]})}
MARCO = {
    "collection.tsv": b"7\tA heron waits.\n8\tEels\tEels swim.\n",
    "queries.dev.tsv": b"1\twho waits\n",
    "qrels.dev.tsv": b"1\t0\t7\t1\n",
}
RECBOLE = {
    "a.inter": b"user_id:token\titem_id:token\ttimestamp:float\nu\ti\t1\nu\tj\t2\nu\tk\t3\n",
    "a.item": b"item_id:token\ttitle:token_seq\ni\tone\nj\ttwo\n",
}
LETTER = {
    "a.inter.json": b'{"ann": ["i", 2, "k"], "bob": [2, "k", "i"]}',
    "a.item.json": b'{"i": {"title": "one", "tags": ["x", "y"]}, "2": {"title": "two"}}',
}
MAPPINGS = {
    "codes.jsonl": b'{"item": "i", "codes": [3, 17]}\n{"item": "j", "codes": [3, 4]}\n',
    "codes.json": b'{"i": ["<a_3>", "<b_17>"], "j": ["<a_3>"]}',
}
SUITE = b"""title = "Two"
datasets = ["pydoc-1k"]
seeds = [0, 1]
defaults.k1 = 0.9
[[systems]]
retriever = "bm25"
options.b = 0.4
[[systems]]
retriever = "bm25"
name = "other"
[[tasks]]
task = "search"
options = {depth = 10}
"""
CARD = b"""title = "Birds"
source = "beir:birds?split=dev"
description = "d"
licence = "CC0"
citation = "nobody"
rules = {gains = "linear"}
digests = {beir = "00"}
"""


def _built(source: Source) -> Collection:
    with tempfile.TemporaryDirectory() as folder:
        with CollectionWriter(Path(folder)) as writer:
            source.read(writer, no_progress)
        return read_collection(Path(folder), "any", Rules())


def _topics(path: Path) -> Collection:
    return _built(Trec(folder=path.parent, topics=path))


def _zip(files: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return packed.getvalue()


RUN_MAPPING = b'{"q1": {"heron": 2.5, "eel": 1.5}}'
RUNS = {
    "run.txt": b"q1 Q0 heron 1 2.5 tag\nq1 Q0 eel 2 1.5 tag\n",
    "three.tsv": b"q1\theron\t1\nq1\teel\t2\n",
    "run.json": RUN_MAPPING,
    "run.json.gz": gzip.compress(RUN_MAPPING, mtime=0),
    "run.lz4": lz4.frame.compress(RUN_MAPPING),
    "T_predictions.json": b'{"mteb_model_meta": {}, "default": {"test": ' + RUN_MAPPING + b"}}",
}
ASKED = [Query("q1", "who waits"), Query("\ufeffq2", "who swims")]


@pytest.fixture(scope="session")
def of_birds(tmp_path_factory: pytest.TempPathFactory) -> Collection:
    folder = tmp_path_factory.mktemp("birds")
    _lay(folder, BEIR)
    return _built(Beir(folder=folder))


def _lay(folder: Path, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


READERS: dict[str, tuple[dict[str, bytes], str, Read]] = {
    **{f"beir {name}": (BEIR, name, lambda path: _built(Beir(folder=_beir_folder(path)))) for name in BEIR},
    **{
        f"trec {name}": (TREC, name, lambda path: _built(Trec(folder=path.parent)))
        for name in ("documents.trec", "topics.trec", "qrels.txt")
    },
    "trec topics.tsv": (TREC, "topics.tsv", _topics),
    **{f"table {name}": (TABLES, name, lambda path: _built(Tables(folder=path.parent))) for name in TABLES},
    **{f"table {name}": (PARQUET, name, lambda path: _built(Tables(folder=path.parent))) for name in PARQUET},
    **{f"msmarco {name}": (MARCO, name, lambda path: _built(MsMarco(folder=path.parent))) for name in MARCO},
    "trec xml": (
        TREC | {"xml.trec": b'<topics>\n<topic number="1">\n<title>who waits</title>\n</topic>\n</topics>\n'},
        "xml.trec",
        _topics,
    ),
    "trec elements": (
        TREC | {"documents.trec": b'<DOC id="heron">\n<HL>A heron</HL><DD>1</DD>\nIt waits.\n<P>\n</DOC>\n'},
        "documents.trec",
        lambda path: _built(Trec(folder=path.parent)),
    ),
    "zip": ({"birds.zip": _zip(BEIR)}, "birds.zip", unpacked),
    **{f"recbole {name}": (RECBOLE, name, lambda path: _built(RecBole(folder=path.parent))) for name in RECBOLE},
    "s3rec": ({"a.txt": b"ann i j k\nbob j k i\n"}, "a.txt", lambda path: _built(S3Rec(file=path))),
    **{f"letter {name}": (LETTER, name, lambda path: _built(Letter(folder=path.parent))) for name in LETTER},
    **{f"mapping {name}": ({name: data}, name, read_mapping) for name, data in MAPPINGS.items()},
    "suite": ({"mine.toml": SUITE}, "mine.toml", lambda path: read_suite(str(path))),
    "card": ({"birds.toml": CARD}, "birds.toml", read_card),
    "pairs": ({"sts.tsv": b"score\tsentence1\tsentence2\n0.5\ta b\tc d\n1\te\tf\n"}, "sts.tsv", read_pairs),
    "word vectors": ({"v.txt": b"2 3\nfir 1 2 3\noak .5 -1e-3 0\n"}, "v.txt", lambda path: read_vectors(path, 99)),
    "word counts": ({"c.txt": b"the 23135851162\nfir 12\n"}, "c.txt", read_counts),
    "gzip": ({"a.gz": gzip.compress(b"one\ntwo\n", mtime=0)}, "a.gz", lambda path: list(read_lines(path))),
    "manifest": ({"a": b'{"format": 2}'}, "a", lambda path: read_sealed(path, Manifest)),
    "result": ({"a": b'{"format": 2}'}, "a", lambda path: read_sealed(path, TaskResult)),
    "failure": ({"a": b'{"format": 2}'}, "a", lambda path: read_sealed(path, Failure)),
    "board": ({"leaderboard.json": b'{"format": 2}'}, "leaderboard.json", read_board),
}


def _beir_folder(path: Path) -> Path:
    return path.parents[1] if path.parent.name == "qrels" else path.parent


@pytest.mark.parametrize("extent", EXTENT)
@pytest.mark.parametrize("reader", READERS)
def test_any_bytes_give_what_they_mean_or_one_clear_line(reader: str, extent: int, tmp_path: Path) -> None:
    files, name, read = READERS[reader]
    _lay(tmp_path, files)
    path = tmp_path / name
    if reader not in ("manifest", "result", "failure", "board"):
        read(path)

    def check(data: bytes) -> None:
        path.write_bytes(data)
        one_clear_line(lambda: read(path))

    search(mutations(files[name]), check, extent)


@pytest.mark.parametrize("extent", EXTENT)
@pytest.mark.parametrize("name", RUNS)
def test_any_bytes_are_a_run_or_one_clear_line(name: str, extent: int, tmp_path: Path, of_birds: Collection) -> None:
    path = tmp_path / name

    def check(data: bytes) -> None:
        path.write_bytes(data)
        one_clear_line(lambda: read_run(path, ASKED, of_birds.documents))

    search(mutations(RUNS[name]), check, extent)


@pytest.mark.parametrize("extent", EXTENT)
def test_a_published_board_of_another_structure_is_refused_in_one_line(extent: int, tmp_path: Path) -> None:
    path = tmp_path / "leaderboard.json"
    path.write_text(as_json(boards.board(["bm25", "dsi"], ["birds"]).as_data()))
    read_board(path)

    def check(data: Any) -> None:
        path.write_text(json.dumps(data))
        one_clear_line(lambda: read_board(path))

    search(changes(json.loads(path.read_text())), check, extent)


@pytest.mark.parametrize("extent", [100, pytest.param(MANY, marks=pytest.mark.slow)])
def test_any_query_id_comes_back_from_a_run(extent: int, tmp_path: Path, of_birds: Collection) -> None:
    path = tmp_path / "run.txt"

    def check(name: str) -> None:
        query = Query(name, "what")
        write_run(path, Rankings.from_hits([query], [([0], [1.0])]), of_birds.documents, "t")
        (found,) = read_run(path, [query], of_birds.documents)
        assert len(found[1]) == 1

    for name in ("\ufeff", "\ufeffq", "%EF%BB%BFq", "# ir_metadata.start", "\u2028", "%"):
        check(name)
    search(st.text(st.characters(codec="utf-8"), min_size=1), check, extent)


@pytest.mark.parametrize("number", ["1_0", "٣", "nan", "inf", "1e999", "", "0x1p3"])
def test_what_only_python_reads_as_a_number_is_no_score(number: str, tmp_path: Path, of_birds: Collection) -> None:
    path = tmp_path / "run.txt"
    path.write_text(f"q1 Q0 heron 1 {number or '-'} tag\n", encoding="utf-8")
    with pytest.raises(BenchError, match=r"run\.txt:1: the score is .*; expected a finite number"):
        read_run(path, ASKED, of_birds.documents)


@pytest.mark.parametrize(
    ("vector", "problem"), [("1_0 2", "not a number"), ("٣ 2", "not a number"), ("1e300 2", "finite")]
)
def test_what_no_float32_holds_is_no_word_vector(vector: str, problem: str, tmp_path: Path) -> None:
    path = tmp_path / "v.txt"
    path.write_text(f"fir 1 2\noak {vector}\n", encoding="utf-8")
    with pytest.raises(BenchError, match=rf"v\.txt:2: .*{problem}"):
        read_vectors(path, 9)


def test_a_line_without_end_is_refused_before_it_fills_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(textfiles, "_LONGEST_LINE", 2**20)
    path = tmp_path / "corpus.jsonl.gz"
    with gzip.open(path, "wb") as file:
        for _ in range(300):
            file.write(bytes(2**20))
    assert path.stat().st_size < 2**20
    with pytest.raises(BenchError, match=r"corpus\.jsonl\.gz:1: a line without end; expected lines of at most 1 MB"):
        list(read_json_lines(path))
    path = tmp_path / "longest.txt"
    path.write_bytes(b"a" * (2**20 - 1) + b"\n" + b"b" * (2**20 - 1))
    assert [len(line) for _, line in read_lines(path)] == [2**20 - 1, 2**20 - 1]


def test_a_block_without_end_is_refused_before_it_fills_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bench.collections.sources.markup._LONGEST", 10_000)
    path = tmp_path / "documents.trec"
    path.write_bytes(b"<DOC>\nword\n</DOC>\n" * 2_000)
    assert len(list(blocks(path, ["DOC"]))) == 2_000
    path.write_bytes(b"<DOC>\n" + b"word\n" * 3_000)
    with pytest.raises(BenchError, match=r"documents\.trec:1: <DOC> is not closed within 10,000 characters"):
        list(blocks(path, ["DOC"]))


@pytest.mark.parametrize("content", ["<p>" * 150_000, "".join(f"<p{n}>" for n in range(60_000))], ids=["one", "many"])
def test_elements_that_are_never_closed_are_read_at_once(content: str) -> None:
    start = process_time()
    assert [part.name for part in elements(content + "<b>bold</b>")] == ["", "B"]
    assert process_time() - start < 5


@pytest.mark.parametrize(
    "content",
    ["<TEXT>" * 75_000, "<DOCNO>" * 75_000, "<" * 450_000, "<TEXT" * 90_000],
    ids=["text", "docno", "bare", "cut"],
)
def test_mark_up_that_never_closes_is_refused_at_once(content: str, tmp_path: Path) -> None:
    _lay(tmp_path, TREC | {"documents.trec": f"<DOC><DOCNO>1</DOCNO>{content}</DOC>".encode()})
    start = perf_counter()
    one_clear_line(lambda: _built(Trec(folder=tmp_path)))
    assert perf_counter() - start < 10


@pytest.mark.parametrize(
    "content",
    ["<title" * 75_000, "<title>" * 65_000, "<a>" * 150_000, "<" * 450_000],
    ids=["cut", "title", "a", "bare"],
)
def test_a_topic_of_nothing_but_marks_is_read_at_once(content: str, tmp_path: Path) -> None:
    _lay(tmp_path, TREC | {"topics.trec": f"<top><num>1{content}</top>".encode()})
    start = perf_counter()
    one_clear_line(lambda: _built(Trec(folder=tmp_path)))
    assert perf_counter() - start < 10


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (gzip.compress(b"text", mtime=0), r"is gzip, not text in UTF-8; give it the ending \.gz"),
        (b"BZh91AY&SY\xd1\xe7", "is bzip2, .*bunzip2"),
        (b"\xfd7zXZ\0\0\x04", "is xz, .*unxz"),
        (b"\x28\xb5\x2f\xfd\x04\x00\xff", "is Zstandard"),
        (b"PK\x03\x04\x14\0\xff\xfe", "is zip"),
        ("title = 'ü'".encode("utf-16"), "is text in UTF-16, not text in UTF-8; save it as UTF-8"),
        (b"\xfe\xff" + "title".encode("utf-16-be"), "is text in UTF-16"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_no_text_in_utf8_is_called_by_its_name(content: bytes, named: str, tmp_path: Path) -> None:
    path = tmp_path / "corpus.jsonl"
    path.write_bytes(content)
    for read in (read_toml, lambda path: list(read_lines(path))):
        with pytest.raises(BenchError, match=named):
            read(path)


def test_names_with_control_characters_stay_one_line_in_a_complaint(tmp_path: Path) -> None:
    name = "he\\nron\\u001b[31m\\u202e"
    _lay(tmp_path, BEIR | {"corpus.jsonl": (f'{{"_id": "{name}", "text": "x"}}\n' * 2).encode()})
    with pytest.raises(BenchError, match=r"document id 'he␊ron␛\[31m\\u202e' occurs twice"):
        _built(Beir(folder=tmp_path))


def test_a_published_cell_names_no_file_elsewhere() -> None:
    with pytest.raises(ValueError, match="answers"):
        PublishedCell.model_validate_json('{"tasks": [{"answers": "../../x.parquet"}]}')
