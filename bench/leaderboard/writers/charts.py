"""Charts as static SVG: drawn by Vega-Lite, on a transparent ground, in tones that are read on light and on dark."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import floor, log10
from os.path import commonprefix
from typing import TYPE_CHECKING, Any

from bench.leaderboard.board import BANDS, Block, Row, RowFigure
from bench.leaderboard.columns import DISTURBED, disturbance, figure_note, label
from bench.leaderboard.text import amount, fraction
from bench.leaderboard.writers.labels import FONT_SIZE, Box, Point, place_names, shortened
from bench.visible import visible

if TYPE_CHECKING:
    import altair as alt

PALETTE = (
    "#2f7fd6", "#d9691e", "#2e9e4f", "#c24fb0", "#8f6fe0", "#1499a5", "#a97a10", "#d9455f", "#74901a", "#5f7fa8",
)  # fmt: skip
MUTED = "#7f8a96"
MOST_BARS = 25
"""Systems in a chart with one line each."""

_SHAPES = ("circle", "square", "diamond", "triangle-up", "triangle-down", "cross", "triangle-right", "triangle-left")
_DASHES = ([1, 0], [6, 2], [2, 2], [8, 2, 2, 2], [1, 3], [10, 4])
_SHADED = 4
"""Up to how many systems lines have their intervals behind them."""

_BAND_COLOURS = ("#b3bcc6", "#a5cdf0", "#74aee3", "#4a8fd3", "#2a70b8", "#1b5596")
_WIDTH, _HEIGHT = 440, 250
_ROW = 22
"""Pixels that a system takes in a chart with one line each."""


@dataclass(frozen=True)
class Chart:
    """A chart that stands alone. `foot` is what a reader needs beside it."""

    title: str
    svg: str
    foot: str = ""

    @property
    def height(self) -> int:
        """In pixels."""
        found = re.search(r'viewBox="0 0 \d+ (\d+)"', self.svg)
        return int(found[1]) if found else 0


Colours = Mapping[str, int]
"""Numbers of the systems that have a colour of their own, the same in all charts of a leaderboard."""


def colours_of(systems: Sequence[str]) -> Colours:
    """The first systems have a colour each; all others are grey."""
    return {name: number for number, name in enumerate(dict.fromkeys(systems)) if number < len(PALETTE)}


def against_latency(block: Block, rows: Sequence[Row], colours: Colours, wide: bool = False) -> Chart:
    """Quality against the median latency of a query, with intervals and the front that no system beats in both.

    `rows` have a latency, all on one hardware.
    """
    import altair as alt

    plane = _Plane.around(block, rows, _WIDTH * 3 // 2 if wide else _WIDTH)
    front = _front(plane.places)
    ordered = sorted(rows, key=lambda row: (plane.place(row) not in front, -plane.place(row)[1]))
    sides = place_names([plane.point(row) for row in ordered], plane.width, _HEIGHT, plane.lines(rows, front))
    unnamed = [_name(row) for row in rows if _name(row) not in sides and row.system in colours]
    data = [_datum(row, block, colours) | {"x": row.cost.p50_ms, "about": _latency_note(row, block)} for row in rows]
    scale_x = alt.Scale(type="log", domain=list(plane.across), nice=False, round=True)
    x = alt.X("x:Q", scale=scale_x, title="median latency of a query, ms", axis=_axis(values=_one_two_five(*plane.across)))
    y = alt.Y("value:Q", scale=alt.Scale(domain=list(plane.up), nice=False, zero=False, round=True), title=block.primary.column, axis=_axis(tickCount=6))
    colour = _system_colour(data, legend=unnamed)
    base = alt.Chart(alt.Data(values=data)).encode(x=x, color=colour)
    line = alt.Chart(alt.Data(values=[{"x": x, "value": y} for x, y in front]))
    names = [
        base.transform_filter(alt.FieldOneOfPredicate("system", [name for name in sides if sides[name] == side]))
        .mark_text(align=side.align, baseline="middle", dx=side.dx, dy=side.dy, fontSize=FONT_SIZE)
        .encode(y=y, text="short:N")
        for side in dict.fromkeys(sides.values())
    ]
    layers = [
        line.mark_line(interpolate="step-after", strokeDash=[4, 3], color=MUTED, strokeWidth=1, aria=False).encode(x=x, y=y),
        base.mark_rule(opacity=0.45, aria=False).encode(y=alt.Y("low:Q"), y2="high:Q"),
        base.mark_point(filled=True, size=70, opacity=1).encode(
            y=y, shape=_system_shape(data, legend=unnamed), description="about:N"
        ),
        *names,
    ]
    foot = f"latency on {rows[0].hardware}; dashed: no system is both quicker and better"
    absent = len(rows) - len(sides) - len(unnamed)
    foot += f"; {absent} grey points have no room for their names: see the table" if absent else ""
    return Chart(f"{block.primary.column} against latency", _svg(alt.layer(*layers), plane.width, _HEIGHT), foot)


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
        return Point(_name(row), self._right(cost), self._down(value))

    def lines(self, rows: Sequence[Row], front: Sequence[tuple[float, float]]) -> list[Box]:
        """The intervals, and the steps of the front."""
        found = []
        for row in rows:
            figure, x = row.figures[self.block.primary.name], self._right(self.place(row)[0])
            found.append(Box(x - 1, self._down(figure.high), x + 1, self._down(figure.low)))
        for (left, low), (right, high) in pairwise(front):
            x, y = self._right(right), self._down(low)
            found += [Box(self._right(left), y - 1, x, y + 1), Box(x - 1, self._down(high), x + 1, y)]
        return found

    def _right(self, cost: float) -> float:
        return self.width * log10(cost / self.across[0]) / log10(self.across[1] / self.across[0])

    def _down(self, value: float) -> float:
        return _HEIGHT * (self.up[1] - value) / (self.up[1] - self.up[0])


def _front(places: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """The places that no other beats in cost and quality, from the cheapest on."""
    front: list[tuple[float, float]] = []
    for x, y in sorted(places, key=lambda place: (place[0], -place[1])):
        if not front or y > front[-1][1]:
            front.append((x, y))
    return front


def _one_two_five(low: float, high: float) -> list[float]:
    """The numbers 1, 2, 5 times a power of ten between two bounds; of many, the powers alone."""
    decades = range(floor(log10(low)), floor(log10(high)) + 1)
    found = [step * 10.0**decade for decade in decades for step in (1, 2, 5) if low <= step * 10.0**decade <= high]
    return found if len(found) <= 9 else [10.0**decade for decade in decades if low <= 10.0**decade <= high]


def _latency_note(row: Row, block: Block) -> str:
    mark = DISTURBED if disturbance(row, "p50_ms") else ""
    return f"{_note(row, block)}; median latency {amount(row.cost.p50_ms or 0)} ms{mark}"


def by_rank(block: Block, rows: Sequence[Row], colours: Colours) -> Chart:
    """A line a system over the measures that the table shows, such as the failure at each rank."""
    import altair as alt

    names = [measure.name for measure in block.shown if any(measure.name in row.figures for row in rows)]
    shared = commonprefix(names)
    shared = shared[: shared.rfind("@") + 1]
    ticks = {name: name.removeprefix(shared) for name in names}
    data = [
        _datum(row, block, colours, name) | {"at": ticks[name]} for row in rows for name in names if name in row.figures
    ]
    few = len(rows) <= _SHADED
    coloured = [_name(row) for row in rows if row.system in colours]
    base = alt.Chart(alt.Data(values=data)).encode(
        x=alt.X("at:O", sort=list(ticks.values()), title=f"{shared}k" if shared else None, axis=_axis(labelAngle=0)),
        color=_system_colour(data, legend=coloured),
    )
    better = "higher" if block.primary.higher_is_better else "lower"
    scale = alt.Scale(zero=True, round=True)
    y = alt.Y("value:Q", title=f"{shared.rstrip('@') or 'value'} ({better} is better)", scale=scale, axis=_axis(tickCount=6))
    layers = [
        *([base.mark_area(opacity=0.12, aria=False).encode(y=alt.Y("low:Q"), y2="high:Q")] if few else []),
        base.mark_line(strokeWidth=1.6, aria=False).encode(y=y, strokeDash=_system_dash(data, legend=coloured)),
    ]
    title = f"{block.task.replace('_', ' ')} by rank" if shared else block.task.replace("_", " ")
    foot = "shaded: 95 % intervals" if few else "intervals stand in the table"
    return Chart(title[:1].upper() + title[1:], _svg(alt.layer(*layers), _WIDTH, _HEIGHT), foot)


def intervals(block: Block, rows: Sequence[Row], colours: Colours) -> Chart:
    """Each system's primary figure with its interval."""
    import altair as alt

    data = [_datum(row, block, colours) for row in rows[:MOST_BARS]]
    base = alt.Chart(alt.Data(values=data)).encode(y=_systems([row["system"] for row in data]), color=_system_colour(data))
    layers = [
        base.mark_rule(aria=False).encode(x=alt.X("low:Q"), x2="high:Q"),
        base.mark_point(filled=True, size=70, opacity=1).encode(
            x=alt.X("value:Q", title=_direction(block), scale=alt.Scale(zero=False, round=True)), description="about:N"
        ),
    ]
    return Chart(block.primary.column, _svg(alt.layer(*layers), _WIDTH, _ROW * len(data)), _left_out(rows))


