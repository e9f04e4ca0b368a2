"""The tables on the screen: one a task, in each one row a system, quality beside cost."""

from collections.abc import Callable, Sequence
from itertools import groupby
from statistics import fmean
from typing import Any, NamedTuple

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from bench import registry
from bench.leaderboard.text import amount, fraction
from bench.results import CellResult
from bench.runner.plan import PlannedTask
from bench.tasks import Task

Results = Sequence[CellResult]


class _Column(NamedTuple):
    """A header of two lines, and what stands below it for the cells of one system (one a seed)."""

    header: str
    text: Callable[[Results], str]


def tables(results: Results) -> RenderableType:
    """The tables of each collection, in the order of the results."""
    parts: list[RenderableType] = []
    for _, group in groupby(results, key=lambda result: result.cell.fingerprint):
        parts += [*_collection(list(group)), Text()]
    return Group(*parts[:-1])


def _collection(results: Results) -> list[RenderableType]:
    """A table for each task, then the failures and what costs were measured on."""
    done = [result for result in results if not result.problem]
    parts: list[RenderableType] = [Text(_title(results), style="bold")]
    if not done:
        parts = [Text(f"{results[0].cell.collection}: no cell is done")]
    for place, planned in enumerate(done[0].cell.tasks if done else ()):
        parts += [*_task_table(planned, place, done), Text()]
    parts += [_failure(result) for result in results if result.problem]
    return [*parts, *(Text(line, style="dim") for line in _cost_note(done))]


def _task_table(planned: PlannedTask, place: int, done: Results) -> list[RenderableType]:
    """One row a system for the task at `place` in every cell, and what its figures mean."""
    columns = _columns(registry.find("task", planned.name).load()(**planned.options), place)
    table = Table(pad_edge=False, box=None)
    table.add_column(f"{planned.name}\nsystem", no_wrap=True)
    table.add_column("\ntrained")
    for column in columns:
        table.add_column(column.header, justify="right", no_wrap=True)
    notes = dict.fromkeys(result.tasks[place].definition for result in done)
    for system, group in groupby(done, key=lambda result: result.cell.system):
        rows = list(group)
        shared = _shared_weights(rows[0], place)
        if shared:
            notes[f"* shares weights with {shared}"] = None
        if any(_invalid(row, place) for row in rows):
            notes[f"{system}: {_share(rows, place)} of the identifiers it wrote do not exist"] = None
        trained = "yes" if rows[0].cell.trained else "no"
        label = escape(system) + (" *" if shared else "")
        table.add_row(label, trained, *(column.text(rows) for column in columns))
    return [table, *(Text(line, style="dim") for line in notes)]


def _shared_weights(result: CellResult, place: int) -> str:
    """Which model that the task measures with has the system's own weights, if any."""
    counts = result.tasks[place].counts
    roles = [role for role in ("judge", "selector") if counts.get(f"{role}_weights") in result.cell.weights.values()]
    return ", ".join(f"the {role}, {counts[role]}" for role in roles)


def _invalid(result: CellResult, place: int) -> float:
    """Which part of a generative system's answers are no identifiers; 0 for any other system."""
    return float(result.tasks[place].counts.get("invalid answers") or 0)


def _share(rows: Results, place: int) -> str:
    return f"{fmean(_invalid(row, place) for row in rows):.1%}"


def _title(results: Results) -> str:
    cell = results[0].cell
    return f"{cell.collection}   fingerprint {cell.fingerprint[:6]}   split {cell.rules['split']}"


def _failure(result: CellResult) -> Text:
    log = result.cell.folder / "log.txt"
    see = f"; log: {log}" if log.is_file() else ""
    return Text(f"{result.cell.system} (seed {result.cell.seed}) failed: {result.problem}{see}", style="red")


def _columns(task: Task, place: int) -> list[_Column]:
    shown = [measure for measure in task.columns if measure in task.measures()] or task.measures()[:1]
    columns = [_quality(place, measure, with_interval=measure == shown[0]) for measure in shown]
    columns += [_count(place, header, name) for header, name in task.count_columns.items()]
    return columns + (_costs(place) if task.timed else [])


def _quality(place: int, measure: str, with_interval: bool) -> _Column:
    name, _, cutoff = measure.partition("@")

    def text(results: Results) -> str:
        found = [result.tasks[place].figures[measure] for result in results]
        known = [figure for figure in found if figure.n]
        if not known:
            return "-"
        mean = fraction(fmean(figure.value for figure in known))
        half = fmean((figure.high - figure.low) / 2 for figure in known)
        return f"{mean} ±{fraction(half)}" if with_interval else mean

    return _Column(f"{name}\n@{cutoff}" if cutoff else f"\n{name}", text)


def _count(place: int, header: str, name: str) -> _Column:
    return _Column(header, lambda results: f"{fmean(result.tasks[place].counts[name] for result in results):g}")


def _costs(place: int) -> list[_Column]:
    def of_task(header: str, name: str) -> _Column:
        return _Column(header, lambda results: _mean([result.tasks[place].cost[name] for result in results]))

    def of_fit(header: str, name: str, unit: float = 1.0) -> _Column:
        return _Column(header, lambda results: _mean([result.cost[name] for result in results], unit))

    return [
        of_fit("fit\ns", "fit_seconds"),
        of_task("p50\nms", "p50_ms"),
        of_task("p99\nms", "p99_ms"),
        of_task("\nq/s", "queries_per_second"),
        of_task("memory\nMB", "added_memory_mb"),
        of_fit("disk\nMB", "index_bytes", unit=1e6),
    ]


def _mean(values: Sequence[float | None], unit: float = 1.0) -> str:
    known = [value / unit for value in values if value is not None]
    return amount(fmean(known)) if known else "-"


def _cost_note(done: Results) -> list[str]:
    machines: dict[str, None] = dict.fromkeys(_machine(result.machine) for result in done)
    return [f"cost on {machine}; memory beyond the loaded libraries" for machine in machines]


def _machine(machine: Any) -> str:
    return f"{machine['processor']}, {machine['threads']} threads, accelerator {machine['accelerator']}"
