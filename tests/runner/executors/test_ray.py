"""Cells on Ray come to what they come to here, also where a node is lost; with real nodes on this machine."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from conftest import MakeCells, run

from bench.cells.record import CellRecord
from bench.needs import Needs
from bench.runner.executors.ray import RayExecutor

ray = pytest.importorskip("ray")

SMALL = {"num_cpus": 1, "object_store_memory": 80_000_000}


@pytest.fixture
def cluster() -> Iterator[Any]:
    """Two nodes with a core each."""
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args=SMALL | {"include_dashboard": False})
    made.add_node(**SMALL)
    ray.init(address=made.address, log_to_driver=False, logging_level="ERROR")
    yield made
    ray.shutdown()
    made.shutdown()


def without_costs(record: CellRecord) -> dict[str, Any]:
    """All of a record that does not depend on the machine, the time and the folder."""
    assert record.manifest is not None
    costs = {"cost", "environment"}
    tasks = {
        task.name: (
            task.result.model_dump(exclude=costs),
            task.query_ids,
            {name: values.tolist() for name, values in task.values.items()},
            task.run_file.read_bytes(),
        )
        for task in record.tasks
    }
    return record.manifest.model_dump(exclude=costs) | {"tasks": tasks}


def test_cells_fail_and_succeed_on_ray_as_they_do_here(make_cells: MakeCells, tmp_path: Path) -> None:
    """On a Ray that the run starts and ends itself."""
    systems = ("tf-idf", "saved", "raises", "is-killed", "exits-at-once")
    here, _ = run(make_cells(*systems, out=tmp_path / "here"), argv=["run"])
    cells = make_cells(*systems, out=tmp_path / "there")
    cells[1] = replace(cells[1], needs=Needs(cpus=2, memory_gb=0.1))
    there, notes = run(cells, executor=RayExecutor(), argv=["run"])
    assert not ray.is_initialized()
    for ours, theirs in zip(here, there, strict=True):
        if ours.done:
            assert without_costs(theirs) == without_costs(ours)
        else:
            assert ours.failure is not None
            assert theirs.failure is not None
            assert theirs.failure.model_dump(exclude={"seconds", "log"}) == ours.failure.model_dump(
                exclude={"seconds", "log"}
            )
            assert ("Traceback" in theirs.failure.log) == ("Traceback" in ours.failure.log)
    threads = [record.manifest.environment.machine.threads for record in there[:2] if record.manifest]  # type: ignore[union-attr]
    assert threads == [1, 2]
    assert {f"started {system}" for system in systems} <= set(notes.heard)
    assert "search: answering" in notes.heard
    assert there[0].manifest is not None
    assert there[0].manifest.environment.command == "python -m bench run"
