"""The page's pictures: SVG by matplotlib whose colours follow the page and whose marks explain themselves."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil
from typing import TYPE_CHECKING, Any

from bench.leaderboard.board import BANDS, Block, Row, RowFigure
from bench.leaderboard.grid import DISTURBED, disturbance, figure_note, label
from bench.leaderboard.svg import BAND_COLOURS, INK, MUTED, SYSTEMS, Canvas, Plot, drawn
from bench.leaderboard.text import amount, fraction

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MARKERS = "osD^vPXhp<"
_LABELLED = 12
"""Up to how many systems all are named and have intervals in a picture."""

_BARS = 25
_IN_A_LINE = 4
"""Systems in a line of a legend."""

_NAMED = 24
_BESIDE = ((7, -8, 0), (-7, 8, 1), (7, 8, 0), (-7, -8, 1), (0, 14, 0.5))
"""Where a name may stand beside its point: offsets in points, and the share of the name left of that place."""


def block_plots(block: Block, colours: Mapping[str, int], salt: str) -> list[Plot]:
    """The pictures of one task: relevance by rank, or quality against cost, and the queries' distribution."""
    rows = [row for row in block.rows if block.primary in row.figures]
    if not rows:
        return []
    if block.lower_is_better:
        lines = ceil(sum(row.system in colours for row in rows) / _IN_A_LINE)
        head, height = 0.1 + 0.15 * lines, 2.8 + 0.15 * lines
        return [
            drawn("Failure by rank", height, salt, lambda canvas: _by_rank(canvas, block, rows, colours), head=head)
        ]
    plots = []
    for hardware in sorted({row.hardware for row in rows if row.cost and block.timed}):
        same = [row for row in rows if row.hardware == hardware]
        for title, cost, unit, header in _PARETO:
            known = [row for row in same if row.cost.get(cost)]
            if len(known) > 1:
                drawing = _Pareto(block.primary, known, cost, unit, header, colours)
                where = f" ({hardware})" if len({row.hardware for row in rows if row.cost}) > 1 else ""
                plots.append(drawn(title + where, 3.0, f"{salt}{title}{hardware}", drawing.draw, head=0.15))
    if any(any(row.distribution[1:-1]) for row in rows):
        plots.append(_distribution_plot(block, rows[:_BARS], f"{salt}bands"))
    return plots


def main_plot(block: Block, colours: Mapping[str, int], salt: str, width: float) -> Plot | None:
    """The one picture that tells most: quality against latency, or quality alone where no latency is known.

    Of several hardwares the one that most systems ran on is drawn. None where no system has figures.
    """
    rows = [row for row in block.rows if block.primary in row.figures]
    if not rows:
        return None
    timed = [row for row in rows if row.cost.get("p50_ms")]
    machines = Counter(row.hardware for row in timed).most_common(1)
    same = [row for row in timed if row.hardware == machines[0][0]]
    if len(same) > 1:
        _, cost, unit, header = _PARETO[0]
        drawing = _Pareto(block.primary, same, cost, unit, header, colours)
        plot = drawn(f"{block.primary} against latency", 3.9, salt, drawing.draw, width)
        return replace(plot, foot=f"latency on {machines[0][0]}; dashed line: no system is both quicker and better")
    shown = rows[:_BARS]
    height = 0.8 + 0.24 * len(shown)
    return drawn(block.primary, height, salt, lambda canvas: _intervals(canvas, block, shown, colours), width)


def _intervals(canvas: Canvas, block: Block, rows: Sequence[Row], colours: Mapping[str, int]) -> None:
    """A point a system with its interval."""
    for place, row in enumerate(rows):
        figure, colour = row.figures[block.primary], _colour(row, colours)
        canvas.axes.errorbar([figure.value], [place], xerr=_errors(figure), color=colour, linewidth=1)
        note = f"{label(row)}: {block.primary} {fraction(figure.value)}, {figure_note(figure)}"
        canvas.axes.plot(
            [figure.value], [place], _marker(row, colours), color=colour, markersize=7, gid=canvas.name(note)
        )
    _name_rows(canvas.axes, rows)
    canvas.axes.set_xlabel(block.primary)


def _distribution_plot(block: Block, rows: Sequence[Row], salt: str) -> Plot:
    total = sum(row.done for row in block.rows)
    title = f"Queries by {block.primary}" + (f", first {len(rows)} of {total} systems" if len(rows) < total else "")
    return drawn(title, 1.1 + 0.24 * len(rows), salt, lambda canvas: _distribution(canvas, rows))


def probe_plot(blocks: Sequence[Block], salt: str) -> Plot | None:
    """Exclusivity beside completeness, one pair of bars for each system; None where a probe was not asked."""
    asked = {block.task: block for block in blocks if any(row.done for row in block.rows)}
    if not {"exclusivity", "completeness"} <= set(asked):
        return None
    pair = [asked["exclusivity"], asked["completeness"]]
    height = 1.1 + 0.4 * min(len(pair[0].rows), _BARS)
    return drawn("Exclusivity and completeness", height, salt, lambda canvas: _probes(canvas, pair))


