"""What comes next in a user's sequence: one relevant item in the whole catalogue."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal, NamedTuple

import numpy as np
from pydantic import Field

from bench.collections.collection import Collection, Qrels, Query
from bench.errors import BenchError
from bench.measures.collisions import defined_for_groups, expected, sid_level
from bench.measures.judged import Judgements
from bench.measures.measure import Count, Measure
from bench.measures.names import Effectiveness
from bench.rankings import Rankings
from bench.tasks.measured import MeasuredExam, MeasuredTask, answerable_qrels, judged_positions

_SELDOM = 0.01
"""Share of the targets that may stand in their histories before these are allowed in an answer."""


class NextItem(MeasuredTask):
    """Next-item recommendation: what comes next in each user's sequence, ranked among all items."""

    shown: ClassVar[tuple[str, ...]] = ("Recall@10", "nDCG@10", "MRR@10", "Recall@5", "nDCG@5")

    depth: int = Field(20, ge=10, le=10_000, description="items that are kept of each answer; at least each cut-off")
    measured: tuple[str, ...] = Field(
        shown, min_length=1, description="measures, the primary one first, e.g. Hits@1; any name of trec_eval will do"
    )
    mask_history: Literal["auto", "yes", "no"] = Field(
        "auto",
        description="leave items of the history out of an answer; auto: unless more than one in a hundred of the "
        "items that come next stand in it",
    )

    def on(self, collection: Collection) -> "NextItemExam":
        """Raises BenchError where there is no choice, no history or not one target each."""
        rules, qrels = collection.rules, answerable_qrels(collection)
        queries, positions = _asked(collection, qrels)
        depth, measures, columns = self.choice(rules.primary)
        targets = qrels.take(positions)
        again = _come_again(collection, queries, targets, rules.minimum_relevance)
        masked = self.mask_history == "yes" or (self.mask_history == "auto" and bool(again.mean() <= _SELDOM))
        parts = [] if masked or not again.any() else _parts(measures[0])
        grouped = [kind for kind in _GROUPED if defined_for_groups(measures[0])]
        by_group = [kind.measure(measures[0]) for kind in grouped]
        return NextItemExam(
            collection=collection,
            queries=queries,
            depth=depth,
            measures=[*(one.measure for one in measures), *parts, *by_group],
            columns=[*columns, *(measure.name for measure in (*parts, *by_group))],
            definition=_definition(collection, again, masked, depth),
            hides_histories=masked,
            timed=True,
            judgements=Judgements(targets, rules.minimum_relevance, rules.gains),
            by_name=measures,
            answerable=np.array([len(collection) - masked * len(set(query.history)) for query in queries]),
            come_again=again,
            parts=parts,
            grouped=grouped,
        )


def _come_again(collection: Collection, queries: Sequence[Query], targets: Qrels, least: int) -> np.ndarray:
    """Mask of shape [queries]: what comes next stands in the history already."""
    found = collection.documents.ids(targets.rows[targets.grades >= least])
    return np.array([item in query.history for query, item in zip(queries, found, strict=True)])


def _parts(primary: Effectiveness) -> list[Measure]:
    """The primary measure where what comes next stands in the history, and where it is new to it."""
    cutoff = f" @{primary.cutoff}" if primary.cutoff else ""
    return [
        Measure(f"{primary} {part}", f"{primary}, over the users for whom {words}", header=f"{part}{cutoff}")
        for part, words in (
            ("repeated", "what comes next stands in the history already"),
            ("new", "what comes next is new to the history"),
        )
    ]


class _Grouped(NamedTuple):
    """What an answer of a system is worth whose items may share identifiers, by the primary measure."""

    name: str
    values: Callable[[Rankings, np.ndarray, np.ndarray, Sequence[Effectiveness]], dict[Effectiveness, np.ndarray]]
    meaning: str
    diagnostic: bool

    def measure(self, primary: Effectiveness) -> Measure:
        short = f"{self.name} @{primary.cutoff}" if primary.family == "Recall" and primary.cutoff else ""
        name = f"{self.name} {primary}"
        return Measure(name, self.meaning, diagnostic=self.diagnostic, header=short, of_answers=False)


