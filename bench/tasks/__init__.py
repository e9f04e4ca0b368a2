"""What a system is asked and how its answers are judged."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

import numpy as np
from pydantic import Field

from bench.collections.collection import Collection, Query
from bench.measures.interval import bootstrap_interval
from bench.options import Options
from bench.rankings import Rankings


@dataclass(frozen=True)
class Figure:
    """One number of a table: a mean over `n` queries with its 95 % bootstrap interval."""

    measure: str
    value: float
    n: int
    low: float
    high: float

    @classmethod
    def of(cls, measure: str, values: np.ndarray) -> Self:
        """From values of shape [queries]; a query whose value is NaN has none and does not count."""
        known = values[~np.isnan(values)]
        if not len(known):
            return cls(measure, float("nan"), 0, float("nan"), float("nan"))
        interval = bootstrap_interval(known)
        return cls(measure, float(known.mean()), len(known), interval.low, interval.high)


@dataclass(frozen=True)
class Judged:
    """What a task says of one system's answers.

    `per_query` has one array of shape [queries] for each measure; `counts` are facts that stand beside
    the means, such as how many queries found nothing. A task that measures with a model says so there:
    "judge" (or "selector") is what a table calls it, and "judge_weights" is its weights' digest, by which
    systems that share them are marked.
    """

    figures: Sequence[Figure]
    query_ids: Sequence[str]
    per_query: Mapping[str, np.ndarray]
    counts: Mapping[str, Any] = field(default_factory=dict)


class Task(Options, ABC):
    """A set of questions on a collection, and a judge of the answers."""

    columns: ClassVar[tuple[str, ...]]
    """The measures that a table on the screen shows; the first is the primary one."""

    count_columns: ClassVar[Mapping[str, str]] = {}
    """Counts that the table shows beside the means, by their header."""

    timed: ClassVar[bool] = False
    """Whether single queries are timed on this task's questions."""

    depth: int = Field(100, ge=1, le=10_000, description="documents asked of a system for each question")

    @abstractmethod
    def questions(self, collection: Collection) -> Sequence[Query]:
        """The same questions for every system. Raises BenchError where the collection has none."""

    def masks_history(self, collection: Collection) -> bool:  # noqa: ARG002
        """Whether what the history of a question holds is never an answer to it."""
        return False

    def reach(self, collection: Collection, questions: Sequence[Query]) -> int:
        """How many documents to ask for, so that `depth` are left without those that are never an answer."""
        longest = max(len(question.history) for question in questions) if self.masks_history(collection) else 0
        return self.depth + int(collection.rules.exclude_self) + longest

    def final(self, answers: Rankings, collection: Collection, questions: Sequence[Query]) -> Rankings:
        """Answers in their canonical order, cut at `depth`, without documents that are never an answer."""
        if self.masks_history(collection):
            answers = answers.without_histories(questions, collection.documents)
        return answers.canonical(questions, collection.documents, self.depth, collection.rules.exclude_self)

    @abstractmethod
    def judge(self, collection: Collection, rankings: Rankings) -> Judged:
        """Judge canonical rankings of `questions(collection)`. Raises BenchError for contradictory figures."""

    def diagnose(self, collection: Collection, rankings: Rankings, groups: np.ndarray) -> dict[str, Any]:  # noqa: ARG002
        """Counts for a system whose documents may share identifiers, as `groups` of shape [documents] tells."""
        return {}

    def weights(self) -> list[str]:
        """Names or paths of the model weights that the task measures with."""
        return []

    @abstractmethod
    def measures(self) -> list[str]:
        """Names of the figures that `judge` gives."""

    @abstractmethod
    def definition(self, collection: Collection) -> str:
        """What the figures mean on this collection, in a line for the table's foot."""
