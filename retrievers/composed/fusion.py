"""Fusion of ranked lists: one score for each document of several lists.

A document that a list lacks gets nothing from it: no reciprocal rank, and a score of 0. Normalised scores are at
least 0 for nearly every document, so that a missing one counts as the last of the list or worse; scores as they are
have to be.
"""

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np

from bench.errors import BenchError

Method = Literal["rrf", "sum", "min-max", "dbsf"]
Hits = tuple[np.ndarray, np.ndarray]
"""Rows and scores of a list, the best first."""


def fuse(lists: Sequence[Hits], weights: Sequence[float], method: Method, constant: float = 60) -> Hits:
    """The rows of all lists, each once, and their fused scores; in no particular order.

    Shares are added from the smallest on, so that documents with the same shares of different lists tie.
    """
    rows, places = np.unique(np.concatenate([rows for rows, _ in lists]), return_inverse=True)
    values = [weight * _shares(scores, method, constant) for (_, scores), weight in zip(lists, weights, strict=True)]
    shares = np.concatenate(values)
    order = np.argsort(shares, kind="stable")
    return rows, np.bincount(places[order], shares[order], minlength=len(rows))


def _shares(scores: np.ndarray, method: Method, constant: float) -> np.ndarray:
    """What a list gives each of its documents."""
    if method == "rrf":
        return 1 / (constant + np.arange(1, len(scores) + 1))
    return _NORMALISED[method](scores) if len(scores) else scores


def _from_nothing_on(scores: np.ndarray) -> np.ndarray:
    """The scores as they are. Raises BenchError for one below 0, which would count less than not to be found."""
    if scores.min() < 0:
        raise BenchError(
            f"method=sum: a part gives a document the score {scores.min():g}, and one that it does not find counts "
            "0, which is more; take min-max or rrf"
        )
    return scores


def min_max(scores: np.ndarray) -> np.ndarray:
    """From 0 for the last of a list to 1 for the first; 1 for all of a list of equal scores, which were found."""
    span = np.ptp(scores)
    return (scores - scores.min()) / span if span > 0 else np.ones(len(scores))


def distribution_based(scores: np.ndarray) -> np.ndarray:
    """The place of a score between three standard deviations below the list's mean (0) and three above it (1).

    Mazzeschi 2023, as Qdrant has it: the deviation is that of a sample, scores beyond are not cut, and a list of
    equal scores gives 1/2 to all.
    """
    if np.ptp(scores) == 0:  # their deviation need not be 0 in floating point
        return np.full(len(scores), 0.5)
    return (scores - scores.mean()) / (6 * scores.std(ddof=1)) + 0.5


_NORMALISED: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "sum": _from_nothing_on,
    "min-max": min_max,
    "dbsf": distribution_based,
}
