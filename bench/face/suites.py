"""Runs and publishes suites, as the command line does."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path

from bench import registry
from bench.cells.folder import read, read_all
from bench.cells.record import CellRecord
from bench.choice import choose
from bench.collections.catalogue import Dataset, open_dataset
from bench.errors import BenchError
from bench.face.results import Result
from bench.face.table import Table
from bench.leaderboard.build import build_board
from bench.leaderboard.publish import publish as write_leaderboard
from bench.leaderboard.selection import request_of, select
from bench.runner.local import Watcher, run_cells
from bench.runner.plan import Cell, Unopened, make_plan
from bench.suite import Suite, read_suite

RUNS = Path("runs")


@dataclass(frozen=True)
class Part:
    """The cells of collections that are asked the same, with the suite as it is for them."""

    suite: Suite
    cells: Sequence[Cell]

    def records(self) -> list[CellRecord]:
        """What the cells left. Raises BenchError for one that did not end."""
        return [read(cell.folder) for cell in self.cells]


class Unwatched:
    """Nobody is told how the cells get on."""

    def started(self, cell: Cell) -> None: ...
    def progressed(self, cell: Cell, phase: str, done: int, total: int) -> None: ...
    def finished(self, cell: Cell, seconds: float, problem: str) -> None: ...


def run(
    suite: str = "",
    datasets: Sequence[str] = (),
    retrievers: Sequence[str] = (),
    settings: Sequence[str] = (),
    seeds: Sequence[int] = (),
    tasks: Sequence[str] = (),
    measures: Sequence[str] = (),
    depth: int | None = None,
    device: str | None = None,
    jobs: int = 1,
    out: str | Path = RUNS,
    fresh: bool = False,
    time_limit: str | float = "",
    plugins: Sequence[str | Path] = (),
    watcher: Watcher | None = None,
) -> Table:
    """As `bench.run`. A system that fails is a row with its reason; the first eight are those of `choose`.

    jobs: cells at a time; above 1 they share the cores and cost more
    out: folder for cells: answers, figures, manifests, logs, indexes
    fresh: run finished cells again
    time_limit: how long a fit, and each task, may take: seconds or `15m`; by default the suite's, or a day
    plugins: Python files whose retrievers, sources and tasks are used too; what a session defines itself cannot be
        run in another process, see `bench.evaluate`
    """
    files = [Path(file) for file in plugins]
    registry.load_files(files)
    chosen = choose(suite, datasets, retrievers, settings, seeds, tasks, measures, depth, str(time_limit))
    parts = plan(chosen, [_opened(spec) for spec in chosen.datasets], Path(out), device, files)
    run_cells([cell for part in parts for cell in part.cells], watcher or Unwatched(), jobs, fresh)
    return table_of(parts)


def plan(
    suite: Suite, datasets: Sequence[Dataset | Unopened], out: Path, device: str | None, plugins: Sequence[Path]
) -> list[Part]:
    """All cells of the suite; where it names no tasks, each collection is asked what it is for."""
    parts = []
    for _, group in groupby(datasets, key=lambda one: isinstance(one, Dataset) and one.collection.sequential):
        alike = list(group)
        first = next((one for one in alike if isinstance(one, Dataset)), None)
        of_these = suite.on(first.collection) if first else suite
        parts.append(Part(of_these, make_plan(of_these, alike, out, device, plugins)))
    return parts


def table_of(parts: Sequence[Part]) -> Table:
    """What cells left, side by side."""
    records = [part.records() for part in parts]
    boards = [
        build_board(request_of(part.suite), found, list(dict.fromkeys(cell.collection for cell in part.cells)))
        for part, found in zip(parts, records, strict=True)
    ]
    collections = [collection for board in boards for collection in board.collections]
    return Table(
        replace(boards[0], collections=collections), [Result(record) for found in records for record in found]
    )


def _opened(spec: str) -> Dataset | Unopened:
    """A dataset that cannot be opened fails its own cells alone."""
    try:
        return open_dataset(spec)
    except BenchError as error:
        return Unopened(spec, str(error))


def publish(
    suite: str,
    to: str | Path = "results",
    cells: Sequence[str | Path] = (RUNS,),
    datasets: Sequence[str] = (),
    fingerprints: Sequence[str] = (),
    plugins: Sequence[str | Path] = (),
) -> Table:
    """As `bench.publish`. Of equal cells the newest counts, and of several folders the first that has it.

    cells: folders of cells, e.g. the `out` of runs on two machines
    datasets, fingerprints: only these, of those that the suite names
    """
    registry.load_files([Path(file) for file in plugins])
    chosen = read_suite(suite)
    selection = select(chosen, [read_all([Path(folder)]) for folder in cells], datasets, fingerprints)
    board = write_leaderboard(chosen, selection, Path(to))
    return Table(board, [Result(cell) for cell in selection.cells])
