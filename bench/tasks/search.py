"""The collection's own queries, judged by its own judgements."""

from collections.abc import Sequence
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from bench.collections.collection import Collection, Qrels
from bench.measures.judged import Judgements
from bench.tasks.measured import MeasuredExam, MeasuredTask, Slice, answerable_qrels, judged_positions
from bench.tasks.training_overlap import overlap_slices

_GAINS = {"linear": "gain = grade", "exponential": "gain = 2^grade - 1", "binary": "gain = 1"}


class Search(MeasuredTask):
    """Ad-hoc search: every judged query with at least one relevant document."""

    shown: ClassVar[tuple[str, ...]] = ("nDCG@10", "MRR@10", "Hits@1", "Recall@100")
    always: ClassVar[tuple[str, ...]] = ("Judged@10",)

    measured: tuple[str, ...] = Field(
        ("nDCG@10", "MRR@10", "Hits@1", "Hits@10", "Recall@100", "MAP"),
        min_length=1,
        description="measures, the primary one first, e.g. P@5; any name of trec_eval and ir_measures will do",
    )
    unanswerable: Literal["leave-out", "zero"] = Field(
        "leave-out", description="judged queries without a relevant document: not asked, or 0 as in trec_eval -c"
    )

    def on(self, collection: Collection) -> MeasuredExam:
        """Raises BenchError where no query has a relevant document."""
        asked, rules = collection.asking("questions"), collection.rules
        queries, qrels = asked.queries(), answerable_qrels(asked)
        positions = self._asked(asked, qrels)
        depth, measures, columns = self.choice(rules.primary)
        judgements = Judgements(qrels.take(positions), rules.minimum_relevance, rules.gains)
        parts = {part.measure(measures[0], "queries"): part for part in overlap_slices(asked, judgements)}
        return MeasuredExam(
            collection=collection,
            queries=[queries[position] for position in positions],
            depth=depth,
            measures=[*(one.measure for one in measures), *parts],
            columns=[*columns, *(measure.name for measure in parts)],
            definition=self._definition(asked, len(positions), depth) + _overlap([*parts.values()]),
            timed=True,
            judgements=judgements,
            by_name=measures,
            answerable=len(collection) - int(rules.exclude_self),
            slices={measure.name: part.asked for measure, part in parts.items()},
        )

    def _asked(self, collection: Collection, qrels: Qrels) -> np.ndarray:
        with_relevant = judged_positions(collection, qrels)
        return with_relevant if self.unanswerable == "leave-out" else np.flatnonzero(np.diff(qrels.offsets))

    def _definition(self, collection: Collection, asked: int, depth: int) -> str:
        rules, total = collection.rules, len(collection.queries())
        without = "without a relevant document" + " beside itself" * rules.exclude_self
        if self.unanswerable == "zero":
            left_out = f" (those {without} count 0, as in trec_eval -c)"
        else:
            left_out = f" ({total - asked} {without} left out)" if total > asked else ""
        return (
            f"mean over {asked} judged queries{left_out}, a missing answer counts 0; relevant = grade "
            f"{rules.minimum_relevance} or more, nDCG {_GAINS[rules.gains]}; ties are broken by document id; "
            f"first {depth} documents" + "".join(f"; {name}: {value}" for name, value in collection.notes.items())
        )


def _overlap(parts: Sequence[Slice]) -> str:
    """How many queries each part has."""
    if not parts:
        return ""
    shared, others = (int(part.asked.sum()) for part in parts)
    return f"; {shared} of them have a relevant document that a training query asks for too, {others} have none"
