"""A process of a cell: what it does once it is there, what it tells, and how it ends with the run that started it."""

import os
import signal
import sys
import threading
import traceback
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext, ForkServerProcess

from bench import registry
from bench.cells.folder import log_file
from bench.runner.cell import Setting, answer_task, fit_cell
from bench.runner.cost import Stopwatch
from bench.runner.plan import Cell, PlannedTask, explain
from bench.store import locked, remove_drafts

_PATIENCE = 3.0
"""Seconds to wait for a process of an earlier run that is about to end."""


@dataclass
class Child:
    """One at work. `task` is what it answers, None for one that fits."""

    task: PlannedTask | None
    process: ForkServerProcess
    events: Connection
    said: dict[str, str] | None = field(default=None)
    """The problem of each task that failed, "" being the cell itself; None until it came to its end."""

    @classmethod
    def start(cls, cell: Cell, task: PlannedTask | None, setting: Setting, context: ForkServerContext) -> "Child":
        ours, theirs = context.Pipe()
        process = context.Process(target=_work, args=(cell, task, setting, theirs))
        process.start()
        theirs.close()
        return cls(task, process, ours)

    def problems(self) -> dict[str, str]:
        """What went wrong, once the process is gone."""
        return {"": _death(self.process.exitcode or 0)} if self.said is None else self.said

    def signal(self, number: int) -> None:
        """Send a signal to the process and those that it started."""
        try:
            os.killpg(self.process.pid or 0, number)
        except (OSError, AttributeError):
            self.process.kill() if number == signal.SIGKILL else self.process.terminate()


def _death(code: int) -> str:
    if code == -signal.SIGKILL:
        return "killed by the system, most likely out of memory: use a smaller collection, batch or --jobs"
    how = signal.Signals(-code).name if code < 0 else f"exit status {code}"
    return f"its process ended with {how} before the work was done; a retriever must not end its process"


def _work(cell: Cell, task: PlannedTask | None, setting: Setting, events: Connection) -> None:
    """Body of a cell's process: everything it prints goes to its log."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.setsid()
    threading.Thread(target=_end_with_parent, args=(events,), daemon=True).start()
    _log_to(cell)
    last = Stopwatch()

    def tell(phase: str, done: int, total: int) -> None:
        nonlocal last
        if done in (0, total) or last.seconds > 0.1:
            events.send((phase, done, total))
            last = Stopwatch()

    try:
        with locked(cell.folder, timeout=_PATIENCE):
            remove_drafts(cell.folder)
            remove_drafts(cell.folder / "tasks")
            registry.load_files(cell.plugin_files)
            if task is None:
                problems = fit_cell(cell, setting, tell)
            else:
                answer_task(cell, task, setting, tell)
                problems = {}
    except (Exception, SystemExit) as error:
        traceback.print_exc()
        problems = {"": explain(error)}
    sys.stdout.flush()
    sys.stderr.flush()
    events.send(problems)


def _end_with_parent(events: Connection) -> None:
    """The run holds the other end of the pipe; when it is gone, this process and those that it started go too."""
    try:
        events.recv()
    except (EOFError, OSError):
        os.killpg(0, signal.SIGKILL)


def _log_to(cell: Cell) -> None:
    cell.folder.mkdir(parents=True, exist_ok=True)
    log = os.open(log_file(cell.folder), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