_PARETO = (
    ("Quality against latency", "p50_ms", 1.0, "p50 of a single query, ms (log)"),
    ("Quality against size", "index_bytes", 1e6, "saved index, MB (log)"),
)


@dataclass(frozen=True)
class _Pareto:
    """Quality against a cost, with the front of systems that none beats in both."""

    measure: str
    rows: Sequence[Row]
    cost: str
    unit: float
    header: str
    colours: Mapping[str, int]

    def draw(self, canvas: Canvas) -> None:
        from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

        axes, points = canvas.axes, [self._place(row) for row in self.rows]
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
        front = _front(points)
        axes.step(*zip(*front, strict=True), where="post", color=MUTED, linewidth=1, linestyle="--", zorder=1)
        few = len(self.rows) <= _LABELLED
        for row, (x, y) in zip(self.rows, points, strict=True):
            figure, colour = row.figures[self.measure], _colour(row, self.colours)
            if few:
                axes.vlines([x], figure.low, figure.high, color=colour, linewidth=1, alpha=0.5, zorder=2)
            cost = f"{self.header}: {amount(x)}{self._mark(row)}"
            note = f"{label(row)}: {self.measure} {fraction(y)}, {figure_note(figure)}; {cost}"
            axes.plot([x], [y], _marker(row, self.colours), color=colour, markersize=7, gid=canvas.name(note))
        axes.set_xlabel(self.header)
        axes.set_ylabel(self.measure)
        axes.set_xlim(_room([x for x, _ in points]))
        placed = zip(self.rows, points, strict=True)
        named = [(label(row) + self._mark(row), place, _colour(row, self.colours)) for row, place in placed]
        _label_points(axes, named, set(front))

    def _mark(self, row: Row) -> str:
        return DISTURBED if disturbance(row, self.cost) else ""

    def _place(self, row: Row) -> tuple[float, float]:
        return float(row.cost[self.cost] or 0) / self.unit, row.figures[self.measure].value


def _room(costs: Sequence[float]) -> tuple[float, float]:
    """Bounds of a logarithmic axis with a margin, and at least so wide that two of its numbers 1, 2, 5 are on it."""
    lowest, highest = min(costs), max(costs)
    middle, reach = (lowest * highest) ** 0.5, max((highest / lowest) ** 0.66, 3.0)
    return middle / reach, middle * reach


