"""What one system gave on one collection, as an object to look into."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from bench.cells.record import CellRecord, TaskRecord
from bench.collections.catalogue import open_dataset
from bench.collections.collection import Collection
from bench.errors import BenchError, UnknownName
from bench.leaderboard.chosen_task import chosen_task
from bench.leaderboard.text import bounds
from bench.measures.measure import Figure
from bench.rankings import Rankings
from bench.runner.plan import open_task
from bench.settings import parse_query
from bench.tasks.exam import Exam
from bench.trec import read_run

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Result:
    """One system on one collection with one seed: its figures, their values by query, and what it answered.

    exams, answers: by the name of the task's record, where they are at hand; what is missing is opened when it is
        asked for
    """

    cell: CellRecord
    exams: Mapping[str, Exam] = field(default_factory=dict, repr=False)
    answers: Mapping[str, Rankings] = field(default_factory=dict, repr=False)

    @property
    def name(self) -> str:
        return self.cell.identity.system

    @cached_property
    def collection(self) -> Collection:
        """What it was asked on. Raises BenchError if that is not here any more as it was."""
        identity = self.cell.identity
        found = next((exam.collection for exam in self.exams.values()), None)
        found = found or open_dataset(identity.collection).collection
        if found.fingerprint != identity.fingerprint:
            raise BenchError(
                f"{self.name} was run on {identity.collection} with fingerprint {identity.fingerprint[:6]}, here it "
                f"has {found.fingerprint[:6]}: other content or rules; run it again"
            )
        return found

    def record(self, task: str = "") -> TaskRecord:
        """What a task said of it, by default the first; `search?depth=10` tells tasks of one name apart.

        Raises BenchError for one that it did not finish, and where several are meant.
        """
        if self.cell.failure and not self.cell.tasks:
            raise BenchError(f"{self.name} failed: {self.cell.failure.problem}")
        if not task and self.cell.tasks:
            return self.cell.tasks[0]
        return chosen_task(self.cell, *parse_query(task))

    def exam(self, task: str = "") -> Exam:
        """The questions of a task, by default the first."""
        record = self.record(task)
        result = record.result
        return self.exams.get(record.name) or open_task(result.task, result.options).on(self.collection)

    def __getitem__(self, measure: str) -> Figure:
        """The mean of a measure with its interval, of the first task that has it. Raises UnknownName."""
        self.record()
        figures = {figure.measure: figure for task in reversed(self.cell.tasks) for figure in task.result.figures}
        if measure not in figures:
            raise UnknownName("measure", measure, figures, f"of {self.name}")
        return figures[measure]

    def rankings(self, task: str = "") -> Rankings:
        """What it answered to the questions of a task, by default the first, in the canonical order."""
        record = self.record(task)
        if record.name in self.answers:
            return self.answers[record.name]
        exam, documents = self.exam(task), self.collection.documents
        return read_run(record.run_file, exam.queries, documents).canonical(exam.queries, documents, exam.depth)

    def per_query(self, task: str = "") -> "pd.DataFrame":
        """A pandas frame with the value of every measure, a row for each query of a task, by default the first."""
        import pandas as pd

        record = self.record(task)
        return pd.DataFrame({"system": self.name, "query": list(record.query_ids), **record.values})

    def __repr__(self) -> str:
        shown = f"{self.name} on {self.cell.identity.collection}"
        if not self.cell.tasks:
            return f"{shown}: {self.cell.failure.problem if self.cell.failure else 'not run'}"
        primary = self.record().result.figures[0]
        return f"{shown}: {primary.measure} {primary.value:.4f} ({bounds(primary.low, primary.high)})"
