"""A cell has so long, and no longer, whatever it does."""

from dataclasses import replace

import psutil
import pytest
from conftest import MakeCells, Notes, run

from bench.runner import life
from bench.runner.plan import Cell
from bench.runner.run import run_cells


@pytest.fixture(autouse=True)
def short_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(life, "GRACE", 0.3)


def _limited(cells: list[Cell], seconds: float) -> list[Cell]:
    return [replace(cell, time_limit=seconds) for cell in cells]


@pytest.mark.parametrize("system", ["takes-forever", "ignores-the-end"])
def test_a_fit_that_takes_too_long_is_ended_and_others_go_on(make_cells: MakeCells, system: str) -> None:
    slow, other = make_cells(system, "tf-idf")
    (failed, sound), _ = run([*_limited([slow], 0.5), other])
    assert failed.failure is not None
    assert failed.failure.kind == "time limit"
    assert failed.problem == "time limit of 0.5 s exceeded; raise it with --time-limit"
    assert sound.done


def test_the_log_tells_where_it_was(make_cells: MakeCells) -> None:
    (failed,), _ = run(_limited(make_cells("takes-forever"), 0.5))
    assert failed.failure is not None
    assert "plugins.py" in failed.failure.log
    assert "in fit" in failed.failure.log


def test_a_task_that_takes_too_long_costs_its_own_table(make_cells: MakeCells) -> None:
    tasks = {"exclusivity": {"sample": 20}, "search": {}}
    (record,), _ = run(_limited(make_cells("hangs-on-probes", tasks=tasks), 2.0))
    assert record.failure is not None
    assert record.failure.kind == "time limit"
    assert record.problem.startswith("task exclusivity: time limit of 2 s exceeded")
    assert [task.result.task for task in record.tasks] == ["search"]


def test_a_thread_that_is_no_daemon_does_not_hold_up_work_that_is_done(make_cells: MakeCells) -> None:
    (record,), _ = run(make_cells("leaves-thread"))
    assert record.done


class _SeesProcesses(Notes):
    def __init__(self) -> None:
        super().__init__()
        self.sleeping: list[psutil.Process] = []

    def progressed(self, cell: Cell, phase: str, done: int, total: int) -> None:
        below = psutil.Process().children(recursive=True)
        self.sleeping = self.sleeping or [one for one in below if one.name() == "sleep"]


def test_what_it_has_started_ends_with_it(make_cells: MakeCells) -> None:
    watcher = _SeesProcesses()
    run_cells(_limited(make_cells("starts-process"), 5.0), watcher)
    _, alive = psutil.wait_procs(watcher.sleeping, timeout=5)
    assert watcher.sleeping
    assert alive == []
