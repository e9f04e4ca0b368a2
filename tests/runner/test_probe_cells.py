"""The probes as tasks of a cell: what they leave beside each other, and what their keys depend on."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from bench import registry
from bench.collections.catalogue import open_dataset
from bench.errors import BenchError
from bench.models import MINILM, find_weights
from bench.results import read_result
from bench.runner.local import run_cells
from bench.runner.plan import Cell, make_plan
from bench.suite import Suite, SystemEntry, TaskEntry, read_suite

PLUGINS = Path(__file__).parents[1] / "plugins.py"


class Silent:
    """A watcher that says nothing."""

    def started(self, cell: Cell) -> None: ...
    def progressed(self, cell: Cell, phase: str, done: int, total: int) -> None: ...
    def finished(self, cell: Cell, seconds: float, problem: str) -> None: ...


@pytest.fixture(autouse=True)
def plugins(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(registry, "_from_files", [])
    registry.load_files([PLUGINS])
    return


def _cell(beir_folder: Path, out: Path, system: str, tasks: dict[str, dict[str, Any]]) -> Cell:
    suite = Suite(
        name="test",
        datasets=[f"beir:{beir_folder}"],
        systems=[SystemEntry(retriever=system)],
        tasks=[TaskEntry(task=name, options=options) for name, options in tasks.items()],
    )
    return make_plan(suite, [open_dataset(suite.datasets[0])], out, plugin_files=[PLUGINS])[0]


def test_a_cell_answers_all_three_probes(beir_folder: Path, tmp_path: Path) -> None:
    tasks = {"exclusivity": {"sample": 20}, "completeness": {"sample": 10}, "relevance": {"sample": 3}}
    cell = _cell(beir_folder, tmp_path, "tf-idf", tasks)
    run_cells([cell], Silent())
    result = read_result(cell)
    assert result.problem == ""
    exclusivity, completeness, relevance = result.tasks
    assert exclusivity.figures["Hits@1 N=64"].value > 0.9
    assert exclusivity.queries == 6 * exclusivity.figures["Hits@1 N=64"].n
    assert completeness.figures["Hits@10"].value > 0.8
    assert relevance.figures["fail@1"].value < 0.3
    assert relevance.counts["judge_weights"] == find_weights(MINILM).digest


def test_another_judge_of_the_same_name_is_another_task(beir_folder: Path, tmp_path: Path) -> None:
    judge = tmp_path / "judge"
    judge.mkdir()
    folders = []
    for value in (1, 2, 1):
        save_file({"weight": np.full(2, value)}, judge / "model.safetensors")
        find_weights.cache_clear()
        cell = _cell(beir_folder, tmp_path, "tf-idf", {"relevance": {"judge_model": str(judge)}})
        folders.append(cell.tasks[0].folder)
    assert folders[0] == folders[2] != folders[1]


def test_a_judge_that_is_not_there_stops_the_plan(beir_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(BenchError, match=r"no \.safetensors file"):
        _cell(beir_folder, tmp_path, "tf-idf", {"relevance": {"judge_model": str(tmp_path / "empty")}})


def test_the_suite_of_probes_asks_what_the_baselines_are_asked_and_more() -> None:
    probes, baselines = read_suite("probes"), read_suite("baselines")
    assert probes.systems == baselines.systems
    assert [entry.task for entry in probes.tasks] == ["search", "exclusivity", "completeness", "relevance"]
