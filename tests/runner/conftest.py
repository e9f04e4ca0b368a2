"""What tests of the runner share: the plugin file, cells on the docstrings, a watcher that writes down."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bench import registry
from bench.cells.folder import read
from bench.cells.record import CellRecord
from bench.collections.catalogue import open_dataset
from bench.runner.plan import Cell, make_plan
from bench.runner.run import run_cells
from bench.suite import Suite, SystemEntry, TaskEntry

PLUGINS = Path(__file__).parents[1] / "plugins.py"

PROBES = {"search": {}, "exclusivity": {"sample": 20}, "completeness": {"sample": 10}}

MakeCells = Callable[..., list[Cell]]


class Notes:
    """A watcher that writes down what it is told."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def started(self, cell: Cell) -> None:
        self.heard.append(f"started {cell.system}")

    def progressed(self, cell: Cell, phase: str, done: int, total: int) -> None:
        self.heard.append(phase)

    def finished(self, cell: Cell, seconds: float, problem: str) -> None:
        self.heard.append(f"finished {cell.system} {problem}".strip())


@pytest.fixture(autouse=True)
def plugins(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(registry, "_from_files", [])
    registry.load_files([PLUGINS])
    return


def suite_of(folder: Path, *systems: str, tasks: Any = None, seeds: tuple[int, ...] = (0,), **options: Any) -> Suite:
    return Suite(
        name="test",
        datasets=[f"beir:{folder}"],
        systems=[SystemEntry(retriever=name, options=options) for name in systems],
        tasks=[TaskEntry(task=name, options=given) for name, given in (tasks or {"search": {}}).items()],
        seeds=list(seeds),
    )


@pytest.fixture
def make_cells(beir_folder: Path, tmp_path: Path) -> MakeCells:
    """Cells of systems on the docstrings, by their names, below `out`."""

    def make(*systems: str, out: Path = tmp_path / "out", **given: Any) -> list[Cell]:
        suite = suite_of(beir_folder, *systems, **given)
        return make_plan(suite, [open_dataset(suite.datasets[0])], out, plugin_files=[PLUGINS])

    return make


def run(cells: list[Cell], **arguments: Any) -> tuple[list[CellRecord], Notes]:
    notes = Notes()
    run_cells(cells, notes, **arguments)
    return [read(cell.folder) for cell in cells], notes


def ledger_of(path: Path) -> str:
    return path.read_text() if path.is_file() else ""
