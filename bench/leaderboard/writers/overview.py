"""results/index.html and results/README.md: every published suite, with its best systems and all their figures."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from bench.leaderboard.board import Block, Board, Row
from bench.leaderboard.columns import absence
from bench.leaderboard.text import fraction, markdown
from bench.leaderboard.writers.page import findings
from bench.leaderboard.writers.templating import template


class _Cell(NamedTuple):
    """A system's primary figure on one task; `note` says why there is none."""

    text: str
    best: bool
    note: str


class _Matrix(NamedTuple):
    """One suite: all its systems by all its tasks."""

    board: Board
    blocks: Sequence[tuple[str, Block]]
    """Each with its collection's name."""

    rows: Sequence[tuple[str, Sequence[_Cell]]]


def as_overview_page(boards: Sequence[Board]) -> str:
    """The page over all suites. Equal boards give equal text."""
    return template("overview.html").render(matrices=[_matrix(board) for board in boards])


def as_overview_markdown(boards: Sequence[Board]) -> str:
    """The same for readers of the repository: the best of each task."""
    head = "# Results\n\nPublished leaderboards, each with the run files and manifests that prove it.\n\n"
    lines = [line for board in boards for line in _lines(board)]
    if not lines:
        return head + "None is published yet.\n"
    table = ["| suite | collection | task | measure | best | as good | systems | not done |", "|---|---|---|---|---|---|---:|---:|"]
    return head + "\n".join(table + lines) + "\n"


def _lines(board: Board) -> Iterator[str]:
    for found in findings(board):
        systems = len(found.block.rows)
        cells = [
            f"[{markdown(board.suite)}]({board.suite}/README.md)",
            *map(markdown, (found.collection, found.block.task, found.block.primary.column)),
            f"{markdown(found.best)} {fraction(found.figure.value)}",
            f"{found.as_good} of {found.others} others",
            str(systems),
            str(systems - found.others - 1),
        ]
        yield "| " + " | ".join(cells) + " |"


def _matrix(board: Board) -> _Matrix:
    blocks = [(collection.name, block) for collection in board.collections for block in collection.blocks]
    names = dict.fromkeys(entry["name"] for entry in board.systems)
    names |= dict.fromkeys(row.system for _, block in blocks for row in block.rows)
    by_name = [({row.system: row for row in block.rows}, block) for _, block in blocks]
    return _Matrix(board, blocks, [(name, [_cell(rows.get(name), block) for rows, block in by_name]) for name in names])


def _cell(row: Row | None, block: Block) -> _Cell:
    if row is None:
        return _Cell("–", False, "")
    if block.primary.name not in row.figures:
        return _Cell("–", False, absence(row) if not row.done else "no query has a value")
    return _Cell(fraction(row.figures[block.primary.name].value), row.among_best, "")