def distribution(block: Block, rows: Sequence[Row]) -> Chart:
    """A bar a system: the share of its queries in each band of the primary measure's values."""
    import altair as alt

    shown = rows[:MOST_BARS]
    data = [
        {"system": _name(row), "band": BANDS[number], "place": number, "share": round(share, 4)}
        for row in shown
        for number, share in enumerate(row.distribution)
        if share > 0
    ]
    bars = (
        alt.Chart(alt.Data(values=data))
        .mark_bar(height={"band": 0.75}, aria=False)
        .encode(
            y=_systems([_name(row) for row in shown]),
            x=alt.X("share:Q", title="share of the queries", axis=_axis(format="~%", tickCount=5), scale=alt.Scale(domain=[0, 1], round=True)),
            order="place:Q",
            color=alt.Color(
                "band:N",
                sort=list(BANDS),
                scale=alt.Scale(domain=list(BANDS), range=list(_BAND_COLOURS)),
                legend=alt.Legend(title=None, orient="top", columns=len(BANDS), symbolType="square"),
            ),
        )
    )
    return Chart(f"Queries by {block.primary.column}", _svg(bars, _WIDTH, _ROW * len(shown)), _left_out(rows))


def side_by_side(blocks: Sequence[Block]) -> Chart:
    """The primary figures of several tasks, with intervals, a group of bars for each system."""
    import altair as alt

    rows = {row.system: row for block in blocks for row in block.rows if block.primary.name in row.figures}
    shown = list(rows.values())[:MOST_BARS]
    names = [f"{block.task}, {block.primary.column}" for block in blocks]
    data = [
        _datum(row, block, {}) | {"task": name}
        for block, name in zip(blocks, names, strict=True)
        for row in block.rows
        if block.primary.name in row.figures and _name(row) in {_name(one) for one in shown}
    ]
    base = alt.Chart(alt.Data(values=data)).encode(
        y=_systems([_name(row) for row in shown]), yOffset=alt.YOffset("task:N", sort=names)
    )
    colour = alt.Color(
        "task:N", scale=alt.Scale(domain=names, range=list(PALETTE)), legend=alt.Legend(title=None, orient="top", columns=2)
    )
    layers = [
        base.mark_bar(height={"band": 0.9}).encode(
            x=alt.X("value:Q", title=None, scale=alt.Scale(domain=[0, 1], round=True), axis=_axis(tickCount=5)),
            color=colour,
            description="about:N",
        ),
        base.mark_rule(color=MUTED, aria=False).encode(x=alt.X("low:Q"), x2="high:Q"),
    ]
    title = " and ".join(block.task for block in blocks)
    height = 2 * _ROW * len(shown) * len(blocks) // 3
    return Chart(title[:1].upper() + title[1:], _svg(alt.layer(*layers), _WIDTH, height), _left_out(list(rows.values())))


