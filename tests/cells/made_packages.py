"""Cells made by hand, without a run."""

import math
from pathlib import Path
from typing import Any

import numpy as np

from bench.cells.folder import index_folder, write_manifest, write_task
from bench.cells.record import FitCost, Identity, Manifest, TaskCost, TaskResult
from bench.collections.collection import Collection
from bench.digests import digest_data
from bench.measures.measure import Count, Figure, Instrument, Measure
from bench.rankings import Rankings
from bench.tasks.exam import Evaluation

OPTIONS = {"k1": 1.5, "seed": 0}
PARTS = {"collection": "f" * 64, "options": OPTIONS, "code": "c", "weights": ["w"], "components": []}


def identity(**changes: Any) -> Identity:
    given = {
        "system": "bm25",
        "retriever": "bm25",
        "family": "sparse",
        "trained": False,
        "options": OPTIONS,
        "weights": {"minilm": "w"},
        "collection": "small",
        "fingerprint": "f" * 64,
        "rules": {},
        "seed": 0,
        "key": digest_data(PARTS),
        "key_parts": PARTS,
    }
    return Identity(**(given | changes))


def task_result(**changes: Any) -> TaskResult:
    given = {
        "task": "search",
        "options": {"depth": 10},
        "definition": "mean over 2 queries",
        "queries": 2,
        "depth": 10,
        "timed": True,
        "measures": [Measure("nDCG@10", "gain"), Measure("fail@1", higher_is_better=False, diagnostic=True)],
        "columns": ["nDCG@10"],
        "instrument": Instrument("judge", "MaxSim", "w"),
        "figures": [Figure("nDCG@10", 0.9155, 2, 0.8, 1.0), Figure("fail@1", math.nan, 0, math.nan, math.nan)],
        "counts": [Count("unanswered", 1), Count("gap", math.nan, kind="share")],
        "cost": TaskCost(p50_ms=1.5),
    }
    return TaskResult(**(given | changes))


def evaluation(units: list[str] | None = None) -> Evaluation:
    rankings = Rankings(["q1", "q2"], np.array([0, 2, 3]), np.array([1, 0, 2]), np.array([2.5, 1.0, 0.1]))
    values = {"nDCG@10": np.array([1.0, 0.831]), "fail@1": np.array([np.nan, np.nan])}
    return Evaluation(rankings, values, task_result().figures, units=units)


def write_cell(folder: Path, collection: Collection, units: list[str] | None = None) -> Path:
    """A finished cell with an index and one task."""
    index_folder(folder).mkdir(parents=True)
    (index_folder(folder) / "terms.json").write_text("[]")
    write_manifest(folder, Manifest(cell=identity(), facts={"device": "cpu"}, cost=FitCost(seconds=1.0)))
    write_task(folder / "tasks" / "search.0123456789", task_result(), evaluation(units), collection.documents)
    return folder
