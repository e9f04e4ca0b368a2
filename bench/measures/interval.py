"""How far a mean over queries may be off: the percentile bootstrap."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from bench.measures.measure import Figure


class Interval(NamedTuple):
    """Bounds of a confidence interval."""

    low: float
    high: float


def bootstrap_interval(
    values: np.ndarray, seed: int = 0, confidence: float = 0.95, resamples: int = 2000
) -> Interval:
    """Percentile bootstrap interval of the mean of `values`, shape [queries] (Efron 1979).

    Queries are drawn with replacement; the same values and seed give the same interval.
    """
    generator = np.random.default_rng(seed)
    block = max(1, 2_000_000 // len(values))
    means = [
        values[generator.integers(len(values), size=(min(block, resamples - start), len(values)))].mean(axis=1)
        for start in range(0, resamples, block)
    ]
    tail = (1 - confidence) / 2
    low, high = np.quantile(np.concatenate(means), [tail, 1 - tail])
    return Interval(float(low), float(high))


def figure_of(measure: str, values: np.ndarray, units: Sequence[str] | None = None) -> Figure:
    """The mean of values of shape [queries] with its interval; one that is NaN does not count.

    `units` name what queries have in common, as in `bench.tasks.exam.Evaluation`.
    """
    del units
    known = values[~np.isnan(values)]
    if not len(known):
        return Figure(measure, float("nan"), 0, float("nan"), float("nan"))
    interval = bootstrap_interval(known)
    return Figure(measure, float(known.mean()), len(known), interval.low, interval.high)
