"""What cells left on disk, read back: the figures, the costs, or the reason of a failure."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.runner.plan import Cell
from bench.tasks import Figure


@dataclass(frozen=True)
class TaskResult:
    """One task's outcome in one cell."""

    task: str
    definition: str
    queries: int
    figures: Mapping[str, Figure]
    counts: Mapping[str, Any]
    cost: Mapping[str, Any]


@dataclass(frozen=True)
class CellResult:
    """One cell's outcome. `problem` is empty for a cell that is done; otherwise it is the reason."""

    cell: Cell
    tasks: Sequence[TaskResult] = ()
    cost: Mapping[str, Any] = field(default_factory=dict)
    machine: Mapping[str, Any] = field(default_factory=dict)
    problem: str = ""


def read_result(cell: Cell) -> CellResult:
    """The outcome of a planned cell; one that was never run is a problem too, not an absence."""
    if not cell.done:
        failure = cell.folder / "failure.json"
        return CellResult(cell, problem=_read(failure)["reason"] if failure.is_file() else "not run")
    record = _read(cell.folder / "manifest.json")
    return CellResult(
        cell=cell,
        tasks=[_task_result(_read(task.folder / "result.json")) for task in cell.tasks],
        cost=record["cost"],
        machine=record["machine"],
    )


def _task_result(data: Mapping[str, Any]) -> TaskResult:
    figures = [Figure(**figure) for figure in data["figures"]]
    return TaskResult(
        task=data["task"],
        definition=data["definition"],
        queries=data["queries"],
        figures={figure.measure: figure for figure in figures},
        counts=data["counts"],
        cost=data["cost"],
    )


def _read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))
