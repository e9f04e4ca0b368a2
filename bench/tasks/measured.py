"""Tasks whose answers are worth what qrels say: measures by name, their depth and order, ties, and counts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

import numpy as np
from pydantic import field_validator

from bench.collections.collection import Collection, Qrels
from bench.errors import BenchError
from bench.measures.audit import audited_values
from bench.measures.effectiveness import recall, tie_bounds, tied_within
from bench.measures.judged import Judgements
from bench.measures.measure import Count, Measure
from bench.measures.names import Effectiveness
from bench.rankings import Rankings
from bench.tasks import Task
from bench.tasks.exam import Exam


class MeasuredTask(Task):
    """A task that takes measures by name."""

    always: ClassVar[tuple[str, ...]] = ()
    """Measures beside those asked for."""

    shown: ClassVar[tuple[str, ...]]
    """Measures that tables show in any case."""

    measured: tuple[str, ...]
    """A subclass gives the usual ones; what equals them was not asked for."""

    @field_validator("measured", mode="before")
    @classmethod
    def _one_or_several(cls, names: Any) -> Any:
        return [name.strip() for name in names.split(",")] if isinstance(names, str) else names

    @field_validator("measured")
    @classmethod
    def _known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        try:
            return tuple(dict.fromkeys(str(Effectiveness.parse(name)) for name in names))
        except BenchError as error:
            raise ValueError(str(error)) from None

    def choice(self, primary: str = "") -> "Choice":
        """What to measure, in order. `primary` is the collection's own; what is asked for goes before it."""
        listed = tuple(map(Effectiveness.parse, self.measured))
        asked = () if self.measured == type(self).model_fields["measured"].default else listed
        first = (*asked, *([Effectiveness.parse(primary)] if primary else ()))
        shown = (*first, *map(Effectiveness.parse, self.shown))
        depth = max(self.depth, *(measure.cutoff or 0 for measure in (*first, *listed)))
        measures = [
            measure
            for measure in dict.fromkeys((*first, *listed, *shown, *map(Effectiveness.parse, self.always)))
            if (measure.cutoff or 0) <= depth
        ]
        measures.sort(key=lambda measure: measure.measure.diagnostic)
        return Choice(depth, measures, [str(measure) for measure in measures if measure in shown])


class Slice(NamedTuple):
    """Some of the questions.

    kind: what the questions are told apart by
    words: which they are, for a person
    asked: mask of shape [questions]
    """

    kind: str
    name: str
    words: str
    asked: np.ndarray

    def measure(self, primary: Effectiveness, who: str) -> Measure:
        """The primary measure over these questions; `who` says whose they are."""
        cutoff = f" @{primary.cutoff}" if primary.cutoff else ""
        return Measure(
            f"{primary} {self.name}", f"{primary}, over the {who} {self.words}", header=f"{self.name}{cutoff}"
        )


class Choice(NamedTuple):
    """Measures to compute, the primary one first; names of those that tables show; and how deep answers must be."""

    depth: int
    measures: Sequence[Effectiveness]
    columns: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class MeasuredExam(Exam):
    """Questions with judgements.

    judgements: of the questions, in their order
    by_name: the effectiveness measures, the primary one first
    answerable: how many documents an answer may hold, for all questions or for each
    slices: by measure, the mask of shape [queries] of those over which it is the primary measure
    """

    judgements: Judgements = field(repr=False)
    by_name: Sequence[Effectiveness]
    answerable: int | np.ndarray = field(repr=False)
    slices: Mapping[str, np.ndarray] = field(default_factory=dict, repr=False)

    def measured(
        self,
        rankings: Rankings,
        groups: np.ndarray | None,  # noqa: ARG002
    ) -> tuple[Mapping[str, np.ndarray], Sequence[Count]]:
        values = audited_values(rankings, self.judgements, self.by_name)
        primary = values[str(self.by_name[0])]
        of_slices = {name: np.where(asked, primary, np.nan) for name, asked in self.slices.items()}
        return {**values, **of_slices}, self._counts(rankings)

    def ceiling(self, candidates: Rankings) -> list[Count]:
        value = float(recall(candidates, self.judgements).mean())
        meaning = "recall of the first stage's candidates: no order of them finds more"
        return [Count("ceiling", value, meaning, "ceiling", kind="share", needs_scores=True)]

    def _counts(self, rankings: Rankings) -> list[Count]:
        short = rankings.lengths < np.minimum(self.depth, self.answerable)
        primary = self.by_name[0]
        worst, best = tie_bounds(rankings, self.judgements, primary)
        return [
            unanswered(rankings, "no answer"),
            Count("short", int(short.sum()), "queries with fewer answers than were asked for and possible", "short"),
            Count(
                "tied_at_10",
                int(tied_within(rankings, 10).sum()),
                "queries whose first ten hold a tie, or end in one, so that the document id decides the order",
                "tied @10",
                needs_scores=True,
            ),
            *(
                Count(
                    f"{primary} {which} ties",
                    float(bound.mean()),
                    f"mean of {primary} if every tie fell {'badly' if which == 'worst' else 'well'}",
                    kind="share",
                    needs_scores=True,
                )
                for which, bound in (("worst", worst), ("best", best))
            ),
        ]


def unanswered(rankings: Rankings, header: str = "") -> Count:
    """How many queries found nothing."""
    return Count("unanswered", int((rankings.lengths == 0).sum()), "queries for which nothing was found", header)


def answerable_qrels(collection: Collection) -> Qrels:
    """The judgements of the collection's split, without those on documents that are never an answer."""
    qrels = collection.qrels()
    if not collection.rules.exclude_self:
        return qrels
    own = np.array([collection.documents.rows.get(query_id, -1) for query_id in qrels.query_ids], dtype=np.int64)
    owners = np.repeat(np.arange(len(own)), np.diff(qrels.offsets))
    kept = qrels.rows != own[owners]
    offsets = np.concatenate([[0], np.cumsum(kept)])[qrels.offsets]
    return Qrels(qrels.query_ids, offsets, qrels.rows[kept], qrels.grades[kept])


def judged_positions(collection: Collection, qrels: Qrels) -> np.ndarray:
    """Which of the collection's queries have a relevant document. Raises BenchError if none has."""
    rules = collection.rules
    positions = np.flatnonzero(qrels.with_relevant(rules.minimum_relevance))
    if not len(positions):
        raise BenchError(
            f"{collection.name}: no query of split '{rules.split}' has a document of grade "
            f"{rules.minimum_relevance} or more; check ?split= and ?minimum_relevance="
        )
    return positions
