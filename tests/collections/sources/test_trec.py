"""TREC documents, topics and judgements: read whole or refused with the file and line at fault."""

import gzip
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from bench.collections.catalogue import open_dataset
from bench.collections.collection import Collection, Document, Rules, read_collection
from bench.collections.sources.judgements import read_judgements
from bench.collections.sources.trec import Trec
from bench.collections.writer import CollectionWriter
from bench.errors import BenchError
from bench.progress import no_progress
from bench.tasks.search import Search

DOCUMENTS = """\
<DOC>
<DOCNO> FT-1 </DOCNO>
<DATE>910514</DATE>
<HEADLINE>
Tide tables
</HEADLINE>
<TEXT>
High water comes twice a day.

It comes later each day.
</TEXT>
<TEXT>Spring tides are the highest.</TEXT>
</DOC>

<doc><docno>FT-2</docno><title>Neap</title><text></text></doc>
"""
TOPICS = """\
<top>
<num> Number: 051
<title> Topic: how often
does the tide come
<desc> Description:
How many high waters has a day where p < q?
<narr> Narrative:
Tables count.
</top>
<top><num>52</num><title>neap tides</title><desc>When are tides lowest?</desc><narr>Dates count.</narr></top>
"""
QRELS = "051 0 FT-1 2\n\n051\t0  FT-2   -1\n52 0 FT-2 1\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "tides"
    folder.mkdir()
    (folder / "documents.trec").write_text(DOCUMENTS)
    (folder / "topics.trec").write_text(TOPICS)
    (folder / "qrels.txt").write_text(QRELS)
    return folder


def read_trec(tmp_path: Path, **options: Any) -> Collection:
    target = tmp_path / "read"
    target.mkdir(exist_ok=True)
    with CollectionWriter(target) as writer:
        Trec(**options).read(writer, no_progress)
    return read_collection(target, "trec", Rules())


def asked(collection: Collection) -> dict[str, str]:
    return {query.id: query.text for query in collection.queries("test")}


def test_documents_join_their_texts_and_may_be_empty(tmp_path: Path, folder: Path) -> None:
    tide = "High water comes twice a day.\n\nIt comes later each day.\nSpring tides are the highest."
    assert list(read_trec(tmp_path, folder=folder).documents) == [
        Document("FT-1", "Tide tables", tide),
        Document("FT-2", "Neap", ""),
    ]


@pytest.mark.parametrize(
    ("field", "texts"),
    [
        ("title", ["how often does the tide come", "neap tides"]),
        ("desc", ["How many high waters has a day where p < q?", "When are tides lowest?"]),
        ("narr", ["Tables count.", "Dates count."]),
    ],
)
def test_a_topic_is_asked_by_its_chosen_field(tmp_path: Path, folder: Path, field: str, texts: list[str]) -> None:
    collection = read_trec(tmp_path, folder=folder, topic_field=field)
    assert asked(collection) == dict(zip(["051", "52"], texts, strict=True))


def test_judgements_may_be_negative_and_separated_by_any_blanks(tmp_path: Path, folder: Path) -> None:
    qrels = read_trec(tmp_path, folder=folder).qrels("test")
    assert [part.tolist() for part in qrels.of(0)] == [[0, 1], [2, -1]]
    assert [part.tolist() for part in qrels.of(1)] == [[1], [1]]
    assert qrels.with_relevant(1).tolist() == [True, True]


def test_every_topic_is_asked_even_without_judgements(tmp_path: Path, folder: Path) -> None:
    (folder / "qrels.txt").write_text("51 0 FT-1 2\n".replace("51", "051"))
    collection = read_trec(tmp_path, folder=folder)
    assert list(asked(collection)) == ["051", "52"]
    assert collection.qrels("test").with_relevant(1).tolist() == [True, False]


def test_named_files_stand_instead_of_the_folders(tmp_path: Path, folder: Path) -> None:
    (tmp_path / "queries.tsv").write_text("051\twhen is high water\n\n53\twhat is a tide\n")
    (tmp_path / "few.txt").write_text("053 0 FT-1 1\n".replace("053", "53"))
    mixed = read_trec(tmp_path, folder=folder, topics=tmp_path / "queries.tsv", qrels=tmp_path / "few.txt")
    assert asked(mixed) == {"051": "when is high water", "53": "what is a tide"}
    named = {
        "documents": folder / "documents.trec",
        "topics": tmp_path / "queries.tsv",
        "qrels": tmp_path / "few.txt",
    }
    assert read_trec(tmp_path, **named).digest == mixed.digest


