"""A search for a system's options: tries some, judges each, and leaves the trials and the best as a suite."""

import shutil
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

from bench.cells.key import cell_key_parts, task_key_parts, weights_of
from bench.collections.collection import Collection
from bench.digests import digest_data
from bench.errors import BenchError
from bench.measures.measure import Measure
from bench.store import locked, slug
from bench.tasks import Task
from bench.tuning.space import Space, points
from bench.tuning.subject import Subject
from bench.tuning.trials import Outcome, Trial, ranked, read_trials, write_trials
from bench.tuning.workers import Heard, Verdict, Workers, checkpoints_of

TRIALS = "trials.jsonl"
_MOST_REFUSED = 100
_JUDGES = ("valid", "dev")
"""The splits that are there to choose by; the first that a collection has."""


class Watcher(Protocol):
    """Is told how the search gets on."""

    def started(self, number: int, options: Mapping[str, Any]) -> None: ...
    def progressed(self, number: int, phase: str, done: int, total: int) -> None: ...
    def finished(self, trial: Trial) -> None: ...


@dataclass(frozen=True)
class Budget:
    """trials: how many are tried, the system as it stands among them; seconds: of all of them together."""

    trials: int
    seconds: float


@dataclass(frozen=True)
class Study:
    """One search. All that its trials depend on, but for the budget: more of it goes on with the same trials.

    collection: what the subject is fitted on
    spec: names its dataset
    """

    subject: Subject
    space: Space
    collection: Collection
    spec: str
    out: Path
    task: Task = field(init=False, repr=False)
    measure: Measure = field(init=False, repr=False)
    """The figure that decides."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "task", self.subject.opened_task())
        if not self.task.asks_split:
            raise BenchError(
                f"--task {self.subject.task.task} asks the same whatever the split, so nothing may be chosen by it; "
                "tune by search or next_item"
            )
        exam, system = self.subject.exam(self.collection), self.subject.system({})
        if exam.primary.name in exam.barred(system.family, weights_of(system).values()):
            raise BenchError(
                f"{self.subject.entry.label} would be chosen by its own judgement, {exam.primary.name}; give the "
                "task another judge, or tune by search"
            )
        object.__setattr__(self, "measure", exam.primary)

    @property
    def folder(self) -> Path:
        """Where its trials are kept; of another search of the same system another folder."""
        key = {
            "system": cell_key_parts(self.subject.system({}), self.collection.fingerprint),
            "task": task_key_parts(self.subject.task.task, self.task),
            "split": self.subject.split,
            "space": {name: repr(dimension) for name, dimension in self.space.items()},
        }
        name = f"{slug(self.subject.entry.label)}.{slug(self.collection.name)}.{digest_data(key)[:10]}"
        return self.out / "tuning" / name

    def candidates(self) -> Iterator[dict[str, Any]]:
        """The options of each trial, by number: none for the first, which is the system as it stands.

        Points whose options do not go together are passed over. Raises BenchError where so many in a row do not.
        """
        yield {}
        refused = 0
        for options in points(self.space, self.subject.seed):
            try:
                self.subject.system(options)
            except BenchError as error:
                refused += 1
                if refused == _MOST_REFUSED:
                    raise BenchError(
                        f"--space: {refused} points in a row are refused, the last one: {error}"
                    ) from None
            else:
                refused = 0
                yield options


def judging_split(collection: Collection, wanted: str = "") -> str:
    """The split to judge by: the wanted one, `valid` or `dev`. Raises BenchError for one that is published."""
    hidden = {collection.rules.split, "test"}
    if wanted in hidden:
        raise BenchError(f"--split {wanted}: published figures are of it, so nothing may be chosen by it")
    found = next((split for split in [wanted or _JUDGES[0], *_JUDGES] if split in collection.splits), "")
    if not found or (wanted and found != wanted):
        others = ", ".join(split for split in collection.splits if split not in hidden)
        raise BenchError(
            f"{collection.name} has no split {wanted or ' or '.join(_JUDGES)} to judge by; "
            + (f"give --split (it has {others})" if others else "tune on another collection")
        )
    return found


def search(study: Study, budget: Budget, watcher: Watcher, jobs: int = 1, fresh: bool = False) -> list[Trial]:
    """Try options until the budget is spent or all were tried, and return its trials, those of earlier calls too.

    What an earlier call with a larger budget tried beyond them stays in the record and counts for nothing here. So
    many `jobs` at a time. After each trial its record is written; an interrupted search goes on where it stopped,
    inside a training too. A trial that fails is one with its problem, which the next call tries again. Trials at work
    when the time is up are stopped; they do not count.
    """
    folder = study.folder
    with locked(folder, timeout=1):
        if fresh:
            shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True, exist_ok=True)
        record = _Record(folder, {trial.number: trial for trial in read_trials(folder / TRIALS)}, watcher)
        wanted = dict(enumerate(islice(study.candidates(), budget.trials)))
        waiting = [number for number in wanted if not record.is_done(number)]
        with Workers(study.subject, folder.absolute(), jobs) as workers:
            try:
                while waiting or workers.at_work:
                    if record.seconds_of(wanted) + sum(workers.at_work.values()) > budget.seconds:
                        break
                    while waiting and workers.has_room:
                        number = waiting.pop(0)
                        watcher.started(number, wanted[number])
                        workers.begin(number, wanted[number])
                    for heard in workers.listen():
                        record.take(heard, wanted[heard.number])
            finally:  # an interruption too: what it took is part of the budget
                for number, seconds in workers.at_work.items():
                    record.stop(number, wanted[number], seconds)
    return [trial for trial in record.trials if trial.number in wanted]


def best_first(study: Study, trials: Sequence[Trial]) -> list[Trial]:
    """The trials that are done, the winner first. Raises BenchError if none is."""
    found = ranked(trials, study.measure.name, study.measure.higher_is_better)
    if not found:
        problems = [trial.problem for trial in trials if trial.problem]
        raise BenchError(problems[0] if problems else "the budget ended before a trial was done; give more --time")
    return found


@dataclass
class _Record:
    """The trials so far, on disk as they are here."""

    folder: Path
    by_number: dict[int, Trial]
    watcher: Watcher

    @property
    def trials(self) -> list[Trial]:
        return [self.by_number[number] for number in sorted(self.by_number)]

    def seconds_of(self, numbers: Container[int]) -> float:
        """What the trials of these numbers took."""
        return sum(trial.seconds for trial in self.trials if trial.number in numbers)

    def is_done(self, number: int) -> bool:
        return number in self.by_number and self.by_number[number].outcome == "done"

    def take(self, heard: Heard, options: Mapping[str, Any]) -> None:
        """Pass on how far a trial is, or keep what it came to."""
        if isinstance(heard.said, Verdict):
            outcome: Outcome = "failed" if heard.said.problem else "done"
            shutil.rmtree(checkpoints_of(self.folder, heard.number), ignore_errors=True)
            self._keep(heard.number, options, heard.seconds, outcome, heard.said)
        else:
            self.watcher.progressed(heard.number, *heard.said)

    def stop(self, number: int, options: Mapping[str, Any], seconds: float) -> None:
        """Keep that the budget ended a trial, whose checkpoints stay."""
        self._keep(number, options, seconds, "stopped", Verdict())

    def _keep(
        self, number: int, options: Mapping[str, Any], seconds: float, outcome: Outcome, verdict: Verdict
    ) -> None:
        before = self.by_number[number].seconds if number in self.by_number else 0.0
        trial = Trial(
            number=number,
            options=dict(options),
            figures=verdict.figures,
            seconds=round(before + seconds, 3),
            outcome=outcome,
            problem=verdict.problem,
        )
        self.by_number[number] = trial
        write_trials(self.folder / TRIALS, self.trials)
        self.watcher.finished(trial)
