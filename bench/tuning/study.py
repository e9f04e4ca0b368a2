"""A search for a system's options: tries some, judges each, and leaves the trials and the best as a suite."""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from time import perf_counter
from typing import Any, Protocol

from bench.cells.key import cell_key_parts, task_key_parts
from bench.collections.collection import Collection
from bench.digests import digest_data
from bench.errors import BenchError
from bench.machine import usable_cores
from bench.measures.measure import Measure
from bench.protocols import identifier_groups
from bench.retriever import Retriever
from bench.runner.fitting import ask, bound_threads, fit
from bench.runner.plan import construct
from bench.runner.problems import explain
from bench.settings import merge, nest
from bench.store import locked, slug
from bench.suite import SystemEntry
from bench.tasks import Task
from bench.tasks.exam import Exam
from bench.tuning.space import Space, points
from bench.tuning.trials import Outcome, Trial, ranked, read_trials, write_trials
from bench.workplace import Workplace, common_folder

TRIALS = "trials.jsonl"
_JUDGES = ("valid", "dev")
"""The splits that are there to choose by; the first that a collection has."""


class Watcher(Protocol):
    """Is told how the search gets on."""

    def started(self, number: int, options: Mapping[str, Any]) -> None: ...
    def progressed(self, phase: str, done: int, total: int) -> None: ...
    def finished(self, trial: Trial) -> None: ...


@dataclass(frozen=True)
class Budget:
    """trials: how many are tried, the system as it stands among them; seconds: of all of them together."""

    trials: int
    seconds: float


@dataclass(frozen=True)
class Study:
    """One search. All that its trials depend on, but for the budget: more of it goes on with the same trials.

    entry: the system, with the options that all trials share
    collection: what is fitted on, without the split `test`, and judged by its split `split`
    """

    entry: SystemEntry
    space: Space
    collection: Collection
    spec: str
    split: str
    task: Task
    task_name: str
    seed: int
    device: str | None
    out: Path
    exam: Exam = field(init=False, repr=False)

    def __post_init__(self) -> None:
        rules = self.collection.rules.model_copy(update={"split": self.split})
        object.__setattr__(self, "exam", self.task.on(replace(self.collection, rules=rules)))

    @property
    def measure(self) -> Measure:
        """The figure that decides."""
        return self.exam.primary

    @property
    def folder(self) -> Path:
        """Where its trials are kept; of another search of the same system another folder."""
        first = construct(self.entry, self.seed, self.device)
        key = {
            "system": cell_key_parts(first, self.collection.fingerprint),
            "task": task_key_parts(self.task_name, self.task),
            "split": self.split,
            "space": {name: repr(dimension) for name, dimension in self.space.items()},
        }
        name = f"{slug(self.entry.label)}.{slug(self.collection.name)}.{digest_data(key)[:10]}"
        return self.out / "tuning" / name

    def candidates(self) -> Iterator[dict[str, Any]]:
        """The options of each trial, by number: none for the first, which is the system as it stands."""
        yield {}
        yield from points(self.space, self.seed)

    def system(self, options: Mapping[str, Any]) -> Retriever:
        """The system with the options of a trial. Raises BenchError for values that it does not accept."""
        chosen = merge(nest(self.entry.options), nest(options))
        return construct(self.entry.model_copy(update={"options": chosen}), self.seed, self.device)


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


def search(study: Study, budget: Budget, watcher: Watcher, fresh: bool = False) -> list[Trial]:
    """Try options until the budget is spent or all were tried, and return all trials, those of earlier calls too.

    After each trial its record is written; an interrupted search goes on where it stopped, inside a training too. A
    trial that fails is one with its problem. The trial at work when the time is up is stopped; it does not count.
    """
    folder = study.folder
    with locked(folder, timeout=1):
        if fresh:
            shutil.rmtree(folder, ignore_errors=True)
        trials = {trial.number: trial for trial in read_trials(folder / TRIALS)}
        for number, options in enumerate(islice(study.candidates(), budget.trials)):
            old = trials.get(number)
            left = budget.seconds - sum(trial.seconds for trial in trials.values())
            if old and old.outcome != "stopped":
                continue
            if left <= 0:
                break
            watcher.started(number, options)
            trials[number] = _tried(study, number, options, left, folder, watcher, old.seconds if old else 0.0)
            write_trials(folder / TRIALS, [trials[one] for one in sorted(trials)])
            watcher.finished(trials[number])
    return [trials[one] for one in sorted(trials)]


def best_first(study: Study, trials: Sequence[Trial]) -> list[Trial]:
    """The trials that are done, the winner first. Raises BenchError if none is."""
    found = ranked(trials, study.measure.name, study.measure.higher_is_better)
    if not found:
        problems = [trial.problem for trial in trials if trial.problem]
        raise BenchError(problems[0] if problems else "the budget ended before a trial was done; give more --time")
    return found


class _TimeIsUp(Exception):
    """The budget is spent."""


def _tried(
    study: Study,
    number: int,
    options: Mapping[str, Any],
    left: float,
    folder: Path,
    watcher: Watcher,
    before: float,
) -> Trial:
    """Fit, ask and judge one system; `before` are the seconds that it had when it was stopped earlier."""
    start = perf_counter()
    workplace = Workplace(folder / f"trial-{number}", common_folder(len(usable_cores())))

    def tell(phase: str, done: int, total: int) -> None:
        watcher.progressed(phase, done, total)
        if perf_counter() - start > left:
            raise _TimeIsUp

    def ended(outcome: Outcome, figures: Mapping[str, float], problem: str = "") -> Trial:
        if outcome != "stopped":
            shutil.rmtree(workplace.checkpoints, ignore_errors=True)
        return Trial(
            number=number,
            options=dict(options),
            figures=dict(figures),
            seconds=round(before + perf_counter() - start, 3),
            outcome=outcome,
            problem=problem,
        )

    try:
        return ended("done", _figures(study, study.system(options), workplace, tell))
    except _TimeIsUp:
        return ended("stopped", {})
    except Exception as error:
        return ended("failed", {}, explain(error))


def _figures(study: Study, system: Retriever, workplace: Workplace, tell: Any) -> dict[str, float]:
    """What a system is worth on the split that judges, the deciding figure first."""
    bound_threads(len(usable_cores()))
    system.report_to(tell)
    fit(system, study.collection.training_view(), workplace)
    exam = study.exam
    answers = ask(system, exam.queries, exam.reach, exam.collection.documents)
    evaluation = exam.evaluate(answers, identifier_groups(system))
    return {figure.measure: figure.value for figure in evaluation.figures}
