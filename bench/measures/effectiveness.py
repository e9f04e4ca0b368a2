"""Effectiveness of canonical rankings, from ranks that are already final, and what ties might have made of it."""

from collections.abc import Sequence

import numpy as np

from bench.measures.formulas import values_of
from bench.measures.judged import JudgedHits, Judgements, ordered_by_grade
from bench.measures.names import Effectiveness
from bench.rankings import Rankings


def evaluate(
    rankings: Rankings, judgements: Judgements, measures: Sequence[Effectiveness]
) -> dict[Effectiveness, np.ndarray]:
    """Values of shape [queries] for each measure; an unanswered query has 0, and no value of Judged@k.

    `rankings` must be canonical and answer the queries of `judgements` in the same order. Raises BenchError for a
    grade whose gain is no finite number.
    """
    hits = JudgedHits.of(rankings, judgements)
    return {measure: values_of(measure, hits) for measure in measures}


def recall(rankings: Rankings, judgements: Judgements) -> np.ndarray:
    """Shape [queries]: the share of the relevant documents that was found, in any order and at any depth."""
    whole = Effectiveness("Recall", None)
    return evaluate(rankings, judgements, [whole])[whole]


def tie_bounds(rankings: Rankings, judgements: Judgements, measure: Effectiveness) -> tuple[np.ndarray, np.ndarray]:
    """The worst and the best value of shape [queries] over all orders of documents with equal scores."""
    worst, best = (ordered_by_grade(rankings, judgements, best_first) for best_first in (False, True))
    return evaluate(worst, judgements, [measure])[measure], evaluate(best, judgements, [measure])[measure]


def tied_within(rankings: Rankings, k: int) -> np.ndarray:
    """Mask of shape [queries]: the document id decides which of two documents comes first, one of them being among
    the first k: they stand next to each other with equal scores."""
    owners, tied = rankings.owners[1:], np.diff(rankings.scores) == 0
    ranks = (
        np.arange(len(owners)) - rankings.offsets[owners] + 1
    )  # of the first of the two, where both answer one query
    tied &= (owners == rankings.owners[:-1]) & (ranks <= k)
    return np.bincount(owners[tied], minlength=len(rankings)) > 0
