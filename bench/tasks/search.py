"""The collection's own queries, judged by its own judgements."""

from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np
from pydantic import Field, field_validator

from bench.collections.collection import Collection, Query
from bench.errors import BenchError
from bench.measures.audit import audit, audited
from bench.measures.effectiveness import Judgements, evaluate, judged_share, tie_bounds, tied_at
from bench.measures.measures import Measure
from bench.rankings import Rankings
from bench.tasks import Figure, Judged, Task


class Search(Task):
    """Ad-hoc search: every judged query with at least one relevant document."""

    columns: ClassVar[tuple[str, ...]] = ("nDCG@10", "MRR@10", "Hits@1", "Recall@100")
    count_columns: ClassVar[Mapping[str, str]] = {
        "no answer": "unanswered",
        "short": "short",
        "tied @10": "tied_at_10",
    }
    timed = True

    measured: tuple[str, ...] = Field(
        ("nDCG@10", "MRR@10", "Hits@1", "Hits@10", "Recall@100", "MAP"), description="measures, e.g. P@5"
    )

    @field_validator("measured")
    @classmethod
    def _known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        try:
            return tuple(str(Measure.parse(name)) for name in names)
        except BenchError as error:
            raise ValueError(str(error)) from None

    def questions(self, collection: Collection) -> Sequence[Query]:
        queries = collection.queries()
        return [queries[position] for position in judged_positions(collection)]

    def measures(self) -> list[str]:
        return [*self.measured, "Judged@10"]

    def judge(self, collection: Collection, rankings: Rankings) -> Judged:
        judgements = self._judgements(collection)
        chosen = [Measure.parse(name) for name in self.measured]
        per_query = self._per_query(rankings, judgements, chosen)
        return Judged(
            figures=[Figure.of(name, found) for name, found in per_query.items()],
            query_ids=rankings.query_ids,
            per_query=per_query,
            counts=self._counts(collection, rankings) | _ties(rankings, judgements, chosen),
        )

    def _per_query(
        self, rankings: Rankings, judgements: Judgements, chosen: Sequence[Measure]
    ) -> dict[str, np.ndarray]:
        return audited_values(rankings, judgements, chosen) | {
            "Judged@10": judged_share(rankings, judgements.qrels, 10)
        }

    def definition(self, collection: Collection) -> str:
        rules = collection.rules
        total, asked = len(collection.queries()), len(self.questions(collection))
        left_out = f" ({total - asked} without a relevant document left out)" if total > asked else ""
        graded = {"linear": "gain = grade", "exponential": "gain = 2^grade - 1", "binary": "gain = 1"}[rules.gains]
        return (
            f"mean over {asked} judged queries{left_out}, a missing answer counts 0; relevant = grade "
            f"{rules.minimum_relevance} or more, nDCG {graded}; ties are broken by document id; "
            f"first {self.depth} documents"
        )

    def _judgements(self, collection: Collection) -> Judgements:
        rules = collection.rules
        return Judgements(collection.qrels().take(judged_positions(collection)), rules.minimum_relevance, rules.gains)

    def _answerable(self, collection: Collection) -> int | np.ndarray:
        """How many documents an answer may hold, for all queries or for each."""
        return len(collection) - int(collection.rules.exclude_self)

    def _counts(self, collection: Collection, rankings: Rankings) -> dict[str, int]:
        reachable = np.minimum(self.depth, self._answerable(collection))
        return {
            "unanswered": int((rankings.lengths == 0).sum()),
            "short": int((rankings.lengths < reachable).sum()),
            "tied_at_10": int(tied_at(rankings, 10).sum()),
        }


def judged_positions(collection: Collection) -> np.ndarray:
    """Which of the collection's queries have a relevant document. Raises BenchError if none has."""
    rules = collection.rules
    positions = np.flatnonzero(collection.qrels().with_relevant(rules.minimum_relevance))
    if not len(positions):
        raise BenchError(
            f"{collection.name}: no query of split '{rules.split}' has a document of grade "
            f"{rules.minimum_relevance} or more; check ?split= and ?minimum_relevance="
        )
    return positions


def audited_values(rankings: Rankings, judgements: Judgements, measures: Sequence[Measure]) -> dict[str, np.ndarray]:
    """Audited values of shape [queries] by the measure's name."""
    values = evaluate(rankings, judgements, audited(measures))
    audit(values, rankings.query_ids)
    return {str(measure): values[measure] for measure in measures}


def _ties(rankings: Rankings, judgements: Judgements, measures: Sequence[Measure]) -> dict[str, float]:
    """The primary measure's mean if every tie fell badly, and if every tie fell well."""
    worst, best = tie_bounds(rankings, judgements, measures[0])
    return {f"{measures[0]} worst ties": float(worst.mean()), f"{measures[0]} best ties": float(best.mean())}
