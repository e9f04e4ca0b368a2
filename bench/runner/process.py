"""A process of a cell: what it does once it is there, what it tells, and how it ends with the run that started it."""

import ctypes
import faulthandler
import logging
import os
import shutil
import signal
import sys
import threading
import time
import traceback
from contextlib import suppress
from dataclasses import dataclass, field, replace
from multiprocessing import forkserver
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
from bench.store import locked, remove_drafts

_PR_SET_PDEATHSIG = 1  # of Linux's prctl
_STARTS, _UNTIL_GONE = 10, 0.3
"""How often a process is started where the server that it is forked from dies, and seconds in between."""

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
        ours, theirs = context.Pipe()
        for attempt in range(_STARTS):
            process = context.Process(target=_work, args=(cell, task, setting, theirs))
            try:
                process.start()
                break
            except ConnectionError:  # the server has been killed and is not gone yet; another takes its place
                if attempt + 1 == _STARTS:
                    raise
                time.sleep(_UNTIL_GONE)
        theirs.close()
        return cls(task, process, ours, cell.time_limit)

    def problems(self) -> dict[str, Problem]:
        """What went wrong, once the process is gone. Work that was done in time, or while it was ended, counts."""
        own = _name(self.task)
        if self.late and (self.said is None or own in self.said):
            reason = f"time limit of {duration(self.time_limit)} exceeded; raise it with --time-limit"
            return {own: Problem("time limit", reason)}
        return {own: _death(self.process.exitcode or 0)} if self.said is None else self.said

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
        try:
            os.killpg(self.process.pid or 0, number)
        except (OSError, AttributeError):
            self.process.kill() if number == signal.SIGKILL else self.process.terminate()


def _name(task: PlannedTask | None) -> str:
    """Whose problem it is that a process met."""
    return task.name if task else ""


_FROM_OUTSIDE = (-signal.SIGTERM, -signal.SIGINT, -signal.SIGHUP)


def _death(code: int) -> Problem:
    """Of a process that ended without a word, by its exit code."""
    how = signal.Signals(-code).name if code < 0 else f"exit status {code}"
    if code == -signal.SIGKILL:
        reason = "killed by the system, most likely out of memory: use a smaller collection, batch or --jobs"
        return Problem("out of memory", reason)
    if code in _FROM_OUTSIDE:
        return Problem("interrupted", f"its process was ended by {how} from outside; the same command goes on")
    reason = f"its process ended with {how} before the work was done; a retriever must not end its process"
    return Problem("crashed", reason)


def _work(cell: Cell, task: PlannedTask | None, setting: Setting, events: Connection) -> None:
    """Body of a cell's process: everything it prints goes to its log."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.setsid()
    threading.Thread(target=_end_with_parent, args=(events,), daemon=True).start()
    _end_with_server()
    faulthandler.enable()
    faulthandler.register(signal.SIGTERM, chain=True)  # the log tells where it was when it was made to end
    last = Stopwatch()

    def tell(phase: str, done: int, total: int) -> None:
        nonlocal last
        if done in (0, total) or last.seconds > 0.1:
            events.send((phase, done, total))
            last = Stopwatch()

    cell, task = _anywhere(cell, task)
    try:
        _log_to(cell)
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
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # the retriever may have closed it
            stream.flush()
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


def _end_with_parent(events: Connection) -> None:
    """The run holds the other end of the pipe; when it is gone, this process and those that it started go too."""
    try:
        events.recv()
    except (EOFError, OSError):
        os.killpg(0, signal.SIGKILL)


def _end_with_server() -> None:
    """Have the system end this process with the one that it was forked from, which ends with the run.

    A library that holds Python's interpreter lets no thread of ours do so. The server lives as long as somebody has
    the other end of its pipe, which it hands on to those that it forks.
    """
    held = getattr(forkserver._forkserver, "_forkserver_alive_fd", None)
    if sys.platform == "linux" and held is not None:
        os.close(held)
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _log_to(cell: Cell) -> None:
    cell.folder.mkdir(parents=True, exist_ok=True)
    log = os.open(log_file(cell.folder), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
