"""Charts as static SVG: drawn by Vega-Lite, on a transparent ground, in tones that are read on light and on dark."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from bench.leaderboard.board import BANDS, Block, Row
from bench.leaderboard.columns import figure_note, label
from bench.leaderboard.text import fraction
from bench.leaderboard.writers.labels import FONT_SIZE, shortened, text_width
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
_DASHES = ([1, 0], [6, 2], [2, 2], [8, 2, 2, 2], [3, 1], [10, 4])
_SHADED = 4
"""Up to how many systems lines have their intervals behind them."""

_BAND_COLOURS = ("#b3bcc6", "#a5cdf0", "#74aee3", "#4a8fd3", "#2a70b8", "#1b5596")
WIDTH, HEIGHT = 390, 240
_LONGEST_LABEL = 300
"""Pixels of a system's name beside its line; what is longer is cut."""
_ROW = 22
"""Pixels that a system takes in a chart with one line each."""


@dataclass(frozen=True)
class Chart:
    """A chart that stands alone. `notes` are what a reader needs beside it."""

    title: str
    svg: str
    notes: Sequence[str] = ()

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


def by_rank(block: Block, rows: Sequence[Row], colours: Colours, family: str = "") -> Chart:
    """A line a system over the measures that the table shows, such as the failure at each rank.

    Of several families of measures only the one called `family` is drawn.
    """
    import altair as alt

    shown = [measure.name for measure in block.shown if any(measure.name in row.figures for row in rows)]
    ranked = [name for name in shown if re.fullmatch(rf"{family or '.*'}@\d+", name)]
    names = sorted(ranked, key=lambda name: int(name.rpartition("@")[2])) or shown
    heads = {name.rpartition("@")[0] for name in names}
    shared = f"{heads.pop()}@" if len(heads) == 1 else ""
    ticks = {name: name.removeprefix(shared) for name in names}
    data = [
        datum(row, block, colours, name) | {"at": ticks[name]}
        for row in rows
        for name in names
        if name in row.figures
    ]
    few = len(rows) <= _SHADED
    coloured = {system_name(row): system_name(row) for row in rows if row.system in colours}
    base = alt.Chart(alt.Data(values=data)).encode(
        x=alt.X("at:O", sort=list(ticks.values()), title=f"{shared}k" if shared else None, axis=axis(labelAngle=0)),
        color=system_colour(data, legend=coloured),
    )
    better = "higher" if block.primary.higher_is_better else "lower"
    scale = alt.Scale(zero=True, round=True)
    y = alt.Y(
        "value:Q", title=f"{shared.rstrip('@') or 'value'} ({better} is better)", scale=scale, axis=axis(tickCount=4)
    )
    layers = [
        *([base.mark_area(opacity=0.12, aria=False).encode(y=alt.Y("low:Q"), y2="high:Q")] if few else []),
        base.mark_line(strokeWidth=1.6, aria=False).encode(y=y, strokeDash=_system_dash(data, legend=coloured)),
    ]
    over = "part" if family else "rank"
    title = f"{block.task.replace('_', ' ')} by {over}" if shared else block.task.replace("_", " ")
    told = "shaded: 95 % intervals" if few else "intervals stand in the table"
    return Chart(title[:1].upper() + title[1:], drawn(layers, WIDTH, HEIGHT), [told])


def intervals(block: Block, rows: Sequence[Row], colours: Colours) -> Chart:
    """Each system's primary figure with its interval."""
    import altair as alt

    data = [datum(row, block, colours) for row in rows[:MOST_BARS]]
    base = alt.Chart(alt.Data(values=data)).encode(
        y=_systems([row["system"] for row in data]), color=system_colour(data)
    )
    layers = [
        base.mark_rule(aria=False).encode(x=alt.X("low:Q"), x2="high:Q"),
        base.mark_point(filled=True, size=70, opacity=1).encode(
            x=alt.X("value:Q", title=direction(block), scale=alt.Scale(zero=False, round=True)),
            description="about:N",
        ),
    ]
    return Chart(block.primary.column, drawn(layers, WIDTH, _ROW * len(data)), _left_out(rows))


