"""The leaderboard on the screen: the published one, as wide as the terminal that it is in."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from bench.leaderboard.board import NOT_RUN, Block, Board, CollectionBoard, Row, RowFigure
from bench.leaderboard.columns import Column, absence, columns, label, notes
from bench.leaderboard.text import fraction
from bench.terminal.console import text
from bench.visible import plural, visible

_LONGEST_NAME = 36
"""Characters of a system's name in a line; a longer name takes several."""

_GAP = 2
"""Between two columns."""

_LEAVING = ("cost", "count", "fact", "quality", "rank")
"""Kinds of columns in the order in which they leave a narrow terminal; the primary figure always stays."""


@dataclass(frozen=True)
class BoardView:
    """All tables of a board, drawn when the width is known; `cells` is the folder of its cells, with the logs."""

    board: Board
    cells: Path | None = None

    def __rich_console__(self, screen: Console, options: ConsoleOptions) -> RenderResult:
        for place, collection in enumerate(self.board.collections):
            if place:
                yield Text()
            yield from _collection(collection, options.max_width, self.cells)


def _collection(board: CollectionBoard, width: int, cells: Path | None) -> Iterator[RenderableType]:
    """A table for each task, then why rows have no figures."""
    title = f"{board.name}   fingerprint {board.fingerprint[:6]}   split {board.rules.get('split', 'unknown')}"
    yield text(title, style="bold", keep="")
    for place, block in enumerate(board.named_blocks):
        if place:
            yield Text()
        yield from _block(block, board, width)
    yield from _failures(board, cells)


def _block(block: Block, board: CollectionBoard, width: int) -> Iterator[RenderableType]:
    found = [_Shown.of(column, block) for column in columns(block, board.hardware, beside=_half)]
    name = _name_width(block, width)
    kept = _fitting(found, width - name)
    table = Table(pad_edge=False, box=None)
    table.add_column(text(f"{block.task}\nsystem"), width=name, overflow="fold")
    for shown in kept:
        side = "right" if shown.column.numeric else "left"
        table.add_column(text(shown.header), justify=side, no_wrap=True, width=shown.width)  # type: ignore[arg-type]
    for number, row in enumerate(block.rows):
        table.add_row(text(label(row), keep=""), *(text(shown.entries[number], keep="") for shown in kept))
    yield table
    left_out = [shown.column.header for shown in found if shown not in kept]
    if left_out:
        needed = name + sum(_GAP + shown.width for shown in found)
        yield text(
            f"left out: {', '.join(left_out)}; a terminal of {plural(needed, 'column')} shows all, "
            "--json FILE writes every figure",
            style="dim",
        )
    for line in notes(block, board.hardware):
        yield text(line, style="dim")


@dataclass(frozen=True, eq=False)
class _Shown:
    """A column as text, with the width that it needs."""

    column: Column
    header: str
    entries: Sequence[str]
    width: int

    @classmethod
    def of(cls, column: Column, block: Block) -> "_Shown":
        header = _two_lines(visible(column.header))
        reasons = "primary" if block.shown else "fact"
        entries = [_entry(column, row, reasons) for row in block.rows]
        return cls(column, header, entries, max(map(cell_len, [*header.split("\n"), *entries])))


def _entry(column: Column, row: Row, reasons: str) -> str:
    """What stands in the row; one without figures says so where its main figure would be, the column `reasons`."""
    if row.done:
        return visible(column.entry(row).text)
    missing = NOT_RUN if row.problem == NOT_RUN else "failed" if row.problem else "barred"
    return missing if column.kind == reasons else ""


def _fitting(found: Sequence[_Shown], room: int) -> list[_Shown]:
    """The columns that have room, in their order; of a kind the last leaves first."""
    kept = list(found)
    for kind in _LEAVING:
        for shown in [one for one in reversed(found) if one.column.kind == kind]:
            if sum(_GAP + one.width for one in kept) <= room:
                return kept
            kept.remove(shown)
    return kept


def _name_width(block: Block, width: int) -> int:
    """Names have the room that they need; a long one takes several lines, and none is cut."""
    longest = max([cell_len(visible(label(row))) for row in block.rows] + [cell_len(block.task), len("system")])
    return min(longest, _LONGEST_NAME, max(width // 2, 1))


def _half(figure: RowFigure) -> str:
    if figure.low is None or figure.high is None:
        return "–"
    return f"±{fraction((figure.high - figure.low) / 2)}"


def _two_lines(header: str) -> str:
    """A header cut at a space or before a cut-off, where that leaves the narrowest column."""
    cuts = [(header[: cut.start()], header[cut.end() :]) for cut in re.finditer(r"\s*(?=@)|\s+", header)]
    return "\n".join(min(cuts, key=lambda lines: max(map(len, lines)), default=("", header)))


def _failures(board: CollectionBoard, cells: Path | None) -> Iterator[Text]:
    """Each reason once for a system, with the tasks that it kept from being done where others were, and the log."""
    reasons: dict[tuple[str, str], list[str]] = {}
    logs: dict[tuple[str, str], Path] = {}
    for block in board.named_blocks:
        for row in block.rows:
            if not row.done:
                key = (row.system, absence(row))
                reasons.setdefault(key, []).append(block.task)
                for log in (cells / cell / "log.txt" for cell in row.cells if cells):
                    if log.is_file():
                        logs.setdefault(key, log)
    for (system, reason), tasks in reasons.items():
        where = "" if len(tasks) == len(board.blocks) else f" ({', '.join(tasks)})"
        found = logs.get((system, reason))
        see = f"; log: {found}" if found else ""
        yield text(f"{system}{where}: {reason}{see}", style="red")
