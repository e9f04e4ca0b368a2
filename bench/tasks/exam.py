"""A task bound to a collection: what is asked, how deep, and what answers are worth."""

from abc import ABC, abstractmethod
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from bench.collections.collection import Collection, Documents, Query
from bench.measures.interval import figure_of
from bench.measures.measure import Count, Figure, Instrument, Measure
from bench.protocols import Trace
from bench.rankings import Rankings


@dataclass(frozen=True)
class Stage:
    """A part of a collection that a system is given before it is asked some of an exam's questions.

    given: for the first stage what the system is fitted on, with training queries; later only documents
    documents: all that the system has by then, in its order
    asked: which of the exam's questions are asked then
    """

    given: Collection
    documents: Documents
    asked: slice


_BARRED = "it is the judge of {value} measures itself and has no figures of them"


@dataclass(frozen=True)
class Evaluation:
    """What a task says of one system's answers.

    rankings: the answers in their canonical order, from which everything else is computed
    values: for each measure's name an array of shape [queries]; NaN where a query has no value. Measures that say
        nothing about this system are not there
    figures: the mean of each of them, in the same order
    counts: facts beside the means
    units: shape [queries], what the queries of one unit have in common (e.g. the document that they are made of), so
        that they are not independent; None where each query is a unit
    """

    rankings: Rankings
    values: Mapping[str, np.ndarray]
    figures: Sequence[Figure]
    counts: Sequence[Count] = ()
    units: Sequence[str] | None = None

    @property
    def query_ids(self) -> Sequence[str]:
        return self.rankings.query_ids

    def without(self, barred: Sequence[str]) -> "Evaluation":
        """The same but for some measures, of which a count tells."""
        if not barred:
            return self
        values = {name: found for name, found in self.values.items() if name not in barred}
        figures = [one for one in self.figures if one.measure in values]
        count = Count("barred", len(barred), kind="amount", note=_BARRED)
        return replace(self, values=values, figures=figures, counts=[*self.counts, count])


@dataclass(frozen=True, kw_only=True)
class Exam(ABC):
    """A task bound to a collection. The same for every system: questions, depth, judgements and definition.

    depth: documents that are kept of each answer
    measures: every measure that `evaluate` may give; the first is the primary one, by which systems are ranked
    columns: names of the measures that tables show, the primary one first
    definition: what the figures mean on this collection, in a line for the table's foot
    hides_histories: whether what the history of a question holds is never an answer to it
    timed: whether single queries are timed, and memory is measured
    instrument: what the primary measure is measured with, if anything
    second_instrument: another that is measured with beside it
    units: what questions have in common, as in `Evaluation`
    units_are: what they are called, several of them
    stages: parts of the collection that a system is given one after the other; empty for the whole at once
    sought: for each question the rows of documents whose way through a search for identifiers is wanted, if any
    """

    collection: Collection
    queries: Sequence[Query]
    depth: int
    measures: Sequence[Measure]
    columns: Sequence[str]
    definition: str
    hides_histories: bool = False
    timed: bool = False
    instrument: Instrument | None = None
    second_instrument: Instrument | None = None
    units: Sequence[str] | None = field(default=None, repr=False)
    units_are: str = "documents"
    stages: Sequence[Stage] = field(default=(), repr=False)
    sought: Sequence[np.ndarray] = field(default=(), repr=False)

    @property
    def primary(self) -> Measure:
        """The measure by which systems are ranked."""
        return self.measures[0]

    def barred(self, family: str, weights: Container[str]) -> list[str]:
        """The measures that a system of this family, with weights of these digests, would decide of itself."""
        instruments = {"instrument": self.instrument, "second_instrument": self.second_instrument}
        own = {name for name, one in instruments.items() if one and one.is_the_system(family, weights)}
        return [measure.name for measure in self.measures if measure.decided_by in own]

    @property
    def reach(self) -> int:
        """How many documents to ask for, so that `depth` are left without those that are never an answer."""
        longest = max(len(query.history) for query in self.queries) if self.hides_histories else 0
        return self.depth + int(self.collection.rules.exclude_self) + longest

    def final(self, answers: Rankings) -> Rankings:
        """Answers in their canonical order, cut at `depth`, without documents that are never an answer.

        Raises BenchError for answers that are not to these questions, or that hold a mistake.
        """
        documents = self.collection.documents
        if self.hides_histories:
            answers = answers.without_histories(self.queries, documents)
        return answers.canonical(self.queries, documents, self.depth, self.collection.rules.exclude_self)

    def evaluate(
        self,
        answers: Rankings,
        groups: np.ndarray | None = None,
        traces: Sequence[Sequence[Trace]] | None = None,
    ) -> Evaluation:
        """Mask, order, audit and measure answers to `queries`, in whatever order each one lists its documents.

        `groups` has, for a system whose documents may share identifiers, equal numbers for documents that do; shape
        [documents]. `traces` has, for a system that tells, how its search went past the documents that are sought.
        Raises BenchError for answers that hold a mistake and for figures that contradict each other.
        """
        rankings = self.final(answers)
        values, counts = self.measured(rankings, groups)
        if traces is not None:
            values = {**values, **self.traced(rankings, groups, traces)}
        figures = [figure_of(name, found, self.units) for name, found in values.items()]
        return Evaluation(rankings, values, figures, counts, self.units)

    def ceiling(self, candidates: Rankings) -> list[Count]:  # noqa: ARG002
        """What candidates in no particular order leave to be found, where the questions have judgements."""
        return []

    def traced(
        self,
        rankings: Rankings,  # noqa: ARG002
        groups: np.ndarray | None,  # noqa: ARG002
        traces: Sequence[Sequence[Trace]],  # noqa: ARG002
    ) -> Mapping[str, np.ndarray]:
        """Values of canonical rankings, as in `Evaluation`, by what a search for identifiers tells of itself."""
        return {}

    @abstractmethod
    def measured(
        self, rankings: Rankings, groups: np.ndarray | None
    ) -> tuple[Mapping[str, np.ndarray], Sequence[Count]]:
        """Audited values of canonical rankings, as in `Evaluation`, and counts."""
