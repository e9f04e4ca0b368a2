"""Cells as a run leaves them, with figures that nobody measured: for leaderboards of any size."""

import gzip
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from bench import registry
from bench.digests import digest_data
from bench.suite import Suite
from bench.tasks import Figure, Task

QUERIES = 300
_COSTS = ("queries_per_second", "peak_memory_mb", "added_memory_mb", "p50_ms", "p95_ms", "p99_ms")
_MACHINE = {
    "processor": "Abacus 3000",
    "cores": 2,
    "memory_gb": 8.0,
    "system": "Linux",
    "threads": 2,
    "accelerator": "none",
}


def write_cells(suite: Suite, collections: Sequence[str], out: Path) -> None:
    """A finished cell for each system, collection and seed; systems differ by a little and by chance."""
    for name in collections:
        difficulty = np.random.default_rng(0).random(QUERIES)
        for place, entry in enumerate(suite.systems):
            for seed in suite.seeds:
                generator = np.random.default_rng([place, seed, len(name)])
                level = 0.8 - 0.6 * place / len(suite.systems)
                values = (generator.random(QUERIES) * 0.6 + difficulty * 0.4 < level).astype(float)
                values[values > 0] = generator.choice([0.3, 0.5, 0.63, 1.0], int(values.sum()))
                _write_cell(
                    out / "cells" / f"{place}.{name}.{seed}", suite, entry.label, entry.retriever, name, seed, values
                )


def _write_cell(
    folder: Path, suite: Suite, system: str, retriever: str, collection: str, seed: int, values: np.ndarray
) -> None:
    identity = {
        "system": system, "retriever": retriever, "family": "dense", "trained": False, "options": {"seed": seed},
        "weights": {}, "collection": collection, "fingerprint": digest_data(collection), "seed": seed,
        "rules": {"split": "test", "gains": "linear"}, "key": digest_data([system, collection, seed]),
    }  # fmt: skip
    cost = {"fit_seconds": float(values.sum()), "fit_peak_memory_mb": 9.0, "index_bytes": 1e6 * values.sum()}
    record = {"cell": identity, "facts": {"dimension": 384}, "cost": cost} | _environment()
    _write_json(folder / "manifest.json", record)
    for wanted in suite.tasks:
        task: Task = registry.find("task", wanted.task).load()(**wanted.options)
        _write_task(folder / "tasks" / f"{wanted.task}.{digest_data(task.options())[:10]}", wanted.task, task, values)


def _write_task(folder: Path, name: str, task: Task, values: np.ndarray) -> None:
    given = 0.4 * (1 - values) if name == "relevance" else values
    low, high = float(given.mean()) - 0.03, float(given.mean()) + 0.03
    counts: dict[str, Any] = dict.fromkeys(task.count_columns.values(), 0)
    cost = {"latency_queries": 200} | {name: float(values.sum()) for name in _COSTS}
    result = {
        "task": name, "options": task.options(), "definition": f"what {name} means", "queries": QUERIES,
        "figures": [Figure(measure, float(given.mean()), QUERIES, low, high).__dict__ for measure in task.measures()],
        "counts": counts, "cost": cost,
    }  # fmt: skip
    _write_json(folder / "result.json", result | _environment())
    ids = [f"query {number}" for number in range(QUERIES)]
    pq.write_table(pa.table({"query": ids} | dict.fromkeys(task.measures(), given)), folder / "queries.parquet")
    lines = "".join(f"query%20{number} Q0 document{number} 1 1 bench\n" for number in range(QUERIES))
    (folder / "run.trec.gz").write_bytes(gzip.compress(lines.encode(), mtime=0))


def _environment() -> dict[str, Any]:
    versions = {f"library-{number}": f"{number}.0.1" for number in range(25)}
    return {
        "versions": versions,
        "revision": {"commit": "c" * 40, "dirty": False},
        "machine": _MACHINE,
        "command": "bench",
    }


def _write_json(path: Path, data: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(data, indent=2))
