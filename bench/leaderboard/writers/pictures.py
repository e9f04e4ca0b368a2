"""Which charts a leaderboard has: those of its page, and overview.svg, its main picture for a README."""

from collections import Counter
from collections.abc import Sequence
from textwrap import wrap
from typing import NamedTuple

from bench.leaderboard.board import Block, Board, CollectionBoard, Row
from bench.leaderboard.writers.charts import (
    Chart,
    Colours,
    by_rank,
    causes,
    colours_of,
    distribution,
    intervals,
    side_by_side,
)
from bench.leaderboard.writers.templating import template
from bench.leaderboard.writers.tradeoff import against_coverage, against_latency, against_task
from bench.measures.beyond_accuracy import COVERAGE
from bench.tasks.failures import KINDS

_BESIDE = ("exclusivity", "completeness")
"""Tasks whose figures are drawn side by side."""

_AGAINST = ("next_item", "search")
"""Tasks of which the first is drawn against the second, where a collection is asked both."""

_OVER_TIME = {"dynamic": "A"}
"""Tasks in which the collection grows, with the measures that are drawn over its parts."""

_MOST = 4
"""Collections in the overview, one below the other."""

_HEAD, _LINE, _WIDTH = 30, 16, 760
"""Pixels of the overview: its title, a line of notes, its width."""

_LONGEST = 130
"""Characters of a line of notes."""


def block_charts(block: Block, colours: Colours) -> list[Chart]:
    """The charts of one task: by rank where lower is better, else quality against latency and, of what recommends,
    against coverage, and the distribution or what failures come of."""
    rows = _with_figures(block)
    if not rows:
        return []
    if block.task in _OVER_TIME:
        return [by_rank(block, rows, colours, _OVER_TIME[block.task])]
    if not block.primary.higher_is_better and len(block.columns) > 1:
        return [by_rank(block, rows, colours)]
    timed = _on_one_machine(rows) if block.timed else []
    found = [against_latency(block, timed, colours)] if len(timed) > 1 else []
    for name in dict.fromkeys(name for row in rows for name in row.counts if name.startswith(COVERAGE)):
        showing = [row for row in rows if name in row.counts]
        found += [against_coverage(block, showing, colours, name)] if len(showing) > 1 else []
    failing = [row for row in rows if KINDS.keys() <= row.figures.keys()]
    if failing:
        found.append(causes(block, failing, list(KINDS)))
    elif block.task not in _BESIDE and any(any(row.distribution[1:-1]) for row in rows):
        found.append(distribution(block, rows))
    return found


def collection_charts(collection: CollectionBoard, colours: Colours) -> list[Chart]:
    """The charts over several tasks of a collection, where both were asked: exclusivity beside completeness, and what
    comes next against search."""
    beside, against = _blocks(collection, _BESIDE, 1), _blocks(collection, _AGAINST, 2)
    return ([side_by_side(beside)] if beside else []) + ([against_task(against, colours)] if against else [])


def _blocks(collection: CollectionBoard, tasks: tuple[str, str], systems: int) -> list[Block]:
    """Two tasks of a collection that so many systems or more have figures of; none where there are fewer."""
    asked = {block.task: block for block in reversed(collection.blocks)}
    found = [asked[task] for task in tasks if task in asked]
    both = set.intersection(*({row.system for row in _with_figures(block)} for block in found)) if found else set()
    return found if len(found) == len(tasks) and len(both) >= systems else []


def as_picture(board: Board) -> str:
    """overview.svg: of the first collections the first task, or two that are drawn against each other.

    Equal boards give equal text.
    """
    panels = _panels(board, colours_of([entry["name"] for entry in board.systems]))
    notes = [line for note in _notes(board, panels) for line in wrap(note, _LONGEST)]
    bottom = panels[-1].bottom if panels else _HEAD
    return template("overview.svg").render(
        board=board,
        panels=panels,
        notes=[(bottom + _LINE * number, note) for number, note in enumerate(notes, start=1)],
        width=_WIDTH,
        height=bottom + _LINE * (len(notes) + 1),
    )


class _Panel(NamedTuple):
    """A chart with its heading, and its upper edge in pixels."""

    collection: str
    heading: str
    chart: Chart
    top: int

    @property
    def bottom(self) -> int:
        return self.top + _LINE + self.chart.height


def _panels(board: Board, colours: Colours) -> list[_Panel]:
    found: list[_Panel] = []
    for collection in board.collections[:_MOST]:
        chart, tasks = _main_chart(collection, colours)
        if chart:
            top = found[-1].bottom + _LINE if found else _HEAD
            found.append(_Panel(collection.name, f"{collection.name}, {tasks}: {chart.title}", chart, top))
    return found


def _main_chart(collection: CollectionBoard, colours: Colours) -> tuple[Chart | None, str]:
    """The chart that says most of a collection, if any system has figures, and the task that it is of."""
    if against := _blocks(collection, _AGAINST, 2):
        return against_task(against, colours, wide=True), against[0].task
    block = collection.blocks[0]
    rows = _with_figures(block)
    timed = _on_one_machine(rows)
    if len(timed) > 1:
        return against_latency(block, timed, colours, wide=True), block.task
    return (intervals(block, rows, colours) if rows else None), block.task


def _notes(board: Board, panels: Sequence[_Panel]) -> list[str]:
    """A note that some panels lack says whose it is."""
    if not panels:
        return ["no system has figures"]
    owners: dict[str, list[str]] = {}
    for panel in panels:
        for note in panel.chart.notes:
            owners.setdefault(note, []).append(panel.collection)
    found = ["lines: 95 % intervals over queries"]
    for note, names in owners.items():
        found.append(note if len(names) == len(panels) else f"{', '.join(names)}: {note}")
    if len(board.collections) > _MOST:
        found.append(f"the first {_MOST} of {len(board.collections)} collections")
    return found


def _with_figures(block: Block) -> list[Row]:
    return [row for row in block.rows if block.primary.name in row.figures]


def _on_one_machine(rows: Sequence[Row]) -> list[Row]:
    """Those with a latency, on the hardware that most of them ran on: latencies compare within one only."""
    timed = [row for row in rows if row.cost.p50_ms]
    machines = Counter(row.hardware for row in timed).most_common(1)
    return [row for row in timed if row.hardware == machines[0][0]] if machines else []
