"""What a cell leaves on disk: one set of typed, versioned models. Nobody else knows file names or keys.

A cell's folder holds `manifest.json` once the system is fitted, `failure.json` if it ended badly, and for each
finished task a folder below `tasks` with `result.json`, `run.trec.gz`, `rankings.parquet` and `queries.parquet`.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, field_validator

from bench.measures.measure import Count, Figure, Instrument, Measure

if TYPE_CHECKING:
    from bench.tasks.exam import Evaluation, Exam

FORMAT: Literal[2] = 2
"""Version of everything below; a record of another one is not read."""


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, ser_json_inf_nan="null")


class Machine(_Record):
    """What costs were measured on; two compare only where processor, threads and accelerator are equal."""

    processor: str
    cores: int
    memory_gb: float
    system: str
    threads: int
    accelerator: str


class Identity(_Record):
    """Which cell it is: one system on one collection with one seed.

    deterministic: the seed changes nothing, so that one cell stands for all seeds
    imported: a third party's run that was only scored here
    key: digest of `key_parts`, and so of all that the answers depend on
    key_parts: collection, options, code, weights, versions; empty where they are not known
    """

    system: str
    retriever: str
    family: str
    trained: bool
    deterministic: bool = False
    imported: bool = False
    options: dict[str, Any]
    weights: dict[str, str]
    collection: str
    fingerprint: str
    rules: dict[str, Any]
    seed: int
    key: str
    key_parts: dict[str, Any] = Field(default_factory=dict)


class Environment(_Record):
    """What ran, where, and by which command (as a shell takes it)."""

    versions: dict[str, str] = Field(default_factory=dict)
    revision: dict[str, Any] = Field(default_factory=dict)
    machine: Machine | None = None
    command: str = ""


class FitCost(_Record):
    """What it cost to fit; None where that is not known.

    reused_seconds: part of `seconds` that other systems had spent on shared work
    processor_seconds, peak_memory_mb: of this process, the memory on top of what it held before; None where shared
        work of others spared a part of them
    others_share: share of the processor that other work took meanwhile, 0 to 1
    parts_seconds: of `seconds`, what each part of a composed system took, by its name
    """

    seconds: float | None = None
    reused_seconds: float | None = None
    processor_seconds: float | None = None
    others_share: float | None = None
    peak_memory_mb: float | None = None
    index_bytes: int | None = None
    parts_seconds: dict[str, float] = Field(default_factory=dict)


class TaskCost(_Record):
    """What it cost to answer; None where that is not known, e.g. of a system elsewhere.

    memory_mb: what the system needed on top of the loaded libraries, without what scored it
    latency_queries: how many single queries the percentiles are of
    parts_p50_ms: median of what each part of a composed system takes of a single query, by its name
    """

    queries_per_second: float | None = None
    p50_ms: float | None = None
    p95_ms: float | None = None
    p99_ms: float | None = None
    latency_queries: int | None = None
    parts_p50_ms: dict[str, float] = Field(default_factory=dict)
    memory_mb: float | None = None
    others_share: float | None = None


class Manifest(_Record):
    """What a fit left. An imported run has one without costs and environment."""

    format: Literal[2] = FORMAT
    cell: Identity
    facts: dict[str, Any] = Field(default_factory=dict)
    cost: FitCost = FitCost()
    environment: Environment = Environment()


FailureKind = Literal[
    "missing dependency",
    "remote failure",
    "out of memory",
    "time limit",
    "crashed",
    "invalid output",
    "interrupted",
    "cannot add",
    "bad input",
    "error",
]
"""What failures have in common; `error` is what a system raises and nobody knows more of."""


@dataclass(frozen=True)
class Problem:
    """What went wrong; as text the reason in one line, led by its kind where the reason does not say it."""

    kind: FailureKind
    reason: str

    def __str__(self) -> str:
        return self.reason if self.kind == "error" or self.kind in self.reason else f"{self.kind}: {self.reason}"


class Failure(_Record):
    """Why a cell ended badly. `log` holds the last lines that its processes printed."""

    format: Literal[2] = FORMAT
    cell: Identity
    kind: FailureKind = "error"
    reason: str
    seconds: float
    log: str = ""

    @property
    def problem(self) -> str:
        """The kind and the reason."""
        return str(Problem(self.kind, self.reason))


class TaskResult(_Record):
    """What a task said of a cell, without the values of each query.

    measures: the exam's, the primary one first; columns: names of those that tables show
    """

    format: Literal[2] = FORMAT
    task: str
    options: dict[str, Any]
    definition: str
    queries: int
    depth: int
    timed: bool
    units_are: str = "documents"
    measures: list[Measure]
    columns: list[str]
    instrument: Instrument | None = None
    second_instrument: Instrument | None = None
    figures: list[Figure]
    counts: list[Count] = Field(default_factory=list)
    cost: TaskCost = TaskCost()
    environment: Environment = Environment()

    @classmethod
    def of(
        cls, task: str, options: Mapping[str, Any], exam: "Exam", evaluation: "Evaluation", **others: Any
    ) -> "TaskResult":
        """From what an exam says of itself and of one system's answers; `others` are fields that it does not know."""
        said = {
            "definition": exam.definition,
            "queries": len(exam.queries),
            "depth": exam.depth,
            "timed": exam.timed,
            "units_are": exam.units_are,
            "measures": list(exam.measures),
            "columns": list(exam.columns),
            "instrument": exam.instrument,
            "second_instrument": exam.second_instrument,
            "figures": list(evaluation.figures),
            "counts": list(evaluation.counts),
        }
        return cls(task=task, options=dict(options), **(said | others))

    @field_validator("figures", "counts", mode="before")
    @classmethod
    def _null_is_no_number(cls, given: Any) -> Any:
        """JSON knows no NaN; `null` stands for it."""
        if not isinstance(given, list):
            return given
        names = ("value", "low", "high")
        return [
            one | {name: math.nan for name in names if name in one and one[name] is None}
            if isinstance(one, dict)
            else one
            for one in given
        ]


@dataclass(frozen=True)
class TaskRecord:
    """A task's result with the values behind it, as read from the task's folder.

    query_ids, values, units: as in `bench.tasks.exam.Evaluation`
    name: of the folder: the task and a part of its key
    """

    result: TaskResult
    query_ids: Sequence[str]
    values: Mapping[str, np.ndarray]
    units: Sequence[str] | None
    name: str
    run_file: Path


@dataclass(frozen=True)
class OfCell:
    """Whatever belongs to one cell, planned or on disk."""

    identity: Identity

    @property
    def system(self) -> str:
        return self.identity.system

    @property
    def collection(self) -> str:
        return self.identity.collection

    @property
    def seed(self) -> int:
        return self.identity.seed


@dataclass(frozen=True)
class CellRecord(OfCell):
    """One cell as it lies on disk. `manifest` is None if it was never fitted, `failure` if nothing went wrong."""

    manifest: Manifest | None
    failure: Failure | None
    tasks: Sequence[TaskRecord]
    folder: Path
    changed: float = field(compare=False, default=0.0)
    """When it was written, in seconds; the newest of equal cells is the one that counts."""

    @property
    def fingerprint(self) -> str:
        return self.identity.fingerprint

    @property
    def imported(self) -> bool:
        return self.identity.imported

    @property
    def problem(self) -> str:
        """Why tasks are missing, if any are."""
        return self.failure.problem if self.failure else ""

    @property
    def done(self) -> bool:
        """Whether the system was fitted, or imported, and nothing went wrong."""
        return self.manifest is not None and self.failure is None
