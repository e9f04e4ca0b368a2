"""index.html: one suite's leaderboard, whole without scripts, without other files and on paper."""

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from bench.leaderboard.board import Block, Board, CollectionBoard, Row, RowFigure
from bench.leaderboard.columns import Column, Entry, absence, columns, interval, label, notes, reported_rows
from bench.leaderboard.systems import page_name
from bench.leaderboard.text import fraction, paragraphs
from bench.leaderboard.writers.charts import Chart, Colours, colours_of
from bench.leaderboard.writers.pictures import block_charts, collection_charts
from bench.leaderboard.writers.templating import template

_DOWNLOADS = (
    ("leaderboard.json", "everything, as data"),
    ("table.csv", "the tables"),
    ("pairs.csv", "every pair of systems, tested"),
    ("table.tex", "for a paper"),
    ("README.md", "as Markdown"),
)
_FIRST = ("rank", "primary")
"""What stands beside the systems' names on the narrowest screen."""

_NUMBER = re.compile(r"[-+]?[\d,]*\.?\d+")


@dataclass(frozen=True)
class _TableRow:
    """One row of a table as the template shows it."""

    name: str
    row: Row
    entries: Sequence[Entry]
    absence: str
    page: str
    """Address of the system's own page; empty where it has none."""


@dataclass(frozen=True)
class _Table:
    """One block as the template shows it."""

    block: Block
    columns: Sequence[Column]
    rows: Sequence[_TableRow]
    reported: Sequence[tuple[str, Sequence[str]]]
    """Name and texts of systems that were not run here."""

    notes: Sequence[str]
    charts: Sequence[Chart]


@dataclass(frozen=True)
class _System:
    """A system's cells as the template links them."""

    name: str
    problem: str
    manifests: Sequence[tuple[str, str]]
    """Seed and address of each."""


@dataclass(frozen=True)
class _Section:
    """One collection as the template shows it."""

    board: CollectionBoard
    tables: Sequence[_Table]
    charts: Sequence[Chart]
    systems: Sequence[_System]


@dataclass(frozen=True)
class Finding:
    """Who leads a block: the best mean, and how many others the tests cannot tell from the best."""

    collection: str
    block: Block
    anchor: str
    best: str
    figure: RowFigure
    as_good: int
    others: int


def as_page(board: Board) -> str:
    """The page of one suite. Equal boards give equal text. Raises MissingExtra without the libraries of `publish`."""
    colours = colours_of([entry["name"] for entry in board.systems])
    sections = [_section(collection, colours) for collection in board.collections]
    return template("board.html").render(
        board=board,
        told=paragraphs(board.findings),
        findings=list(findings(board)),
        seeds=_seeds(board),
        command=_command(board),
        sections=sections,
        glossary=_glossary(table for section in sections for table in section.tables),
        downloads=_DOWNLOADS,
        order=sort_key,
        fraction=fraction,
        interval=interval,
    )


def _seeds(board: Board) -> list[int]:
    """Those that rows are means of."""
    rows = [row for collection in board.collections for block in collection.blocks for row in block.rows]
    return sorted({seed for row in rows for seed in row.seeds}) or list(board.seeds)


def _command(board: Board) -> str:
    """What runs the same again: for the collections here, and other seeds than the suite's where there are any."""
    parts = ["python", "-m", "bench", "run", "--suite", board.suite]
    parts += [part for collection in board.collections for part in ("--dataset", collection.name)]
    if _seeds(board) != list(board.seeds):
        parts += [part for seed in _seeds(board) for part in ("--seed", str(seed))]
    return shlex.join(parts)


def findings(board: Board) -> Iterator[Finding]:
    """One for each task on each collection that has figures."""
    for place, collection in enumerate(board.collections, start=1):
        for number, block in enumerate(collection.named_blocks, start=1):
            done = [row for row in block.rows if block.primary.name in row.figures]
            if done:
                yield Finding(
                    collection=collection.name,
                    block=block,
                    anchor=f"task{place}-{number}",
                    best=label(done[0]),
                    figure=done[0].figures[block.primary.name],
                    as_good=sum(row.among_best for row in done[1:]),
                    others=len(done) - 1,
                )


def sort_key(entry: Entry) -> str:
    """What a column is sorted by, where the entry's text does not begin with it."""
    if entry.order is None:
        return ""
    shown = _NUMBER.match(entry.text)
    told = float(shown[0].replace(",", "")) if shown else None
    return "" if told is not None and abs(told - entry.order) <= 0.01 * abs(entry.order) else f"{entry.order:.6g}"


def _section(collection: CollectionBoard, colours: Colours) -> _Section:
    return _Section(
        board=collection,
        tables=[
            _table(named, collection, block_charts(block, colours))
            for named, block in zip(collection.named_blocks, collection.blocks, strict=True)
        ],
        charts=collection_charts(collection, colours),
        systems=list(_systems(collection)),
    )


def _table(block: Block, collection: CollectionBoard, charts: Sequence[Chart]) -> _Table:
    shown = sorted(columns(block, collection.hardware), key=lambda column: column.kind not in _FIRST)
    rows = [_TableRow(label(row), row, *_entries(row, shown), _page(row)) for row in block.rows]
    others = list(reported_rows(block, shown))
    return _Table(block, shown, rows, others, notes(block, collection.hardware), charts)


def _page(row: Row) -> str:
    return quote(page_name(row.system)) if row.cells else ""


def _entries(row: Row, shown: Sequence[Column]) -> tuple[list[Entry], str]:
    """A row's entries, or else why it has none."""
    return ([column.entry(row) for column in shown], "") if row.done else ([], absence(row))


def _systems(collection: CollectionBoard) -> Iterator[_System]:
    """Every system that has a cell, with the address of the manifest of each seed."""
    rows: dict[str, Row] = {}
    for block in collection.blocks:
        for row in block.rows:
            rows.setdefault(row.system, row)
    for row in rows.values():
        seeds = map(str, row.seeds)
        manifests = [(seed, f"manifests/{quote(cell)}.json") for seed, cell in zip(seeds, row.cells, strict=False)]
        if manifests:
            yield _System(row.system, row.problem, manifests)


def _glossary(tables: Iterator[_Table]) -> dict[str, str]:
    """What each column means, once for all tables that mean the same."""
    found: dict[str, dict[str, None]] = {}
    for table in tables:
        for column in table.columns:
            if column.meaning and column.meaning != column.header:
                found.setdefault(column.header, {})[column.meaning] = None
    return {header: "; or: ".join(meanings) for header, meanings in sorted(found.items()) if len(meanings) <= 3}
