"""Every figure as one flat object, for `--json`."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.results import CellResult
from bench.runner.plan import open_task
from bench.store import write_text

_FIT_COSTS = ("fit_seconds", "fit_processor_seconds", "fit_others_share", "fit_peak_memory_mb", "index_bytes")
_TASK_COSTS = (
    "queries_per_second", "p50_ms", "p95_ms", "p99_ms", "others_share", "peak_memory_mb", "added_memory_mb",
)  # fmt: skip


def figures(results: Sequence[CellResult]) -> Iterator[dict[str, Any]]:
    """One object per figure; a cell that failed gives its figures with the value null and its reason."""
    for result in results:
        cell = result.cell
        base = {
            "collection": cell.collection,
            "fingerprint": cell.fingerprint,
            "system": cell.system,
            "options": cell.options,
            "seed": cell.seed,
        }
        for task, measure, value, n in _failed(result) if result.problem else _done(result):
            status = f"failed: {result.problem}" if result.problem else "done"
            yield base | {"task": task, "measure": measure, "value": value, "n": n, "status": status}


def _done(result: CellResult) -> Iterator[tuple[str, str, Any, int]]:
    for name in _FIT_COSTS:
        if name in result.cost:
            yield "cost", name, result.cost[name], 1
    for task in result.tasks:
        for figure in task.figures.values():
            yield task.task, figure.measure, figure.value, figure.n
        for name, count in task.counts.items():
            if not isinstance(count, str):
                yield task.task, name, count, task.queries
        for name in _TASK_COSTS:
            if name in task.cost:
                n = task.cost["latency_queries"] if name.endswith("_ms") else task.queries
                yield "cost", f"{task.task}.{name}", task.cost[name], n


def _failed(result: CellResult) -> Iterator[tuple[str, str, Any, int]]:
    for planned in result.cell.tasks:
        for measure in open_task(planned.name, planned.options).measures():
            yield planned.name, measure, None, 0


def write_figures(path: Path, objects: Iterable[Mapping[str, Any]]) -> None:
    """A JSON array with one object a line; a path that ends in .jsonl gets the bare lines."""
    lines = [json.dumps(figure, ensure_ascii=False) for figure in objects]
    text = "\n".join(lines) if path.suffix == ".jsonl" else "[\n" + ",\n".join(lines) + "\n]"
    write_text(path, text + "\n")
