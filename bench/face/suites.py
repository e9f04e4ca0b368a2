"""Runs and publishes suites, as the command line does."""

import sys
from collections.abc import Sequence
from pathlib import Path

from bench import registry
from bench.cells.folder import read, read_all
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
    plugins: Sequence[str | Path] = (),
    watcher: Watcher | None = None,
) -> Table:
    """As `bench.run`. A system that fails is a row with its reason; the first seven are those of `choose`.

    jobs: cells at a time; above 1 they share the cores and cost more
    out: folder for cells: answers, figures, manifests, logs, indexes
    fresh: run finished cells again
    plugins: Python files whose retrievers, sources and tasks are used too; what a session defines itself cannot be
        run in another process, see `bench.evaluate`
    """
    files = [Path(file) for file in plugins]
    registry.load_files(files)
    chosen = choose(suite, datasets, retrievers, settings, seeds, tasks, measures, depth)
    cells = make_plan(chosen, [_opened(spec) for spec in chosen.datasets], Path(out), device, files)
    run_cells(cells, watcher or Unwatched(), jobs, fresh, sys.argv)
    return table_of(chosen, cells)


def table_of(suite: Suite, cells: Sequence[Cell]) -> Table:
    """What cells of a suite left, side by side."""
    records = [read(cell.folder) for cell in cells]
    names = list(dict.fromkeys(cell.collection for cell in cells))
    return Table(build_board(request_of(suite), records, names), [Result(record) for record in records])


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
