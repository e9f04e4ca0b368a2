"""Several systems on the same questions: their means, the ranks that remain open to them, and every pair."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bench.leaderboard.compare import Side, higher_is_better, shared_measures
from bench.measures.interval import Units, figure_of, units_of_kept
from bench.measures.measure import Figure
from bench.measures.significance import Comparison, RankInterval, compare_all, flips_tried, rank_intervals


@dataclass(frozen=True)
class System:
    """One of the systems: its mean, and the ranks that it may have."""

    name: str
    figure: Figure
    rank: RankInterval


@dataclass(frozen=True)
class Pairs:
    """Systems by one measure, the best first, over the queries for which all have a value.

    tests: of every pair, by places in `systems`
    flips: how many sign flips each tried
    """

    task: str
    measure: str
    fingerprint: str
    queries: int
    systems: Sequence[System]
    tests: Sequence[Comparison]
    flips: int


def compare_many(sides: Sequence[Side], measure: str = "", seed: int = 0) -> Pairs:
    """Compare every two of the sides on one measure, by default their task's primary one.

    Raises BenchError for sides that answered different queries, or a measure that they do not share.
    """
    _, name = shared_measures(sides, measure)
    better = higher_is_better(sides[0], name)
    values = np.stack([side.values[name] for side in sides])
    known = np.isfinite(values).all(axis=0)
    order = np.argsort(values[:, known].mean(axis=1) * (-1 if better else 1), kind="stable")
    values, units = np.ascontiguousarray(values[order][:, known]), units_of_kept(sides[0].exam.units, known)
    tests = compare_all(values, units, seed=seed)
    names = _names([sides[place] for place in order.tolist()])
    ranks = rank_intervals(len(sides), tests, better)
    figures = [figure_of(name, row, units) for row in values]
    return Pairs(
        task=sides[0].task_name,
        measure=name,
        fingerprint=sides[0].fingerprint,
        queries=int(known.sum()),
        systems=[System(*one) for one in zip(names, figures, ranks, strict=True)],
        tests=tests,
        flips=flips_tried(len(Units(values.shape[1], units)), len(sides)),
    )


def _names(sides: Sequence[Side]) -> list[str]:
    """Names that differ: of those that several share, with the path."""
    shared = Counter(side.name for side in sides)
    return [side.name if shared[side.name] == 1 else f"{side.name} ({side.path})" for side in sides]