def distribution(block: Block, rows: Sequence[Row]) -> Chart:
    """A bar a system: the share of its queries in each band of the primary measure's values."""
    shares = [dict(zip(BANDS, row.distribution, strict=False)) for row in rows]
    colours = dict(zip(BANDS, _BAND_COLOURS, strict=True))
    return _stacked(f"Queries by {block.primary.column}", rows, shares, colours, whole=True)


def causes(block: Block, rows: Sequence[Row], names: Sequence[str]) -> Chart:
    """A bar a system: the share of its queries that fail, by causes, whose measures are shares of these queries."""
    failing = [1 - row.figures[block.primary.name].value for row in rows]
    shares = [
        {name: share * row.figures[name].value for name in names} for row, share in zip(rows, failing, strict=True)
    ]
    return _stacked("What the failures come of", rows, shares, dict(zip(names, PALETTE, strict=False)), whole=False)


def _stacked(
    title: str, rows: Sequence[Row], shares: Sequence[Mapping[str, float]], colours: Mapping[str, str], whole: bool
) -> Chart:
    """A bar a system, made of shares of its queries; `whole`: together these are all."""
    import altair as alt

    shown = rows[:MOST_BARS]
    places = {part: place for place, part in enumerate(colours)}
    data = [
        {"system": system_name(row), "part": part, "place": places[part], "share": round(share, 4)}
        for row, parts in zip(shown, shares, strict=False)
        for part, share in parts.items()
        if share > 0
    ]
    scale = alt.Scale(domain=[0, 1], round=True) if whole else alt.Scale(zero=True, round=True)
    bars = (
        alt.Chart(alt.Data(values=data))
        .mark_bar(height={"band": 0.75}, aria=False)
        .encode(
            y=_systems([system_name(row) for row in shown]),
            x=alt.X(
                "share:Q",
                title="share of the queries",
                axis=axis(format="~%", tickCount=5),
                scale=scale,
                stack="zero",
            ),
            order="place:Q",
            color=alt.Color(
                "part:N",
                sort=list(colours),
                scale=alt.Scale(domain=list(colours), range=list(colours.values())),
                legend=alt.Legend(title=None, orient="top", columns=len(colours), symbolType="square"),
            ),
        )
    )
    return Chart(title, drawn([bars], WIDTH, _ROW * len(shown)), _left_out(rows))


def side_by_side(blocks: Sequence[Block]) -> Chart:
    """The primary figures of several tasks, with intervals, a group of bars for each system."""
    import altair as alt

    rows = {row.system: row for block in blocks for row in block.rows if block.primary.name in row.figures}
    shown = list(rows.values())[:MOST_BARS]
    names = [f"{block.task}, {block.primary.column}" for block in blocks]
    data = [
        datum(row, block, {}) | {"task": name}
        for block, name in zip(blocks, names, strict=True)
        for row in block.rows
        if block.primary.name in row.figures and system_name(row) in {system_name(one) for one in shown}
    ]
    base = alt.Chart(alt.Data(values=data)).encode(
        y=_systems([system_name(row) for row in shown]), yOffset=alt.YOffset("task:N", sort=names)
    )
    colour = alt.Color(
        "task:N",
        scale=alt.Scale(domain=names, range=list(PALETTE)),
        legend=alt.Legend(title=None, orient="top", columns=2),
    )
    layers = [
        base.mark_bar(height={"band": 0.9}).encode(
            x=alt.X("value:Q", title=None, scale=alt.Scale(domain=[0, 1], round=True), axis=axis(tickCount=5)),
            color=colour,
            description="about:N",
        ),
        base.mark_rule(color=MUTED, aria=False).encode(x=alt.X("low:Q"), x2="high:Q"),
    ]
    title = " and ".join(block.task for block in blocks)
    height = 2 * _ROW * len(shown) * len(blocks) // 3
    return Chart(title[:1].upper() + title[1:], drawn(layers, WIDTH, height), _left_out(list(rows.values())))


def system_name(row: Row) -> str:
    return visible(label(row))


