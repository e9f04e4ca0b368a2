"""Cells end with the run that started them, whatever they do."""

import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from conftest import PLUGINS, MakeCells, run

from bench.errors import BenchError
from bench.runner import local
from bench.runner.local import run_cells
from bench.runner.plan import Cell
from bench.store import locked

RUN = """
import sys
from pathlib import Path
from bench import registry
from bench.collections.catalogue import open_dataset
from bench.runner.local import run_cells
from bench.runner.plan import make_plan
from bench.suite import Suite, SystemEntry

folder, out, plugins, system = sys.argv[1:]

class Tells:
    def started(self, cell): pass
    def progressed(self, cell, phase, done, total): print(phase, flush=True)
    def finished(self, cell, seconds, problem): pass

if __name__ == "__main__":
    registry.load_files([Path(plugins)])
    suite = Suite(name="t", datasets=[f"beir:{folder}"], systems=[SystemEntry(retriever=system)])
    cells = make_plan(suite, [open_dataset(suite.datasets[0])], Path(out), plugin_files=[Path(plugins)])
    run_cells(cells, Tells())
"""


@pytest.mark.parametrize("system", ["ignores-the-end", "holds-the-interpreter"])
def test_a_cell_does_not_outlive_a_run_that_was_killed(beir_folder: Path, tmp_path: Path, system: str) -> None:
    script = tmp_path / "run.py"
    script.write_text(RUN)
    command = [sys.executable, str(script), str(beir_folder), str(tmp_path / "out"), str(PLUGINS), system]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        assert any(line == "counting sheep\n" for line in run.stdout)
        below = psutil.Process(run.pid).children(recursive=True)
        assert len(below) >= 2
        run.kill()
    _, alive = psutil.wait_procs(below, timeout=10)
    assert alive == []
    (folder,) = (path for path in (tmp_path / "out" / "cells").iterdir() if not path.name.startswith("."))
    assert not (folder / "failure.json").exists()


class Interrupts:
    """A watcher whose user presses Ctrl-C once a cell counts sheep."""

    def __init__(self) -> None:
        self.pids: list[psutil.Process] = []

    def started(self, cell: Cell) -> None: ...

    def progressed(self, cell: Cell, phase: str, done: int, total: int) -> None:
        if phase == "counting sheep":
            self.pids = psutil.Process().children(recursive=True)
            raise KeyboardInterrupt

    def finished(self, cell: Cell, seconds: float, problem: str) -> None: ...


@pytest.mark.parametrize(("system", "grace"), [("takes-forever", 20.0), ("ignores-the-end", 0.5)])
def test_an_interrupted_run_ends_even_where_a_cell_does_not_want_to(
    make_cells: MakeCells, monkeypatch: pytest.MonkeyPatch, system: str, grace: float
) -> None:
    monkeypatch.setattr(local, "GRACE", grace)
    cells, watcher = make_cells(system), Interrupts()
    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        run_cells(cells, watcher)
    assert time.monotonic() - start < 30
    working = [child for child in watcher.pids if child.is_running() and child.status() != psutil.STATUS_ZOMBIE]
    assert all(
        "forkserver" in " ".join(child.cmdline()) or "tracker" in " ".join(child.cmdline()) for child in working
    )
    assert not (cells[0].folder / "failure.json").exists()


def test_two_processes_are_never_in_one_folder(make_cells: MakeCells) -> None:
    """As when the cell of a killed run has not ended yet."""
    cells = make_cells("tf-idf")
    with locked(cells[0].folder):
        (record,), _ = run(cells)
    assert "another run is writing" in record.problem


def test_a_second_run_on_one_store_is_refused_before_it_does_anything(make_cells: MakeCells) -> None:
    cells = make_cells("tf-idf")
    with (
        locked(cells[0].folder.parent),
        pytest.raises(BenchError, match="another run is writing .*cells; wait"),
    ):
        run_cells(cells, Interrupts())
    assert not cells[0].folder.exists()
