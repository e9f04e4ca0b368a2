"""Processes that try options, so many at a time: one that dies takes nothing with it but its own trial."""

import signal
import traceback
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from math import isfinite
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from queue import SimpleQueue
from types import TracebackType
from typing import Any, Self

from bench import registry
from bench.cells.key import weights_of
from bench.collections.collection import Collection
from bench.errors import BenchError
from bench.machine import usable_cores
from bench.protocols import identifier_groups
from bench.runner.cost import Stopwatch
from bench.runner.fitting import ask, bound_threads, fit
from bench.runner.problems import explain
from bench.runner.worker import (
    death,
    flush_streams,
    fork_context,
    live_with_parent,
    log_to,
    send_signal,
    start,
    told_to,
)
from bench.tasks.exam import Exam
from bench.tuning.subject import Subject
from bench.workplace import Workplace, common_folder

_GRACE = 5.0
"""Seconds that a process has to end by itself."""

_TICK = 0.2
"""Seconds between two looks at the budget."""


@dataclass(frozen=True)
class Verdict:
    """What a trial came to: its figures, the one that decides first, or why it failed."""

    figures: dict[str, float] = field(default_factory=dict)
    problem: str = ""


@dataclass(frozen=True)
class Heard:
    """What a trial at work told: how far it is, or its verdict."""

    number: int
    seconds: float
    said: tuple[str, int, int] | Verdict


@dataclass
class _Worker:
    """One process; `number` is the trial that it is at, None where it has none."""

    process: ForkServerProcess
    events: Connection
    number: int | None = None
    watch: Stopwatch = field(default_factory=Stopwatch)

    def give(self, number: int, options: Mapping[str, Any]) -> None:
        self.number, self.watch = number, Stopwatch()
        self.events.send((number, dict(options)))

    def ask_to_end(self) -> None:
        """One that has nothing to do leaves in order; one at work is interrupted."""
        if self.number is None:
            with suppress(OSError):  # it has ended already
                self.events.send(None)
        else:
            send_signal(self.process, signal.SIGTERM)

    def heard(self) -> Iterator[Heard]:
        """What it said since; a process that died says so."""
        number = self.number
        if number is None:
            return
        with suppress(EOFError, OSError):
            while self.events.poll():
                said = self.events.recv()
                yield Heard(number, self.watch.seconds, said)
                if isinstance(said, Verdict):
                    self.number = None
                    return
        if self.process.exitcode is not None:
            self.number = None
            yield Heard(number, self.watch.seconds, Verdict(problem=str(death(self.process.exitcode))))


class Workers:
    """Up to `jobs` processes that try options of one subject, sharing the cores; none outlives the block."""

    def __init__(self, subject: Subject, folder: Path, jobs: int) -> None:
        self._given = (subject, folder, max(1, len(usable_cores()) // jobs))
        self._context: ForkServerContext = fork_context(neural=bool(weights_of(subject.system({}))))
        self._jobs, self._workers = jobs, list[_Worker]()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for worker in self._workers:
            worker.ask_to_end()
        for worker in self._workers:
            self._end(worker, _GRACE)

    @property
    def at_work(self) -> dict[int, float]:
        """The trials at work, with the seconds that each has taken."""
        return {worker.number: worker.watch.seconds for worker in self._workers if worker.number is not None}

    @property
    def has_room(self) -> bool:
        """Whether another trial may begin."""
        return len(self.at_work) < self._jobs

    def begin(self, number: int, options: Mapping[str, Any]) -> None:
        """Have a trial begin, in a process that is free or in another."""
        idle = (worker for worker in self._workers if worker.number is None and worker.process.is_alive())
        free = next(idle, None)
        if free is None:
            free = _Worker(*start(self._context, _work, *self._given))
            self._workers.append(free)
        free.give(number, options)

    def listen(self) -> Iterator[Heard]:
        """Wait a moment for what the trials at work say. A process whose trial failed tries no other."""
        busy = [worker for worker in self._workers if worker.number is not None]
        wait([handle for worker in busy for handle in (worker.events, worker.process.sentinel)], timeout=_TICK)
        for worker in busy:
            for heard in worker.heard():
                if isinstance(heard.said, Verdict) and heard.said.problem:
                    self._workers.remove(worker)
                    self._end(worker, 0.0)
                yield heard

    def _end(self, worker: _Worker, patience: float) -> None:
        worker.process.join(patience)
        send_signal(worker.process, signal.SIGKILL)  # with it ends what it has started
        worker.process.join()
        worker.events.close()


def checkpoints_of(folder: Path, number: int) -> Path:
    """Where a trial keeps its training, until it has come to an end."""
    return folder / f"trial-{number}"


def _work(subject: Subject, folder: Path, threads: int, events: Connection) -> None:
    """Body of a process: tries the options that it is sent; what a trial prints goes to its log."""
    orders: SimpleQueue[tuple[int, dict[str, Any]] | None] = SimpleQueue()
    live_with_parent(events, orders.put)
    collection: Collection | None = None
    while order := orders.get():
        number, options = order
        try:
            log_to(folder / f"trial-{number}.log")
            if collection is None:
                registry.load_files(subject.plugin_files)
                collection = subject.opened()
                exam = subject.exam(collection)
            workplace = Workplace(checkpoints_of(folder, number), common_folder(threads))
            verdict = Verdict(_figures(subject, options, collection, exam, workplace, threads, events))
        except (Exception, SystemExit) as error:
            traceback.print_exc()
            verdict = Verdict(problem=explain(error))
        flush_streams()
        events.send(verdict)


def _figures(
    subject: Subject,
    options: Mapping[str, Any],
    collection: Collection,
    exam: Exam,
    workplace: Workplace,
    threads: int,
    events: Connection,
) -> dict[str, float]:
    """What a system is worth on the split that judges, the deciding figure first."""
    system = subject.system(options)
    bound_threads(threads)
    system.report_to(told_to(events))
    fit(system, collection.training_view(), workplace)
    answers = ask(system, exam.queries, exam.reach, exam.collection.documents)
    evaluation = exam.evaluate(answers, identifier_groups(system))
    found = {figure.measure: figure.value for figure in evaluation.figures if isfinite(figure.value)}
    if exam.primary.name not in found:
        raise BenchError(f"no question has a value of {exam.primary.name}, by which options are chosen")
    return found
