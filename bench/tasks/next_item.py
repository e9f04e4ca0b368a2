"""What comes next in a user's sequence: one relevant item in the whole catalogue."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal, NamedTuple

import numpy as np
from pydantic import Field

from bench.collections.collection import Collection, Qrels, Query
from bench.collections.histories import seldom_again
from bench.errors import BenchError
from bench.measures.beyond_accuracy import BeyondAccuracy
from bench.measures.collisions import defined_for_groups, expected, sid_level
from bench.measures.judged import Judgements
from bench.measures.measure import Count, Measure
from bench.measures.names import Effectiveness
from bench.rankings import Rankings
from bench.tasks.measured import MeasuredExam, MeasuredTask, answerable_qrels, judged_positions
from bench.tasks.slices import Kind, Questions, slices


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
    slices: tuple[Kind, ...] = Field(
        ("repeats", "transition"),
        description="which parts of the questions tables show apart; all are measured: repeats, transition, "
        "popularity, cold, history",
    )

    def on(self, collection: Collection) -> "NextItemExam":
        """Raises BenchError where there is no choice, no history or not one target each."""
        users, rules = collection.asking("users"), collection.rules
        qrels = answerable_qrels(users)
        queries, positions = _asked(users, qrels)
        depth, measures, columns = self.choice(rules.primary)
        judgements = Judgements(qrels.take(positions), rules.minimum_relevance, rules.gains)
        targets = judgements.qrels.rows[judgements.relevant(judgements.qrels.grades)]
        questions = Questions.of(collection, queries, targets)
        again = questions.come_again
        masked = self.mask_history == "yes" or (self.mask_history == "auto" and seldom_again(again))
        parts = [part for part in slices(questions) if not (masked and part.kind == "repeats")]
        grouped = [kind for kind in _GROUPED if defined_for_groups(measures[0])]
        by_group = [kind.measure(measures[0]) for kind in grouped]
        beyond = _beyond(questions, measures[0].cutoff or depth)
        of_parts = {part.measure(measures[0], "users"): part for part in parts}
        shown = [measure for measure, part in of_parts.items() if part.kind in self.slices]
        popular, novel = ([beyond.log_popularity], [beyond.novelty]) if beyond else ([], [])
        return NextItemExam(
            collection=collection,
            queries=queries,
            depth=depth,
            measures=[*(one.measure for one in measures), *of_parts, *by_group, *popular, *novel],
            columns=[*columns, *(measure.name for measure in (*shown, *by_group, *popular))],
            definition=_definition(collection, again, masked, depth),
            hides_histories=masked,
            timed=True,
            units=[query.user for query in queries] if any(query.of for query in queries) else None,
            units_are="users",
            judgements=judgements,
            by_name=measures,
            answerable=np.array([len(collection) - masked * len(set(query.history)) for query in queries]),
            slices={measure.name: part.asked for measure, part in of_parts.items()},
            grouped=grouped,
            beyond=beyond,
        )


def _beyond(questions: Questions, cutoff: int) -> BeyondAccuracy | None:
    """What answers are beside right; None where nothing was there to learn from."""
    if not questions.training:
        return None
    return BeyondAccuracy(cutoff, questions.popularity, len(questions.training))


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
    """Histories with what comes next.

    grouped: of a system whose items share identifiers, what that hides
    beyond: what answers are beside right
    """

    grouped: Sequence[_Grouped]
    beyond: BeyondAccuracy | None = field(repr=False)

    def measured(
        self, rankings: Rankings, groups: np.ndarray | None
    ) -> tuple[Mapping[str, np.ndarray], Sequence[Count]]:
        found, counts = super().measured(rankings, groups)
        values = dict(found)
        if groups is not None:
            values |= self._by_group(rankings, groups)
        if self.beyond:
            values |= self.beyond.values(rankings)
            counts = [*counts, *self.beyond.counts(rankings)]
        return values, counts

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