def _left_out(rows: Sequence[Row]) -> list[str]:
    return [f"the first {MOST_BARS} of {len(rows)} systems"] if len(rows) > MOST_BARS else []


def datum(row: Row, block: Block, colours: Colours, measure: str = "") -> dict[str, Any]:
    figure = row.figures[measure or block.primary.name]
    low, high = figure.span
    number = colours.get(row.system)
    return {
        "system": system_name(row),
        "short": shortened(system_name(row)),
        "colour": MUTED if number is None else PALETTE[number],
        "shape": _SHAPES[(number or 0) % len(_SHAPES)],
        "dash": _DASHES[(number or 0) % len(_DASHES)],
        "value": figure.value,
        "low": low,
        "high": high,
        "about": note(row, block, measure),
    }


def note(row: Row, block: Block, measure: str = "") -> str:
    name = measure or block.primary.name
    return f"{system_name(row)}: {name} {fraction(row.figures[name].value)}, {figure_note(row.figures[name])}"


def direction(block: Block) -> str:
    return block.primary.column + ("" if block.primary.higher_is_better else " (lower is better)")


def _systems(names: Sequence[str]) -> "alt.Y":
    import altair as alt

    return alt.Y("system:N", sort=list(names), title=None, axis=axis(labelLimit=_LONGEST_LABEL, domain=False))


def system_colour(data: Sequence[Mapping[str, Any]], legend: Mapping[str, str] = MappingProxyType({})) -> "alt.Color":
    import altair as alt

    colours = {one["system"]: one["colour"] for one in data}
    scale = alt.Scale(domain=list(colours), range=list(colours.values()))
    return alt.Color("system:N", scale=scale, legend=_legend(legend))


def system_shape(data: Sequence[Mapping[str, Any]], legend: Mapping[str, str]) -> "alt.Shape":
    import altair as alt

    shapes = {one["system"]: one["shape"] for one in data}
    scale = alt.Scale(domain=list(shapes), range=list(shapes.values()))
    return alt.Shape("system:N", scale=scale, legend=_legend(legend))


def _system_dash(data: Sequence[Mapping[str, Any]], legend: Mapping[str, str]) -> "alt.StrokeDash":
    import altair as alt

    dashes = {one["system"]: one["dash"] for one in data}
    scale = alt.Scale(domain=list(dashes), range=list(dashes.values()))
    return alt.StrokeDash("system:N", scale=scale, legend=_legend(legend))


def _legend(texts: Mapping[str, str]) -> "alt.Legend | None":
    """Of the systems of these names, with what stands for each."""
    import altair as alt

    if not texts:
        return None
    columns = max(1, int(WIDTH // (30 + max(map(text_width, texts.values())))))
    label = f"{json.dumps(dict(texts))}[datum.label]"
    return alt.Legend(
        title=None, orient="bottom", columns=columns, values=list(texts), labelExpr=label, labelLimit=WIDTH
    )


def axis(**settings: Any) -> "alt.Axis":
    import altair as alt

    return alt.Axis(aria=False, **settings)


def drawn(layers: Sequence["alt.Chart"], width: int, height: int) -> str:
    """The layers as SVG text, the same for the same data; `width` and `height` of the area that holds the data."""
    import altair as alt
    import vl_convert

    text: dict[str, Any] = {"labelColor": MUTED, "labelFontSize": FONT_SIZE}
    title: dict[str, Any] = {"titleColor": MUTED, "titleFontSize": FONT_SIZE, "titleFontWeight": "normal"}
    lines: dict[str, Any] = {"domainColor": MUTED, "gridColor": f"{MUTED}38", "ticks": False, "labelPadding": 4}
    config = alt.Config(
        background="transparent",
        font="sans-serif",
        view=alt.ViewConfig(stroke=None),
        axis=alt.AxisConfig(**text, **title, **lines),
        legend=alt.LegendConfig(**text, symbolSize=60, symbolStrokeWidth=1.6, symbolOpacity=1),
    )
    spec = alt.LayerChart(layer=list(layers), width=width, height=height, config=config).to_dict()
    return str(vl_convert.vegalite_to_svg(spec))
