"""Chooses a system's options, as `bench tune` does."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import registry
from bench.choice import choose
from bench.collections.catalogue import Dataset, open_dataset
from bench.durations import seconds_of
from bench.errors import BenchError
from bench.measures.names import Effectiveness
from bench.suite import Suite, SystemEntry, check_suite_file
from bench.tuning.space import parse_space
from bench.tuning.study import TRIALS, Budget, Study, Watcher, best_first, judging_split, search
from bench.tuning.subject import Subject
from bench.tuning.trials import Trial
from bench.tuning.winner import told, write_winner


@dataclass(frozen=True)
class Tuned:
    """What a search came to.

    trials: those of the budget, in their order
    ranked: those that are done, the one with the best `measure` on the split that judged first
    told: in a sentence, with the budget
    suite: the file of the winner and of the system as it stood
    record: the file of all trials, those of larger budgets too
    """

    measure: str
    trials: Sequence[Trial]
    ranked: Sequence[Trial]
    told: str
    suite: Path
    record: Path

    @property
    def best(self) -> Trial:
        """The winner."""
        return self.ranked[0]


class Unwatched:
    """Nobody is told how the search gets on."""

    def started(self, number: int, options: Mapping[str, Any]) -> None: ...
    def progressed(self, number: int, phase: str, done: int, total: int) -> None: ...
    def finished(self, trial: Trial) -> None: ...


def tune(
    system: str,
    dataset: str | Path | Dataset = "",
    space: Sequence[str] = (),
    suite: str = "",
    settings: Sequence[str] = (),
    trials: int = 20,
    time: str | float = "1h",
    seed: int = 0,
    split: str = "",
    task: str = "",
    measure: str = "",
    device: str | None = None,
    jobs: int = 1,
    out: str | Path = "runs",
    to: str | Path | None = None,
    fresh: bool = False,
    plugins: Sequence[str | Path] = (),
    watcher: Watcher | None = None,
) -> Tuned:
    """As `bench.tune`.

    system: a retriever, also with options as in `bm25?b=0.4`, or a system of the suite
    dataset: what to tune on, by its name or opened; by default the suite's first
    space: `OPTION=LOW..HIGH`, `OPTION=LOW..HIGH:log` or `OPTION=ONE,OTHER`; by default the suite's, of its [tune]
    trials, time: the budget; the first trial is the system as it stands
    split: judges; by default `valid` or else `dev`, and never one that published figures are of
    measure: decides; by default the task's primary one
    to: the winner's suite file; by default it lies beside the trials
    jobs: so many trials at a time, which share the cores
    fresh: forget the trials of earlier calls, which otherwise count
    """
    files = tuple(Path(file) for file in plugins)
    registry.load_files(files)
    if to:
        check_suite_file(Path(to))
    if measure and Effectiveness.parse(measure).measure.diagnostic:
        raise BenchError(f"--measure {measure} is a diagnostic, no result; choose by nDCG@10 or another measure")
    chosen = _chosen(system, _spec(dataset), suite, settings, task, measure)
    entry = chosen.systems[0]
    found = dataset if isinstance(dataset, Dataset) else open_dataset(chosen.datasets[0])
    of_these = chosen.on(found.collection)
    subject = Subject(
        entry=entry,
        seed=seed,
        device=device,
        collection=found.collection.name,
        folder=found.folder.absolute(),
        rules=found.collection.rules,
        split=judging_split(found.collection, split),
        task=of_these.tasks[0],
        plugin_files=files,
    )
    searched = parse_space(registry.find("retriever", entry.retriever).load(), _space(chosen, entry, space))
    study = Study(subject, searched, found.collection, found.spec, Path(out))
    budget = _budget(trials, time, jobs)
    done = search(study, budget, watcher or Unwatched(), jobs, fresh)
    path = Path(to) if to else study.folder / "winner.toml"
    write_winner(path, study, done, budget)
    return Tuned(
        study.measure.name, done, best_first(study, done), told(study, done, budget), path, study.folder / TRIALS
    )


def dataset_of(system: str, dataset: str, suite: str) -> str:
    """The specification of what would be tuned on."""
    return _chosen(system, dataset, suite, (), "", "").datasets[0]


def _spec(dataset: str | Path | Dataset) -> str:
    """How a dataset is named. Raises BenchError for what is none."""
    if isinstance(dataset, Dataset):
        return dataset.spec
    if not isinstance(dataset, str | Path):
        raise BenchError(f"{type(dataset).__name__} is no dataset; give its name, or what bench.open(NAME) gives")
    return str(dataset)


def _chosen(system: str, dataset: str, suite: str, settings: Sequence[str], task: str, measure: str) -> Suite:
    """A suite of one system. Raises BenchError where there are several of that name."""
    if not suite and not dataset:
        raise BenchError("there is nothing to tune on; give --dataset, or a --suite that has one")
    chosen = choose(
        suite,
        [dataset] if dataset else [],
        [system],
        settings,
        tasks=[task] if task else [],
        measures=[measure] if measure else [],
    )
    fitting = chosen.named(system) or chosen.systems[-1:]
    if len(fitting) > 1:
        names = ", ".join(f"'{entry.label}'" for entry in fitting)
        raise BenchError(f"suite {suite} has several systems of {system}: {names}; name one of them")
    return chosen.model_copy(update={"systems": fitting})


def _space(suite: Suite, entry: SystemEntry, given: Sequence[str]) -> Sequence[str] | Mapping[str, str]:
    """What is given, or what the suite has for the system, or for all systems of its retriever."""
    return given or suite.tune.get(entry.label) or suite.tune.get(entry.retriever) or ()


def _budget(trials: int, time: str | float, jobs: int) -> Budget:
    for name, value in (("trials", trials), ("jobs", jobs)):
        if value < 1:
            raise BenchError(f"--{name} {value}: give 1 or more")
    try:
        return Budget(trials, seconds_of(time))
    except ValueError as error:
        raise BenchError(f"--time {error}") from None
