"""Quality against another good, with the systems that none beats in both: latency, coverage, or another task."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import floor, log10
from typing import Any, Literal

from bench.leaderboard.board import Block, Row
from bench.leaderboard.columns import DISTURBED, QUIET, disturbance
from bench.leaderboard.text import amount, fraction
from bench.leaderboard.writers.charts import (
    HEIGHT,
    MUTED,
    WIDTH,
    Chart,
    Colours,
    axis,
    datum,
    direction,
    drawn,
    note,
    system_colour,
    system_name,
    system_shape,
)
from bench.leaderboard.writers.labels import FONT_SIZE, Box, Point, place_names, shortened
from bench.visible import plural

_WIDE = 660
"""Pixels across in a picture that has the page for itself."""


@dataclass(frozen=True)
class _Good:
    """What quality is drawn against.

    of: its value for a row
    told: the same in words
    lower: whether less of it is better
    log: whether the axis is logarithmic
    mark: stands at the name of a row whose value misleads
    within: the interval of a row's value; none is drawn where it is the value alone
    quality: what the block's own measure is called, where that needs more than its name
    """

    name: str
    title: str
    of: Callable[[Row], float]
    told: Callable[[Row], str]
    lower: bool
    log: bool
    mark: Callable[[Row], str] = lambda row: ""  # noqa: ARG005
    front: str = ""
    below: Callable[[Sequence[Row]], Sequence[str]] = lambda rows: ()  # noqa: ARG005
    within: Callable[[Row], tuple[float, float]] | None = None
    quality: str = ""

    def span(self, row: Row) -> tuple[float, float]:
        """The interval of a row's value."""
        return self.within(row) if self.within else (self.of(row), self.of(row))

    @property
    def steps(self) -> Literal["step-after", "step-before"]:
        """How the front goes from one system to the next, from left to right."""
        return "step-after" if self.lower else "step-before"


def against_latency(block: Block, rows: Sequence[Row], colours: Colours, wide: bool = False) -> Chart:
    """Quality against the median latency of a query. `rows` have a latency, all on one hardware."""
    good = _Good(
        name="latency",
        title="median latency of a query, ms",
        of=lambda row: row.cost.p50_ms or 0,
        told=lambda row: f"median latency {amount(row.cost.p50_ms or 0)} ms",
        lower=True,
        log=True,
        mark=lambda row: DISTURBED if disturbance(row, "p50_ms") else "",
        front="no system is both quicker and better",
        below=lambda rows: [_where_timed(block, rows)],
    )
    return _against(good, block, rows, colours, wide)


def _where_timed(block: Block, rows: Sequence[Row]) -> str:
    elsewhere = sum(row.cost.p50_ms is not None for row in block.rows) - len(rows)
    untimed = sum(bool(row.figures) and row.cost.p50_ms is None for row in block.rows)
    left_out = [f"{plural(elsewhere, 'system')} timed on other hardware"] if elsewhere else []
    left_out += [f"{plural(untimed, 'system')} without a latency of one machine"] if untimed else []
    return f"latency on {rows[0].hardware}" + (f"; not drawn: {', '.join(left_out)}" if left_out else "")


def against_coverage(block: Block, rows: Sequence[Row], colours: Colours, coverage: str) -> Chart:
    """Quality against the share of the catalogue that is shown. `rows` have the count of that name."""
    good = _Good(
        name="coverage",
        title="share of the catalogue that stands in some answer",
        of=lambda row: row.counts[coverage].value,
        told=lambda row: f"{coverage} {fraction(row.counts[coverage].value)}",
        lower=False,
        log=False,
        front="no system shows more of the catalogue and is better",
        below=lambda rows: [rows[0].counts[coverage].meaning],
    )
    return _against(good, block, rows, colours)