def test_compressed_files_read_the_same(tmp_path: Path, folder: Path) -> None:
    plain = read_trec(tmp_path, folder=folder).digest
    for path in list(folder.iterdir()):
        path.with_name(path.name + ".gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    assert read_trec(tmp_path, folder=folder).digest == plain


PILOT = "the quick harbour pilot guides large ships through fog"


def with_documents(folder: Path, content: str, encoding: str = "utf-8") -> None:
    ids = "\n".join(f"<DOC>\n<DOCNO>{name}</DOCNO>\n</DOC>" for name in ("FT-1", "FT-2"))
    (folder / "documents.trec").write_bytes(f"{content}\n{ids}\n".encode(encoding))


@pytest.mark.parametrize(
    ("content", "document"),
    [
        (
            "<DOC>\n<DOCNO> d1 </DOCNO>\n<HL> Pilot fog </HL>\n<DD> 05/12/88 </DD>\n"
            "<LP>\nthe quick harbour pilot\n</LP>\n<TEXT>\nguides large ships through fog\n</TEXT>\n</DOC>",
            Document("d1", "Pilot fog", "the quick harbour pilot\nguides large ships through fog"),
        ),
        (f"<DOC>\n<DOCNO>d1</DOCNO>\n{PILOT}\n</DOC>", Document("d1", "", PILOT)),
        ("<DOC>\n<DOCNO>d1</DOCNO>\n</DOC>", Document("d1", "", "")),
        (f'<DOC><DOCNO>d1</DOCNO><TEXT lang="en">\n{PILOT}\n</TEXT></DOC>', Document("d1", "", PILOT)),
        (
            f'<DOC id="d1" type="story" >\n<HEADLINE>\nPilot\n</HEADLINE>\n'
            f"<TEXT>\n<P>\n{PILOT}\n</P>\n</TEXT>\n</DOC>",
            Document("d1", "Pilot", PILOT),
        ),
        ("<DOC><DOCNO>d1</DOCNO><P>one<P>two 1 < 2</DOC>", Document("d1", "", "one two 1 < 2")),
        (f'<?xml version="1.0"?>\n<docs>\n<DOC>\n<DOCNO>d1</DOCNO>{PILOT}</DOC>\n</docs>', Document("d1", "", PILOT)),
    ],
)
def test_documents_are_read_as_they_are_on_disk(
    tmp_path: Path, folder: Path, content: str, document: Document
) -> None:
    with_documents(folder, content)
    assert read_trec(tmp_path, folder=folder).documents[0] == document


def test_what_is_left_out_is_told_and_may_be_chosen(tmp_path: Path, folder: Path) -> None:
    wsj = "<DOC><DOCNO>d1</DOCNO><HL>Pilot</HL><DD>05/12/88</DD><LP>the quick</LP><TEXT>ships</TEXT></DOC>"
    with_documents(folder, wsj)
    whole = read_trec(tmp_path, folder=folder)
    assert (whole.notes["<DD> left out"], next(iter(whole.texts()))) == (1, "Pilot the quick\nships")
    assert "; <DD> left out: 1" in Search().on(whole).definition
    chosen = read_trec(tmp_path, folder=folder, fields="HL,DD")
    assert next(iter(chosen.texts())) == "Pilot 05/12/88"
    assert (chosen.notes["<LP> left out"], chosen.notes["<TEXT> left out"]) == (1, 1)


def test_other_encodings_are_named(tmp_path: Path, folder: Path) -> None:
    with_documents(folder, "<DOC><DOCNO>d1</DOCNO><TEXT>São Paulo</TEXT></DOC>", "latin-1")
    assert read_trec(tmp_path, folder=folder, encoding="latin-1").documents[0].body == "São Paulo"
    with pytest.raises(BenchError, match=r"documents\.trec:1: byte 30 .* is not UTF-8; .*\?encoding=latin-1"):
        read_trec(tmp_path, folder=folder)
    with pytest.raises(BenchError, match="give utf-8, latin-1"):
        Trec.from_options("source trec", {"folder": folder, "encoding": "utf-16"})


@pytest.mark.parametrize(
    ("topics", "field", "asks"),
    [
        ("<topics>\n<topic number='51'>\nharbour &amp; ships\n</topic>\n</topics>", "title", "harbour & ships"),
        (
            '<?xml version="1.0"?>\n<topics>\n<topic number="51">\n<query>origin</query>\n'
            "<question>whence</question>\n<narrative>all</narrative>\n</topic>\n</topics>",
            "desc",
            "whence",
        ),
        ("<topic><identifier>51</identifier><title>ships</title></topic>", "title", "ships"),
        (
            "<top>\n<head> Tipster\n<num> Number: 51\n<dom> Domain: Sea\n<title> Topic: ships\n</top>",
            "title",
            "ships",
        ),
        ('<top lang="en">\n<num> 51 </num>\n<title> ships </title>\n</top>', "title", "ships"),
    ],
)
def test_topics_of_other_tracks_are_read(tmp_path: Path, folder: Path, topics: str, field: str, asks: str) -> None:
    (folder / "topics.trec").write_text(topics)
    (folder / "qrels.txt").write_text("51 0 FT-1 1\n")
    assert asked(read_trec(tmp_path, folder=folder, topic_field=field)) == {"51": asks}


@pytest.mark.parametrize(("written", "judged"), [("051", "51"), ("51", "051")])
def test_topics_are_numbered_as_in_the_judgements(tmp_path: Path, folder: Path, written: str, judged: str) -> None:
    (folder / "topics.trec").write_text(f"<top><num>{written}<title>tides</top><top><num>52<title>neap</top>")
    (folder / "qrels.txt").write_text(f"{judged} 0 FT-1 1\n")
    collection = read_trec(tmp_path, folder=folder)
    assert list(asked(collection)) == [judged, "52"]
    assert collection.qrels("test").with_relevant(1).tolist() == [True, False]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("# made by hand\n051\tFT-1\t2\n051\tFT-2\t1\n", "without iteration"),
        ("051\tFT-1\n051\tFT-2\n", "without grades, each is 1"),
        ("051 FT-1 1 0 0.5\n051 FT-2 0 1 1.0\n", "prels, without their probabilities"),
        ("query-id\tcorpus-id\tscore\n051\tFT-1\t2\n051\tFT-2\t1\n", "without iteration"),
    ],
)
def test_judgements_are_read_in_every_form(tmp_path: Path, folder: Path, content: str, told: str) -> None:
    (folder / "qrels.txt").write_text(content)
    collection = read_trec(tmp_path, folder=folder)
    assert collection.notes["judgements"] == told
    rows, grades = collection.qrels("test").of(0)
    assert (rows.tolist(), grades.tolist()[0]) == ([0, 1], 2 if "\t2" in content else 1)


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("documents.trec", "\n<DOC>\n<TEXT>a</TEXT></DOC>", "2: a document with 0 <DOCNO>; expected one <DOCNO>"),
        (
            "documents.trec",
            "<DOC><DOCNO>1</DOCNO><DOCNO>2</DOCNO><TEXT></TEXT></DOC>",
            "1: a document with 2 <DOCNO>",
        ),
        ("documents.trec", "<DOC><DOCNO>1</DOCNO>\n<TEXT>a</DOC>", "1: <TEXT> and </TEXT> of this document do not"),
        ("documents.trec", "<DOC><DOCNO> </DOCNO><TEXT>a</TEXT></DOC>", "1: a document without an id"),
        ("documents.trec", "<DOC>\n\n<DOC></DOC>", "3: <DOC> within the <DOC> of line 1"),
        ("documents.trec", "\n\n<DOC><DOCNO>1</DOCNO>", "3: <DOC> is never closed"),
        ("documents.trec", "\n</DOC>", "2: text outside <DOC>"),
        ("documents.trec", "some plain text", "1: text outside <DOC>; expected <DOC> ... </DOC>"),
        ("topics.trec", "\n<top><title> tides</top>", "2: a topic with 0 <num>"),
        ("topics.trec", "<top><num> 1 <desc> tides</top>", "1: a topic with 0 <title>.*\\?topic_field=desc"),
        ("topics.trec", "<top><num>1<title>a<title>b</top>", "1: a topic with 2 <title>"),
        ("topics.trec", "<top><num>1<title> </top>", "1: query '1' has no text"),
        ("topics.trec", "<top><num>1<title>a", "1: <top> is never closed"),
        (
            "qrels.txt",
            "051 0 FT-1 2\n051 FT-1 2",
            "2: 3 fields .*; expected 4 blank-separated fields: topic iteration",
        ),
        ("qrels.txt", "051", "1: 1 fields .*; expected 4 blank-separated fields: topic iteration document grade"),
        ("qrels.txt", "051 0 FT-1 1\n051 0 FT-1 1", "2: .*judged twice for query '051'; keep one of the two lines"),
        ("qrels.txt", "051 0 FT-1 high", "1: the grade is 'high'; expected an integer"),
        ("qrels.txt", "051 0 FT-9 1", "1: a judgement on the unknown document 'FT-9'"),
        ("qrels.txt", "53 0 FT-1 1", "1: a judgement on the unknown query '53'"),
    ],
)
def test_malformed_files_are_refused_with_their_line(
    tmp_path: Path, folder: Path, name: str, content: str, complaint: str
) -> None:
    (folder / name).write_text(content)
    with pytest.raises(BenchError, match=f"{name}:{complaint}"):
        read_trec(tmp_path, folder=folder)