_GROUPED = (
    _Grouped("expected", expected, "mean over all orders of the items that share an identifier", diagnostic=False),
    _Grouped(
        "SID-level",
        sid_level,
        "items that share an identifier count as one, which rewards sharing",
        diagnostic=True,
    ),
)


@dataclass(frozen=True, kw_only=True)
class NextItemExam(MeasuredExam):
    """Histories with what comes next, told apart by whether it came before.

    come_again: shape [queries], whether what comes next stands in the history already
    parts: the primary measure where it does and where it does not; none where histories are hidden
    grouped: of a system whose items share identifiers, what that hides
    """

    come_again: np.ndarray = field(repr=False)
    parts: Sequence[Measure]
    grouped: Sequence[_Grouped]

    def measured(
        self, rankings: Rankings, groups: np.ndarray | None
    ) -> tuple[Mapping[str, np.ndarray], Sequence[Count]]:
        values, counts = super().measured(rankings, groups)
        primary = values[self.measures[0].name]
        of_parts = {
            part.name: np.where(asked, primary, np.nan)
            for part, asked in zip(self.parts, (self.come_again, ~self.come_again), strict=False)
        }
        return {**values, **of_parts, **({} if groups is None else self._by_group(rankings, groups))}, counts

    def _by_group(self, rankings: Rankings, groups: np.ndarray) -> dict[str, np.ndarray]:
        qrels, primary = self.judgements.qrels, self.by_name[0]
        targets = qrels.rows[self.judgements.relevant(qrels.grades)]
        return {
            kind.measure(primary).name: kind.values(rankings, targets, groups, [primary])[primary]
            for kind in self.grouped
        }


def _asked(collection: Collection, qrels: Qrels) -> tuple[list[Query], np.ndarray]:
    """The queries that something comes next to, and their positions."""
    if len(collection) < 2:
        raise BenchError(f"{collection.name} has a catalogue of one item; there is nothing to choose from")
    queries, positions = collection.queries(), judged_positions(collection, qrels)
    asked = [queries[position] for position in positions]
    if not any(query.history for query in asked):
        raise BenchError(
            f"{collection.name} has no histories, so nothing comes next; ask the task search, or take a "
            "collection of sequences such as pycalls or recbole:FOLDER"
        )
    if (qrels.grades >= collection.rules.minimum_relevance).sum() > len(asked):
        raise BenchError(f"{collection.name} has several relevant items for a query; next_item takes one")
    return asked, positions


def _definition(collection: Collection, again: np.ndarray, masked: bool, depth: int) -> str:
    """How the questions were made is told by the collection's notes: `protocol`, `fitted on`, and whatever else."""
    notes = dict(collection.notes)
    protocol, fitted = notes.pop("protocol", ""), notes.pop("fitted on", "")
    rules = [
        f"{protocol} ({collection.rules.split}): ".lstrip() + f"each of {len(again):,} users has one relevant item "
        f"among all {len(collection):,}, the one that comes next",
        f"items of the history are {_told(again, masked)}",
        *([f"systems are fitted on {fitted}"] if fitted else []),
        "a missing answer counts 0",
        "ties are broken by item id",
        f"first {depth} items",
    ]
    return "; ".join([*rules, *(f"{name}: {value}" for name, value in notes.items())])


def _told(again: np.ndarray, masked: bool) -> str:
    """What becomes of the history's items, and for how many users that decides."""
    number = int(again.sum())
    if not masked:
        return f"allowed in the answer ({number:,} of those that come next stand in the history already)"
    lost = f" (so {number:,} of those that come next cannot be found)" if number else ""
    return f"left out of the answer{lost}"
