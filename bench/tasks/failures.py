"""Why a generative system misses: by its identifiers, by its search, or by what it has learned."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from pydantic import Field

from bench.collections.collection import Collection
from bench.measures.judged import Judgements
from bench.measures.measure import Count, Measure
from bench.measures.names import Effectiveness
from bench.protocols import Trace
from bench.rankings import Rankings
from bench.tasks import Task
from bench.tasks.measured import MeasuredExam, answerable_qrels, judged_positions, unanswered

Kind = Literal["ambiguous", "pruned", "unlikely"]

KINDS: dict[Kind, str] = {
    "ambiguous": "a document with the same identifier is among the first answers in its place",
    "pruned": "its identifier is likelier than the last answer's, and the search left it at a prefix",
    "unlikely": "its identifier is less likely than the last answer's",
}
"""What kept the likeliest relevant document of a query from the first answers."""

_LEFT, _GAP = "left at token", "gap"


class Failures(Task):
    """What kept relevant documents from the first answers of a system that searches for identifiers.

    Asked are the collection's own judged queries. A query fails where none of the first `depth` answers is relevant;
    of several relevant documents the likeliest counts. The shares of the kinds are of the queries that fail.
    """

    depth: int = Field(10, ge=1, le=10_000, description="answers among which a relevant document should be")

    def on(self, collection: Collection) -> "FailuresExam":
        """Raises BenchError where no query has a relevant document."""
        questions, rules = collection.asking("questions"), collection.rules
        queries, qrels = questions.queries(), answerable_qrels(questions)
        positions = judged_positions(questions, qrels)
        asked, hits = qrels.take(positions), Effectiveness("Hits", self.depth)
        relevant = asked.grades >= rules.minimum_relevance
        return FailuresExam(
            collection=collection,
            queries=[queries[position] for position in positions],
            depth=self.depth,
            measures=[hits.measure, *_measures()],
            columns=[str(hits), *(measure.name for measure in _measures())],
            definition=self._definition(len(positions)),
            judgements=Judgements(asked, rules.minimum_relevance, rules.gains),
            by_name=[hits],
            answerable=len(collection) - int(rules.exclude_self),
            sought=[
                asked.rows[start:stop][relevant[start:stop]]
                for start, stop in zip(asked.offsets, asked.offsets[1:], strict=False)
            ],
        )

    def _definition(self, asked: int) -> str:
        return (
            f"of {asked} judged queries, those without a relevant document among the first {self.depth} fail; shares "
            "of the failures by what kept the likeliest relevant document away: "
            + "; ".join(f"{kind}: {words}" for kind, words in KINDS.items())
            + "; systems that search for no identifiers have no such shares"
        )


def _measures() -> list[Measure]:
    shares = [Measure(kind, f"share of the failures: {words}") for kind, words in KINDS.items()]
    others = [
        Measure(_LEFT, "mean number of tokens of the identifier when the search left it, over the failures left so"),
        Measure(_GAP, "by how much log-probability it was then behind the last one kept, mean over the same"),
    ]
    return [Measure(one.name, one.meaning, diagnostic=True, of_answers=False) for one in (*shares, *others)]


@dataclass(frozen=True, kw_only=True)
class FailuresExam(MeasuredExam):
    """Judged queries, and what a search tells of the documents that it should have found."""

    def _counts(self, rankings: Rankings) -> list[Count]:
        return [unanswered(rankings)]

    def traced(
        self, rankings: Rankings, groups: np.ndarray | None, traces: Sequence[Sequence[Trace]]
    ) -> Mapping[str, np.ndarray]:
        values = {name: np.full(len(traces), np.nan) for name in (*KINDS, _LEFT, _GAP)}
        for place, followed in enumerate(traces):
            rows, scores = rankings.of(place)
            if not followed or np.isin(rows, self.sought[place]).any():
                continue
            nearest = max(followed, key=lambda trace: trace.log_prob)
            last = scores[self.depth - 1] if len(scores) >= self.depth else -np.inf
            found = kind(nearest, rows, last, groups)
            for name in KINDS:
                values[name][place] = name == found
            if nearest.step:
                values[_LEFT][place], values[_GAP][place] = nearest.step, nearest.gap
        return values


def kind(trace: Trace, rows: np.ndarray, last: float, groups: np.ndarray | None) -> Kind:
    """Why a document is not among the answers.

    rows: of the answers
    last: the log-probability of the last of them; -inf where there could have been more
    groups: equal numbers for documents that share an identifier; shape [documents]
    """
    if groups is not None and (groups[rows] == groups[trace.row]).any():
        return "ambiguous"
    return "pruned" if trace.step and trace.log_prob > last else "unlikely"
