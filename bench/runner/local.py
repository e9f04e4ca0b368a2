"""Runs cells on this machine, in processes of their own, so that one that dies takes nothing with it."""

import shutil
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.connection import wait
from multiprocessing.context import ForkServerContext
from typing import Protocol

from bench.cells.folder import (
    can_load,
    failure_file,
    index_folder,
    is_fitted,
    log_file,
    log_tail,
    remove_damaged,
    write_failure,
)
from bench.cells.record import Failure, Problem
from bench.machine import usable_cores
from bench.runner.cell import Setting
from bench.runner.cost import Stopwatch
from bench.runner.plan import Cell, PlannedTask
from bench.runner.process import Child
from bench.store import locked, remove_drafts

GRACE = 5.0
"""Seconds that a cell has to end by itself: one that is interrupted or late, or whose work is done."""


class Watcher(Protocol):
    """Is told how the cells get on."""

    def started(self, cell: Cell) -> None: ...
    def progressed(self, cell: Cell, phase: str, done: int, total: int) -> None: ...
    def finished(self, cell: Cell, seconds: float, problem: str) -> None: ...


@dataclass
class _Running:
    """A cell at work, one process after the other; its log begins behind that of earlier runs."""

    cell: Cell
    child: Child
    log_begin: int
    problems: dict[str, Problem] = field(default_factory=dict)
    watch: Stopwatch = field(default_factory=Stopwatch)


