"""Published figures of others, and what this harness gives for them on this machine."""

import os
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bench.cells.folder import read
from bench.cells.stores import CellStore
from bench.collections.catalogue import Dataset, open_dataset
from bench.errors import BenchError
from bench.runner.events import Watcher
from bench.runner.plan import make_plan
from bench.runner.run import run_cells
from bench.suite import Suite, SystemEntry, TaskEntry

_COMMITTED = Path(__file__).parents[1] / "references.toml"


class Reference(BaseModel):
    """One figure that somebody published, and how it is obtained here."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    datasets: list[str] = Field(min_length=1, description="the first that opens is used; $BENCH_DATA is filled in")
    retriever: str
    options: dict[str, Any] = Field(default_factory=dict)
    task: str = "search"
    task_options: dict[str, Any] = Field(default_factory=dict)
    measure: str
    value: float
    tolerance: float = Field(gt=0)
    source: str


@dataclass(frozen=True)
class Held:
    """A reference beside our figure; `problem` says why there is none."""

    reference: Reference
    dataset: str = ""
    ours: float | None = None
    problem: str = ""

    @property
    def where(self) -> str:
        """Name of the data that it was held on, or would have been."""
        return Path(self.dataset or self.reference.datasets[-1]).name

    @property
    def difference(self) -> float | None:
        return None if self.ours is None else self.ours - self.reference.value

    @property
    def verdict(self) -> str:
        """A reference whose data is not at hand is not run; one whose system gives no figure on them has failed."""
        if self.difference is None:
            return "failed" if self.dataset else "not run"
        return "OK" if abs(self.difference) <= self.reference.tolerance else "FAIL"


def read_references(path: Path = _COMMITTED) -> list[Reference]:
    """The references of a TOML file. Raises BenchError with the entry at fault."""
    try:
        entries = tomllib.loads(path.read_text(encoding="utf-8")).get("reference", [])
        return [Reference(**entry) for entry in entries]
    except OSError as error:
        raise BenchError(f"{path} cannot be read: {error.strerror}; check the path") from None
    except tomllib.TOMLDecodeError as error:
        raise BenchError(f"{path}: not TOML: {error}") from None
    except ValidationError as error:
        first = error.errors()[0]
        raise BenchError(f"{path}: {'.'.join(map(str, first['loc']))}: {first['msg'].lower()}") from None


def hold(references: Sequence[Reference], data: Path, store: CellStore, watcher: Watcher) -> Iterator[Held]:
    """Run what can be run here, one reference after the other; finished cells are reused."""
    for reference in references:
        try:
            dataset = _open(reference, data)
        except BenchError as error:
            yield Held(reference, problem=str(error))
            continue
        try:
            yield Held(reference, dataset.spec, _figure(reference, dataset, store, watcher))
        except BenchError as error:
            yield Held(reference, dataset.spec, problem=str(error))


def _open(reference: Reference, data: Path) -> Dataset:
    """The first of the reference's datasets that opens. Raises BenchError with every reason."""
    problems = []
    for spec in reference.datasets:
        try:
            return open_dataset(spec.replace("$BENCH_DATA", os.fspath(data)))
        except BenchError as error:
            problems.append(str(error))
    raise BenchError("; ".join(problems))


def _figure(reference: Reference, dataset: Dataset, store: CellStore, watcher: Watcher) -> float:
    suite = Suite(
        name="references",
        datasets=[dataset.spec],
        systems=[SystemEntry(retriever=reference.retriever, options=reference.options)],
        tasks=[TaskEntry(task=reference.task, options=reference.task_options)],
    )
    cells = make_plan(suite, [dataset], store.folder)
    store.fetch([cells[0].folder.name])
    run_cells(cells, watcher, store=store)
    record = read(cells[0].folder)
    if record.failure:
        raise BenchError(record.failure.problem)
    figures = {figure.measure: figure.value for task in record.tasks for figure in task.result.figures}
    if reference.measure not in figures:
        raise BenchError(f"{reference.name}: no {reference.measure} among {', '.join(figures)}; correct the entry")
    return figures[reference.measure]
