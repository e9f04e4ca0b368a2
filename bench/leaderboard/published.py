"""A published leaderboard as a folder: the board, and for each cell a manifest and the answers that prove it."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bench.cells.folder import rankings_file
from bench.cells.record import (
    FORMAT,
    CellRecord,
    Environment,
    Failure,
    FitCost,
    Identity,
    Manifest,
    TaskCost,
    TaskRecord,
)
from bench.digests import digest_file
from bench.errors import BenchError
from bench.leaderboard.answers import publish_answers, publish_values
from bench.leaderboard.board import Board
from bench.leaderboard.paths import published_id
from bench.leaderboard.writers.json import as_json
from bench.measures.measure import Count
from bench.store import slug, write_text

BOARD, MANIFESTS, RUNS = "leaderboard.json", "manifests", "runs"
_FILE_NAME = r"^[^/\\\x00]+\.parquet$"
_FILE_NAME_OR_NONE = r"^([^/\\\x00]+\.parquet)?$"


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, ser_json_inf_nan="null")


class PublishedTask(_Record):
    """What a manifest says of a task: what cannot be computed again from the answers.

    answers, sha256: file below `runs`, and its digest
    values, values_sha256: the same of measures that depend on more than answers; empty without any
    environment: None where it is that of the fit
    """

    task: str
    options: dict[str, Any]
    counts: list[Count]
    cost: TaskCost
    environment: Environment | None
    answers: str = Field(pattern=_FILE_NAME)
    sha256: str
    values: str = Field("", pattern=_FILE_NAME_OR_NONE)
    values_sha256: str = ""


class PublishedCell(_Record):
    """A manifest: what a cell depends on and what it gave. `problem` is empty where nothing went wrong."""

    format: Literal[2] = FORMAT
    cell: Identity
    fitted: bool
    facts: dict[str, Any]
    cost: FitCost
    environment: Environment
    problem: str
    tasks: list[PublishedTask]

    def as_json(self) -> str:
        """The manifest's file."""
        return as_json(json.loads(self.model_dump_json()))

    @property
    def manifest(self) -> Manifest | None:
        if not self.fitted:
            return None
        return Manifest(cell=self.cell, facts=self.facts, cost=self.cost, environment=self.environment)

    @property
    def failure(self) -> Failure | None:
        return Failure(cell=self.cell, reason=self.problem, seconds=0.0) if self.problem else None


@dataclass(frozen=True)
class Published:
    """What lies in the folder; `cells` by the names of their manifests."""

    folder: Path
    board: Board
    cells: Mapping[str, PublishedCell]

    def collections(self) -> list[str]:
        return [collection.name for collection in self.board.collections]

    def runs(self, name: str) -> Path:
        """A file of answers or values."""
        return self.folder / RUNS / name


def published_files(cell: PublishedCell) -> Iterator[tuple[str, str]]:
    """Name and digest of every file below `runs` that the cell names."""
    for task in cell.tasks:
        yield task.answers, task.sha256
        if task.values:
            yield task.values, task.values_sha256


def write_cell(cell: CellRecord, folder: Path) -> PublishedCell:
    """Write a cell's manifest and answers below `folder`. `cell` is as it may be published, see `paths`."""
    manifest = cell.manifest or Manifest(cell=cell.identity)
    name = published_id(cell)
    published = PublishedCell(
        cell=cell.identity,
        fitted=cell.manifest is not None,
        facts=manifest.facts,
        cost=manifest.cost,
        environment=manifest.environment,
        problem=cell.problem,
        tasks=[_write_task(task, folder / RUNS, name, manifest.environment) for task in cell.tasks],
    )
    write_text(folder / MANIFESTS / f"{name}.json", published.as_json())
    return published


def _write_task(task: TaskRecord, runs: Path, cell: str, of_fit: Environment) -> PublishedTask:
    runs.mkdir(parents=True, exist_ok=True)
    result = task.result
    answers, values = (
        runs / f"{cell}.{slug(task.name.replace('.', '-'))}{end}" for end in (".parquet", ".values.parquet")
    )
    publish_answers(rankings_file(task), answers)
    beyond = {m.name: task.values[m.name] for m in result.measures if not m.of_answers and m.name in task.values}
    if beyond:
        publish_values(task.query_ids, beyond, values)
    return PublishedTask(
        task=result.task,
        options=result.options,
        counts=[count for count in result.counts if isfinite(count.value)],
        cost=result.cost,
        environment=None if result.environment == of_fit else result.environment,
        answers=answers.name,
        sha256=digest_file(answers),
        values=values.name if beyond else "",
        values_sha256=digest_file(values) if beyond else "",
    )


def read_published(folder: Path) -> Published:
    """A folder that `publish` wrote. Raises BenchError, with the file, for one that is not, or that is damaged."""
    board = read_board(folder / BOARD)
    cells = {path.stem: _read_cell(path) for path in sorted((folder / MANIFESTS).glob("*.json"))}
    return Published(folder, board, cells)


def read_board(path: Path) -> Board:
    """The board of a `leaderboard.json`. Raises BenchError."""
    try:
        return Board.from_data(_read(path))
    except ValueError as error:
        raise _not_published(path, error) from None


def _read_cell(path: Path) -> PublishedCell:
    try:
        return PublishedCell.model_validate(_read(path))
    except ValidationError as error:
        raise _not_published(path, error) from None


def _read(path: Path) -> Any:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        json.dumps(data, ensure_ascii=False).encode()  # half a character cannot be written again
    except (OSError, ValueError, RecursionError) as error:
        raise _not_published(path, error) from None
    return data


def _not_published(path: Path, error: Exception) -> BenchError:
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        reason = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    else:
        reason = str(error) or type(error).__name__
    return BenchError(
        f"{path} cannot be read: {' '.join(reason.split())[:300]}; give a folder that `bench publish` wrote "
        "with this version"
    )
