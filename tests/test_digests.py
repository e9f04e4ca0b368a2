"""What a digest covers."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import bench
from bench import digests
from bench.digests import digest_code, digest_data


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    folder = tmp_path / "orchard"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "apple.py").write_text("def pick():\n    from . import basket\n    return basket.SIZE\n")
    (folder / "basket.py").write_text("import meadow\nSIZE = 3\n")
    (folder / "pear.py").write_text("import orchard.basket\n")
    (tmp_path / "meadow.py").write_text("import numpy\nGRASS = 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield folder
    sys.modules.pop("orchard", None)


def _digest(module: str | Path) -> str:
    digest_code.cache_clear()
    return digest_code(module)


def test_a_change_in_an_imported_helper_changes_the_digest(package: Path) -> None:
    before = _digest("orchard.apple")
    (package / "basket.py").write_text("import meadow\nSIZE = 4\n")
    assert _digest("orchard.apple") != before


def test_a_change_beside_it_does_not(package: Path) -> None:
    before = _digest("orchard.apple")
    (package / "pear.py").write_text("import orchard.basket\nRIPE = True\n")
    assert _digest("orchard.apple") == before


def test_a_change_in_another_package_that_no_version_covers_changes_it(package: Path) -> None:
    before = _digest("orchard.apple")
    (package.parent / "meadow.py").write_text("import numpy\nGRASS = 2\n")
    assert _digest("orchard.apple") != before


def test_packages_without_init_are_followed_at_any_depth(package: Path) -> None:
    deep = package.parent / "forest" / "glade"
    deep.mkdir(parents=True)
    (deep / "moss.py").write_text("GREEN = 1\n")
    (package / "basket.py").write_text("import forest.glade.moss\n")
    before = _digest("orchard.apple")
    (deep / "moss.py").write_text("GREEN = 2\n")
    assert _digest("orchard.apple") != before
    assert "forest" not in sys.modules


def test_what_an_installer_put_into_any_folder_is_a_library(
    package: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path_factory.mktemp("target")
    (target / "pond-1.0.dist-info").mkdir()
    (target / "pond.py").write_text("DEPTH = 1\n")
    monkeypatch.syspath_prepend(str(target))
    (package / "basket.py").write_text("import pond\n")
    before = _digest("orchard.apple")
    (target / "pond.py").write_text("DEPTH = 2\n")
    assert _digest("orchard.apple") == before


def test_comments_docstrings_and_descriptions_change_nothing(package: Path) -> None:
    text = '"""{0}"""\nfrom pydantic import Field\nclass A:\n    """{0}"""\n    n: int = Field(1, description="{0}")'
    digests = set()
    for word in ("one", "two"):
        (package / "basket.py").write_text(text.format(word) + f"\n    '''{word}'''  # {word}\n")
        digests.add(_digest("orchard.apple"))
    assert len(digests) == 1
    (package / "basket.py").write_text(text.replace("Field(1", "Field(2"))
    assert _digest("orchard.apple") not in digests


def test_what_only_a_type_checker_reads_is_not_followed(package: Path) -> None:
    (package / "apple.py").write_text("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import meadow\n")
    before = _digest("orchard.apple")
    (package.parent / "meadow.py").write_text("GRASS = 2\n")
    assert _digest("orchard.apple") == before


def test_a_file_covers_what_lies_beside_it(tmp_path: Path) -> None:
    (tmp_path / "plugin.py").write_text("from helper import negate\n")
    (tmp_path / "helper.py").write_text("from deeper import one\ndef negate(x): return -x\n")
    (tmp_path / "deeper.py").write_text("one = 1\n")
    seen = {_digest(tmp_path / "plugin.py")}
    (tmp_path / "helper.py").write_text("from deeper import one\ndef negate(x): return x\n")
    seen.add(_digest(tmp_path / "plugin.py"))
    (tmp_path / "deeper.py").write_text("one = 2\n")
    seen.add(_digest(tmp_path / "plugin.py"))
    assert len(seen) == 3


def test_nothing_is_imported(package: Path) -> None:
    _digest("orchard.apple")
    assert not {"orchard", "orchard.apple", "orchard.basket", "meadow"} & set(sys.modules)


def _covered(module: str, monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Files that a digest reads, relative to the repository."""
    root, read = Path(bench.__file__).parents[1], set()
    find = digests._source

    def source(*arguments: object) -> tuple[Path | None, str]:
        found = find(*arguments)
        if found[0]:
            read.add(str(found[0].relative_to(root)))
        return found

    monkeypatch.setattr(digests, "_source", source)
    _digest(module)
    return read


def test_a_retriever_covers_what_it_uses_of_the_harness_and_nothing_that_decides_no_figure(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    covered = _covered("retrievers.generative.se_dsi", monkeypatch)
    assert {"bench/sentences.py", "bench/rankings.py", "bench/collections/collection.py"} <= covered
    assert {path for path in covered if "terminal" in path or "leaderboard" in path or "cli" in path} == set()
    assert not {"bench/collections/cards.py", "bench/collections/catalogue.py"} & covered
    assert "bench/token_states.py" in _covered("retrievers.dense.sbert", monkeypatch)
    assert all(path.startswith(("bench/", "retrievers/")) for path in covered)


def test_the_order_of_keys_does_not_matter_and_that_of_lists_does() -> None:
    assert digest_data({"a": 1, "b": [1, 2]}) == digest_data({"b": [1, 2], "a": 1})
    assert digest_data([1, 2]) != digest_data([2, 1])