def _name(row: Row) -> str:
    return visible(label(row))


def _left_out(rows: Sequence[Row]) -> str:
    return f"the first {MOST_BARS} of {len(rows)} systems" if len(rows) > MOST_BARS else ""


def _datum(row: Row, block: Block, colours: Colours, measure: str = "") -> dict[str, Any]:
    figure = row.figures[measure or block.primary.name]
    number = colours.get(row.system)
    return {
        "system": _name(row),
        "short": shortened(_name(row)),
        "colour": MUTED if number is None else PALETTE[number],
        "shape": _SHAPES[(number or 0) % len(_SHAPES)],
        "dash": _DASHES[(number or 0) % len(_DASHES)],
        "value": figure.value,
        "low": figure.low,
        "high": figure.high,
        "about": _note(row, block, measure),
    }


def _note(row: Row, block: Block, measure: str = "") -> str:
    name = measure or block.primary.name
    return f"{_name(row)}: {name} {fraction(row.figures[name].value)}, {figure_note(row.figures[name])}"


def _direction(block: Block) -> str:
    return block.primary.column + ("" if block.primary.higher_is_better else " (lower is better)")


def _systems(names: Sequence[str]) -> "alt.Y":
    import altair as alt

    return alt.Y("system:N", sort=list(names), title=None, axis=_axis(labelLimit=170, domain=False))


