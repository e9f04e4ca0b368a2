"""Records of cells written by hand, without a run and without a folder."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench.cells.record import (
    CellRecord,
    Environment,
    Failure,
    FitCost,
    Identity,
    Machine,
    Manifest,
    TaskCost,
    TaskRecord,
    TaskResult,
)
from bench.leaderboard.build import Request
from bench.measures.interval import figure_of
from bench.measures.measure import Count, Instrument, Measure

PRIMARY = Measure("nDCG@10", "gain")
MACHINE = Machine(processor="abacus", cores=2, memory_gb=8.0, system="Linux", threads=2, accelerator="none")


def identity(system: str = "bm25", seed: int = 0, **changes: Any) -> Identity:
    given = {
        "system": system,
        "retriever": system,
        "family": "sparse",
        "trained": False,
        "options": {},
        "weights": {},
        "collection": "small",
        "fingerprint": "f" * 64,
        "rules": {"split": "test"},
        "seed": seed,
        "key": f"{system}{seed}",
    }
    return Identity(**(given | changes))


def task(
    values: Mapping[str, Sequence[float]] | Sequence[float],
    name: str = "search",
    measures: Sequence[Measure] = (PRIMARY,),
    units: Sequence[str] | None = None,
    machine: Machine | None = MACHINE,
    counts: Sequence[Count] = (),
    instrument: Instrument | None = None,
    units_are: str = "documents",
    **cost: Any,
) -> TaskRecord:
    """A finished task; bare values are of the primary measure."""
    by_name = values if isinstance(values, Mapping) else {measures[0].name: values}
    arrays = {measure: np.array(found, dtype=np.float64) for measure, found in by_name.items()}
    queries = len(next(iter(arrays.values())))
    result = TaskResult(
        task=name,
        options={"depth": 10},
        definition=f"what {name} means",
        queries=queries,
        depth=10,
        timed=True,
        units_are=units_are,
        measures=list(measures),
        columns=[measure.name for measure in measures],
        instrument=instrument,
        figures=[figure_of(measure, found, units) for measure, found in arrays.items()],
        counts=list(counts),
        cost=TaskCost(**cost),
        environment=Environment(machine=machine),
    )
    return TaskRecord(result, [f"q{i}" for i in range(queries)], arrays, units, f"{name}.1", Path("run"))


def cell(
    system: str = "bm25", *tasks: TaskRecord, seed: int = 0, problem: str = "", changed: float = 0.0, **changes: Any
) -> CellRecord:
    who = identity(system, seed, **changes)
    fitted = Manifest(cell=who, cost=FitCost(seconds=1.0), environment=Environment(machine=MACHINE))
    failure = Failure(cell=who, reason=problem, seconds=1.0) if problem else None
    return CellRecord(who, fitted, failure, tasks, Path(f"cells/{system}.{seed}"), changed)


def request(systems: Sequence[str], tasks: Sequence[str] = ("search",), seeds: Sequence[int] = (0,)) -> Request:
    return Request(
        suite="made-up",
        title="",
        systems=[{"retriever": name, "name": name} for name in systems],
        tasks=[{"task": name, "options": {"depth": 10}} for name in tasks],
        seeds=seeds,
    )
