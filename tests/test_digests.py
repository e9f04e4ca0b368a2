"""What a digest covers."""

import sys
from pathlib import Path

import pytest

from bench.digests import digest_code, digest_data


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "orchard"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "apple.py").write_text("def pick():\n    from . import basket\n    return basket.SIZE\n")
    (folder / "basket.py").write_text("SIZE = 3\n")
    (folder / "pear.py").write_text("import orchard.basket\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield folder
    sys.modules.pop("orchard", None)


def _digest(module: str) -> str:
    digest_code.cache_clear()
    return digest_code(module)


def test_a_change_in_an_imported_helper_changes_the_digest(package: Path) -> None:
    before = _digest("orchard.apple")
    (package / "basket.py").write_text("SIZE = 4\n")
    assert _digest("orchard.apple") != before


def test_a_change_beside_it_does_not(package: Path) -> None:
    before = _digest("orchard.apple")
    (package / "pear.py").write_text("import orchard.basket  # ripe\n")
    assert _digest("orchard.apple") == before


def test_nothing_is_imported(package: Path) -> None:
    _digest("orchard.apple")
    assert not {"orchard.apple", "orchard.basket"} & set(sys.modules)


def test_the_order_of_keys_does_not_matter_and_that_of_lists_does() -> None:
    assert digest_data({"a": 1, "b": [1, 2]}) == digest_data({"b": [1, 2], "a": 1})
    assert digest_data([1, 2]) != digest_data([2, 1])
