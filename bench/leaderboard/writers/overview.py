"""results/index.html: every published suite, all its systems by all its tasks."""

from collections.abc import Sequence
from typing import NamedTuple

from bench.leaderboard.board import Block, Board, Row
from bench.leaderboard.columns import absence
from bench.leaderboard.text import fraction
from bench.leaderboard.writers.templating import template


class _Cell(NamedTuple):
    """A system's primary figure on one task; `note` says why there is none.

    rank: the middle of the ranks that the tests leave open; None without a figure
    standing: where that lies between the last place, 0, and the first, 1
    """

    text: str
    best: bool = False
    note: str = ""
    rank: float | None = None
    standing: float = 0.0


class _Matrix(NamedTuple):
    """One suite: all its systems by all its tasks."""

    board: Board
    blocks: Sequence[tuple[str, Block]]
    """Each with its collection's name."""

    rows: Sequence[tuple[str, Sequence[_Cell]]]

    def mean_rank(self, cells: Sequence[_Cell]) -> str:
        """Of a system that has a rank on every task; nothing where there is one task, or a rank is missing."""
        ranks = [cell.rank for cell in cells if cell.rank is not None]
        return f"{sum(ranks) / len(ranks):.1f}" if len(ranks) == len(cells) else "–"


def as_overview_page(boards: Sequence[Board]) -> str:
    """The page over all suites. Equal boards give equal text."""
    return template("overview.html").render(matrices=[_matrix(board) for board in boards])


def _matrix(board: Board) -> _Matrix:
    blocks = [(collection.name, block) for collection in board.collections for block in collection.named_blocks]
    names = dict.fromkeys(entry["name"] for entry in board.systems)
    names |= dict.fromkeys(row.system for _, block in blocks for row in block.rows)
    by_name = [({row.system: row for row in block.rows}, block) for _, block in blocks]
    return _Matrix(
        board, blocks, [(name, [_cell(rows.get(name), block) for rows, block in by_name]) for name in names]
    )


def _cell(row: Row | None, block: Block) -> _Cell:
    if row is None:
        return _Cell("–")
    if block.primary.name not in row.figures:
        return _Cell("–", note=absence(row) if not row.done else "no query has a value")
    text = fraction(row.figures[block.primary.name].value)
    if row.best_rank is None or row.worst_rank is None:
        return _Cell(text)
    rank, last = (row.best_rank + row.worst_rank) / 2, max(other.worst_rank or 1 for other in block.rows)
    return _Cell(text, row.among_best, "", rank, (last - rank) / (last - 1) if last > 1 else 0.0)
