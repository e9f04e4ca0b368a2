"""Datasets of ir_datasets, by way of small ones that are registered here."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from bench.collections.catalogue import open_dataset
from bench.collections.collection import Document
from bench.collections.sources.irds import IrDatasets
from bench.collections.writer import CollectionWriter
from bench.errors import BenchError, UnknownName


class Page(NamedTuple):
    """A record with a title, as in BEIR."""

    doc_id: str
    text: str
    title: str | None


class Note(NamedTuple):
    """A record whose text is made from other fields."""

    doc_id: str
    subject: str
    remark: str

    def default_text(self) -> str:
        return f"{self.subject}: {self.remark}"


class Topic(NamedTuple):
    """A query of several fields."""

    query_id: str
    title: str
    narrative: str

    def default_text(self) -> str:
        return self.title


class Picture(NamedTuple):
    """A record without any text."""

    doc_id: str
    url: str


PAGES = [
    Page("p1", "A bee dances to tell where flowers are.", "Waggle dance"),
    Page("p 2", "Drones have no sting.", None),
    Page("p3", "A queen may lay two thousand eggs a day.", ""),
]
NOTES = [Note("n1", "Honey", "it keeps for years")]


@pytest.fixture(scope="module", autouse=True)
def registered(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Datasets of this test in the registry of ir_datasets, whose own folder is another meanwhile."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IR_DATASETS_HOME", str(tmp_path_factory.mktemp("home")))
        import ir_datasets

        for name, parts in _datasets(tmp_path_factory.mktemp("remote")).items():
            ir_datasets.registry.register(f"bench-{name}", ir_datasets.Dataset(*parts))
        yield


def _datasets(remote: Path) -> dict[str, Sequence[Any]]:
    from ir_datasets.formats import GenericQuery, TrecQrel

    asked = [GenericQuery("q1", "How do bees tell the way?"), GenericQuery("q2", "Can drones sting?")]
    learnt = [GenericQuery("t1", "How many eggs does a queen lay?")]
    judged = [TrecQrel("q1", "p1", 2, "0"), TrecQrel("q2", "p 2", 1, "0"), TrecQrel("q2", "p1", -1, "0")]
    train = (_queries(learnt), _qrels([TrecQrel("t1", "p3", 1, "0")]))
    pages, notes = _docs(PAGES), _docs(NOTES)
    return {
        "apiary": [pages],
        "apiary/test": [pages, _queries(asked), _qrels(judged)],
        "apiary/train": [pages, *train],
        "apiary/dev": [pages, _queries(asked[:1]), _qrels(judged[:1])],
        "apiary/extra": [pages, *train],
        "hive/test": [notes, _queries([Topic("h1", "honey", "How long?")]), _qrels([TrecQrel("h1", "n1", 1, "0")])],
        "hive/train": [notes],
        "hive/stray": [pages, _queries(asked[:1]), _qrels(judged)],
        "hive/graded": [pages, _queries(asked), _qrels([TrecQrel("q1", "p1", "high", "0")])],
        "hive/pictures": [_docs([Picture("i1", "bee.png")]), _queries(asked), _qrels([])],
        "hive/remote": [_unreachable(remote), _queries(asked), _qrels([])],
    }


def _docs(records: Sequence[Any]) -> Any:
    from ir_datasets.formats import BaseDocs

    class Docs(BaseDocs):
        def docs_iter(self) -> Iterator[Any]:
            return iter(records)

        def docs_cls(self) -> type:
            return type(records[0])

        def docs_count(self) -> int:
            return len(records)

    return Docs()


def _queries(records: Sequence[Any]) -> Any:
    from ir_datasets.formats import BaseQueries

    class Queries(BaseQueries):
        def queries_iter(self) -> Iterator[Any]:
            return iter(records)

    return Queries()


def _qrels(records: Sequence[Any]) -> Any:
    from ir_datasets.formats import BaseQrels

    class Qrels(BaseQrels):
        def qrels_iter(self) -> Iterator[Any]:
            return iter(records)

    return Qrels()


def _unreachable(folder: Path) -> Any:
    """Documents at an address of this machine where nobody listens."""
    from ir_datasets.formats import TsvDocs
    from ir_datasets.util import Cache, Download, RequestsDownload

    return TsvDocs(Cache(Download([RequestsDownload("http://127.0.0.1:9/bees.tsv")]), folder / "bees.tsv"))


def test_the_dataset_is_the_test_split_and_its_siblings_are_the_others() -> None:
    collection = open_dataset("irds:bench-apiary/test").collection
    assert collection.splits == ["dev", "test", "train"]
    assert [query.id for query in collection.queries()] == ["q1", "q2"]
    assert [query.text for query in collection.queries("train")] == ["How many eggs does a queen lay?"]
    assert [part.tolist() for part in collection.qrels().of(1)] == [[1, 0], [1, -1]]
    assert collection.training_view().splits == ["dev", "train"]


def test_titles_and_texts_are_kept_apart() -> None:
    collection = open_dataset("irds:bench-apiary/test").collection
    assert list(collection.documents) == [Document(page.doc_id, page.title or "", page.text) for page in PAGES]


def test_records_of_other_fields_are_read_by_their_default_text() -> None:
    collection = open_dataset("irds:bench-hive/test").collection
    assert list(collection.documents) == [Document("n1", "", "Honey: it keeps for years")]
    assert [query.text for query in collection.queries()] == ["honey"]


def test_a_sibling_without_queries_is_no_split() -> None:
    assert open_dataset("irds:bench-hive/test").collection.splits == ["test"]


def test_a_dataset_is_never_its_own_training_split() -> None:
    assert open_dataset("irds:bench-apiary/train").collection.splits == ["dev", "test"]
    with pytest.raises(BenchError, match="train=bench-apiary/test is the dataset that is evaluated"):
        open_dataset("irds:bench-apiary/test?train=bench-apiary/test")


def test_a_named_training_set_replaces_the_siblings() -> None:
    collection = open_dataset("irds:bench-apiary/test?train=bench-apiary/extra").collection
    assert collection.splits == ["test", "train"]


def test_nothing_is_dropped_silently() -> None:
    with pytest.raises(BenchError, match=r"irds:bench-hive/stray judgement 2: .* unknown query 'q2'; correct it, or"):
        open_dataset("irds:bench-hive/stray")
    opened = open_dataset("irds:bench-hive/stray?unknown_judgements=drop")
    assert opened.dropped_judgements == 2
    assert len(opened.collection.qrels()) == 1


def test_progress_counts_documents(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("bench.collections.sources.irds._TELL_EVERY", 2)
    seen: list[tuple[str, int, int]] = []
    with CollectionWriter(tmp_path) as writer:
        IrDatasets(dataset="bench-apiary/test").read(writer, lambda *step: seen.append(step))
    assert seen == [("reading documents", 2, 3)]


def test_state_names_the_datasets_and_the_version() -> None:
    import ir_datasets

    state = IrDatasets(dataset="bench-apiary/test", train="bench-apiary/extra").state()
    assert state["splits"] == {"test": "bench-apiary/test", "train": "bench-apiary/extra"}
    assert state["ir_datasets"] == ir_datasets.__version__


def test_an_unknown_id_gets_near_names() -> None:
    with pytest.raises(
        UnknownName, match="unknown dataset of ir_datasets 'beir/scifat/test': did you mean beir/scifact"
    ):
        open_dataset("irds:beir/scifat/test")
    with pytest.raises(UnknownName, match=r"unknown dataset of ir_datasets 'qqqqqqqq': known: antique, .* in all"):
        open_dataset("irds:qqqqqqqq")
    with pytest.raises(UnknownName, match="did you mean bench-apiary/train"):
        open_dataset("irds:bench-apiary/test?train=bench-apiary/trian")


def test_a_dataset_without_judgements_gets_its_parts() -> None:
    with pytest.raises(
        BenchError, match="bench-apiary has no queries and no qrels; choose one of bench-apiary/dev, "
    ):
        open_dataset("irds:bench-apiary")
    with pytest.raises(BenchError, match="bench-hive/train has no queries and no qrels; choose another dataset"):
        open_dataset("irds:bench-hive/train")


def test_records_that_cannot_be_read_are_refused() -> None:
    with pytest.raises(BenchError, match="a Picture has no text"):
        open_dataset("irds:bench-hive/pictures")
    with pytest.raises(BenchError, match="judgement 1: the grade 'high' is not an integer"):
        open_dataset("irds:bench-hive/graded")


def test_a_failed_download_is_one_line_with_the_remedy(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], own_cache: Path
) -> None:
    monkeypatch.setenv("NO_PROXY", "*")
    with pytest.raises(BenchError) as caught:
        open_dataset("irds:bench-hive/remote")
    message = str(caught.value)
    assert message.startswith("irds:bench-hive/remote is not on this machine and could not be downloaded (Connection")
    assert "run this once where there is a network" in message
    assert "beir:FOLDER or trec:FOLDER" in message
    assert "\n" not in message
    assert "download error" not in capsys.readouterr().err.lower()
    assert not [path for path in (own_cache / "collections").iterdir() if path.is_dir() and path.name.startswith(".")]
