"""Installed packages as text."""

from pathlib import Path

import numpy as np
import pytest

from bench.collections.sources.packages import (
    DISTRIBUTIONS,
    installed_versions,
    module_name,
    package_root,
    parse_module,
    python_files,
    stable_hash,
)


def test_a_package_is_found_without_importing_it_or_not_at_all() -> None:
    assert package_root("numpy") == Path(np.__file__).parent
    assert package_root("no_such_package_anywhere") is None


def test_a_package_that_is_not_installed_has_no_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(DISTRIBUTIONS, "no_such_package_anywhere", "nothing")
    assert installed_versions(["numpy", "no_such_package_anywhere"]) == {
        "numpy": np.__version__,
        "no_such_package_anywhere": None,
    }


def test_files_are_sorted_and_named_by_their_place(tmp_path: Path) -> None:
    for name in ("b/__init__.py", "a.py", "b/tests/test_c.py", "b/data.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    files = python_files(tmp_path, {"tests"})
    assert [module_name(path, tmp_path, "shop") for path in files] == ["shop.a", "shop.b"]


def test_a_file_for_another_python_says_nothing(tmp_path: Path) -> None:
    path = tmp_path / "old.py"
    path.write_text('print "pairs"\n')
    assert parse_module(path) is None
    path.write_text('"""Pairs."""\n')
    tree = parse_module(path)
    assert tree is not None
    assert len(tree.body) == 1


def test_a_hash_is_the_same_everywhere() -> None:
    assert stable_hash("json:dumps") == 1727351702136024548
