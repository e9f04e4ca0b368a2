"""What the command line sets up before anything heavy is loaded."""

import os
from pathlib import Path

import pytest

import bench
from bench import __main__ as command


def test_the_command_line_decides_how_threads_wait_and_leaves_what_the_user_chose(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT"):
        monkeypatch.delenv(name, raising=False)
    command._let_threads_wait()
    assert (os.environ["OMP_WAIT_POLICY"], os.environ["GOMP_SPINCOUNT"]) == ("PASSIVE", "10000")
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    monkeypatch.delenv("GOMP_SPINCOUNT")
    command._let_threads_wait()
    assert os.environ["OMP_WAIT_POLICY"] == "ACTIVE"
    assert "GOMP_SPINCOUNT" not in os.environ


def test_no_other_module_sets_an_environment_variable() -> None:
    folder = Path(bench.__file__).parent
    marks = ("os.environ[", "environ.setdefault", "putenv")
    texts = {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*.py")}
    assert [name for name, text in texts.items() if any(mark in text for mark in marks)] == ["__main__.py"]
