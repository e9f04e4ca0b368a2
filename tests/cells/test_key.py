"""The key covers what a result depends on and nothing else."""

import importlib
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from made_packages import PARTS, identity
from pydantic import Field

from bench import registry
from bench.cells.key import cell_key_parts, check_key, portable, task_key_parts, weights_of
from bench.collections.collection import Collection, Query
from bench.digests import digest_code, digest_data
from bench.rankings import Rankings
from bench.retriever import Retriever

PLUGIN = """
from bench.retriever import Retriever
from bench.rankings import Rankings
from {name}_help import sign

class {kind}(Retriever):
    words: str = ""

    def fit(self, collection):
        self.size = len(collection)

    def retrieve(self, queries, k):
        return Rankings.from_hits(queries, [([0], [sign(1.0)]) for _ in queries])

    def files(self):
        from pathlib import Path
        return [Path(self.words)] if self.words else []
"""


class Both(Retriever):
    """Composed of whatever it is given."""

    parts: list[str] = Field(default_factory=list)

    def fit(self, collection: Collection) -> None: ...

    def retrieve(self, queries: Sequence[Query], k: int) -> Rankings:
        return self.components()[0].retrieve(queries, k)

    def components(self) -> list[Retriever]:
        return [registry.find("retriever", name).load()() for name in self.parts]


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A plugin file with a helper beside it."""
    monkeypatch.setattr(registry, "_from_files", [])
    monkeypatch.syspath_prepend(str(tmp_path))
    path = tmp_path / "plugin.py"
    path.write_text(PLUGIN.format(name="plugin", kind="First"))
    (tmp_path / "plugin_help.py").write_text("def sign(x): return x\n")
    registry.load_files([path])
    yield path
    sys.modules.pop("plugin_help", None)


def _key(name: str, **options: Any) -> str:
    digest_code.cache_clear()
    retriever = registry.find("retriever", name).load()(**options)
    return digest_data(cell_key_parts(retriever, "f"))


def test_an_option_and_a_helper_beside_a_plugin_file_change_the_key(plugin: Path) -> None:
    before = _key("first")
    assert _key("first") == before
    assert _key("first", seed=1) != before
    (plugin.parent / "plugin_help.py").write_text("def sign(x): return -x\n")
    assert _key("first") != before


def test_a_comment_in_a_plugin_file_does_not_change_the_key(plugin: Path) -> None:
    before = _key("first")
    plugin.write_text("# a comment\n" + plugin.read_text())
    assert _key("first") == before


def test_where_a_plugin_file_and_its_data_lie_does_not_change_the_key(plugin: Path, tmp_path: Path) -> None:
    keys = set()
    for folder in (tmp_path / "a", tmp_path / "b"):
        folder.mkdir()
        (folder / "vectors.txt").write_text("word 1 2")
        keys.add(_key("first", words=str(folder / "vectors.txt")))
    assert len(keys) == 1
    (tmp_path / "b" / "vectors.txt").write_text("word 2 1")
    assert _key("first", words=str(tmp_path / "b" / "vectors.txt")) not in keys


def test_the_parts_of_a_composed_system_are_in_its_key(plugin: Path) -> None:
    def key() -> str:
        digest_code.cache_clear()
        return digest_data(cell_key_parts(Both(parts=["first"]), "f"))

    before = key()
    (plugin.parent / "plugin_help.py").write_text("def sign(x): return -x\n")
    assert key() != before
    parts = cell_key_parts(Both(parts=["first"]), "f")
    assert parts["components"][0]["options"] == {"seed": 0, "words": ""}


def test_weights_of_parts_are_those_of_the_whole(plugin: Path, tmp_path: Path) -> None:
    class Whole(Both):
        def components(self) -> list[Retriever]:
            return [registry.find("retriever", "first").load()(words=str(plugin))]

    assert list(weights_of(Whole())) == [str(plugin)]


def test_only_paths_of_weights_are_cut_to_their_names() -> None:
    weights = {"/home/ada/minilm": "1", "sentence-transformers/all-MiniLM-L6-v2": "2"}
    options = {"model": "/home/ada/minilm", "pattern": r"(?u)\b\w+\b", "nested": {"of": ["/home/ada/minilm", 3]}}
    expected = {"model": "minilm", "pattern": r"(?u)\b\w+\b", "nested": {"of": ["minilm", 3]}}
    assert portable(options, weights) == expected
    hub = {"model": "sentence-transformers/all-MiniLM-L6-v2"}
    assert portable(hub, weights) == hub


def test_a_sound_key_has_nothing_wrong() -> None:
    assert check_key(identity()) == ""


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"key": "0" * 64}, "not the digest of its parts"),
        ({"options": {"k1": 0.9, "seed": 0}}, "options as shown"),
        ({"fingerprint": "0" * 64}, "collection as shown"),
        ({"weights": {"minilm": "other"}}, "weights as shown"),
        ({"seed": 1}, "seed as shown"),
        ({"key_parts": {}}, "does not say what its key was made of"),
        ({"key_parts": PARTS | {"code": "d"}}, "not the digest of its parts"),
    ],
)
def test_what_a_cell_shows_has_to_be_what_its_key_was_made_of(change: dict[str, Any], reason: str) -> None:
    assert reason in check_key(identity(**change))


def test_an_imported_run_has_no_parts_to_check() -> None:
    assert check_key(identity(imported=True, key_parts={})) == ""


TASK = """
from bench.tasks.search import Search
from garden_help import RANKS

class Garden(Search):
    ranks: int = RANKS
"""


def test_the_key_of_a_task_covers_its_options_its_code_and_its_helpers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "garden.py").write_text(TASK)
    (tmp_path / "garden_help.py").write_text("RANKS = 3\n")
    kind: Any = importlib.import_module("garden").Garden

    def key(**options: Any) -> str:
        digest_code.cache_clear()
        return digest_data(task_key_parts("garden", kind(**options)))

    before = key()
    assert key() == before
    assert key(depth=7) != before
    (tmp_path / "garden.py").write_text("# weeds\n" + TASK)
    assert key() == before
    (tmp_path / "garden_help.py").write_text("RANKS = 4\n")
    assert key() != before
    for name in ("garden", "garden_help"):
        sys.modules.pop(name, None)
