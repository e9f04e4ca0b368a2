"""The probes as tasks of a cell: what they leave beside each other, and what their keys depend on."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import PLUGINS, Notes
from safetensors.numpy import save_file

from bench.cells.folder import read
from bench.collections.catalogue import open_dataset
from bench.errors import BenchError
from bench.models import SPLADE_TINY, find_weights
from bench.runner.plan import Cell, make_plan
from bench.runner.run import run_cells
from bench.suite import Suite, SystemEntry, TaskEntry, read_suite


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
    run_cells([cell], Notes())
    record = read(cell.folder)
    assert record.problem == ""
    results = {task.result.task: task.result for task in record.tasks}
    values = {name: {figure.measure: figure for figure in result.figures} for name, result in results.items()}
    hits = values["exclusivity"]["Hits@1 N=64"]
    assert hits.value > 0.9
    assert results["exclusivity"].queries == 4 * hits.n
    assert values["completeness"]["Hits@10"].value > 0.8
    assert values["relevance"]["fail@1"].value < 0.3
    relevance = results["relevance"]
    assert not next(measure for measure in relevance.measures if measure.name == "fail@1").higher_is_better
    assert relevance.instrument is not None
    assert relevance.instrument.weights == find_weights(SPLADE_TINY).digest
    assert all(task.units is not None for task in record.tasks if task.result.task == "exclusivity")


def test_questions_that_are_read_once_for_all_systems_are_charged_to_each(beir_folder: Path, tmp_path: Path) -> None:
    cell = _cell(beir_folder, tmp_path, "reads-slowly", {"search": {}, "exclusivity": {"sample": 2}})
    run_cells([cell], Notes())
    results = {task.result.task: task.result for task in read(cell.folder).tasks}
    seconds = {name: result.queries / (result.cost.queries_per_second or 0) for name, result in results.items()}
    assert seconds["exclusivity"] > 100
    assert seconds["search"] < 10  # where single questions are timed, each system reads for itself


def test_another_judge_of_the_same_name_is_another_task(beir_folder: Path, tmp_path: Path) -> None:
    judge = tmp_path / "judge"
    judge.mkdir()
    folders = []
    for value in (1, 2, 1):
        save_file({"weight": np.full(2, value)}, judge / "model.safetensors")
        find_weights.cache_clear()
        cell = _cell(beir_folder, tmp_path, "tf-idf", {"relevance": {"judge": str(judge)}})
        folders.append(cell.tasks[0].folder)
    assert folders[0] == folders[2] != folders[1]


def test_a_judge_that_is_not_there_stops_the_plan(beir_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(BenchError, match=r"no \.safetensors file"):
        _cell(beir_folder, tmp_path, "tf-idf", {"relevance": {"judge": str(tmp_path / "empty")}})


def test_the_suite_of_probes_asks_what_the_baselines_are_asked_and_more() -> None:
    probes, baselines = read_suite("probes"), read_suite("baselines")
    assert probes.systems == baselines.systems
    assert [entry.task for entry in probes.tasks] == ["search", "exclusivity", "completeness", "relevance"]
