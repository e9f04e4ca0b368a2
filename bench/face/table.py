"""A board as an object: it shows itself, and what stands in it can be taken out."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

from bench.errors import BenchError, UnknownName
from bench.face.results import Result
from bench.leaderboard.board import Block, Board, CollectionBoard, Row
from bench.leaderboard.columns import absence, columns, label, notes
from bench.rankings import Rankings
from bench.showing import html_table, plain

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, repr=False)
class Table:
    """Systems side by side, as they are on the screen and in what is published. `table[NAME]` is one system's result.

    results: of every system that was asked, on every collection and with every seed
    """

    board: Board
    results: Sequence[Result]

    def __getitem__(self, name: str) -> Result:
        """The result of a system that was run once. Raises UnknownName."""
        return self.result(name)

    def result(self, name: str, collection: str = "", seed: int | None = None) -> Result:
        """One of several results of a system. Raises BenchError unless exactly one fits."""
        found = [result for result in self.results if result.name == name]
        if not found:
            raise UnknownName("system", name, {result.name for result in self.results})
        fitting = [
            result
            for result in found
            if collection in ("", result.cell.identity.collection) and seed in (None, result.cell.identity.seed)
        ]
        if len(fitting) != 1:
            there = ", ".join(f"{one.cell.identity.collection} seed {one.cell.identity.seed}" for one in found)
            raise BenchError(
                f"{len(fitting)} results of {name} fit; choose one by table.result({name!r}, ...): {there}"
            )
        return fitting[0]

    def __iter__(self) -> Iterator[Result]:
        return iter(self.results)

    def __len__(self) -> int:
        return len(self.results)

    def frame(self) -> "pd.DataFrame":
        """A pandas frame: for each collection, task and system a row with every figure and its 95 % interval."""
        import pandas as pd

        return pd.DataFrame([_record(board, block, row) for board, block in self._blocks() for row in block.rows])

    def per_query(self, task: str = "") -> "pd.DataFrame":
        """A pandas frame: for each system and query of a task, by default the first, the values of every measure."""
        import pandas as pd

        frames = [
            result.per_query(task).assign(collection=result.cell.identity.collection, seed=result.cell.identity.seed)
            for result in self.results
            if result.cell.tasks
        ]
        return pd.concat(frames, ignore_index=True)

    def rankings(self, task: str = "") -> dict[str, Rankings]:
        """What each system answered to the questions of a task, by default the first."""
        return {result.name: self[result.name].rankings(task) for result in self.results}

    def __repr__(self) -> str:
        from bench.terminal.board import BoardView
        from bench.terminal.drawn import drawn

        return drawn(BoardView(self.board))

    def _repr_html_(self) -> str:
        return "".join(_html(board, block) for board, block in self._blocks())

    def _blocks(self) -> Iterator[tuple[CollectionBoard, Block]]:
        for board in self.board.collections:
            for block in board.named_blocks:
                yield board, block


def _record(board: CollectionBoard, block: Block, row: Row) -> dict[str, Any]:
    """A row of a frame; a system that failed has its reason and no figures."""
    record: dict[str, Any] = {"collection": board.name, "task": block.task, "system": row.system}
    record |= {"problem": row.problem, "best rank": row.best_rank, "worst rank": row.worst_rank}
    for name, figure in row.figures.items():
        record |= {name: figure.value, f"{name} low": figure.low, f"{name} high": figure.high}
    return record


def _html(board: CollectionBoard, block: Block) -> str:
    found = columns(block, board.hardware)
    rows = [[label(row), *(column.entry(row).text if row.done else "–" for column in found)] for row in block.rows]
    failed = [f"{row.system}: {absence(row)}" for row in block.rows if not row.done]
    foot = "<br>".join(escape(plain(note)) for note in (*notes(block, board.hardware), *failed))
    header = ["system", *(column.header for column in found)]
    return html_table(header, rows, 1, f"{board.name}, {block.task}") + f"<p><small>{foot}</small></p>"
