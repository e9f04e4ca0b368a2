"""systems/NAME.html: one system of a suite on all its collections."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from bench.leaderboard.board import Block, Board, Row
from bench.leaderboard.columns import Column, Entry, absence, columns, interval
from bench.leaderboard.published import PublishedCell
from bench.leaderboard.systems import About, Systems, page_name, with_page
from bench.leaderboard.text import fraction
from bench.leaderboard.writers.charts import Chart
from bench.leaderboard.writers.course import courses, is_course
from bench.leaderboard.writers.templating import template

_LINK = re.compile(r"https?://[^\s)\]>\"'`,]+[^\s)\]>\"'`,.;:]|(?<![\d.])\d{4}\.\d{5}(?![\d.])")
"""An address, or a paper's number at arXiv."""

_COSTS = ("fit s", "p50 ms", "memory MB", "disk MB")


@dataclass(frozen=True)
class _Result:
    """The system's row of one table."""

    collection: str
    block: Block
    anchor: str
    row: Row
    rank: str
    costs: Sequence[str]

    @property
    def absence(self) -> str:
        return "" if self.block.primary.name in self.row.figures else absence(self.row)


@dataclass(frozen=True)
class _Piece:
    """A part of a text; `address` is empty where it leads nowhere."""

    text: str
    address: str = ""


def system_pages(board: Board, systems: Systems, cells: Mapping[str, PublishedCell]) -> dict[str, str]:
    """The page of each system that has a cell, by its file. Equal boards and words give equal text.

    cells: by the names of their manifests

    Raises KeyError for a system of which nothing is told.
    """
    names = with_page(board)
    return {page_name(name): _page(board, name, systems.systems[name], cells) for name in names}


def _page(board: Board, name: str, about: About, cells: Mapping[str, PublishedCell]) -> str:
    own = _of_system(name, cells)
    results = list(_results(board, name))
    return template("system.html").render(
        board=board,
        name=name,
        about=about,
        row=next(result.row for result in results),
        paper=[list(pieces(part)) for part in paragraphs(about.paper)],
        description=[list(pieces(part)) for part in paragraphs(about.description)],
        results=results,
        costs=_COSTS if any(any(cost != "–" for cost in result.costs) for result in results) else (),
        weights=sorted({weights for cell in own.values() for weights in cell.cell.weights}),
        charts=_charts(list(own.values())),
        manifests=list(_manifests(own)),
        value=_value,
        fraction=fraction,
        interval=interval,
        page_name=_file,
    )


def _of_system(name: str, cells: Mapping[str, PublishedCell]) -> dict[str, PublishedCell]:
    """Its cells by collection and seed, in whatever order they were found."""
    own = [(manifest, cell) for manifest, cell in cells.items() if cell.cell.system == name]
    return dict(sorted(own, key=lambda one: (one[1].cell.collection, one[1].cell.seed, one[0])))


def _file(system: str) -> str:
    """A page as one beside it links it."""
    return quote(page_name(system).rpartition("/")[2])


def _results(board: Board, name: str) -> Iterator[_Result]:
    for place, collection in enumerate(board.collections, start=1):
        for number, block in enumerate(collection.named_blocks, start=1):
            for row in block.rows:
                if row.system == name:
                    found = {column.header: column for column in columns(block, collection.hardware)}
                    costs = [_entry(found.get(header), row).text for header in _COSTS]
                    rank = _entry(found.get("rank"), row).text
                    yield _Result(collection.name, block, f"task{place}-{number}", row, rank, costs)


def _entry(column: Column | None, row: Row) -> Entry:
    return column.entry(row) if column and row.done else Entry("–")


def _charts(cells: Sequence[PublishedCell]) -> list[Chart]:
    by_collection: dict[str, dict[int, Mapping[str, Any]]] = {}
    for cell in cells:
        course = cell.facts.get("training")
        if is_course(course):
            by_collection.setdefault(cell.cell.collection, {})[cell.cell.seed] = course
    return [chart for name, found in by_collection.items() if (chart := courses(name, found))]


def _manifests(cells: Mapping[str, PublishedCell]) -> Iterator[tuple[str, str, str]]:
    """Of each cell what it is of, the address of its manifest, and why it has no figures."""
    for manifest, cell in cells.items():
        name = f"{cell.cell.collection}, seed {cell.cell.seed}"
        yield name, f"../manifests/{quote(manifest)}.json", cell.problem


def paragraphs(text: str) -> list[str]:
    """A docstring's, each in one line."""
    return [" ".join(part.split()) for part in re.split(r"\n\s*\n", text) if part.strip()]


def pieces(text: str) -> Iterator[_Piece]:
    """The text with its addresses and numbers of arXiv as links."""
    end = 0
    for found in _LINK.finditer(text):
        yield _Piece(text[end : found.start()])
        yield _Piece(found[0], found[0] if found[0].startswith("http") else f"https://arxiv.org/abs/{found[0]}")
        end = found.end()
    yield _Piece(text[end:])


def _value(value: Any) -> str:
    """An option's value as the command line takes it."""
    if value is None:
        return "none"
    return value if isinstance(value, str) and value else json.dumps(value, ensure_ascii=False)
