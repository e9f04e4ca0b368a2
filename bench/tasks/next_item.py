"""What comes next in a user's sequence: one relevant item in the whole catalogue, leave-one-out."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from bench.collections.collection import Collection, Query
from bench.errors import BenchError
from bench.measures.collisions import expected, sid_level
from bench.measures.effectiveness import Judgements
from bench.measures.measures import Measure
from bench.rankings import Rankings
from bench.tasks.search import Search, audited_values


class NextItem(Search):
    """Next-item recommendation: the last item of each user's sequence, ranked among all items."""

    columns: ClassVar[tuple[str, ...]] = ("Recall@10", "nDCG@10", "MRR@10", "Recall@5", "nDCG@5")
    count_columns: ClassVar[Mapping[str, str]] = {
        **Search.count_columns,
        "expected @10": "expected Recall@10",
        "[SID-level @10]": "SID-level Recall@10",
    }

    depth: int = Field(20, ge=10, le=10_000, description="items that are kept of each answer")
    measured: tuple[str, ...] = Field(
        ("Recall@10", "nDCG@10", "MRR@10", "Recall@5", "nDCG@5"), description="measures, e.g. Hits@1"
    )
    mask_history: Literal["auto", "yes", "no"] = Field(
        "auto", description="leave items of the history out of an answer; auto: where no history repeats an item"
    )

    def questions(self, collection: Collection) -> Sequence[Query]:
        """Raises BenchError where there is no choice, no history or not one target each."""
        if len(collection) < 2:
            raise BenchError(f"{collection.name} has a catalogue of one item; there is nothing to choose from")
        questions = super().questions(collection)
        if not any(question.history for question in questions):
            raise BenchError(
                f"{collection.name} has no histories, so nothing comes next; ask the task search, or take a "
                "collection of sequences such as pycalls or recbole:FOLDER"
            )
        relevant = collection.qrels().grades >= collection.rules.minimum_relevance
        if relevant.sum() > len(questions):
            raise BenchError(f"{collection.name} has several relevant items for a query; next_item takes one")
        return questions

    def measures(self) -> list[str]:
        return list(self.measured)

    def masks_history(self, collection: Collection) -> bool:
        if self.mask_history != "auto":
            return self.mask_history == "yes"
        return all(len(set(query.history)) == len(query.history) for query in collection.queries())

    def _per_query(
        self, rankings: Rankings, judgements: Judgements, chosen: Sequence[Measure]
    ) -> dict[str, np.ndarray]:
        return audited_values(rankings, judgements, chosen)

    def diagnose(self, collection: Collection, rankings: Rankings, groups: np.ndarray) -> dict[str, Any]:
        """What the ranking is worth where items of one identifier count as one, and on average over their orders.

        Both for the primary measure. The first rewards identifiers that many items share; it is no result.
        """
        judgements = self._judgements(collection)
        targets = judgements.qrels.rows[judgements.relevant() > 0]
        measure = Measure.parse(self.measured[0])
        return {
            f"{kind} {measure}": float(values(rankings, targets, groups, [measure])[measure].mean())
            for kind, values in (("expected", expected), ("SID-level", sid_level))
        }

    def _answerable(self, collection: Collection) -> int | np.ndarray:
        hidden = self.masks_history(collection)
        return np.array([len(collection) - hidden * len(set(query.history)) for query in self.questions(collection)])

    def definition(self, collection: Collection) -> str:
        asked, split = len(self.questions(collection)), collection.rules.split
        masked = "left out of" if self.masks_history(collection) else "allowed in"
        rules = (
            f"leave-one-out ({split}): each of {asked:,} users has one relevant item among all {len(collection):,}, "
            f"the one that comes next; items of the history are {masked} the answer; systems are fitted on sequences "
            "without their last two items; a missing answer counts 0; ties are broken by item id; first "
            f"{self.depth} items"
        )
        return "; ".join([rules, *(f"{name}: {value}" for name, value in collection.notes.items())])
