"""Cells end with the run that started them, whatever they do."""

import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest
from conftest import PLUGINS, MakeCells, Notes, ledger_of, run

from bench.cells.folder import read
from bench.cells.stores import FolderStore
from bench.runner import life, worker
from bench.runner.plan import Cell
from bench.runner.run import run_cells
from bench.store import locked

RUN = """
import sys
from pathlib import Path
from bench import registry
from bench.collections.catalogue import open_dataset
from bench.runner.run import run_cells
from bench.runner.plan import make_plan
from bench.suite import Suite, SystemEntry

folder, out, plugins, system, *ledger = sys.argv[1:]

class Tells:
    def started(self, cell): pass
    def progressed(self, cell, phase, done, total): print(phase, flush=True)
    def finished(self, cell, seconds, problem): pass

if __name__ == "__main__":
    registry.load_files([Path(plugins)])
    entry = SystemEntry(retriever=system, options={"ledger": ledger[0]} if ledger else {})
    suite = Suite(name="t", datasets=[f"beir:{folder}"], systems=[entry])
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
    monkeypatch.setattr(life, "GRACE", grace)
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


class KillsTheServer(Notes):
    """A watcher at whose machine the process that cells are forked from is killed once a cell counts sheep."""

    def progressed(self, cell: Cell, phase: str, done: int, total: int) -> None:
        if phase == "counting sheep" and phase not in self.heard:
            for child in psutil.Process().children():
                if "forkserver" in " ".join(child.cmdline()):
                    child.kill()
        super().progressed(cell, phase, done, total)


def test_where_the_server_of_cells_is_killed_its_cell_fails_and_others_go_on(make_cells: MakeCells) -> None:
    cells = make_cells("takes-forever", "tf-idf")
    run_cells(cells, KillsTheServer())
    lost, sound = (read(cell.folder) for cell in cells)
    assert lost.failure is not None
    assert lost.failure.kind == "crashed"
    assert sound.done


def test_the_server_of_cells_may_be_started_before_there_is_a_cell(make_cells: MakeCells) -> None:
    def servers() -> list[int]:
        return [child.pid for child in psutil.Process().children() if "forkserver" in " ".join(child.cmdline())]

    worker.start_server(neural=False)
    (server,) = servers()
    (record,), _ = run(make_cells("tf-idf"))
    assert record.done
    assert servers() == [server]


def test_two_processes_are_never_in_one_folder(make_cells: MakeCells) -> None:
    """As when the cell of a killed run has not ended yet."""
    cells = make_cells("tf-idf")
    with locked(cells[0].folder):
        (record,), _ = run(cells)
    assert "another run is writing" in record.problem


class Frees(Notes):
    """A watcher whose other run ends when this one waits for it."""

    def __init__(self, other: ExitStack) -> None:
        super().__init__()
        self._other = other

    def progressed(self, cell: Cell, phase: str, done: int, total: int) -> None:
        super().progressed(cell, phase, done, total)
        if phase == "another run works on it":
            self._other.close()


def test_a_cell_that_another_run_works_on_is_waited_for_and_others_go_on(make_cells: MakeCells) -> None:
    first, second = make_cells("tf-idf", "random-order")
    with ExitStack() as other:
        other.enter_context(FolderStore(first.folder.parents[1]).claim(first.folder))
        watcher = Frees(other)
        run_cells([first, second], watcher)
    assert watcher.heard[:3] == ["started tf-idf", "another run works on it", "started random-order"]
    assert read(first.folder).done
    assert read(second.folder).done


def test_what_another_run_has_finished_meanwhile_is_not_made_again(make_cells: MakeCells, tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    cells = make_cells("counts-fits", ledger=str(ledger))

    class Finishes(Frees):
        def progressed(self, cell: Cell, phase: str, done: int, total: int) -> None:
            if phase == "another run works on it":
                self._other.close()
                run_cells(cells, Notes())
            super().progressed(cell, phase, done, total)

    with ExitStack() as other:
        other.enter_context(FolderStore(tmp_path / "out").claim(cells[0].folder))
        run_cells(cells, Finishes(other))
    assert read(cells[0].folder).done
    assert ledger_of(ledger) == "fit\n"


def test_two_runs_at_once_make_each_cell_once(beir_folder: Path, tmp_path: Path) -> None:
    script, ledger = tmp_path / "run.py", tmp_path / "ledger"
    script.write_text(RUN)
    command = [sys.executable, str(script), str(beir_folder), str(tmp_path / "out"), str(PLUGINS), "learns-in-steps"]
    runs = [subprocess.Popen([*command, str(ledger)]) for _ in range(2)]
    assert [run.wait(timeout=120) for run in runs] == [0, 0]
    assert len(ledger.read_text().split()) == 40
