"""Runs cells on this machine, each in a process of its own, so that one that dies takes nothing with it."""

import json
import os
import shutil
import signal
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from typing import Protocol

from bench.errors import BenchError
from bench.machine import usable_cores
from bench.measures.effectiveness import warm_up
from bench.runner.cell import run_cell
from bench.runner.cost import Stopwatch
from bench.runner.plan import Cell
from bench.store import locked, write_text

_COMPILED_ALREADY = 3.0
"""Seconds that the measures need where they are compiled: the first cell, whose costs they would disturb, waits. A
first compilation takes half a minute and goes on beside it."""


class Watcher(Protocol):
    """Is told how the cells get on."""

    def started(self, cell: Cell) -> None: ...
    def progressed(self, cell: Cell, phase: str, done: int, total: int) -> None: ...
    def finished(self, cell: Cell, seconds: float, problem: str) -> None: ...


@dataclass
class _Running:
    cell: Cell
    process: ForkServerProcess
    events: Connection
    watch: Stopwatch


def run_cells(cells: Sequence[Cell], watcher: Watcher, jobs: int = 1, fresh: bool = False) -> None:
    """Run every cell that is not done, `jobs` at a time; `fresh` runs all of them again.

    A cell that fails leaves `failure.json` with its reason and the others go on. Interrupted, what is
    finished stays and the same call continues with the rest.
    """
    todo = [cell for cell in cells if fresh or not cell.done]
    if not todo:
        return
    if fresh:
        for cell in todo:
            shutil.rmtree(cell.folder, ignore_errors=True)
    threads = max(1, len(usable_cores()) // jobs)
    with locked(cells[0].folder.parent, timeout=1), _context(todo) as context:
        _run_all(todo, context, watcher, jobs, threads)


@contextmanager
def _context(todo: Sequence[Cell]) -> Iterator[ForkServerContext]:
    """Processes fork from a server that has the libraries loaded, the neural ones where a cell needs them."""
    _let_threads_wait()
    context = get_context("forkserver")
    neural = any(cell.weights for cell in todo)
    context.set_forkserver_preload(["bench.runner.preload"] if neural else ["ranx"])
    compiling = context.Process(target=warm_up, daemon=True)
    compiling.start()
    compiling.join(_COMPILED_ALREADY)
    try:
        yield context
    finally:
        compiling.terminate()


def _let_threads_wait() -> None:
    """How a thread without work waits for more: a moment awake, then asleep. The libraries read this when loaded.

    Asleep at once makes the many small steps of a beam search 2.5 times slower; awake for long, as the libraries
    would have it, makes everything ten times slower on a machine that has other work.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
        os.environ.setdefault("GOMP_SPINCOUNT", "10000")  # 0.1 ms; of GNU's OpenMP, and stronger than the policy


def _run_all(todo: Sequence[Cell], context: ForkServerContext, watcher: Watcher, jobs: int, threads: int) -> None:
    waiting, running = list(todo), list[_Running]()
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                cell = waiting.pop(0)
                watcher.started(cell)
                if cell.problem:
                    _record_failure(cell, cell.problem, seconds=0.0)
                    watcher.finished(cell, 0.0, cell.problem)
                else:
                    running.append(_start(cell, context, threads))
            running = [one for one in running if not _ended(one, watcher)]
    finally:
        for one in running:
            one.process.terminate()
            one.process.join()


def _start(cell: Cell, context: ForkServerContext, threads: int) -> _Running:
    cell.folder.mkdir(parents=True, exist_ok=True)
    (cell.folder / "failure.json").unlink(missing_ok=True)
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_in_process, args=(cell, threads, theirs, sys.argv))
    process.start()
    theirs.close()
    return _Running(cell, process, ours, Stopwatch())


def _ended(one: _Running, watcher: Watcher) -> bool:
    """Pass on what the cell says; True once its process is gone."""
    wait([one.events, one.process.sentinel], timeout=0.2)
    try:
        while one.events.poll():
            watcher.progressed(one.cell, *one.events.recv())
    except EOFError:
        one.process.join()
    if one.process.exitcode is None:
        return False
    problem = "" if one.process.exitcode == 0 else _reason(one)
    watcher.finished(one.cell, one.watch.seconds, problem)
    return True


def _reason(one: _Running) -> str:
    """Why the cell failed: what its process recorded, and else how that ended, which is recorded here."""
    failure = one.cell.folder / "failure.json"
    if not failure.is_file():
        _record_failure(one.cell, _death(one.process.exitcode or 0), one.watch.seconds)
    return str(json.loads(failure.read_text())["reason"])


def _death(code: int) -> str:
    if code == -signal.SIGKILL:
        return "killed by the system, most likely out of memory: use a smaller collection, batch or --jobs"
    return f"its process ended with {signal.Signals(-code).name if code < 0 else f'exit status {code}'}"


def _record_failure(cell: Cell, reason: str, seconds: float) -> None:
    """The time is kept apart from the reason: seeds that fail alike share one reason."""
    failure = {"reason": reason, "seconds": round(seconds, 1), "cell": cell.identity()}
    write_text(cell.folder / "failure.json", json.dumps(failure, indent=2, ensure_ascii=False) + "\n")


def _in_process(cell: Cell, threads: int, events: Connection, argv: list[str]) -> None:
    """Body of a cell's process: everything it prints goes to its log."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.argv = argv
    _log_to(cell.folder / "log.txt")
    whole = last = Stopwatch()

    def tell(phase: str, done: int, total: int) -> None:
        nonlocal last
        if done in (0, total) or last.seconds > 0.1:
            events.send((phase, done, total))
            last = Stopwatch()

    try:
        run_cell(cell, threads, tell)
    except BenchError as error:
        print(f"error: {error}", flush=True)
        _record_failure(cell, str(error), whole.seconds)
        raise SystemExit(1) from error
    except Exception as error:
        traceback.print_exc()
        _record_failure(cell, f"{type(error).__name__}: {' '.join(str(error).split())}", whole.seconds)
        raise SystemExit(1) from error


def _log_to(path: Path) -> None:
    log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
