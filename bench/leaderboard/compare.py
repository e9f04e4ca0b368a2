"""Two systems side by side: means, how far they differ and how surely, and the queries that moved most."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from bench.collections.catalogue import Dataset
from bench.collections.collection import Query
from bench.errors import BenchError, UnknownName
from bench.leaderboard.cells import CellRecord, TaskRecord, is_cell, read_cell
from bench.leaderboard.imported import score_run
from bench.measures.significance import Comparison, compare_all, flips_for
from bench.runner.plan import open_task
from bench.tasks import Task

_EQUAL = 1e-9


@dataclass(frozen=True)
class Side:
    """One of the two: its values by measure, each of shape [queries]."""

    name: str
    fingerprint: str
    task: Task
    task_name: str
    query_ids: Sequence[str]
    per_query: Mapping[str, np.ndarray]


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
    means: tuple[float, float]
    queries: int
    wins: int
    losses: int
    ties: int
    test: Comparison


@dataclass(frozen=True)
class Comparisons:
    """The two by every measure that both have; the first measure is the primary one."""

    sides: tuple[Side, Side]
    measures: Sequence[MeasureComparison]
    moved: Sequence[Moved]


def dataset_of(paths: Sequence[Path]) -> str:
    """The dataset that the first cell among the paths was run on; empty where all are run files."""
    for path in paths:
        if path.is_dir():
            return str(_cell(path).identity["collection"])
    return ""


def read_side(path: Path, task_name: str, dataset: Dataset) -> Side:
    """A cell's folder or a TREC run file, as one side. Raises BenchError for what is neither, or does not fit."""
    if path.is_dir():
        cell = _cell(path)
        found = _task(cell, task_name)
        task = open_task(found.task, found.options)
        name = cell.system + (f" (seed {cell.seed})" if cell.seed else "")
        side = Side(name, cell.fingerprint, task, found.task, found.query_ids, found.per_query)
    else:
        row = score_run(path, dataset.collection, path.name, task_name)
        side = Side(path.name, row.fingerprint, row.task, task_name, row.judged.query_ids, row.judged.per_query)
    if side.fingerprint != dataset.collection.fingerprint:
        raise BenchError(
            f"{path} has fingerprint {side.fingerprint[:6]}, but {dataset.collection.name} has "
            f"{dataset.collection.fingerprint[:6]}: other content or rules; name its own with --dataset"
        )
    return side


def _cell(path: Path) -> CellRecord:
    if not is_cell(path):
        raise BenchError(f"{path} is not a finished cell; give a folder such as runs/cells/NAME, or a run file")
    return read_cell(path)


def _task(cell: CellRecord, name: str) -> TaskRecord:
    found = [task for task in cell.tasks if task.task == name]
    if not found:
        reason = f" ({cell.problem})" if cell.problem else ""
        raise UnknownName("task", name, [task.task for task in cell.tasks], f"in {cell.folder}{reason}")
    return found[-1]


def compare(
    first: Side, second: Side, dataset: Dataset, measure: str = "", moved: int = 5, seed: int = 0
) -> Comparisons:
    """Compare two sides that answered the same queries. `measure` is put first; by default the task's primary one."""
    if list(first.query_ids) != list(second.query_ids):
        raise BenchError("the two answered different queries; compare runs of the same task with the same options")
    shared = [name for name in first.per_query if name in second.per_query]
    primary = measure or next(name for name in first.task.columns if name in shared)
    if primary not in shared:
        raise UnknownName("measure", primary, shared, "(of both runs)")
    ordered = [primary, *(name for name in shared if name != primary)]
    return Comparisons(
        sides=(first, second),
        measures=[
            _by_measure(name, first.per_query[name], second.per_query[name], seed)
            for name in ordered
            if np.isfinite(first.per_query[name] + second.per_query[name]).any()
        ],
        moved=_moved(first, second, primary, dataset, moved),
    )


def _by_measure(measure: str, first: np.ndarray, second: np.ndarray, seed: int) -> MeasureComparison:
    known = np.isfinite(first) & np.isfinite(second)
    values = np.stack([first[known], second[known]])
    differences = values[0] - values[1]
    return MeasureComparison(
        measure=measure,
        means=(float(values[0].mean()), float(values[1].mean())),
        queries=int(known.sum()),
        wins=int((differences > _EQUAL).sum()),
        losses=int((differences < -_EQUAL).sum()),
        ties=int((np.abs(differences) <= _EQUAL).sum()),
        test=compare_all(values, seed)[0],
    )


def _moved(first: Side, second: Side, measure: str, dataset: Dataset, most: int) -> list[Moved]:
    """The queries with the largest differences, with what was asked."""
    asked = {query.id: query for query in first.task.questions(dataset.collection)}
    differences = np.nan_to_num(first.per_query[measure] - second.per_query[measure])
    order = np.argsort(-np.abs(differences), kind="stable")[:most]
    return [
        Moved(asked[first.query_ids[i]], float(first.per_query[measure][i]), float(second.per_query[measure][i]))
        for i in order.tolist()
        if abs(differences[i]) > _EQUAL
    ]


def comparison_view(found: Comparisons) -> RenderableType:
    """The comparison for the screen."""
    first, second = found.sides
    table = Table(box=None, pad_edge=False)
    table.add_column("measure", no_wrap=True)
    for header in (first.name, second.name, "difference", "95 % interval", "d_z", "p", "wins", "losses", "ties"):
        table.add_column(escape(header), justify="right")
    for one in found.measures:
        test = one.test
        table.add_row(
            one.measure,
            *(f"{mean:.4f}" for mean in one.means),
            f"{test.difference:+.4f}",
            f"{test.low:+.4f} to {test.high:+.4f}",
            f"{test.effect:+.2f}" if np.isfinite(test.effect) else "-",
            f"{test.p:.4f}",
            *(f"{count:,}" for count in (one.wins, one.losses, one.ties)),
        )
    primary = found.measures[0]
    note = (
        f"{first.task_name}, {primary.queries:,} queries, fingerprint {first.fingerprint[:6]}; {first.name} minus "
        f"{second.name}; p: paired randomisation test, {flips_for(2):,} sign flips; d_z: mean over deviation of the "
        f"differences; {primary.measure} is tested, the other p are not corrected and only describe"
    )
    parts: list[RenderableType] = [table, Text(note, style="dim")]
    if found.moved:
        parts += [Text(), Text(f"queries that moved most by {primary.measure}", style="bold")]
    for moved in found.moved:
        parts.append(Text(f"{moved.first:.3f} against {moved.second:.3f}  {moved.query.id}", style="bold"))
        text = " ".join(moved.query.text.split())
        parts.append(Text(f"    {text[:300]} ..." if len(text) > 300 else f"    {text}"))
    return Group(*parts)
