"""Cells that really ran: small systems on the docstrings, one of which fails, one of which has a hostile name."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

from bench import registry
from bench.cells.folder import read, read_all, write_failure
from bench.cells.record import CellRecord, Failure, TaskRecord
from bench.collections.catalogue import Dataset, open_dataset
from bench.progress import no_progress
from bench.runner.cell import Setting, answer_task, fit_cell
from bench.runner.plan import Cell, make_plan
from bench.runner.problems import explain
from bench.suite import Suite, SystemEntry, TaskEntry

PLUGINS = Path(__file__).parent / "plugins.py"
HOSTILE = "<script>alert(1)</script>"
SPECIAL = "50% & $x_1$ | {y}"


class Finished(NamedTuple):
    """A suite, the dataset that it ran on, and the folder that the cells are in."""

    suite: Suite
    dataset: Dataset
    out: Path
    cells: list[Cell]

    def cell(self, system: str, seed: int = 0) -> Cell:
        """A deterministic system has one cell for all seeds."""
        own = [cell for cell in self.cells if cell.system == system]
        return next((cell for cell in own if cell.seed == seed), own[0])

    def record(self, system: str, seed: int = 0) -> CellRecord:
        return read(self.cell(system, seed).folder)

    def task(self, system: str, task: str = "search", seed: int = 0) -> TaskRecord:
        return next(one for one in self.record(system, seed).tasks if one.result.task == task)

    def records(self) -> list[CellRecord]:
        return read_all([self.out])


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
    """Run cells in this process, which is quicker than one of their own."""
    for cell in cells:
        cell.folder.mkdir(parents=True)
        try:
            fit_cell(cell, Setting(1), no_progress)
            for task in cell.tasks:
                if not task.done:
                    answer_task(cell, task, Setting(1), no_progress)
        except ValueError as error:
            write_failure(cell.folder, Failure(cell=cell.identity, reason=explain(error), seconds=0.1))


@pytest.fixture(scope="session")
def finished(beir_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Finished]:
    """The cells of the tiny suite; no test changes them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registry, "_from_files", [])
        registry.load_files([PLUGINS])
        suite = tiny_suite(beir_folder)
        dataset = open_dataset(suite.datasets[0])
        out = tmp_path_factory.mktemp("runs")
        cells = make_plan(suite, [dataset], out, plugin_files=[PLUGINS])
        run_here(cells)
        yield Finished(suite, dataset, out, cells)
