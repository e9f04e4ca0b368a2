"""Every figure as one flat object, for `--json`."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

from bench.cells.record import CellRecord, FailureKind, Identity, TaskResult
from bench.leaderboard.build import Request, record_of
from bench.leaderboard.imported import ImportedRow
from bench.leaderboard.reported import TASK, ReportedFigures
from bench.store import write_text


@dataclass(frozen=True)
class _Number:
    """One number of a cell."""

    task: str
    measure: str
    value: float | None
    n: int


def figures(request: Request, cells: Sequence[CellRecord]) -> Iterator[dict[str, Any]]:
    """One object for each figure, count and cost of each cell; what failed has null, its reason and kind.

    A task that a cell lacks has the measures that it has elsewhere among `cells`, or one without a name.
    """
    measures: dict[str, list[str]] = {}
    for result in (task.result for cell in cells for task in cell.tasks):
        measures.setdefault(result.task, [figure.measure for figure in result.figures])
    for cell in cells:
        yield from (_object(cell.identity, number, "done") for number in _costs_of_fit(cell))
        for wanted in request.tasks:
            record = record_of(cell, wanted["task"], wanted["options"])
            if record:
                yield from (_object(cell.identity, number, "done") for number in _numbers(record.result))
                continue
            status = f"failed: {cell.failure.reason}" if cell.failure else "not run"
            kind = cell.failure.kind if cell.failure else None
            for measure in measures.get(wanted["task"], [""]):
                yield _object(cell.identity, _Number(wanted["task"], measure, None, 0), status, kind)


def imported_figures(row: ImportedRow) -> Iterator[dict[str, Any]]:
    """The same of a run made elsewhere."""
    base = {"collection": row.collection, "fingerprint": row.fingerprint, "system": row.system}
    for number in _numbers(row.result):
        yield base | {"options": {}, "seed": None} | vars(number) | {"status": "imported", "failure": None}


def reported_figures(row: ReportedFigures) -> Iterator[dict[str, Any]]:
    """The same of figures that were computed elsewhere; of how many queries they are is not known."""
    base = {"collection": row.collection, "fingerprint": row.fingerprint, "system": row.system}
    for measure, value in row.figures.items():
        number = _Number(TASK, measure, value, 0)
        yield base | {"options": {}, "seed": None} | vars(number) | {"status": "imported, not run", "failure": None}


def _object(identity: Identity, number: _Number, status: str, kind: FailureKind | None = None) -> dict[str, Any]:
    return {
        "collection": identity.collection,
        "fingerprint": identity.fingerprint,
        "system": identity.system,
        "options": identity.options,
        "seed": identity.seed,
        **vars(number),
        "status": status,
        "failure": kind,
    }


def _numbers(result: TaskResult) -> Iterator[_Number]:
    for figure in result.figures:
        yield _Number(result.task, figure.measure, figure.value, figure.n)
    for count in result.counts:
        yield _Number(result.task, count.name, count.value, result.queries)
    for name, value in _amounts(result.cost.model_dump(exclude={"latency_queries"}, exclude_none=True)):
        n = result.cost.latency_queries or 0 if "_ms" in name else result.queries
        yield _Number("cost", f"{result.task}.{name}", value, n)


def _costs_of_fit(cell: CellRecord) -> Iterator[_Number]:
    if cell.manifest:
        for name, value in _amounts(cell.manifest.cost.model_dump(exclude_none=True)):
            yield _Number("cost", name if name == "index_bytes" else f"fit_{name}", value, 1)


def _amounts(costs: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """Each cost with its name; those of a composed system's parts as `parts_p50_ms.PART`."""
    for name, value in costs.items():
        if isinstance(value, Mapping):
            yield from ((f"{name}.{part}", amount) for part, amount in value.items())
        else:
            yield name, value


def write_figures(path: Path, objects: Iterable[Mapping[str, Any]]) -> None:
    """A JSON array with one object a line; a path that ends in .jsonl gets the bare lines. NaN becomes null."""
    lines = [json.dumps(_plain(one), ensure_ascii=False, allow_nan=False) for one in objects]
    text = "\n".join(lines) if path.suffix == ".jsonl" else "[\n" + ",\n".join(lines) + "\n]"
    write_text(path, text + "\n")


def _plain(data: Any) -> Any:
    if isinstance(data, Mapping):
        return {name: _plain(value) for name, value in data.items()}
    if isinstance(data, list | tuple):
        return [_plain(value) for value in data]
    return None if isinstance(data, float) and not isfinite(data) else data
