"""The table on the screen: one row a system, quality beside cost."""

from collections.abc import Callable, Sequence
from itertools import groupby
from statistics import fmean
from typing import Any, NamedTuple

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from bench import registry
from bench.results import CellResult, TaskResult

Results = Sequence[CellResult]


class _Column(NamedTuple):
    """A header of two lines, and what stands below it for the cells of one system (one a seed)."""

    header: str
    text: Callable[[Results], str]


def tables(results: Results) -> RenderableType:
    """One table for each collection, in the order of the results."""
    parts: list[RenderableType] = []
    for _, group in groupby(results, key=lambda result: result.cell.fingerprint):
        parts += [_table(list(group)), Text()]
    return Group(*parts[:-1])


def _table(results: Results) -> RenderableType:
    first = results[0].cell
    done = [result for result in results if not result.problem]
    columns = _columns(results)
    table = Table(title=_title(results), title_justify="left", title_style="bold", pad_edge=False, box=None)
    table.add_column("\nsystem", no_wrap=True)
    table.add_column("\ntrained")
    for column in columns:
        table.add_column(column.header, justify="right", no_wrap=True)
    for system, group in groupby(results, key=lambda result: result.cell.system):
        rows = list(group)
        finished = [result for result in rows if not result.problem]
        if finished:
            trained = "yes" if rows[0].cell.trained else "no"
            table.add_row(escape(system), trained, *(column.text(finished) for column in columns))
    notes = [_failure(result) for result in results if result.problem]
    definitions = dict.fromkeys(f"{task.task}: {task.definition}" for result in done for task in result.tasks)
    notes += [Text(line, style="dim") for line in definitions]
    notes += [Text(line, style="dim") for line in _cost_note(done)]
    return Group(table, *notes) if done else Group(Text(f"{first.collection}: no cell is done"), *notes)


def _title(results: Results) -> str:
    cell = results[0].cell
    return f"{escape(cell.collection)}   fingerprint {cell.fingerprint[:6]}   split {cell.rules['split']}"


def _failure(result: CellResult) -> Text:
    log = result.cell.folder / "log.txt"
    see = f"; log: {log}" if log.is_file() else ""
    return Text(f"{result.cell.system} (seed {result.cell.seed}) failed: {result.problem}{see}", style="red")


def _columns(results: Results) -> list[_Column]:
    columns: list[_Column] = []
    for planned in results[0].cell.tasks:
        kind = registry.find("task", planned.name).load()
        for place, measure in enumerate(kind.columns):
            columns.append(_quality(planned.name, measure, with_interval=place == 0))
        columns += [_count(planned.name, header, name) for header, name in kind.count_columns.items()]
        if kind.timed:
            columns += _costs(planned.name)
    return columns


def _quality(task: str, measure: str, with_interval: bool) -> _Column:
    name, _, cutoff = measure.partition("@")

    def text(results: Results) -> str:
        found = [_of(result, task).figures[measure] for result in results]
        mean = _fraction(fmean(figure.value for figure in found))
        half = fmean((figure.high - figure.low) / 2 for figure in found)
        return f"{mean} ±{_fraction(half)}" if with_interval else mean

    return _Column(f"{name}\n@{cutoff}" if cutoff else f"\n{name}", text)


def _count(task: str, header: str, name: str) -> _Column:
    return _Column(header, lambda results: f"{fmean(_of(result, task).counts[name] for result in results):g}")


def _costs(task: str) -> list[_Column]:
    def of_task(header: str, name: str) -> _Column:
        return _Column(header, lambda results: _mean([_of(result, task).cost[name] for result in results]))

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
    return _amount(fmean(known)) if known else "-"


def _of(result: CellResult, task: str) -> TaskResult:
    return next(found for found in result.tasks if found.task == task)


def _cost_note(done: Results) -> list[str]:
    machines: dict[str, None] = dict.fromkeys(_machine(result.machine) for result in done)
    return [f"cost on {machine}; memory beyond the loaded libraries" for machine in machines]


def _machine(machine: Any) -> str:
    return f"{machine['processor']}, {machine['threads']} threads, accelerator {machine['accelerator']}"


def _fraction(value: float) -> str:
    return f"{value:.3f}".replace("0.", ".", 1)


def _amount(value: float) -> str:
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"