def against_task(blocks: Sequence[Block], colours: Colours, wide: bool = False) -> Chart:
    """Quality in the first of two tasks against that in the second, of the systems that have figures in both."""
    block, other = blocks
    measure, task = other.primary.name, other.task
    figures = {row.system: row.figures[measure] for row in other.rows if measure in row.figures}
    rows = [row for row in block.rows if block.primary.name in row.figures and row.system in figures]
    good = _Good(
        name=f"{direction(other)} of {task}",
        title=f"{task}: {direction(other)}",
        of=lambda row: figures[row.system].value,
        told=lambda row: f"{task}: {measure} {fraction(figures[row.system].value)}",
        lower=not other.primary.higher_is_better,
        log=False,
        front="no system is better in both",
        within=lambda row: figures[row.system].span,
        quality=f"{block.task}: {direction(block)}",
    )
    return _against(good, block, rows, colours, wide)


def _against(good: _Good, block: Block, rows: Sequence[Row], colours: Colours, wide: bool = False) -> Chart:
    """With intervals and the front that no system beats in both."""
    import altair as alt

    plane = _Plane.around(good, block, rows, _WIDE if wide else WIDTH)
    front = _front(plane.places, good.lower, block.primary.higher_is_better)
    ordered = sorted(rows, key=lambda row: plane.place(row) not in front)
    sides = place_names([plane.point(row) for row in ordered], plane.width, HEIGHT, plane.lines(rows, front))
    others = [row for row in rows if system_name(row) not in sides and row.system in colours]
    unnamed = {system_name(row): system_name(row) + good.mark(row) for row in others}
    data = [_datum(good, row, block, colours) for row in rows]
    ticks = axis(values=_one_two_five(*plane.across)) if good.log else axis(tickCount=6)
    up = alt.Scale(domain=list(plane.up), nice=False, round=True)
    across = alt.Scale(type="log" if good.log else "linear", domain=list(plane.across), nice=False, round=True)
    x = alt.X("x:Q", scale=across, title=good.title, axis=ticks)
    y = alt.Y("value:Q", scale=up, title=good.quality or direction(block), axis=axis(tickCount=4))
    base = alt.Chart(alt.Data(values=data)).encode(x=x, color=system_colour(data, legend=unnamed))
    steps = alt.Chart(alt.Data(values=[{"x": place, "value": value} for place, value in front])).encode(x=x, y=y)
    points = base.mark_point(filled=True, size=70, opacity=1)
    names = [
        base.transform_filter(alt.FieldOneOfPredicate("system", [name for name in sides if sides[name] == side]))
        .mark_text(align=side.align, baseline="middle", dx=side.dx, dy=side.dy, fontSize=FONT_SIZE)
        .encode(y=y, text="text:N")
        for side in dict.fromkeys(sides.values())
    ]
    layers = [
        steps.mark_line(interpolate=good.steps, strokeDash=[4, 3], color=MUTED, strokeWidth=1, aria=False),
        base.mark_rule(opacity=0.45, aria=False).encode(y=alt.Y("low:Q"), y2="high:Q"),
        *([base.mark_rule(opacity=0.45, aria=False).encode(x="from:Q", x2="to:Q", y=y)] if good.within else []),
        points.encode(y=y, shape=system_shape(data, legend=unnamed), description="about:N"),
        *names,
    ]
    notes = list(_notes(good, rows, nameless=len(rows) - len(sides) - len(unnamed)))
    return Chart(f"{block.primary.column} against {good.name}", drawn(layers, plane.width, HEIGHT), notes)


def _datum(good: _Good, row: Row, block: Block, colours: Colours) -> dict[str, Any]:
    about = f"{note(row, block)}; {good.told(row)}{good.mark(row)}"
    start, end = good.span(row)
    return datum(row, block, colours) | {
        "x": good.of(row),
        "from": start,
        "to": end,
        "text": _text(good, row),
        "about": about,
    }


def _text(good: _Good, row: Row) -> str:
    return shortened(system_name(row)) + good.mark(row)


def _notes(good: _Good, rows: Sequence[Row], nameless: int) -> Iterator[str]:
    yield from good.below(rows)
    yield f"dashed: {good.front}"
    if any(map(good.mark, rows)):
        yield f"{DISTURBED} measured while other work took more than {QUIET:.0%} of the processor"
    if nameless:
        yield f"{plural(nameless, 'grey point')} without a name: see the table"


