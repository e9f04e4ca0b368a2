"""What tests share: where the public data sets lie, a cache of their own, small collections made on the spot."""

import ast
import json
import os
import resource
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from bench.collections.collection import Collection, Document, Rules, read_collection
from bench.collections.sources.recbole import RecBole
from bench.collections.sources.sequences import Item
from bench.collections.writer import CollectionWriter

MakeCollection = Callable[..., Collection]

settings.register_profile("steady", derandomize=True)  # the same code passes twice
settings.register_profile("explore", derandomize=False)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "steady"))


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """Folder of the public data sets; tests that need it are skipped where it is absent."""
    folder = Path(os.environ.get("BENCH_DATA", Path(__file__).parents[1] / "data"))
    if not folder.is_dir():
        pytest.skip(f"no public data sets at {folder}; set BENCH_DATA to their folder")
    return folder


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Parsed collections of the tests stay out of the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("cache")
        patch.setenv("BENCH_CACHE", str(folder))
        yield folder


@pytest.fixture
def little_room() -> Callable[[int], AbstractContextManager[None]]:
    """Inside the block no file can grow beyond so many bytes, which libraries tell as they tell of a full disk."""

    @contextmanager
    def limited(most: int) -> Iterator[None]:
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, before[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)

    return limited


@pytest.fixture
def make_collection(tmp_path_factory: pytest.TempPathFactory) -> MakeCollection:
    """Makes a collection whose queries and judgements are in the split `test`.

    Documents are given as a mapping from id to text, or as `Document`s; `rules` are options of `Rules`.
    """

    def make(
        documents: Mapping[str, str] | Sequence[Document],
        queries: Mapping[str, str] | None = None,
        qrels: Mapping[str, Mapping[str, int]] | None = None,
        **rules: Any,
    ) -> Collection:
        if isinstance(documents, Mapping):
            documents = [Document(document_id, "", text) for document_id, text in documents.items()]
        folder = tmp_path_factory.mktemp("collection")
        with CollectionWriter(folder) as writer:
            for document in documents:
                writer.document(document, "documents")
            for query_id, text in (queries or {}).items():
                writer.query("test", query_id, text, "queries")
            for query_id, judgements in (qrels or {}).items():
                for document_id, grade in judgements.items():
                    writer.judgement("test", query_id, document_id, grade, "judgements")
        return read_collection(folder, "small", Rules(**rules))

    return make


@pytest.fixture
def make_sequences(tmp_path_factory: pytest.TempPathFactory) -> MakeCollection:
    """Makes a recommendation collection, leave-one-out, from the item ids of each user, oldest first."""

    def make(sequences: Mapping[str, Sequence[str]], **rules: Any) -> Collection:
        folder = tmp_path_factory.mktemp("sequences")
        items = sorted({item for sequence in sequences.values() for item in sequence})
        with CollectionWriter(folder) as writer:
            described = [Item(Document(item, item.replace("-", " "), ""), "items") for item in items]
            RecBole(folder=folder).write(writer, described, sequences)
        return read_collection(folder, "sequences", Rules(**rules))

    return make


@pytest.fixture(scope="session")
def docstrings() -> dict[str, tuple[str, str]]:
    """Real text: by name, the summary and the rest of some hundred docstrings of the standard library."""
    found = {}
    for path in sorted(Path(statistics.__file__).parent.glob("[a-d]*.py")):
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                summary, _, rest = (ast.get_docstring(node) or "").partition("\n\n")
                if len(rest) > 100:
                    found[f"{path.stem}.{node.name}"] = (summary, rest)
    return found


@pytest.fixture(scope="session")
def beir_folder(docstrings: dict[str, tuple[str, str]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The docstrings as a BEIR folder: a summary asks for the text that it summarises."""
    folder = tmp_path_factory.mktemp("docstrings")
    asked = {name: summary for name, (summary, _) in docstrings.items() if summary.strip()}
    (folder / "qrels").mkdir()
    _write_jsonl(folder / "corpus.jsonl", [{"_id": n, "title": "", "text": t} for n, (_, t) in docstrings.items()])
    _write_jsonl(folder / "queries.jsonl", [{"_id": name, "text": summary} for name, summary in asked.items()])
    lines = ["query-id\tcorpus-id\tscore", *(f"{name}\t{name}\t1" for name in asked)]
    (folder / "qrels" / "test.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def _write_jsonl(path: Path, rows: Sequence[Mapping[str, str]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


WALKS = 60
"""Users who walk along a circle of twenty months and skip one now and then."""


@pytest.fixture(scope="module")
def walks(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A folder of RecBole's in which the latest item of a history tells the most."""
    folder = tmp_path_factory.mktemp("walks")
    steps = [(user, [(user + step + step // 3) % 20 for step in range(6 + user % 4)]) for user in range(WALKS)]
    lines = [f"u{user}\tm{month}\t{time}" for user, months in steps for time, month in enumerate(months)]
    (folder / "walks.inter").write_text("\n".join(["user_id:token\titem_id:token\ttimestamp:float", *lines, ""]))
    items = [f"m{month}\tmonth {month}" for month in range(20)]
    (folder / "walks.item").write_text("\n".join(["item_id:token\ttitle:token_seq", *items, ""]))
    return f"recbole:{folder}"
