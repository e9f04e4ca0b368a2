"""What the harness itself costs: cells that do next to nothing. `python tests/speed/test_cells_speed.py 99 ray 1`."""

import gc
import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

import psutil
import pytest

from bench import registry
from bench.collections.catalogue import open_dataset
from bench.runner.events import Executor, Unwatched
from bench.runner.executors import make_executor
from bench.runner.plan import make_plan
from bench.runner.processor import ProcessorWatch
from bench.runner.run import run_cells
from bench.suite import Suite, SystemEntry

PLUGINS = Path(__file__).parents[1] / "plugins.py"
DOCUMENTS = 200


class Costs(NamedTuple):
    """Of one cell: seconds of processor and by the clock; of all: how many megabytes this process grew."""

    planning: float
    processor: float
    clock: float
    growth: float


def costs(number: int, executor: Executor, folder: Path) -> Costs:
    """Run cells of a system that saves a random order, each with a seed of its own: two processes a cell."""
    registry.load_files([PLUGINS])
    suite = Suite(
        name="trivial",
        datasets=[f"beir:{_collection(folder)}"],
        systems=[SystemEntry(retriever="saved")],
        seeds=list(range(number + 2)),
    )
    watch = ProcessorWatch()
    cells = make_plan(suite, [open_dataset(suite.datasets[0])], folder / "out", plugin_files=[PLUGINS])
    planning = watch.seconds / len(cells)
    run_cells(cells[:2], Unwatched(), executor)  # imports, and the server that processes fork from
    watch, start, before = ProcessorWatch(), perf_counter(), _megabytes()
    run_cells(cells[2:], Unwatched(), executor)
    assert all(cell.done for cell in cells)
    return Costs(planning, watch.seconds / number, (perf_counter() - start) / number, _megabytes() - before)


def _collection(folder: Path) -> Path:
    (folder / "qrels").mkdir()
    rows = [{"_id": f"d{i}", "title": "", "text": f"word{i} of text"} for i in range(DOCUMENTS)]
    for name in ("corpus", "queries"):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    lines = ["query-id\tcorpus-id\tscore", *(f"d{i}\td{i}\t1" for i in range(DOCUMENTS))]
    (folder / "qrels" / "test.tsv").write_text("\n".join(lines) + "\n")
    return folder


def _megabytes() -> float:
    gc.collect()
    return psutil.Process().memory_info().rss / 1e6


@pytest.fixture
def no_plugins(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(registry, "_from_files", [])
    return


def test_a_cell_costs_less_than_a_second_and_the_run_does_not_grow(no_plugins: None, tmp_path: Path) -> None:
    found = costs(30, make_executor("local"), tmp_path)
    print(found)
    assert found.processor < 1.0
    assert found.planning < 0.05
    assert found.growth < 10


if __name__ == "__main__":
    if sys.argv[2] == "ray":  # its start, and the imports of its worker, are no cost of a cell
        import ray

        ray.init(num_cpus=int(sys.argv[3]), object_store_memory=100_000_000, log_to_driver=False)
    with tempfile.TemporaryDirectory() as place:
        print(costs(int(sys.argv[1]), make_executor(sys.argv[2], int(sys.argv[3])), Path(place)))
