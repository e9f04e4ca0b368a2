"""The tables on the screen: one a task, in each one row a system, quality beside cost."""

import re
from collections.abc import Sequence
from itertools import groupby
from statistics import fmean, stdev

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from bench.leaderboard.board import Block, Row, RowFigure
from bench.leaderboard.grid import columns, label, notes
from bench.leaderboard.rows import hardware, mean_costs, mean_counts, shared_weights, shown_measures
from bench.leaderboard.text import fraction
from bench.results import CellResult
from bench.runner.plan import PlannedTask, open_task

Results = Sequence[CellResult]

_LONGEST_NAME = 36
"""Characters of a system's name in a line; a longer name takes several."""


def tables(results: Results) -> RenderableType:
    """The tables of each collection, in the order of the results."""
    parts: list[RenderableType] = []
    for _, group in groupby(results, key=lambda result: result.cell.fingerprint):
        parts += [*_collection(list(group)), Text()]
    return Group(*parts[:-1])


def _collection(results: Results) -> list[RenderableType]:
    """A table for each task, then the failures."""
    done = [result for result in results if not result.problem]
    parts: list[RenderableType] = [Text(_title(results), style="bold")]
    if not done:
        parts = [Text(f"{results[0].cell.collection}: no cell is done")]
    for place, planned in enumerate(done[0].cell.tasks if done else ()):
        parts += [*([Text()] if place else []), *_task_table(_block(planned, place, done))]
    return [*parts, *(_failure(result) for result in results if result.problem)]


def _title(results: Results) -> str:
    cell = results[0].cell
    return f"{cell.collection}   fingerprint {cell.fingerprint[:6]}   split {cell.rules['split']}"


def _failure(result: CellResult) -> Text:
    log = result.cell.folder / "log.txt"
    see = f"; log: {log}" if log.is_file() else ""
    return Text(f"{result.cell.system} (seed {result.cell.seed}) failed: {result.problem}{see}", style="red")


def _task_table(block: Block) -> list[RenderableType]:
    """One row a system, and what its figures mean."""
    machines = list(dict.fromkeys(row.hardware for row in block.rows))
    shown = columns(block, machines, beside=_half)
    table = Table(pad_edge=False, box=None)
    width = min(_LONGEST_NAME, max(len(label(row)) for row in block.rows))
    table.add_column(f"{block.task}\nsystem", min_width=width, max_width=_LONGEST_NAME)
    for column in shown:
        table.add_column(
            _two_lines(column.header), justify="right" if column.numeric else "left", no_wrap=column.numeric
        )
    for row in block.rows:
        table.add_row(Text(label(row)), *(column.entry(row).text for column in shown))
    return [table, *(Text(line, style="dim") for line in notes(block, machines))]


def _half(figure: RowFigure) -> str:
    return f"±{fraction((figure.high - figure.low) / 2)}"


def _two_lines(header: str) -> str:
    """A header cut at a space or before a cutoff, where that leaves the narrowest column."""
    cuts = [(header[: cut.start()], header[cut.end() :]) for cut in re.finditer(r"\s*(?=@)|\s+", header)]
    return "\n".join(min(cuts, key=lambda lines: max(map(len, lines)), default=("", header)))


def _block(planned: PlannedTask, place: int, done: Results) -> Block:
    """The task at `place` in every cell, in the order of the systems; what differs by chance is not tested here."""
    task = open_task(planned.name, planned.options)
    shown, first = shown_measures(task), done[0].tasks[place]
    return Block(
        task=planned.name,
        options=planned.options,
        definition="\n".join(dict.fromkeys(result.tasks[place].definition for result in done)),
        queries=first.queries,
        judge="",
        primary=shown[0],
        columns=shown,
        count_columns=task.count_columns,
        timed=task.timed,
        lower_is_better=False,
        test="",
        rows=[_row(list(group), place) for _, group in groupby(done, key=lambda result: result.cell.system)],
        pairs=[],
    )


def _row(seeds: Results, place: int) -> Row:
    cell, tasks = seeds[0].cell, [result.tasks[place] for result in seeds]
    return Row(
        system=cell.system,
        retriever=cell.retriever,
        family=cell.family,
        trained=cell.trained,
        imported=False,
        seeds=[result.cell.seed for result in seeds],
        cells=[result.cell.folder.name for result in seeds],
        shares_weights_with=shared_weights(tasks[0].counts, cell.weights),
        hardware=" / ".join(dict.fromkeys(hardware(result.machine) for result in seeds)),
        figures={name: figure for name in tasks[0].figures if (figure := _figure(seeds, place, name))},
        counts=mean_counts([task.counts for task in tasks]),
        cost=mean_costs([result.cost for result in seeds], [task.cost for task in tasks]),
    )


def _figure(seeds: Results, place: int, measure: str) -> RowFigure | None:
    """The mean over seeds of a figure and of its interval; None where no query has a value."""
    found = [result.tasks[place].figures[measure] for result in seeds]
    known = [figure for figure in found if figure.n]
    if not known:
        return None
    value, low, high = (fmean(getattr(figure, part) for figure in known) for part in ("value", "low", "high"))
    spread = stdev(figure.value for figure in known) if len(known) > 1 else None
    return RowFigure(value, low, high, known[0].n, spread)
