"""Whatever ends a run, the next one goes on from there, and comes to what an undisturbed run comes to."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from conftest import PLUGINS

from bench.cells.folder import read_all
from bench.cells.record import CellRecord

RUN = """
import sys
from pathlib import Path
from bench import registry
from bench.collections.catalogue import open_dataset
from bench.runner.run import run_cells
from bench.runner.plan import make_plan
from bench.suite import Suite, SystemEntry, TaskEntry

folder, out, plugins, ledger, parts = sys.argv[1:]

class Quiet:
    def started(self, cell): pass
    def progressed(self, cell, phase, done, total): pass
    def finished(self, cell, seconds, problem): pass

if __name__ == "__main__":
    registry.load_files([Path(plugins)])
    suite = Suite(
        name="killed",
        datasets=[f"beir:{folder}"],
        systems=[
            SystemEntry(retriever="learns-in-steps", options={"ledger": ledger}),
            SystemEntry(retriever="bm25"),
            SystemEntry(retriever="random-order"),
        ][:int(parts)],
        tasks=[TaskEntry(task="search"), TaskEntry(task="exclusivity", options={"sample": 20})][:int(parts) - 1],
    )
    cells = make_plan(suite, [open_dataset(suite.datasets[0])], Path(out), plugin_files=[Path(plugins)])
    run_cells(cells, Quiet())
"""

A_CELL = 0
"""In place of a signal: SIGKILL to a cell's process in place of the run's."""

WAYS = (signal.SIGKILL, A_CELL, signal.SIGTERM, signal.SIGHUP, signal.SIGINT)


class Killed:
    """Runs one suite in processes that can be killed, in folders of its own."""

    def __init__(self, beir_folder: Path, folder: Path, parts: int) -> None:
        self.folder, self.ledger = folder, folder / "ledger"
        script = folder / "run.py"
        script.write_text(RUN)
        given = (beir_folder, folder / "out", PLUGINS, self.ledger, parts)
        self._command = [sys.executable, str(script), *map(str, given)]

    def start(self) -> "subprocess.Popen[str]":
        environment = {**os.environ, "BENCH_CACHE": str(self.folder / "cache")}
        return subprocess.Popen(
            self._command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
        )

    def whole(self) -> float:
        """Run without a disturbance; the seconds that it took."""
        start = time.monotonic()
        with self.start() as run:
            _, errors = run.communicate(timeout=120)
        assert run.returncode == 0, errors
        return time.monotonic() - start

    def killed(self, way: int, after: float) -> bool:
        """Kill it after so many seconds; whether it was still at work. None of its processes stays."""
        with self.start() as run:
            time.sleep(after)
            below = psutil.Process(run.pid).children(recursive=True) if run.poll() is None else []
            at_work = run.poll() is None and _kill(run, way)
            run.communicate(timeout=120)
        _, alive = psutil.wait_procs(below, timeout=10)
        assert alive == []
        return at_work

    def outcome(self) -> dict[str, Any]:
        """What is to be the same: the figures and the run files, byte by byte."""
        return {
            f"{record.system} {task.name}": (task.result.figures, task.run_file.read_bytes())
            for record in self.records()
            for task in record.tasks
        }

    def records(self) -> list[CellRecord]:
        return read_all([self.folder / "out"])

    def left_behind(self) -> list[Path]:
        """Drafts and checkpoints."""
        return [path for path in self._files() if path.name.endswith(".draft") or path.name == "checkpoints"]

    def _files(self) -> Iterator[Path]:
        return (self.folder / "out").rglob("*")

    def forget(self) -> None:
        for name in ("out", "cache"):
            shutil.rmtree(self.folder / name, ignore_errors=True)
        self.ledger.unlink(missing_ok=True)


def _kill(run: "subprocess.Popen[str]", way: int) -> bool:
    if way != A_CELL:
        run.send_signal(way)
        return True
    cells = [cell for server in psutil.Process(run.pid).children() for cell in server.children()]
    for cell in cells:
        cell.kill()
    return bool(cells)


@pytest.mark.parametrize(("kills", "parts"), [(5, 2), pytest.param(30, 3, marks=pytest.mark.slow)])
def test_a_run_that_is_killed_again_and_again_comes_to_the_same(
    beir_folder: Path, tmp_path: Path, kills: int, parts: int
) -> None:
    chance, suite = random.Random(kills), Killed(beir_folder, tmp_path, parts)
    seconds = suite.whole()
    undisturbed, done, since = suite.outcome(), 0, 0
    assert len(undisturbed) == parts * (parts - 1)
    suite.forget()
    while done < kills:
        if suite.killed(WAYS[done % len(WAYS)], chance.uniform(0, seconds * 0.6)):
            done, since = done + 1, since + 1
        elif (tmp_path / "out").is_dir() and all(record.done for record in suite.records()):
            _check(suite, undisturbed, since)
            suite.forget()
            since = 0
    suite.whole()
    _check(suite, undisturbed, since)


def _check(suite: Killed, undisturbed: dict[str, Any], kills: int) -> None:
    assert all(record.done for record in suite.records())
    assert suite.outcome() == undisturbed
    assert suite.left_behind() == []
    steps = suite.ledger.read_text().split()
    assert len(set(steps)) == 40
    assert len(steps) <= 40 + kills, "a kill costs the step that it fell into, and no more"
