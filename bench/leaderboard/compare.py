"""Two systems side by side: means, how far they differ and how surely, and the queries that moved most."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from bench.cells.folder import is_cell, read, read_all
from bench.cells.record import CellRecord
from bench.collections.catalogue import Dataset, with_source
from bench.collections.collection import Collection, Query
from bench.errors import BenchError, UnknownName
from bench.leaderboard.chosen_task import chosen_task
from bench.leaderboard.imported import path_ends, score_run
from bench.measures.interval import Units, units_of_kept
from bench.measures.significance import Comparison, compare_all, flips_tried
from bench.runner.plan import open_task
from bench.suite import assumed_tasks
from bench.tasks.exam import Exam

_EQUAL = 1e-9


@dataclass(frozen=True)
class Side:
    """One of the two: its values by measure, each of shape [queries]."""

    path: Path
    name: str
    fingerprint: str
    exam: Exam
    task_name: str
    query_ids: Sequence[str]
    values: Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Moved:
    """A query that one side answers better than the other."""

    query: Query
    first: float
    second: float


@dataclass(frozen=True)
class MeasureComparison:
    """Both sides by one measure, over the queries for which both have a value."""

    measure: str
    higher_is_better: bool
    means: tuple[float, float]
    queries: int
    wins: int
    """Queries for which the first is better."""

    losses: int
    ties: int
    test: Comparison
    flips: int
    """How many sign flips the test tried."""

    @property
    def column(self) -> str:
        """Its name, with the way that is better where that is not up."""
        return self.measure + ("" if self.higher_is_better else " ↓")


@dataclass(frozen=True)
class Comparisons:
    """The two by every measure that both have; the first measure is the primary one."""

    sides: tuple[Side, Side]
    measures: Sequence[MeasureComparison]
    moved: Sequence[Moved]


def dataset_of(paths: Sequence[Path]) -> str:
    """The dataset that the first cell among the paths was run on; empty where all are run files."""
    return next((_cell(path).identity.collection for path in paths if path.is_dir()), "")


def task_of(paths: Sequence[Path], collection: Collection) -> str:
    """The task to compare by where nobody names one: what the collection is asked, or what all cells share.

    Raises BenchError where they share several others.
    """
    assumed = assumed_tasks(collection)[0].task
    each = [[task.result.task for task in _cell(path).tasks] for path in paths if path.is_dir()]
    shared = [name for name in dict.fromkeys(chain(*each)) if all(name in names for names in each)]
    if len(shared) > 1 and assumed not in shared:
        raise BenchError(f"the cells share the tasks {', '.join(shared)}; choose one with --task")
    return shared[0] if len(shared) == 1 else assumed


def locate(name: str, cells: Path, dataset: str = "") -> Path:
    """A run file or a cell's folder by its path, or a system's finished cell below `cells` by the system's name.

    Raises BenchError for a name that no cell has, or that several have: by other options, seeds or collections.
    """
    if Path(name).exists() or not cells.is_dir():
        return Path(name)
    wanted = with_source(dataset) if dataset else ""
    done = [cell for cell in read_all([cells]) if cell.done and wanted in ("", cell.collection)]
    found = [cell for cell in done if cell.system == name]
    if not found:
        known = {cell.system for cell in done}
        raise UnknownName("system", name, known, f"(with a finished cell in {cells}; no file has that name either)")
    if len(found) > 1:
        several = len({cell.collection for cell in found}) > 1
        there = ", ".join(f"{cell.folder} (seed {cell.seed})" for cell in found)
        remedy = f"give the folder of one in place of the name{', or --dataset' if several else ''}"
        raise BenchError(f"{len(found)} cells are of '{name}'; {remedy}: {there}")
    return found[0].folder


def read_side(
    path: Path, task_name: str, dataset: Dataset, options: Mapping[str, Any] = MappingProxyType({})
) -> Side:
    """A cell's folder or a TREC run file, as one side; `options` are the task's.

    Raises BenchError for what is neither, or does not fit.
    """
    if not path.is_dir():
        row = score_run(path, dataset.collection, path.name, task_name, options)
        exam = open_task(task_name, options).on(dataset.collection)
        values, query_ids = row.evaluation.values, row.evaluation.query_ids
        return Side(path, path.name, row.fingerprint, exam, task_name, query_ids, values)
    cell = _cell(path)
    identity = cell.identity
    found = chosen_task(cell, task_name, options, "; choose one that all have with --task")
    if identity.fingerprint != dataset.collection.fingerprint:
        raise BenchError(
            f"{path} has fingerprint {identity.fingerprint[:6]}, but {dataset.collection.name} has "
            f"{dataset.collection.fingerprint[:6]}: other content or rules; name its own with --dataset"
        )
    exam = open_task(task_name, found.result.options).on(dataset.collection)
    name = identity.system + (f" (seed {identity.seed})" if identity.seed else "")
    return Side(path, name, identity.fingerprint, exam, task_name, found.query_ids, found.values)


def _cell(path: Path) -> CellRecord:
    if not is_cell(path):
        raise BenchError(f"{path} is not a finished cell; give a folder such as runs/cells/NAME, or a run file")
    return read(path)


def compare(first: Side, second: Side, measure: str = "", moved: int = 5, seed: int = 0) -> Comparisons:
    """Compare two sides that answered the same queries. `measure` is put first; by default the task's primary one."""
    shared, primary = shared_measures([first, second], measure)
    ordered = [primary, *(name for name in shared if name != primary)]
    return Comparisons(
        sides=_named_apart(first, second),
        measures=[
            _by_measure(name, first, second, seed)
            for name in ordered
            if np.isfinite(first.values[name] + second.values[name]).any()
        ],
        moved=_moved(first, second, primary, moved),
    )