def _front(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """The points that no other beats in cost and quality, from the cheapest on."""
    front: list[tuple[float, float]] = []
    for x, y in sorted(points, key=lambda point: (point[0], -point[1])):
        if not front or y > front[-1][1]:
            front.append((x, y))
    return front


def _label_points(
    axes: "Axes", named: Sequence[tuple[str, tuple[float, float], str]], front: set[tuple[float, float]]
) -> None:
    """Names beside the points, where they overlap no other; of many systems, only those on the front with room."""
    axes.autoscale_view()
    places = [axes.transData.transform(place) for _, place, _ in named]
    taken = [(x - 5, y - 5, x + 5, y + 5) for x, y in places]
    for (name, place, colour), (x, y) in zip(named, places, strict=True):
        if len(named) > _LABELLED and place not in front:
            continue
        shown = _shortened(name)
        width = 4.8 * len(shown)
        boxes = [
            (x + dx - left * width, y + dy - 5, x + dx + (1 - left) * width, y + dy + 5) for dx, dy, left in _BESIDE
        ]
        free = [i for i, box in enumerate(boxes) if _inside(box, axes) and not any(_overlap(box, o) for o in taken)]
        if not free and len(named) > _LABELLED:
            continue
        chosen = free[0] if free else 0
        taken.append(boxes[chosen])
        dx, dy, left = _BESIDE[chosen]
        align = {0: "left", 0.5: "center", 1: "right"}[left]
        axes.annotate(
            shown, place, (dx, dy), textcoords="offset points", ha=align, va="center", fontsize=8, color=colour
        )


def _shortened(name: str) -> str:
    return name if len(name) <= _NAMED else f"{name[: _NAMED - 1]}…"


def _inside(box: Sequence[float], axes: "Axes") -> bool:
    area = axes.get_window_extent()
    return bool(area.x0 <= box[0] and box[2] <= area.x1 and area.y0 <= box[1] and box[3] <= area.y1 + 12)


def _overlap(one: Sequence[float], other: Sequence[float]) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _distribution(canvas: Canvas, rows: Sequence[Row]) -> None:
    """One bar a system: the share of its queries in each band of values."""
    axes = canvas.axes
    for place, row in enumerate(rows):
        start = 0.0
        for number, share in enumerate(row.distribution):
            if share > 0:
                note = f"{label(row)}: {share:.1%} of the queries {_band(number)}"
                bar = axes.barh([place], [share], left=start, color=BAND_COLOURS[number], height=0.72)
                bar[0].set_gid(canvas.name(note))
            start += share
    _name_rows(axes, rows)
    axes.set_xlim(0, 1)
    axes.set_xlabel("share of the queries")
    handles = [_patch(BAND_COLOURS[number], name) for number, name in enumerate(BANDS)]
    axes.legend(
        handles=handles,
        ncols=len(BANDS),
        loc="lower right",
        bbox_to_anchor=(1, 1),
        borderaxespad=0.2,
        fontsize=8,
        columnspacing=1,
    )


def _band(number: int) -> str:
    return f"have {BANDS[number]}" if number in (0, len(BANDS) - 1) else f"lie above the band before, {BANDS[number]}"


def _patch(colour: str, name: str) -> Any:
    from matplotlib.patches import Patch

    return Patch(color=colour, label=name)


def _probes(canvas: Canvas, blocks: Sequence[Block]) -> None:
    axes = canvas.axes
    names = list(dict.fromkeys(row.system for block in blocks for row in block.rows if row.done))[:_BARS]
    for number, block in enumerate(blocks):
        rows = {row.system: row for row in block.rows if block.primary in row.figures}
        for place, name in enumerate(names):
            if name not in rows:
                continue
            figure = rows[name].figures[block.primary]
            y = place + (number - 0.5) * 0.38
            bar = axes.barh([y], [figure.value], height=0.36, color=SYSTEMS[number])
            bar[0].set_gid(
                canvas.name(f"{name}: {block.task}, {block.primary} {fraction(figure.value)}, {figure_note(figure)}")
            )
            axes.errorbar([figure.value], [y], xerr=_errors(figure), color=INK, linewidth=0.8)
    shown = [next(row for block in blocks for row in block.rows if row.system == name) for name in names]
    _name_rows(axes, shown)
    axes.set_xlim(0, 1.02)
    handles = [_patch(SYSTEMS[number], f"{block.task}, {block.primary}") for number, block in enumerate(blocks)]
    axes.legend(handles=handles, ncols=2, loc="lower left", bbox_to_anchor=(0, 1), borderaxespad=0.2, fontsize=8)


def _errors(figure: RowFigure) -> list[list[float]]:
    return [[max(figure.value - figure.low, 0)], [max(figure.high - figure.value, 0)]]


def _by_rank(canvas: Canvas, block: Block, rows: Sequence[Row], colours: Mapping[str, int]) -> None:
    """A line a system over the ranks, with its interval, and the level of chance."""
    axes = canvas.axes
    ranks = range(1, len(block.columns) + 1)
    axes.axhline(0.5, color=MUTED, linewidth=1, linestyle="--", gid=canvas.name("chance level 0.5"))
    axes.annotate("chance", (ranks[-1], 0.5), (0, 3), textcoords="offset points", ha="right", fontsize=8, color=MUTED)
    few = len(rows) <= _LABELLED
    for row in rows:
        found = [row.figures[measure] for measure in block.columns]
        colour = _colour(row, colours)
        values, lows, highs = ([getattr(f, part) for f in found] for part in ("value", "low", "high"))
        if few:
            axes.fill_between(ranks, lows, highs, color=colour, alpha=0.15, linewidth=0)
        axes.plot(
            ranks, values, f"-{_marker(row, colours)}" if few else "-", color=colour, markersize=4, linewidth=1.4,
            label=label(row) if row.system in colours else None, gid=canvas.name(_rank_note(row, found)),
        )  # fmt: skip
    axes.set_xticks(list(ranks))
    axes.set_xlabel("rank")
    axes.set_ylabel("failure against a random document")
    axes.set_ylim(0, max(0.6, 1.05 * max(row.figures[measure].high for row in rows for measure in block.columns)))
    axes.legend(
        loc="lower left", bbox_to_anchor=(0, 1), borderaxespad=0.2, ncols=_IN_A_LINE, fontsize=8, columnspacing=1
    )


def _rank_note(row: Row, found: Sequence[RowFigure]) -> str:
    first, last = found[0], found[-1]
    told = f"{label(row)}: rank 1 {fraction(first.value)}, {figure_note(first)}"
    return f"{told}; rank {len(found)} {fraction(last.value)}"


def _name_rows(axes: "Axes", rows: Sequence[Row]) -> None:
    axes.set_yticks(range(len(rows)), [_shortened(label(row)) for row in rows])
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.grid(visible=False, axis="y")


def _colour(row: Row, colours: Mapping[str, int]) -> str:
    return SYSTEMS[colours[row.system]] if row.system in colours else MUTED


def _marker(row: Row, colours: Mapping[str, int]) -> str:
    return _MARKERS[colours[row.system]] if row.system in colours else "."
