"""overview.svg: a leaderboard's main picture as a file of its own, for a README, in the reader's light or dark."""

from collections.abc import Sequence
from typing import NamedTuple

from bench.leaderboard.board import Board
from bench.leaderboard.grid import DISTURBED, QUIET
from bench.leaderboard.page import own_text, template
from bench.leaderboard.plots import main_plot
from bench.leaderboard.svg import COLOURS, POINTS, Plot

_MOST = 4
"""Collections that are drawn, one below the other."""

_INCHES = 7.6
_SCALE = 1.35
"""Pixels a point, so that the smallest text is read without zooming."""

_HEAD, _LINE = 26, 13
"""Points that the title and a line of notes take."""


class _Panel(NamedTuple):
    """A plot with its heading, and its upper edge in points."""

    heading: str
    svg: str
    top: float
    height: float

    @property
    def bottom(self) -> float:
        return self.top + self.height


def as_picture(board: Board) -> str:
    """The first task of the first collections: quality against latency. Equal boards give equal text."""
    plots = _plots(board)
    panels: list[_Panel] = []
    for heading, plot in plots:
        top = panels[-1].bottom + _LINE if panels else _HEAD
        panels.append(_Panel(heading, plot.svg.removeprefix("<svg "), top, plot.height * POINTS))
    notes = _notes(board, [plot for _, plot in plots])
    bottom = panels[-1].bottom if panels else _HEAD
    return template("picture.svg").render(
        board=board,
        panels=panels,
        notes=[(bottom + _LINE * number, note) for number, note in enumerate(notes, start=1)],
        colours=own_text("colours.css"),
        width=_INCHES * POINTS,
        height=bottom + _LINE * (len(notes) + 1),
        scale=_SCALE,
    )


def _plots(board: Board) -> list[tuple[str, Plot]]:
    """Each with its heading; a collection without figures has none."""
    colours = {entry["name"]: number for number, entry in enumerate(board.systems[:COLOURS])}
    found = []
    for collection in board.collections[:_MOST]:
        block = collection.blocks[0]
        plot = main_plot(block, colours, f"overview {collection.name}", _INCHES)
        if plot:
            found.append((f"{collection.name}, {block.task}: {plot.title}", plot))
    return found


def _notes(board: Board, plots: Sequence[Plot]) -> list[str]:
    if not plots:
        return ["no system has figures"]
    found = ["bars: 95 % bootstrap interval over queries", *dict.fromkeys(plot.foot for plot in plots if plot.foot)]
    if any(DISTURBED in plot.svg for plot in plots):
        found.append(f"{DISTURBED} measured while other work took more than {QUIET:.0%} of the processor")
    if len(board.collections) > _MOST:
        found.append(f"the first {_MOST} of {len(board.collections)} collections")
    return found