def run_cells(
    cells: Sequence[Cell], watcher: Watcher, jobs: int = 1, fresh: bool = False, argv: Sequence[str] = ()
) -> list[str]:
    """Run every cell that is not done, `jobs` at a time; `fresh` runs all of them again.

    A cell that fails leaves its reason and the others go on; a task that fails leaves the others of its cell. What is
    damaged or of another version is removed and run again; the lines returned say what. Interrupted, what is finished
    stays and the same call continues with the rest. `argv` is the command line's, for the record.
    """
    for cell in cells:
        remove_drafts(cell.folder)
    todo = [cell for cell in cells if fresh or not cell.done]
    if not todo:
        return []
    folder = todo[0].folder.parent
    setting = Setting(max(1, len(usable_cores()) // jobs), tuple(argv))
    with locked(folder, timeout=1):
        remove_drafts(folder)
        found = [line for cell in todo for line in _made_ready(cell, fresh)]
        _run_all(todo, _context(todo), watcher, jobs, setting)
    return found


def _made_ready(cell: Cell, fresh: bool) -> list[str]:
    """Leave of a cell only what can be built on; what was damaged, in a line each."""
    if not cell.folder.exists():
        return []
    with locked(cell.folder, timeout=GRACE):
        if fresh:
            shutil.rmtree(cell.folder)
            return []
        return remove_damaged(cell.folder)


def _context(todo: Sequence[Cell]) -> ForkServerContext:
    """Processes fork from a server that has the libraries loaded, the neural ones where a cell needs them."""
    context = get_context("forkserver")
    neural = any(cell.identity.weights for cell in todo)
    context.set_forkserver_preload(["bench.runner.preload" if neural else "bench.runner.cell"])
    return context


def _run_all(todo: Sequence[Cell], context: ForkServerContext, watcher: Watcher, jobs: int, setting: Setting) -> None:
    waiting, running = list(todo), list[_Running]()
    with _none_left_at_work(running):
        while waiting or running:
            while waiting and len(running) < jobs:
                one = _begun(waiting.pop(0), watcher, context, setting)
                if one:
                    running.append(one)
            wait([part for one in running for part in (one.child.events, one.child.process.sentinel)], timeout=0.2)
            for one in list(running):
                if _stepped(one, watcher, context, setting):
                    running.remove(one)


def _begun(cell: Cell, watcher: Watcher, context: ForkServerContext, setting: Setting) -> _Running | None:
    watcher.started(cell)
    failure_file(cell.folder).unlink(missing_ok=True)
    if cell.problem:
        _ended(cell, {"": cell.problem}, watcher)
        return None
    left = [task for task in cell.tasks if not task.done]
    if is_fitted(cell.folder) and not left:
        _ended(cell, {}, watcher)
        return None
    step = left[0] if left and can_load(cell.folder) else None
    log = log_file(cell.folder)
    begin = log.stat().st_size if log.is_file() else 0
    return _Running(cell, Child.start(cell, step, setting, context), begin)


def _stepped(one: _Running, watcher: Watcher, context: ForkServerContext, setting: Setting) -> bool:
    """Pass on what the cell says and start its next process; True once there is nothing left to do."""
    _listen(one, watcher)
    if one.child.process.exitcode is None:
        one.child.keep_time(GRACE)
        return False
    _listen(one, watcher)
    one.child.signal(signal.SIGKILL)  # what it has started ends with it
    task, problems = one.child.task, one.child.problems()
    one.child.events.close()
    if task is None and "" in problems and can_load(one.cell.folder):
        problems = {}  # the fit was done, and what it fell over is a question that the task meets again
    one.problems |= {task.name: problems[""]} if task and problems else problems
    following = _following(one)
    if following:
        one.child = Child.start(one.cell, following, setting, context)
        return False
    _ended(one.cell, one.problems, watcher, one.watch.seconds, one.log_begin)
    return True


def _listen(one: _Running, watcher: Watcher) -> None:
    with suppress(EOFError, OSError):
        while one.child.events.poll():
            said = one.child.events.recv()
            if isinstance(said, dict):
                one.child.said = said
            else:
                watcher.progressed(one.cell, *said)


def _following(one: _Running) -> PlannedTask | None:
    """The next task that a loaded system has to answer."""
    if "" in one.problems or not index_folder(one.cell.folder).is_dir():
        return None
    left = (task for task in one.cell.tasks if task.name not in one.problems and not task.done)
    return next(left, None)


def _ended(
    cell: Cell, problems: dict[str, Problem], watcher: Watcher, seconds: float = 0.0, log_begin: int | None = None
) -> None:
    """Record how the cell ended. The time is kept apart from the reason: seeds that fail alike share one reason.

    log_begin: where in the log this run begins, None for one that prints nothing
    """
    problem = _of_all(cell, problems) if problems else None
    if problem is None and not (is_fitted(cell.folder) and all(task.done for task in cell.tasks)):
        problem = Problem("crashed", "it ended without a result; see its log.txt")
    if problem:
        failure = Failure(
            cell=cell.identity,
            kind=problem.kind,
            reason=problem.reason,
            seconds=round(seconds, 1),
            log="" if log_begin is None else log_tail(cell.folder, log_begin),
        )
        write_failure(cell.folder, failure)
    watcher.finished(cell, seconds, str(problem or ""))


def _of_all(cell: Cell, problems: dict[str, Problem]) -> Problem:
    """The cell's own problem, or what became of its tasks; where all fail alike it is said once."""
    distinct = set(problems.values())
    if "" in problems:
        return problems[""]
    if len(problems) == len(cell.tasks) and len(distinct) == 1:
        return distinct.pop()
    kinds = {problem.kind for problem in distinct}
    told = "; ".join(f"task {name}: {problem}" for name, problem in problems.items())
    return Problem(kinds.pop() if len(kinds) == 1 else "error", told)


@contextmanager
def _none_left_at_work(running: list[_Running]) -> Iterator[None]:
    """Whatever ends the block, no process outlives it: each is asked to end, and after a while made to."""
    try:
        yield
    finally:
        try:
            for one in running:
                one.child.signal(signal.SIGTERM)
            watch = Stopwatch()
            for one in running:
                one.child.process.join(max(GRACE - watch.seconds, 0.0))
        finally:
            for one in running:
                one.child.signal(signal.SIGKILL)
                one.child.process.join()