def test_a_query_table_needs_two_columns(tmp_path: Path, folder: Path) -> None:
    (tmp_path / "queries.tsv").write_text("51 when is high water\n")
    with pytest.raises(BenchError, match=r"queries\.tsv:1: 1 fields .*; expected 2 tab-separated fields: id text"):
        read_trec(tmp_path, folder=folder, topics=tmp_path / "queries.tsv")


def test_a_missing_file_is_named_with_what_a_folder_holds(tmp_path: Path, folder: Path) -> None:
    (folder / "topics.trec").unlink()
    with pytest.raises(BenchError, match=r"tides lacks topics\.trec; a TREC folder holds documents\.trec"):
        Trec(folder=folder).state()
    with pytest.raises(BenchError, match=r"no folder and no file to take documents\.trec's place"):
        Trec().state()
    with pytest.raises(BenchError, match=r"absent\.txt cannot be read"):
        Trec(documents=tmp_path / "absent.txt", topics=tmp_path, qrels=tmp_path).state()


def test_the_catalogue_opens_files_that_are_named_one_by_one(folder: Path) -> None:
    files = f"documents={folder}/documents.trec&topics={folder}/topics.trec&qrels={folder}/qrels.txt"
    by_files = open_dataset(f"trec?{files}&topic_field=desc").collection
    assert by_files.digest == open_dataset(f"trec:{folder}?topic_field=desc").collection.digest
    assert by_files.digest != open_dataset(f"trec:{folder}").collection.digest


