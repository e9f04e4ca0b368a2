"""Cells that really ran: small systems on the docstrings, one of which fails, one of which has a hostile name."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from bench.collections.catalogue import Dataset
from bench.progress import no_progress
from bench.runner.cell import run_cell
from bench.runner.local import run_cells
from bench.runner.plan import Cell
from bench.suite import Suite, SystemEntry, TaskEntry

PLUGINS = Path(__file__).parents[1] / "plugins.py"
HOSTILE = "<script>alert(1)</script>"
SPECIAL = "50% & $x_1$ | {y}"


class Finished(NamedTuple):
    """A suite, the dataset that it ran on, and the folder that the cells are in."""

    suite: Suite
    dataset: Dataset
    out: Path
    cells: list[Cell]

    def cell(self, system: str, seed: int = 0) -> Cell:
        return next(cell for cell in self.cells if (cell.system, cell.seed) == (system, seed))


class Silent:
    """A watcher that says nothing."""

    def started(self, cell: Cell) -> None: ...
    def progressed(self, cell: Cell, phase: str, done: int, total: int) -> None: ...
    def finished(self, cell: Cell, seconds: float, problem: str) -> None: ...


def tiny_suite(folder: Path) -> Suite:
    """Five systems with two seeds on a BEIR folder; `raises` fails."""
    return Suite(
        name="tiny",
        title="Small systems | one *hostile* name",
        datasets=[f"beir:{folder}"],
        systems=[
            SystemEntry(retriever="tf-idf"),
            SystemEntry(retriever="bm25"),
            SystemEntry(retriever="tf-idf", name=HOSTILE, options={"min_df": 2}),
            SystemEntry(retriever="random-order", name=SPECIAL),
            SystemEntry(retriever="raises"),
        ],
        tasks=[
            TaskEntry(task="search"),
            TaskEntry(task="exclusivity", options={"sample": 30, "lengths": [16, 32], "dropped": 0}),
            TaskEntry(task="completeness", options={"sample": 20}),
        ],
        seeds=[0, 1],
    )


def run_here(cells: Sequence[Cell]) -> None:
    """Run cells in this process, which is quicker; what is to fail needs one of its own."""
    for cell in cells:
        if cell.retriever != "raises":
            run_cell(cell, 1, no_progress)
    run_cells(cells, Silent())
