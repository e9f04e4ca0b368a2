"""Cells on Ray come to what they come to here, also where a node is lost; with real nodes on this machine."""

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
from conftest import PROBES, MakeCells, Notes, ledger_of, run

from bench.cells.record import CellRecord
from bench.cells.stores import FolderStore
from bench.errors import BenchError, MissingExtra
from bench.needs import Needs
from bench.runner.events import Order, Remarked
from bench.runner.executors import make_executor
from bench.runner.executors import ray as of_ray
from bench.runner.executors.ray import RayExecutor
from bench.runner.plan import Cell
from bench.runner.run import run_cells

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
    """All of a record that does not depend on the machine, the time and the folder; as text, where NaN is NaN."""
    assert record.manifest is not None
    costs = {"cost", "environment"}
    tasks = {
        task.name: (
            task.result.model_dump_json(exclude=costs),
            {name: str(values.tolist()) for name, values in task.values.items()},
            task.run_file.read_bytes(),
        )
        for task in record.tasks
    }
    return record.manifest.model_dump(exclude=costs) | {"tasks": tasks}


def test_cells_fail_and_succeed_on_ray_as_they_do_here(make_cells: MakeCells, tmp_path: Path) -> None:
    """On a Ray that the run starts and ends itself."""
    systems = ("tf-idf", "saved", "raises")
    here, _ = run(make_cells(*systems, out=tmp_path / "here"), argv=["run"])
    cells = make_cells(*systems, out=tmp_path / "there")
    cells[1] = replace(cells[1], needs=Needs(cpus=2, memory_gb=0.1))
    (large,) = make_cells("random-order", out=tmp_path / "there")
    (*there, lacking), notes = run(
        [*cells, replace(large, needs=Needs(gpus=9))], executor=RayExecutor(), argv=["run"]
    )
    assert not ray.is_initialized()
    assert lacking.problem == "this machine does not have what it needs: CPU 1, GPU 9"
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


class LosesANode(Notes):
    """A watcher at whose cluster a node is lost once two cells learn."""

    def __init__(self, cluster: Any) -> None:
        super().__init__()
        self._cluster, self._learning = cluster, set[str]()

    def progressed(self, cell: Cell, phase: str, done: int, total: int) -> None:
        super().progressed(cell, phase, done, total)
        if phase == "learning":
            self._learning.add(cell.folder.name)
        if len(self._learning) == 2 and len(self._cluster.worker_nodes) == 1:
            self._cluster.remove_node(next(iter(self._cluster.worker_nodes)), allow_graceful=False)


@pytest.mark.slow
def test_a_lost_node_costs_nothing_but_time(make_cells: MakeCells, cluster: Any, tmp_path: Path) -> None:
    """Two nodes run a small suite, one is killed in the middle; what comes out is what comes out here."""
    given: dict[str, Any] = {"tasks": PROBES, "seeds": (0, 1), "steps": 60}
    here, _ = run(make_cells("learns-in-steps", out=tmp_path / "here", ledger=str(tmp_path / "a"), **given))
    cells = make_cells("learns-in-steps", out=tmp_path / "there", ledger=str(tmp_path / "b"), **given)
    remarks = run_cells(cells, LosesANode(cluster), RayExecutor())
    assert [line.partition(" was lost ")[2] for line in remarks] == [
        "while it worked on learns-in-steps; another goes on"
    ]
    there, _ = run(cells)
    for ours, theirs in zip(here, there, strict=True):
        same = without_costs(theirs), without_costs(ours)
        for record in same:
            record["cell"].pop("options"), record["cell"].pop("key"), record["cell"].pop("key_parts")
        assert same[0] == same[1]
    assert len(ledger_of(tmp_path / "b").split()) <= 2 * 60 + 1, "the lost cell went on from its checkpoint"


class Interrupts(Notes):
    """A watcher whose user presses Ctrl-C once a cell counts sheep."""

    def progressed(self, cell: Cell, phase: str, done: int, total: int) -> None:
        if phase == "counting sheep":
            raise KeyboardInterrupt


@pytest.mark.slow
def test_a_time_limit_holds_and_an_interruption_leaves_nothing(make_cells: MakeCells, cluster: Any) -> None:
    slow, other = make_cells("takes-forever", "tf-idf")
    (late, sound), _ = run([replace(slow, time_limit=5.0), other], executor=RayExecutor())
    assert late.failure is not None
    assert (late.failure.kind, late.problem) == (
        "time limit",
        "time limit of 5 s exceeded; raise it with --time-limit",
    )
    assert "in fit" in late.failure.log
    assert sound.done
    with pytest.raises(KeyboardInterrupt):
        run_cells([slow], Interrupts(), RayExecutor())
    assert _forked(patience=20) == []
    (again,), _ = run([replace(slow, time_limit=5.0)], executor=RayExecutor())  # its claim is free
    assert again.failure is not None


def _forked(patience: float) -> list[psutil.Process]:
    """Processes that count sheep, once they had time to end."""
    end = time.monotonic() + patience
    while (found := _at_work()) and time.monotonic() < end:
        time.sleep(0.2)
    return found


def _at_work() -> list[psutil.Process]:
    found = []
    for worker in psutil.process_iter(["cmdline"]):
        if "ray::" in " ".join(worker.info["cmdline"] or []):
            found += [cell for server in worker.children() for cell in server.children()]
    return found


@pytest.mark.slow
def test_a_cell_that_no_node_has_room_for_is_remarked(make_cells: MakeCells, cluster: Any) -> None:
    (large,) = make_cells("tf-idf")
    order = Order(FolderStore(large.folder.parents[1]))
    events = RayExecutor().run([replace(large, needs=Needs(gpus=8))], order)
    _, remark = next(events)
    events.close()
    assert remark == Remarked("no node has what tf-idf needs (CPU 1, GPU 8); it waits until one joins")


def test_a_node_parses_the_collection_that_it_does_not_have(make_cells: MakeCells, tmp_path: Path) -> None:
    (cell,) = make_cells("tf-idf")
    assert of_ray._made_at_home(cell) is cell
    elsewhere = replace(cell, collection_folder=tmp_path / "of another machine")
    assert of_ray._made_at_home(elsewhere) == cell
    other = replace(elsewhere, dataset=f"{cell.dataset}?gains=exponential")
    problem = of_ray._made_at_home(other).problem
    assert problem is not None
    assert problem.reason.endswith("has other content on this node; give all nodes the same files and versions")


@pytest.mark.parametrize(("part", "what"), [("versions", "numpy"), ("harness", "the harness's code")])
def test_a_node_with_other_code_gives_no_answers(make_cells: MakeCells, part: str, what: str) -> None:
    (cell,) = make_cells("tf-idf")
    parts = dict(cell.identity.key_parts)
    parts[part] = parts[part] | {"numpy": "1.0"} if part == "versions" else "another"
    identity = cell.identity.model_copy(update={"key_parts": parts})
    problem = of_ray._made_at_home(replace(cell, identity=identity)).problem
    assert problem is not None
    assert f"has another version of {what} than the run was planned with" in problem.reason


def test_what_cannot_be_executed_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BenchError, match="unknown executor 'rey': did you mean ray"):
        make_executor("rey")
    with pytest.raises(BenchError, match="--ray-address auto"):
        make_executor("ray", ray_address="ray://host:10001")
    monkeypatch.setattr(of_ray, "find_spec", lambda _: None)
    with pytest.raises(MissingExtra, match=r"--executor ray needs an extra: pip install 'retrieval-bench\[ray\]'"):
        make_executor("ray")
