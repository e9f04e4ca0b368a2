"""Effectiveness of canonical rankings, computed by ranx from ranks that are already final."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np

from bench.collections.collection import Gains, Qrels
from bench.measures.measures import Measure
from bench.rankings import Rankings


@dataclass(frozen=True)
class Judgements:
    """Judgements of the queries that were asked, with the rules that turn grades into gains."""

    qrels: Qrels
    minimum_relevance: int = 1
    gains: Gains = "linear"

    def relevant(self) -> np.ndarray:
        """Shape [judgements]: 1.0 for a relevant document, else 0.0."""
        return (self.qrels.grades >= self.minimum_relevance).astype(np.float64)

    def gain(self) -> np.ndarray:
        """Shape [judgements]: the gain of each judged document in nDCG; grades below 1 gain nothing."""
        grades = np.maximum(self.qrels.grades, 0).astype(np.float64)
        if self.gains == "exponential":
            return np.exp2(grades) - 1
        return self.relevant() if self.gains == "binary" else grades


def evaluate(rankings: Rankings, judgements: Judgements, measures: Sequence[Measure]) -> dict[Measure, np.ndarray]:
    """Values of shape [queries] for each measure; an unanswered query has 0.

    `rankings` must be canonical and answer the queries of `judgements` in the same order. ranx is given
    row numbers instead of ids, and only hits in their final order, so no tie rule of its own applies.
    """
    from numba.core.errors import NumbaTypeSafetyWarning
    from ranx import metrics

    found = _numba_list(rankings.rows, rankings.scores, rankings.offsets)
    binary = _ideal(judgements.qrels, judgements.relevant())
    graded = _ideal(judgements.qrels, judgements.gain())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NumbaTypeSafetyWarning)  # of ranx's loop counters, when it compiles
        return {
            measure: getattr(metrics, measure.ranx_name)(
                binary if measure.binary else graded, found, k=measure.cutoff or 0, rel_lvl=1
            )
            for measure in measures
        }


def tie_bounds(rankings: Rankings, judgements: Judgements, measure: Measure) -> tuple[np.ndarray, np.ndarray]:
    """The worst and the best value of shape [queries] over all orders of documents with equal scores."""
    grades = _grades_of_hits(rankings, judgements.qrels)
    bounds = []
    for sign in (1, -1):
        order = np.lexsort((sign * grades, -rankings.scores, rankings.owners))
        reordered = replace(rankings, rows=rankings.rows[order])
        bounds.append(evaluate(reordered, judgements, [measure])[measure])
    return bounds[0], bounds[1]


def judged_share(rankings: Rankings, qrels: Qrels, k: int) -> np.ndarray:
    """Judged@k, shape [queries]: share of the first k documents found that anyone judged; NaN if none was found."""
    first = np.arange(len(rankings.rows)) - rankings.offsets[rankings.owners] < k
    judged = first & (_grades_of_hits(rankings, qrels) > _UNJUDGED)
    counts = np.bincount(rankings.owners, judged, minlength=len(rankings))
    totals = np.bincount(rankings.owners, first, minlength=len(rankings))
    return np.divide(counts, totals, out=np.full(len(rankings), np.nan), where=totals > 0)


def tied_at(rankings: Rankings, k: int) -> np.ndarray:
    """Mask of shape [queries]: the k-th document found and the next have equal scores."""
    last = rankings.offsets[:-1] + k - 1
    inside = rankings.lengths > k
    tied = np.zeros(len(rankings), dtype=bool)
    tied[inside] = rankings.scores[last[inside]] == rankings.scores[last[inside] + 1]
    return tied


def warm_up() -> None:
    """Have ranx compile its measures: seconds once a machine, then read from disk."""
    qrels = Qrels(["a"], np.array([0, 1]), np.array([0]), np.array([1]))
    rankings = Rankings(["a"], np.array([0, 1]), np.array([0]), np.array([1.0]))
    names = ("nDCG@10", "MRR@10", "Hits@10", "Recall@10", "MAP")
    evaluate(rankings, Judgements(qrels), [Measure.parse(name) for name in names])


_UNJUDGED = -(2**62)  # below every grade, and its negative is still an integer


def _grades_of_hits(rankings: Rankings, qrels: Qrels) -> np.ndarray:
    """Shape [hits]: the grade of each hit, _UNJUDGED where nobody judged it."""
    grades = np.full(len(rankings.rows), _UNJUDGED, dtype=np.int64)
    for position in range(len(rankings)):
        rows, _ = rankings.of(position)
        judged, of_judged = qrels.of(position)
        by_row = dict(zip(judged.tolist(), of_judged.tolist(), strict=True))
        start = rankings.offsets[position]
        grades[start : start + len(rows)] = [by_row.get(row, _UNJUDGED) for row in rows.tolist()]
    return grades


def _ideal(qrels: Qrels, gains: np.ndarray) -> Any:
    """Judgements as ranx wants them: best first, and none without gain."""
    owners = np.repeat(np.arange(len(qrels.query_ids)), np.diff(qrels.offsets))
    order = np.lexsort((qrels.rows, -gains, owners))
    order = order[gains[order] > 0]
    offsets = np.searchsorted(owners[order], np.arange(len(qrels.query_ids) + 1))
    return _numba_list(qrels.rows[order], gains[order], offsets)


def _numba_list(rows: np.ndarray, values: np.ndarray, offsets: np.ndarray) -> Any:
    """A list of [hits, 2] arrays of row and value, one for each query."""
    import numba
    from numba.typed import List

    pairs = np.column_stack([rows.astype(np.float64), values.astype(np.float64)])
    listed = List.empty_list(numba.float64[:, ::1])
    for start, stop in pairwise(offsets):
        listed.append(pairs[start:stop])
    return listed
