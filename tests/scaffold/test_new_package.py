"""A new package is whole: it installs, is found by its entry point, and its own tests pass."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from bench.errors import BenchError
from bench.scaffold import write_package


@pytest.mark.parametrize("kind", ["retriever", "source", "task"])
def test_a_new_package_is_found_and_its_own_tests_pass(kind: str, tmp_path: Path) -> None:
    folder = write_package(kind, f"my-{kind}", tmp_path / "made")
    site = tmp_path / "site"
    pip = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--no-deps",
        "--no-build-isolation",
        "--no-index",
        "--target",
        site,
    ]
    subprocess.run([*pip, folder], check=True, capture_output=True)
    (folder / f"my_{kind}.py").unlink()  # the tests are to use what was installed
    environment = {**os.environ, "PYTHONPATH": str(site)}
    tests = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(folder)]
    done = subprocess.run(tests, env=environment, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    shown = subprocess.check_output(
        [sys.executable, "-m", "bench", "list", f"{kind}s"], env=environment, cwd=tmp_path, text=True
    )
    assert f"my-{kind}" in shown


def test_a_new_package_says_what_it_registers(tmp_path: Path) -> None:
    project = tomllib.loads((write_package("task", "first-words", tmp_path) / "pyproject.toml").read_text())
    assert project["project"]["entry-points"] == {"bench.tasks": {"first-words": "first_words:FirstWords"}}


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("Tf Idf", "write small letters and digits with hyphens, as tf-idf"),
        ("../up", "write small letters"),
        ("class", "is a word of Python's"),
        ("bm25", "there is a retriever 'bm25' of .* already; choose another name, as my-bm25"),
        ("json", "a module 'json' is installed already; choose another name, as my-json"),
    ],
)
def test_a_name_that_cannot_be_one_is_refused_and_nothing_is_written(
    name: str, complaint: str, tmp_path: Path
) -> None:
    with pytest.raises(BenchError, match=complaint):
        write_package("retriever", name, tmp_path / "made")
    assert not (tmp_path / "made").exists()


def test_nothing_is_written_over(tmp_path: Path) -> None:
    (tmp_path / "tf-idf").mkdir()
    with pytest.raises(BenchError, match="exists already"):
        write_package("retriever", "tf-idf", tmp_path)