@dataclass(frozen=True)
class _Plane:
    """The area of the good and of quality, and where a row lies in it."""

    good: _Good
    block: Block
    places: Sequence[tuple[float, float]]
    across: tuple[float, float]
    up: tuple[float, float]
    width: int

    @classmethod
    def around(cls, good: _Good, block: Block, rows: Sequence[Row], width: int) -> "_Plane":
        places = [cls._place(good, block, row) for row in rows]
        values = [value for value, _ in places]
        bounds = [bound for row in rows for bound in row.figures[block.primary.name].span]
        up = _with_margin(min(bounds), max(bounds))
        ends = [end for row in rows for end in good.span(row)]
        low, high = _with_margin(min(ends), max(ends), 0.2)
        across = _decades(values) if good.log else (max(low, 0.0), high)
        return cls(good, block, places, across, up, width)

    @staticmethod
    def _place(good: _Good, block: Block, row: Row) -> tuple[float, float]:
        return good.of(row), row.figures[block.primary.name].value

    def place(self, row: Row) -> tuple[float, float]:
        return self._place(self.good, self.block, row)

    def point(self, row: Row) -> Point:
        place, value = self.place(row)
        return Point(system_name(row), _text(self.good, row), self._right(place), self._down(value))

    def lines(self, rows: Sequence[Row], front: Sequence[tuple[float, float]]) -> list[Box]:
        """The intervals, and the steps of the front."""
        found = []
        for row in rows:
            figure, x = row.figures[self.block.primary.name], self._right(self.place(row)[0])
            y, (start, end) = self._down(figure.value), self.good.span(row)
            low, high = figure.span
            found.append(Box(x - 1, self._down(high), x + 1, self._down(low)))
            found.append(Box(self._right(start) - 1, y - 1, self._right(end) + 1, y + 1))
        for (left, first), (right, second) in pairwise(front):
            upright, level = (right, first) if self.good.steps == "step-after" else (left, second)
            x, y = self._right(upright), self._down(level)
            top, bottom = sorted((self._down(first), self._down(second)))
            found += [Box(self._right(left), y - 1, self._right(right), y + 1), Box(x - 1, top, x + 1, bottom)]
        return found

    def _right(self, place: float) -> float:
        low, high = self.across
        share = log10(place / low) / log10(high / low) if self.good.log else (place - low) / (high - low)
        return self.width * share

    def _down(self, value: float) -> float:
        return HEIGHT * (self.up[1] - value) / (self.up[1] - self.up[0])


def _with_margin(low: float, high: float, part: float = 0.06) -> tuple[float, float]:
    margin = max(part * (high - low), 0.01)
    return low - margin, high + margin


def _decades(values: Sequence[float]) -> tuple[float, float]:
    """Bounds of a logarithmic axis, with room for names on both sides."""
    middle, reach = (min(values) * max(values)) ** 0.5, max((max(values) / min(values)) ** 0.66, 3.0)
    return middle / reach, middle * reach


def _front(places: Sequence[tuple[float, float]], lower: bool, higher_is_better: bool) -> list[tuple[float, float]]:
    """The places that no other beats in the good and in quality, from left to right."""
    way, across = 1 if higher_is_better else -1, 1 if lower else -1
    front: list[tuple[float, float]] = []
    for x, y in sorted(places, key=lambda place: (across * place[0], -way * place[1])):
        if not front or way * y > way * front[-1][1]:
            front.append((x, y))
    return front[::across]


def _one_two_five(low: float, high: float) -> list[float]:
    """The numbers 1, 2, 5 times a power of ten between two bounds; of many, the powers alone."""
    decades = range(floor(log10(low)), floor(log10(high)) + 1)
    found = [step * 10.0**decade for decade in decades for step in (1, 2, 5) if low <= step * 10.0**decade <= high]
    return found if len(found) <= 9 else [10.0**decade for decade in decades if low <= 10.0**decade <= high]
