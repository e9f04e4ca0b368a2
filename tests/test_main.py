"""What the command line sets up before anything heavy is loaded."""

import os
import subprocess
import sys
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


def _run_with(plugin: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    (folder / "mine.py").write_text(plugin)
    command = [sys.executable, "-m", "bench", "list", "retrievers", "--plugin", str(folder / "mine.py")]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def test_a_plugin_that_ends_the_command_without_a_word_is_told_of(tmp_path: Path) -> None:
    done = _run_with("import os\nos._exit(0)\n", tmp_path)
    assert done.returncode == 2
    assert done.stderr == (
        f"error: {tmp_path / 'mine.py'}:2 ended this process (os._exit(0)); a plugin must not do that\n"
    )
    assert _run_with("import os\nos._exit(3)\n", tmp_path).returncode == 3


def test_processes_that_a_plugin_forks_end_as_they_like(tmp_path: Path) -> None:
    forks = "import os\nif not os.fork():\n    os._exit(0)\nassert os.wait()[1] == 0\nprint('forked')\n"
    done = _run_with(forks, tmp_path)
    assert done.stdout == "forked\n"
    assert done.stderr.startswith(f"error: {tmp_path / 'mine.py'} defines no retriever")


def test_no_other_module_sets_an_environment_variable() -> None:
    folder = Path(bench.__file__).parent
    marks = ("os.environ[", "environ.setdefault", "putenv")
    texts = {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*.py")}
    assert [name for name, text in texts.items() if any(mark in text for mark in marks)] == ["__main__.py"]


_INTERRUPTED = """
import sys
from types import ModuleType
class Loading(ModuleType):
    def __getattr__(self, name):
        raise KeyboardInterrupt
sys.modules["bench.cli"] = Loading("bench.cli")
from bench.__main__ import main
main()
"""


def test_an_interruption_while_libraries_are_loaded_is_one_line() -> None:
    done = subprocess.run([sys.executable, "-c", _INTERRUPTED], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (130, "interrupted\n")
