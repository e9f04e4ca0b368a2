"""What becomes of one cell, whoever executes it: claimed, fitted, asked each task, recorded, put into the store."""

import shutil
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext

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
from bench.errors import BenchError, Busy
from bench.runner.cell import Setting
from bench.runner.cost import Stopwatch
from bench.runner.events import Begun, Ended, Event, Order, Progressed, Remarked
from bench.runner.plan import Cell, PlannedTask
from bench.runner.process import Child
from bench.store import locked

GRACE = 5.0
"""Seconds that a cell has to end by itself: one that is interrupted or late, or whose work is done."""

_BUSY = "another run works on it"
_NO_RESULT = Problem("crashed", "it ended without a result; see its log.txt")
_ASK_AGAIN = 1.0
"""Seconds until a cell that another run works on is tried again."""


def is_neural(cells: Sequence[Cell]) -> bool:
    """Whether a cell will use a neural library."""
    return any(cell.identity.weights for cell in cells)


class CellLife:
    """One cell from its claim to its record, in one process after the other. `step` never waits."""

    def __init__(self, cell: Cell, order: Order, setting: Setting, context: ForkServerContext) -> None:
        self.cell = cell
        self.over = False
        self._order, self._setting, self._context = order, setting, context
        self._claim, self._claimed = ExitStack(), False
        self._child: Child | None = None
        self._problems: dict[str, Problem] = {}
        self._log_begin: int | None = None  # where in the log this run begins
        self._watch, self._next_try = Stopwatch(), 0.0

    @property
    def at_work(self) -> bool:
        """Whether a process works on it now."""
        return self._child is not None

    @property
    def handles(self) -> list[Connection | int]:
        """What to wait for before the next step."""
        return [self._child.events, self._child.process.sentinel] if self._child else []

    def begin(self) -> Iterator[Event]:
        """Take the cell up."""
        yield Begun()
        yield from self.step()

    def step(self) -> Iterator[Event]:
        """Pass on what the cell says, and start its next process once one has ended."""
        if self._child:
            yield from self._listen(self._child)
            if self._child.process.exitcode is None:
                self._child.keep_time(GRACE)
            else:
                yield from self._listen(self._child)
                yield from self._followed(self._child)
        elif not self.over and time.monotonic() >= self._next_try:
            yield from self._tried()

    def ask_to_end(self) -> None:
        if self._child:
            self._child.signal(signal.SIGTERM)

    def end(self, patience: float = 0.0) -> None:
        """Make it end; nothing that it has started stays, and its claim is free."""
        try:
            if self._child:
                self._child.process.join(patience)
        finally:
            if self._child:
                self._child.signal(signal.SIGKILL)
                self._child.process.join()
            self._claim.close()

    def _tried(self) -> Iterator[Event]:
        """Begin, unless another run works on the cell."""
        try:
            self._claim.enter_context(self._order.store.claim(self.cell.folder))
        except Busy:
            self._next_try = time.monotonic() + _ASK_AGAIN
            yield Progressed(_BUSY, 0, 1)
            return
        self._watch = Stopwatch()
        try:
            yield from map(Remarked, self._made_ready())
            failure_file(self.cell.folder).unlink(missing_ok=True)
            if self.cell.problem:
                yield self._ended({"": self.cell.problem})
                return
            left = [task for task in self.cell.tasks if not task.done]
            if is_fitted(self.cell.folder) and not left:
                yield self._ended({})
                return
            self._start(left[0] if left and can_load(self.cell.folder) else None)
        except BenchError as error:  # of a folder or a store that cannot be used
            yield self._ended({"": Problem("error", str(error))})

    def _made_ready(self) -> list[str]:
        """Leave of a cell only what can be built on; what was damaged, in a line each."""
        folder, store = self.cell.folder, self._order.store
        if self._order.fresh:
            with locked(folder, timeout=GRACE):
                shutil.rmtree(folder, ignore_errors=True)
            return []
        damaged = [] if store.holds(folder) and self.cell.done else store.fetch([folder.name], whole=True)
        if not folder.exists():
            return damaged
        with locked(folder, timeout=GRACE):
            return damaged + remove_damaged(folder)

    def _start(self, task: PlannedTask | None) -> None:
        log = log_file(self.cell.folder)
        if self._log_begin is None:
            self._log_begin = log.stat().st_size if log.is_file() else 0
        self._child = Child.start(self.cell, task, self._setting, self._context)

    def _listen(self, child: Child) -> Iterator[Event]:
        with suppress(EOFError, OSError):
            while child.events.poll():
                said = child.events.recv()
                if isinstance(said, dict):
                    child.said = said
                else:
                    yield Remarked(said) if isinstance(said, str) else Progressed(*said)

    def _followed(self, child: Child) -> Iterator[Event]:
        """Start what comes after a process that has ended, or record how the cell ended."""
        child.signal(signal.SIGKILL)  # what it has started ends with it
        task, problems = child.task, child.problems()
        child.events.close()
        self._child = None
        if task is None and "" in problems and can_load(self.cell.folder):
            problems = {}  # the fit was done, and what it fell over is a question that the task meets again
        if task and not problems and not task.done:
            problems = {task.name: _NO_RESULT}
        self._problems |= problems
        following = self._following()
        if following:
            self._start(following)
        else:
            yield self._ended(self._problems)

    def _following(self) -> PlannedTask | None:
        """The next task that a loaded system has to answer."""
        if "" in self._problems or not index_folder(self.cell.folder).is_dir():
            return None
        left = (task for task in self.cell.tasks if task.name not in self._problems and not task.done)
        return next(left, None)

    def _ended(self, problems: dict[str, Problem]) -> Ended:
        """Record how the cell ended.

        The time is kept apart from the reason: seeds that fail alike share one reason.
        """
        cell, seconds = self.cell, self._watch.seconds if self._log_begin is not None else 0.0
        problem = _of_all(cell, problems) if problems else None
        if problem is None and not (is_fitted(cell.folder) and all(task.done for task in cell.tasks)):
            problem = _NO_RESULT
        if problem:
            log = "" if self._log_begin is None else log_tail(cell.folder, self._log_begin)
            record_failure(cell, problem, seconds, log)
        told = str(problem or "")
        try:
            self._order.store.put(cell.folder)
        except BenchError as error:
            told = told or str(error)
        self.over = True
        self._claim.close()
        return Ended(seconds, told)


def record_failure(cell: Cell, problem: Problem, seconds: float = 0.0, log: str = "") -> None:
    """Leave in the cell's folder why it ended badly."""
    failure = Failure(
        cell=cell.identity, kind=problem.kind, reason=problem.reason, seconds=round(seconds, 1), log=log
    )
    write_failure(cell.folder, failure)


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
def none_left_at_work(lives: Sequence[CellLife]) -> Iterator[None]:
    """Whatever ends the block, no process outlives it: each is asked to end, and after a while made to."""
    try:
        yield
    finally:
        try:
            for life in lives:
                life.ask_to_end()
        finally:
            _end_all(lives)


def _end_all(lives: Sequence[CellLife]) -> None:
    """Together they have one grace; a second interruption ends it at once."""
    watch = Stopwatch()
    with ExitStack() as ends:
        for life in lives:
            ends.callback(life.end)
        for life in lives:
            life.end(max(GRACE - watch.seconds, 0.0))
