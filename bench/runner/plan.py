"""Turns a suite into cells: one system on one collection with one seed, each with a key of all that it depends on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench import registry
from bench.collections.catalogue import Dataset
from bench.digests import digest_code, digest_data, digest_file
from bench.errors import BenchError
from bench.models import find_weights
from bench.retriever import Retriever
from bench.runner.environment import versions
from bench.suite import Suite, SystemEntry, TaskEntry
from bench.tasks import Task


@dataclass(frozen=True)
class PlannedTask:
    """A task that a cell answers; `folder` holds its result once it is done."""

    name: str
    options: dict[str, Any]
    folder: Path

    @property
    def done(self) -> bool:
        return (self.folder / "result.json").is_file()


@dataclass(frozen=True)
class Cell:
    """The unit of caching, failure and parallelism: fit once, then answer all tasks."""

    system: str
    retriever: str
    family: str
    trained: bool
    options: dict[str, Any]
    weights: dict[str, str]
    collection: str
    fingerprint: str
    collection_folder: Path
    rules: dict[str, Any]
    seed: int
    key: str
    folder: Path
    tasks: tuple[PlannedTask, ...]
    plugin_files: tuple[Path, ...] = ()
    problem: str = field(default="", compare=False)
    """Why the cell cannot run, if that is known before it starts."""

    @property
    def done(self) -> bool:
        return all(task.done for task in self.tasks)

    def identity(self) -> dict[str, Any]:
        """What the cell is, for its manifest."""
        names = ("system", "retriever", "family", "trained", "options", "weights", "collection", "fingerprint")
        return {name: getattr(self, name) for name in names} | {
            "seed": self.seed,
            "rules": self.rules,
            "key": self.key,
        }


def make_plan(
    suite: Suite,
    datasets: Sequence[Dataset],
    out: Path,
    device: str | None = None,
    plugin_files: Sequence[Path] = (),
) -> list[Cell]:
    """All cells of the suite on opened datasets, in the order of the suite, without what is `left_out`.

    Raises BenchError if none is left, for unknown retrievers, tasks and options, and for a task's weights that
    cannot be found. A retriever's weights that cannot be found are the problem of their cell alone.
    """
    cells = [
        _cell(entry, dataset, seed, suite.tasks, out, device, tuple(plugin_files))
        for dataset in datasets
        for entry in suite.systems
        if _can_learn(entry, dataset)
        for seed in suite.seeds
    ]
    if not cells:
        raise BenchError(f"nothing to run: {'; '.join(left_out(suite, datasets))}; choose a dataset that has it")
    return cells


def left_out(suite: Suite, datasets: Sequence[Dataset]) -> list[str]:
    """Which systems are left out of which collections, and why."""
    return [
        f"{entry.label} is left out of {dataset.collection.name}, which has no split '{entry.needs_split}'"
        for dataset in datasets
        for entry in suite.systems
        if not _can_learn(entry, dataset)
    ]


def _can_learn(entry: SystemEntry, dataset: Dataset) -> bool:
    return not entry.needs_split or entry.needs_split in dataset.collection.training_view().splits


def construct(entry: SystemEntry, seed: int, device: str | None = None) -> Retriever:
    """The retriever of a suite's entry, validated and not yet fitted."""
    kind: type[Retriever] = registry.find("retriever", entry.retriever).load()
    placed = {"device": device} if device and "device" in kind.model_fields else {}
    return kind.from_options(entry.label, {"seed": seed, **placed, **entry.options})


def open_task(name: str, options: Mapping[str, Any]) -> Task:
    """A task with its options, validated. Raises BenchError for an unknown task or option."""
    kind: type[Task] = registry.find("task", name).load()
    return kind.from_options(f"task {name}", options)


def _cell(
    entry: SystemEntry,
    dataset: Dataset,
    seed: int,
    tasks: Sequence[TaskEntry],
    out: Path,
    device: str | None,
    plugin_files: tuple[Path, ...],
) -> Cell:
    retriever = construct(entry, seed, device)
    weights, problem = _weights(retriever)
    plugin = registry.find("retriever", entry.retriever)
    key = digest_data(
        {
            "collection": dataset.collection.fingerprint,
            "retriever": plugin.target if plugin.file is None else plugin.name,
            "options": retriever.options(),
            "code": plugin.code_digest(),
            "weights": sorted(weights.values()),
            "harness": digest_code("bench.runner.cell"),
            "versions": versions(),
        }
    )
    folder = out / "cells" / f"{_slug(entry.label)}.{_slug(dataset.collection.name)}.seed{seed}.{key[:10]}"
    return Cell(
        system=entry.label,
        retriever=entry.retriever,
        family=retriever.family,
        trained=retriever.trained,
        options=retriever.options(),
        weights=weights,
        collection=dataset.collection.name,
        fingerprint=dataset.collection.fingerprint,
        collection_folder=dataset.folder,
        rules=dataset.collection.rules.options(),
        seed=seed,
        key=key,
        folder=folder,
        tasks=tuple(_task(task, folder) for task in tasks),
        plugin_files=plugin_files,
        problem=problem,
    )


def _weights(retriever: Retriever) -> tuple[dict[str, str], str]:
    """Digests of the weights and files that the options choose, or why there are none."""
    try:
        weights = {name: find_weights(name).digest for name in retriever.weights()}
        return weights | {str(path): digest_file(path) for path in retriever.files()}, ""
    except BenchError as error:
        return {}, str(error)
    except OSError as error:
        return {}, f"{error.filename}: {error.strerror}; correct the path"


def _task(entry: TaskEntry, cell_folder: Path) -> PlannedTask:
    plugin, task = registry.find("task", entry.task), open_task(entry.task, entry.options)
    key = digest_data(
        {
            "task": entry.task,
            "options": task.options(),
            "code": plugin.code_digest(),
            "weights": [find_weights(name).digest for name in task.weights()],
        }
    )
    return PlannedTask(entry.task, task.options(), cell_folder / "tasks" / f"{_slug(entry.task)}.{key[:10]}")


def _slug(name: str) -> str:
    """A readable part of a folder's name; the key beside it tells equal ones apart."""
    return "".join(c if c.isalnum() or c in "-_" else "-" for c in name)[-40:]
