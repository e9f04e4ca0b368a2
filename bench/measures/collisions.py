"""What a ranking is worth where items share identifiers: expected credit, and the figure that rewards sharing.

A system that names identifiers and not items cannot tell the items of one identifier apart. Counting a hit whenever
the target's identifier is named (`sid_level`) makes the coarsest identifiers look best; it is a diagnostic. What such
a system achieves at the level of items is `expected`.
"""

from collections.abc import Callable, Sequence

import numpy as np

from bench.errors import BenchError
from bench.measures.names import Effectiveness
from bench.rankings import Rankings

_GAINS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "Recall": np.ones_like,
    "Hits": np.ones_like,
    "MRR": np.reciprocal,
    "nDCG": lambda ranks: 1 / np.log2(ranks + 1),
}
"""What the only relevant item is worth at each rank from 1, before the cut-off."""


def defined_for_groups(measure: Effectiveness) -> bool:
    """Whether a measure has a value where groups of items are ranked."""
    return measure.family in _GAINS


def sid_level(
    rankings: Rankings, targets: np.ndarray, groups: np.ndarray, measures: Sequence[Effectiveness]
) -> dict[Effectiveness, np.ndarray]:
    """Values of shape [queries] where groups are ranked in place of items, and the target's group is the target.

    `rankings` must be canonical. `targets` has the row of each query's only relevant item, and `groups` the number,
    from 0, of the group of each row of the collection. A group stands where the first of its items does. Raises
    BenchError for a measure other than Recall, Hits, MRR and nDCG.
    """
    return _mean_gains(rankings, targets, groups, np.ones(groups.max() + 1, dtype=np.int64), measures)


def expected(
    rankings: Rankings, targets: np.ndarray, groups: np.ndarray, measures: Sequence[Effectiveness]
) -> dict[Effectiveness, np.ndarray]:
    """Mean values of shape [queries] over all orders of the items within their groups.

    Each group stands where the first of its items does, and is expanded to all its items, found or not; so the rank
    of the target is uniform over the places of its group. Arguments and errors are those of `sid_level`, which is
    never less, and equal where no two items share a group.
    """
    return _mean_gains(rankings, targets, groups, np.bincount(groups), measures)


def _mean_gains(
    rankings: Rankings, targets: np.ndarray, groups: np.ndarray, sizes: np.ndarray, measures: Sequence[Effectiveness]
) -> dict[Effectiveness, np.ndarray]:
    """Means over the places of the target's group, where each group takes up as many as `sizes` says."""
    owners, found = _first_hits(rankings, groups)
    ends = np.cumsum(sizes[found])
    starts = ends - sizes[found]
    of_query = starts[np.searchsorted(owners, owners)]
    is_target = found == groups[targets][owners]
    first, last = np.zeros((2, len(rankings)), dtype=np.int64)
    first[owners[is_target]] = (starts - of_query + 1)[is_target]
    last[owners[is_target]] = (ends - of_query)[is_target]
    values = {}
    for measure in measures:
        gains = _gains(measure, len(groups))
        sums = np.cumsum(gains)
        several = (sums[last] - sums[np.maximum(first - 1, 0)]) / (last - first + 1)
        values[measure] = np.where(first == last, gains[first], several)
    return values


def _first_hits(rankings: Rankings, groups: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The queries' groups in the order of their first items: the positions of the queries, and the groups."""
    owners, found = rankings.owners, groups[rankings.rows]
    _, firsts = np.unique(owners * (groups.max() + 1) + found, return_index=True)
    firsts.sort()
    return owners[firsts], found[firsts]


def _gains(measure: Effectiveness, items: int) -> np.ndarray:
    """Shape [items + 1]: what the target is worth at each rank; nothing at rank 0, where it was not found."""
    if not defined_for_groups(measure):
        raise BenchError(f"measure '{measure}' is not defined for groups of items; take one of {', '.join(_GAINS)}")
    gains = np.zeros(items + 1)
    last = min(measure.cutoff or items, items)
    gains[1 : last + 1] = _GAINS[measure.family](np.arange(1, last + 1, dtype=np.float64))
    return gains
