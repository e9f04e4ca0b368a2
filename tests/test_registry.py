"""Plugins are found by entry point or file, and imported only when used."""

import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from bench import registry
from bench.errors import BenchError

PLUGIN = '''
from bench.rankings import Rankings
from bench.retriever import Retriever

class AlphabeticOrder(Retriever):
    """Returns the first documents of the alphabet, whatever is asked."""

    family = "constant"

    def fit(self, collection):
        self.rows = sorted(range(len(collection)), key=collection.documents.ids().__getitem__)

    def retrieve(self, queries, k):
        return Rankings.from_hits(queries, [(self.rows[:k], range(k, 0, -1)) for _ in queries])
'''


@pytest.fixture(autouse=True)
def fresh_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_from_files", [])


def test_the_built_in_retrievers_are_ordinary_entry_points() -> None:
    found = registry.plugins("retriever")
    assert {"bm25", "sif", "sbert", "colbert"} <= set(found)
    assert found["bm25"].origin == "the package retrieval-bench"


def test_listing_imports_no_heavy_library() -> None:
    code = (
        "import sys; from bench.cli import app; app(['list', 'retrievers'], standalone_mode=False);"
        "heavy = {'torch', 'numpy', 'pyarrow', 'sentence_transformers'} & set(sys.modules);"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "bm25" in done.stdout


def test_an_unknown_name_gets_the_nearest() -> None:
    with pytest.raises(BenchError, match="unknown retriever 'bm52': did you mean bm25"):
        registry.find("retriever", "bm52")


def test_a_file_registers_its_retrievers_under_their_names(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(PLUGIN)
    registry.load_files([path, path])
    plugin = registry.find("retriever", "alphabetic-order")
    assert plugin.load().family == "constant"
    assert plugin.code_digest()
    assert plugin.summary() == "Returns the first documents of the alphabet, whatever is asked."


FILE_OF_ALL_KINDS = '''
from typing import ClassVar

from bench import Retriever
from bench.collections.sources import Source
from bench.tasks.search import Search

class TopTen(Search):
    """Only the first ten."""

    depth: int = 10

class FromMemory(Source):
    """Remembers."""

    def state(self): return {}
    def read(self, writer, progress): pass

class Longest(Retriever):
    """The longest documents."""

    name = "by-length"

    def fit(self, collection): pass
    def retrieve(self, queries, k): pass

class _Helper(Longest):
    pass
'''


def test_a_file_registers_retrievers_sources_and_tasks(tmp_path: Path) -> None:
    path = tmp_path / "all_kinds.py"
    path.write_text(FILE_OF_ALL_KINDS)
    registry.load_files([path])
    mine: dict[str, set[str]] = {}
    for kind in ("retriever", "source", "task"):
        found = registry.plugins(kind)
        mine[kind] = {name for name, plugin in found.items() if plugin.file}
    assert mine == {"retriever": {"by-length"}, "source": {"from-memory"}, "task": {"top-ten"}}
    assert registry.find("task", "top-ten").load().from_options("top-ten", {}).depth == 10
    assert registry.name_of(registry.find("retriever", "by-length").load()) == "by-length"


def test_a_class_is_named_by_its_entry_point() -> None:
    for name in ("bm25", "colbert", "item-knn"):
        assert registry.name_of(registry.find("retriever", name).load()) == name
    assert registry.name_of(registry.find("task", "search").load()) == "search"


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ("alpha = 0.5", r"`alpha = 0\.5` has no type; write `alpha: TYPE = 0\.5` for an option"),
        ("x: int = 1 / 0", "ZeroDivisionError"),
    ],
)
def test_a_class_that_cannot_be_one_is_told_in_one_line(tmp_path: Path, body: str, complaint: str) -> None:
    path = tmp_path / "mine.py"
    path.write_text(f"from bench import Retriever\nclass Mine(Retriever):\n    {body}\n")
    with pytest.raises(BenchError, match=complaint) as caught:
        registry.load_files([path])
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_two_plugins_of_one_name_are_refused_and_both_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    other = EntryPoint("bm25", "elsewhere.sparse:Okapi", "bench.retrievers")
    genuine = registry._installed("retriever")
    clash = registry.Plugin("retriever", other.name, other.value, "the package elsewhere")
    monkeypatch.setattr(registry, "_installed", lambda kind: (*genuine, clash))
    with pytest.raises(
        BenchError, match=r"retrievers\.lexical\.bm25:BM25 of the package retrieval-bench and elsewhere"
    ):
        registry.plugins("retriever")


def test_a_plugin_that_cannot_be_imported_says_why() -> None:
    broken = registry.Plugin("retriever", "broken", "no_such_module:Thing", "the package broken")
    with pytest.raises(BenchError, match="broken.*cannot be imported: No module named 'no_such_module'"):
        broken.load()
    assert broken.summary() == "(not importable)"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("x = 1\n", r"defines no retriever, source or task; derive a class from bench\.Retriever"),
        ("import nonsense_here\n", "ModuleNotFoundError"),
        ("def (\n", "SyntaxError"),
    ],
)
def test_a_file_that_is_no_plugin_is_refused(tmp_path: Path, text: str, complaint: str) -> None:
    path = tmp_path / "not_a_plugin.py"
    path.write_text(text)
    with pytest.raises(BenchError, match=complaint):
        registry.load_files([path])


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="not a Python file"):
        registry.load_files([tmp_path / "absent.py"])