def _system_colour(data: Sequence[Mapping[str, Any]], legend: Sequence[str] = ()) -> "alt.Color":
    import altair as alt

    colours = {datum["system"]: datum["colour"] for datum in data}
    scale = alt.Scale(domain=list(colours), range=list(colours.values()))
    return alt.Color("system:N", scale=scale, legend=_legend(legend))


def _system_shape(data: Sequence[Mapping[str, Any]], legend: Sequence[str]) -> "alt.Shape":
    import altair as alt

    shapes = {datum["system"]: datum["shape"] for datum in data}
    scale = alt.Scale(domain=list(shapes), range=list(shapes.values()))
    return alt.Shape("system:N", scale=scale, legend=_legend(legend))


def _system_dash(data: Sequence[Mapping[str, Any]], legend: Sequence[str]) -> "alt.StrokeDash":
    import altair as alt

    dashes = {datum["system"]: datum["dash"] for datum in data}
    scale = alt.Scale(domain=list(dashes), range=list(dashes.values()))
    return alt.StrokeDash("system:N", scale=scale, legend=_legend(legend))


def _legend(names: Sequence[str]) -> "alt.Legend | None":
    import altair as alt

    return alt.Legend(title=None, orient="bottom", columns=3, values=list(names), labelLimit=150) if names else None


def _axis(**settings: Any) -> "alt.Axis":
    import altair as alt

    return alt.Axis(aria=False, **settings)


def _svg(chart: "alt.Chart | alt.LayerChart", width: int, height: int) -> str:
    """The chart as SVG text, the same for the same data."""
    import altair as alt
    import vl_convert

    quiet = {"domainColor": MUTED, "gridColor": f"{MUTED}38", "labelColor": MUTED}
    text = {"labelFontSize": FONT_SIZE, "titleFontSize": FONT_SIZE}
    config = alt.Config(
        background="transparent",
        font="sans-serif",
        view=alt.ViewConfig(stroke=None),
        axis=alt.AxisConfig(**quiet, **text, titleColor=MUTED, titleFontWeight="normal", ticks=False, labelPadding=4),
        legend=alt.LegendConfig(labelColor=MUTED, labelFontSize=FONT_SIZE, symbolSize=60, symbolStrokeWidth=1.6),
    )
    spec = chart.properties(width=width, height=height, config=config).to_dict()
    return str(vl_convert.vegalite_to_svg(spec))