plain = st.characters(codec="utf-8", categories=["L", "N", "P"], exclude_characters="<>")
words = st.lists(st.text(plain, min_size=1, max_size=6), max_size=4).map(" ".join)


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    documents=st.dictionaries(st.text(plain, min_size=1), st.tuples(words, words), min_size=1, max_size=4),
    topics=st.dictionaries(st.text(plain, min_size=1), words.filter(bool), max_size=4),
)
@example(documents={"0": ("", "")}, topics={"#": "0"})  # a name that begins like a comment
def test_whatever_is_written_is_read(
    tmp_path: Path, documents: dict[str, tuple[str, str]], topics: dict[str, str]
) -> None:
    paths = {name: tmp_path / f"{name}.txt" for name in ("documents", "topics", "qrels")}
    blocks = [
        f"<DOC>\n<DOCNO>{key}</DOCNO>\n<TITLE>{title}</TITLE>\n<TEXT>\n{text}\n</TEXT>\n</DOC>\n"
        for key, (title, text) in documents.items()
    ]
    asking = [f"<top>\n<num> Number: {key}\n<title> Topic: {text}\n</top>\n" for key, text in topics.items()]
    judged = [f"{topic} 0 {document} 1\n" for topic in topics for document in documents]
    for path, lines in zip(paths.values(), (blocks, asking, judged), strict=True):
        path.write_text("".join(lines), encoding="utf-8", newline="\n")
    collection = read_trec(tmp_path, **paths)
    assert list(collection.documents) == [Document(key, *parts) for key, parts in documents.items()]
    if topics:
        assert asked(collection) == topics
        assert len(collection.qrels("test")) == len(topics) * len(documents)


def test_a_topic_whose_name_begins_like_a_comment_keeps_its_judgements(folder: Path) -> None:
    with (folder / "qrels.txt").open("a", encoding="utf-8") as qrels:
        qrels.write("# judged by two assessors\n#tides 0 D1 1\n")
    judged = read_judgements(folder / "qrels.txt")
    assert [entry[1:] for entry in judged][-1] == ("#tides", "D1", 1)


@pytest.mark.real_data
def test_cranfield_has_its_published_size(data_folder: Path) -> None:
    collection = open_dataset(f"trec:{data_folder / 'cranfield'}").collection
    assert len(collection) == 1400
    assert sum(not document.body for document in collection.documents) == 2
    assert len(collection.queries("test")) == 225
    assert len(collection.qrels("test")) == 1837
    assert sorted(set(collection.qrels("test").grades.tolist())) == [0, 1, 2, 3, 4]
