"""A process of a cell: what it does once it is there, what it tells, and how long it may take."""

import logging
import shutil
import signal
import sys
import traceback
from contextlib import suppress
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext, ForkServerProcess

from bench import registry
from bench.cells.folder import checkpoints_folder, log_file
from bench.cells.record import Problem
from bench.durations import duration
from bench.errors import LoadsOtherwise
from bench.runner.cell import Setting, answer_task, fit_cell
from bench.runner.cost import Stopwatch
from bench.runner.plan import Cell, PlannedTask
from bench.runner.problems import problem_of
from bench.runner.worker import death, flush_streams, live_with_parent, log_to, send_signal, start, told_to
from bench.store import locked, remove_drafts

_PATIENCE = 3.0
"""Seconds to wait for a process of an earlier run that is about to end."""


@dataclass
class Child:
    """One at work. `task` is what it answers, None for one that fits; `time_limit` is in seconds."""

    task: PlannedTask | None
    process: ForkServerProcess
    events: Connection
    time_limit: float
    said: dict[str, Problem] | None = None
    """The problem of each task that failed, by its name, "" being the cell itself; None until it came to its end."""
    late: bool = False
    """Whether it was asked to end because its time was over."""
    _watch: Stopwatch = field(default_factory=Stopwatch)
    _ending: Stopwatch | None = None

    @classmethod
    def start(cls, cell: Cell, task: PlannedTask | None, setting: Setting, context: ForkServerContext) -> "Child":
        process, events = start(context, _work, cell, task, setting)
        return cls(task, process, events, cell.time_limit)

    def problems(self) -> dict[str, Problem]:
        """What went wrong, once the process is gone. Work that was done in time, or while it was ended, counts."""
        own = _name(self.task)
        if self.late and (self.said is None or own in self.said):
            reason = f"time limit of {duration(self.time_limit)} exceeded; raise it with --time-limit"
            return {own: Problem("time limit", reason)}
        return {own: death(self.process.exitcode or 0)} if self.said is None else self.said

    def keep_time(self, grace: float) -> None:
        """Ask a process to end once its time is over; one that was asked, or has said all, has the grace to end."""
        if self._ending is None:
            self.late = self.said is None and self._watch.seconds > self.time_limit
            if self.late:
                self.signal(signal.SIGTERM)
            if self.late or self.said is not None:
                self._ending = Stopwatch()
        elif self._ending.seconds > grace:
            self.signal(signal.SIGKILL)

    def signal(self, number: int) -> None:
        """Send a signal to the process and those that it started."""
        send_signal(self.process, number)


def _name(task: PlannedTask | None) -> str:
    """Whose problem it is that a process met."""
    return task.name if task else ""


def _work(cell: Cell, task: PlannedTask | None, setting: Setting, events: Connection) -> None:
    """Body of a cell's process: everything it prints goes to its log."""
    live_with_parent(events)
    tell = told_to(events)
    cell, task = _anywhere(cell, task)
    try:
        cell.folder.mkdir(parents=True, exist_ok=True)
        log_to(log_file(cell.folder))
        logging.getLogger("bench").addHandler(_Remarks(events))
        with locked(cell.folder, timeout=_PATIENCE):
            _remove_leftovers(cell, fitted=task is not None)
            registry.load_files(cell.plugin_files)
            if task is None:
                problems = fit_cell(cell, setting, tell)
            else:
                answer_task(cell, task, setting, tell)
                problems = {}
    except (Exception, SystemExit) as error:
        _print_traceback()
        problems = {"" if isinstance(error, LoadsOtherwise) else _name(task): problem_of(error)}
    flush_streams()
    events.send(problems)


def _anywhere(cell: Cell, task: PlannedTask | None) -> tuple[Cell, PlannedTask | None]:
    """The same with paths that hold where a retriever has changed the working folder."""
    there = cell.below(cell.folder.parent.absolute())
    there = replace(there, collection_folder=cell.collection_folder.absolute())
    return there, there.tasks[cell.tasks.index(task)] if task else None


class _Remarks(logging.Handler):
    """Passes on what the harness warns of, such as a shared piece that was damaged; the log has it too."""

    def __init__(self, events: Connection) -> None:
        super().__init__(logging.WARNING)
        self._events = events

    def emit(self, record: logging.LogRecord) -> None:
        print(record.getMessage(), file=sys.stderr)
        self._events.send(record.getMessage())


def _print_traceback() -> None:
    with suppress(OSError):  # the log may have no room
        traceback.print_exc()


def _remove_leftovers(cell: Cell, fitted: bool) -> None:
    """Remove what a process that died has left in the cell's folder, whose lock is held."""
    remove_drafts(cell.folder, youngest=0.0)
    remove_drafts(cell.folder / "tasks", youngest=0.0)
    if fitted:
        shutil.rmtree(checkpoints_folder(cell.folder), ignore_errors=True)