def shared_measures(sides: Sequence[Side], measure: str = "") -> tuple[list[str], str]:
    """The measures that all sides have, and the one to test: `measure`, or the first of their task's.

    Raises BenchError for sides that answered different queries, or a measure that they do not share.
    """
    first = sides[0]
    if any(list(side.query_ids) != list(first.query_ids) for side in sides):
        raise BenchError("they answered different queries; compare runs of the same task with the same options")
    shared = [name for name in first.values if all(name in side.values for side in sides)]
    primary = measure or next(name for name in first.exam.columns if name in shared)
    if primary not in shared:
        raise UnknownName("measure", primary, shared, "(of all runs)")
    return shared, primary


def higher_is_better(side: Side, measure: str) -> bool:
    """Which way a measure of its task is better."""
    return next((one.higher_is_better for one in side.exam.measures if one.name == measure), True)


def _named_apart(first: Side, second: Side) -> tuple[Side, Side]:
    """The two under names that differ: as much of their paths as tells them apart, or their places."""
    if first.name != second.name:
        return first, second
    one, two = path_ends([first.path, second.path])
    if one == two:
        one, two = f"{first.name} (1)", f"{second.name} (2)"
    return replace(first, name=one), replace(second, name=two)


def _by_measure(measure: str, first: Side, second: Side, seed: int) -> MeasureComparison:
    pair = np.stack([first.values[measure], second.values[measure]])
    known = np.isfinite(pair).all(axis=0)
    values, units = pair[:, known], units_of_kept(first.exam.units, known)
    higher = higher_is_better(first, measure)
    gains = (values[0] - values[1]) * (1 if higher else -1)
    return MeasureComparison(
        measure=measure,
        higher_is_better=higher,
        means=(float(values[0].mean()), float(values[1].mean())),
        queries=int(known.sum()),
        wins=int((gains > _EQUAL).sum()),
        losses=int((gains < -_EQUAL).sum()),
        ties=int((np.abs(gains) <= _EQUAL).sum()),
        test=compare_all(values, units, seed=seed)[0],
        flips=flips_tried(len(Units(values.shape[1], units)), 2),
    )


def _moved(first: Side, second: Side, measure: str, most: int) -> list[Moved]:
    """The queries with the largest differences, with what was asked."""
    asked = {query.id: query for query in first.exam.queries}
    differences = np.nan_to_num(first.values[measure] - second.values[measure])
    order = np.argsort(-np.abs(differences), kind="stable")[:most]
    return [
        Moved(asked[first.query_ids[i]], float(first.values[measure][i]), float(second.values[measure][i]))
        for i in order.tolist()
        if abs(differences[i]) > _EQUAL
    ]
