"""Quality against latency, with the front of systems that none beats in both."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import floor, log10
from typing import Any

from bench.leaderboard.board import Block, Row
from bench.leaderboard.columns import DISTURBED, QUIET, disturbance
from bench.leaderboard.text import amount
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


def against_latency(block: Block, rows: Sequence[Row], colours: Colours, wide: bool = False) -> Chart:
    """Quality against the median latency of a query, with intervals and the front that no system beats in both.

    `rows` have a latency, all on one hardware.
    """
    import altair as alt

    plane = _Plane.around(block, rows, _WIDE if wide else WIDTH)
    front = _front(plane.places, block.primary.higher_is_better)
    ordered = sorted(rows, key=lambda row: plane.place(row) not in front)
    sides = place_names([plane.point(row) for row in ordered], plane.width, HEIGHT, plane.lines(rows, front))
    unnamed = [system_name(row) for row in rows if system_name(row) not in sides and row.system in colours]
    data = [_datum(row, block, colours) for row in rows]
    ticks, up = axis(values=_one_two_five(*plane.across)), alt.Scale(domain=list(plane.up), nice=False, round=True)
    across = alt.Scale(type="log", domain=list(plane.across), nice=False, round=True)
    x = alt.X("x:Q", scale=across, title="median latency of a query, ms", axis=ticks)
    y = alt.Y("value:Q", scale=up, title=direction(block), axis=axis(tickCount=4))
    base = alt.Chart(alt.Data(values=data)).encode(x=x, color=system_colour(data, legend=unnamed))
    steps = alt.Chart(alt.Data(values=[{"x": cost, "value": value} for cost, value in front])).encode(x=x, y=y)
    points = base.mark_point(filled=True, size=70, opacity=1)
    names = [
        base.transform_filter(alt.FieldOneOfPredicate("system", [name for name in sides if sides[name] == side]))
        .mark_text(align=side.align, baseline="middle", dx=side.dx, dy=side.dy, fontSize=FONT_SIZE)
        .encode(y=y, text="text:N")
        for side in dict.fromkeys(sides.values())
    ]
    layers = [
        steps.mark_line(interpolate="step-after", strokeDash=[4, 3], color=MUTED, strokeWidth=1, aria=False),
        base.mark_rule(opacity=0.45, aria=False).encode(y=alt.Y("low:Q"), y2="high:Q"),
        points.encode(y=y, shape=system_shape(data, legend=unnamed), description="about:N"),
        *names,
    ]
    notes = list(_notes(rows, nameless=len(rows) - len(sides) - len(unnamed)))
    return Chart(f"{block.primary.column} against latency", drawn(layers, plane.width, HEIGHT), notes)


def _datum(row: Row, block: Block, colours: Colours) -> dict[str, Any]:
    about = f"{note(row, block)}; median latency {amount(row.cost.p50_ms or 0)} ms{_mark(row)}"
    return datum(row, block, colours) | {"x": row.cost.p50_ms, "text": _text(row), "about": about}


def _text(row: Row) -> str:
    return shortened(system_name(row)) + _mark(row)


def _mark(row: Row) -> str:
    return DISTURBED if disturbance(row, "p50_ms") else ""


def _notes(rows: Sequence[Row], nameless: int) -> Iterator[str]:
    yield f"latency on {rows[0].hardware}"
    yield "dashed: no system is both quicker and better"
    if any(map(_mark, rows)):
        yield f"{DISTURBED} measured while other work took more than {QUIET:.0%} of the processor"
    if nameless:
        yield f"{plural(nameless, 'grey point')} without a name: see the table"


@dataclass(frozen=True)
class _Plane:
    """The area of latency (log) and quality, and where a row lies in it."""

    block: Block
    places: Sequence[tuple[float, float]]
    across: tuple[float, float]
    up: tuple[float, float]
    width: int

    @classmethod
    def around(cls, block: Block, rows: Sequence[Row], width: int) -> "_Plane":
        places = [cls._place(block, row) for row in rows]
        costs = [cost for cost, _ in places]
        figures = [row.figures[block.primary.name] for row in rows]
        low, high = min(figure.low for figure in figures), max(figure.high for figure in figures)
        margin = max(0.06 * (high - low), 0.01)
        middle, reach = (min(costs) * max(costs)) ** 0.5, max((max(costs) / min(costs)) ** 0.66, 3.0)
        return cls(block, places, (middle / reach, middle * reach), (low - margin, high + margin), width)

    @staticmethod
    def _place(block: Block, row: Row) -> tuple[float, float]:
        assert row.cost.p50_ms is not None
        return row.cost.p50_ms, row.figures[block.primary.name].value

    def place(self, row: Row) -> tuple[float, float]:
        return self._place(self.block, row)

    def point(self, row: Row) -> Point:
        cost, value = self.place(row)
        return Point(system_name(row), _text(row), self._right(cost), self._down(value))

    def lines(self, rows: Sequence[Row], front: Sequence[tuple[float, float]]) -> list[Box]:
        """The intervals, and the steps of the front."""
        found = []
        for row in rows:
            figure, x = row.figures[self.block.primary.name], self._right(self.place(row)[0])
            found.append(Box(x - 1, self._down(figure.high), x + 1, self._down(figure.low)))
        for (left, low), (right, high) in pairwise(front):
            x, (top, bottom) = self._right(right), sorted((self._down(low), self._down(high)))
            y = self._down(low)
            found += [Box(self._right(left), y - 1, x, y + 1), Box(x - 1, top, x + 1, bottom)]
        return found

    def _right(self, cost: float) -> float:
        return self.width * log10(cost / self.across[0]) / log10(self.across[1] / self.across[0])

    def _down(self, value: float) -> float:
        return HEIGHT * (self.up[1] - value) / (self.up[1] - self.up[0])


def _front(places: Sequence[tuple[float, float]], higher_is_better: bool) -> list[tuple[float, float]]:
    """The places that no other beats in cost and quality, from the cheapest on."""
    way = 1 if higher_is_better else -1
    front: list[tuple[float, float]] = []
    for x, y in sorted(places, key=lambda place: (place[0], -way * place[1])):
        if not front or way * y > way * front[-1][1]:
            front.append((x, y))
    return front


def _one_two_five(low: float, high: float) -> list[float]:
    """The numbers 1, 2, 5 times a power of ten between two bounds; of many, the powers alone."""
    decades = range(floor(log10(low)), floor(log10(high)) + 1)
    found = [step * 10.0**decade for decade in decades for step in (1, 2, 5) if low <= step * 10.0**decade <= high]
    return found if len(found) <= 9 else [10.0**decade for decade in decades if low <= 10.0**decade <= high]
