"""Finished and failed cells, read back from their folders alone: no suite, no plan, no collection is needed."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from bench.errors import BenchError
from bench.tasks import Figure

Identity = Mapping[str, Any]

# A path of some machine: a slash or a drive at a word's start, with another separator after it.
_ABSOLUTE = re.compile(r"(?<![\w/.])(?:~|[A-Za-z]:)?[/\\](?:[^\s/\\'\",;()]+[/\\])+([^\s/\\'\",;()?]*)")


@dataclass(frozen=True)
class TaskRecord:
    """What one cell left of one task."""

    task: str
    options: Mapping[str, Any]
    definition: str
    queries: int
    figures: Mapping[str, Figure]
    counts: Mapping[str, Any]
    cost: Mapping[str, Any]
    machine: Mapping[str, Any]
    query_ids: Sequence[str]
    per_query: Mapping[str, np.ndarray]
    folder: str
    """Name of the task's folder: the task and a part of its key."""

    run_file: Path


@dataclass(frozen=True)
class CellRecord:
    """One system on one collection with one seed, whoever ran it. `problem` says why tasks are missing, if any."""

    identity: Identity
    manifest: Mapping[str, Any]
    tasks: Sequence[TaskRecord]
    problem: str
    folder: Path
    changed: float = field(compare=False, default=0.0)
    """When the cell was written, in seconds; the newest of equal cells is the one that counts."""

    @property
    def system(self) -> str:
        return str(self.identity["system"])

    @property
    def collection(self) -> str:
        """Its name without the path of the machine that it was read on."""
        return str(without_paths(self.identity["collection"]))

    @property
    def fingerprint(self) -> str:
        return str(self.identity["fingerprint"])

    @property
    def seed(self) -> int:
        return int(self.identity["seed"] or 0)

    @property
    def imported(self) -> bool:
        """Whether it is a third party's run that was only scored here."""
        return bool(self.identity.get("imported"))

    @property
    def machine(self) -> Mapping[str, Any]:
        """What the system was fitted on; empty where that is not known."""
        return dict(self.manifest.get("machine", {}))


def read_cells(folders: Sequence[Path]) -> list[CellRecord]:
    """Every cell below folders such as `runs` or `runs/cells`, in a stable order.

    A folder without manifest and failure is a cell that is still at work, and left out. Raises BenchError for
    a folder that holds no cell.
    """
    found = []
    for folder in folders:
        below = folder / "cells" if (folder / "cells").is_dir() else folder
        records = [read_cell(path) for path in sorted(below.glob("*")) if is_cell(path)]
        if not records:
            raise BenchError(f"{folder} holds no cell; give the --out folder of a `bench run`")
        found += records
    return found


def is_cell(folder: Path) -> bool:
    """Whether the folder is a cell that ended, well or not."""
    return (folder / "manifest.json").is_file() or (folder / "failure.json").is_file()


def read_cell(folder: Path) -> CellRecord:
    """One cell's folder. Raises BenchError for one that is damaged."""
    manifest = _read(folder / "manifest.json") if (folder / "manifest.json").is_file() else {}
    failure = _read(folder / "failure.json") if (folder / "failure.json").is_file() else {}
    results = sorted(folder.glob("tasks/*/result.json"))
    try:
        return CellRecord(
            identity=(manifest or failure)["cell"],
            manifest=manifest,
            tasks=[_read_task(path.parent) for path in results],
            problem=failure.get("reason", ""),
            folder=folder,
            changed=max(path.stat().st_mtime for path in folder.rglob("*.json")),
        )
    except KeyError as error:
        raise BenchError(f"{folder} is not a cell of this version: it lacks {error}; run it again") from None


def _read_task(folder: Path) -> TaskRecord:
    result = _read(folder / "result.json")
    table = pq.read_table(folder / "queries.parquet")
    values = {name: table.column(name).to_numpy() for name in table.column_names if name != "query"}
    figures = [_figure(given) for given in result["figures"]]
    return TaskRecord(
        task=result["task"],
        options=result["options"],
        definition=result["definition"],
        queries=result["queries"],
        figures={figure.measure: figure for figure in figures},
        counts=result["counts"],
        cost=result["cost"],
        machine=result.get("machine", {}),
        query_ids=table.column("query").to_pylist(),
        per_query=values,
        folder=folder.name,
        run_file=folder / "run.trec.gz",
    )


def _figure(given: Mapping[str, Any]) -> Figure:
    """A figure as a cell wrote it, where null stands for what is not a number."""
    numbers = {name: float("nan") if given[name] is None else given[name] for name in ("value", "low", "high")}
    return Figure(measure=given["measure"], n=given["n"], **numbers)


def _read(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BenchError(f"{path} cannot be read: {error}; run the cell again") from None
    if not isinstance(data, dict):
        raise BenchError(f"{path} is not a JSON object; run the cell again")
    return data


def without_paths(data: Any) -> Any:
    """The same JSON-like data with every absolute path cut to its last part."""
    if isinstance(data, Mapping):
        return {without_paths(key): without_paths(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [without_paths(value) for value in data]
    if not isinstance(data, str):
        return data
    if data.startswith("/") and data.count("/") > 1 and "\n" not in data:
        return PurePosixPath(data).name
    return _ABSOLUTE.sub(lambda match: match[1] or "...", data)


def published_id(cell: CellRecord) -> str:
    """A name for the cell's files that is safe in any file system and names no path."""
    parts = [_slug(cell.system), _slug(cell.collection), f"seed{cell.seed}", str(cell.identity["key"])[:10]]
    return ".".join(parts)


def _slug(name: str) -> str:
    return "".join(c if c.isalnum() or c in "-_" else "-" for c in name)[-40:]
