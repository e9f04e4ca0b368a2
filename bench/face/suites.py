"""Runs and publishes suites, as the command line does."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import TypedDict

from bench import registry
from bench.cells.folder import is_cell, read, read_all
from bench.cells.place import fetched, open_store
from bench.cells.record import CellRecord
from bench.choice import choose
from bench.collections.catalogue import Dataset, open_dataset
from bench.errors import BenchError
from bench.face.results import Result
from bench.face.table import Table
from bench.leaderboard.build import build_board
from bench.leaderboard.publish import publish as write_leaderboard
from bench.leaderboard.reported import read_reported
from bench.leaderboard.selection import request_of, select
from bench.runner.events import Unwatched, Watcher
from bench.runner.executors import make_executor
from bench.runner.plan import Cell, Unopened, make_plan
from bench.runner.run import run_cells
from bench.suite import Suite, read_suite

RUNS = Path("runs")

_FLAGS = {
    "suite": "--suite",
    "datasets": "--dataset",
    "retrievers": "--retriever",
    "settings": "--set",
    "tasks": "--task",
    "measures": "--measure",
    "depth": "--depth",
    "seeds": "--seed",
    "time_limit": "--time-limit",
    "needs": "--needs",
    "device": "--device",
    "out": "--out",
    "plugins": "--plugin",
}


@dataclass(frozen=True)
class Part:
    """The cells of collections that are asked the same, with the suite as it is for them."""

    suite: Suite
    cells: Sequence[Cell]

    def records(self) -> list[CellRecord]:
        """What the cells left. Raises BenchError for one that did not end."""
        return [read(cell.folder) for cell in self.cells]

    def ended(self) -> "Part":
        """Those of its cells that have ended, well or not."""
        return replace(self, cells=[cell for cell in self.cells if is_cell(cell.folder)])


class Choice(TypedDict):
    """What `bench.choice.choose` takes, by name."""

    suite: str
    datasets: Sequence[str]
    retrievers: Sequence[str]
    settings: Sequence[str]
    seeds: Sequence[int]
    tasks: Sequence[str]
    measures: Sequence[str]
    depth: int | None
    time_limit: str
    needs: Sequence[str]


def command_words(choice: Choice, device: str | None, out: str | Path, plugins: Sequence[Path]) -> list[str]:
    """The arguments of the command line that plan the same cells."""
    given = {**choice, "device": device, "out": out, "plugins": plugins}
    words = ["run"]
    for name, flag in _FLAGS.items():
        value = given[name]
        for one in value if isinstance(value, list | tuple) else [value]:
            words += [] if one in ("", None) else [flag, str(one)]
    return words


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
    jobs: int | None = None,
    out: str | Path = RUNS,
    fresh: bool = False,
    time_limit: str | float = "",
    plugins: Sequence[str | Path] = (),
    watcher: Watcher | None = None,
    executor: str = "local",
    ray_address: str = "",
    needs: Sequence[str] = (),
) -> Table:
    """As `bench.run`. A system that fails is a row with its reason; the first eight are those of `choose`.

    jobs: cells at a time; above 1 they share the cores and cost more. By default 1 on this machine, and as many as
        have room elsewhere
    out: folder, or address such as s3://bucket/prefix, for cells: answers, figures, manifests, logs, indexes
    fresh: run finished cells again
    time_limit: how long a fit, and each task, may take: seconds or `15m`; by default the suite's, or a day
    plugins: Python files whose retrievers, sources and tasks are used too; what a session defines itself cannot be
        run in another process, see `bench.evaluate`
    executor: local, ray, or slurm, which submits and returns a table of what is done
    ray_address: of a cluster that runs; by default one is started on this machine
    needs: what a cell needs whose system does not say: `cpus=4`, `gpus=1`, `memory_gb=16`
    """
    files = [Path(file) for file in plugins]
    registry.load_files(files)
    choice: Choice = {
        "suite": suite,
        "datasets": _listed(datasets, "a dataset", "give its name or path, or take bench.evaluate"),
        "retrievers": _listed(retrievers, "a retriever", "name it, with its file in plugins=; or bench.evaluate"),
        "settings": _listed(settings, "a setting", "write SYSTEM.OPTION=VALUE"),
        "seeds": seeds,
        "tasks": _listed(tasks, "a task", "give its name, or take bench.evaluate"),
        "measures": _listed(measures, "a measure", "give its name"),
        "depth": depth,
        "time_limit": str(time_limit),
        "needs": needs,
    }
    executing = make_executor(executor, jobs, ray_address, command_words(choice, device, out, files))
    chosen, store = choose(**choice), open_store(out)
    parts = plan(chosen, [_opened(spec) for spec in chosen.datasets], store.folder, device, files)
    cells = [cell for part in parts for cell in part.cells]
    store.fetch([cell.folder.name for cell in cells])
    run_cells(cells, watcher or Unwatched(), executing, store, fresh)
    return table_of([part.ended() for part in parts] if executor == "slurm" else parts)


def _listed(given: str | Path | Sequence[str | Path], what: str, remedy: str) -> list[str]:
    """One name or path, or several. Raises BenchError for what is none."""
    names = [given] if isinstance(given, str | Path) else list(given)
    for name in names:
        if not isinstance(name, str | Path):
            raise BenchError(f"{what} is given as {type(name).__name__}; {remedy}")
    return list(map(str, names))


def plan(
    suite: Suite, datasets: Sequence[Dataset | Unopened], out: Path, device: str | None, plugins: Sequence[Path]
) -> list[Part]:
    """All cells of the suite; where it names no tasks, each collection is asked what it is for."""
    parts = []
    for _, group in groupby(datasets, key=_kind):
        alike = list(group)
        first = next((one for one in alike if isinstance(one, Dataset)), None)
        of_these = suite.on(first.collection) if first else suite
        parts.append(Part(of_these, make_plan(of_these, alike, out, device, plugins)))
    return parts


def _kind(dataset: Dataset | Unopened) -> tuple[bool, bool]:
    """Datasets that are alike in this are asked the same where nobody names a task."""
    if isinstance(dataset, Unopened):
        return False, False
    return dataset.collection.sequential, dataset.collection.rules.mixed


def only(parts: Sequence[Part], wanted: Sequence[str]) -> list[Part]:
    """The cells whose name or key begins with one of these; all where none is given. Raises BenchError for none."""
    if not wanted:
        return list(parts)
    names = [name for part in parts for cell in part.cells for name in _names(cell)]
    for one in wanted:
        if not any(name.startswith(one) for name in names):
            raise BenchError(f"--cell {one}: no cell of the plan is called so; see --dry-run for their keys")
    chosen = tuple(wanted)
    kept = [
        replace(part, cells=[cell for cell in part.cells if any(name.startswith(chosen) for name in _names(cell))])
        for part in parts
    ]
    return [part for part in kept if part.cells]


def _names(cell: Cell) -> tuple[str, str]:
    return cell.folder.name, cell.identity.key


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

    cells: folders or addresses of cells, e.g. the `out` of runs on two machines
    datasets, fingerprints: only these, of those that the suite names
    """
    registry.load_files([Path(file) for file in plugins])
    chosen = read_suite(suite)
    places = [fetched(folder) for folder in ([cells] if isinstance(cells, str | Path) else cells)]
    found = [read_all([place]) for place in places]
    wanted = _listed(datasets, "a dataset", "give its name")
    selection = select(chosen, found, wanted, fingerprints, read_reported(places))
    board = write_leaderboard(chosen, selection, Path(to))
    return Table(board, [Result(cell) for cell in selection.cells])
