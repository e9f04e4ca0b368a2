"""How far a mean over queries may be off: one bootstrap for figures, for means over seeds and for differences.

Queries that are made of one document, or otherwise belong together, are one unit: a resample draws whole units. All
resamples of so many units are the same, so that whoever computes an interval of the same values gets the same one.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from math import exp, factorial, sqrt
from typing import NamedTuple

import numpy as np

from bench.measures.measure import Figure

_RESAMPLES = 2000
_STREAM = b"bootstrap"
"""Beside the seed, so that draws do not follow those of a system that was given the same seed."""

_FEW = 1000
_AT_ONCE = 200_000
"""Numbers of a resample held at once: so many stay in a processor's cache."""

TAILS = (0.025, 0.975)
_Z = 1.959963984540054
"""The normal distribution's quantile of 97.5 %."""


class Interval(NamedTuple):
    """Bounds of a 95 % confidence interval; both NaN where too little is known for one."""

    low: float
    high: float


NO_INTERVAL = Interval(float("nan"), float("nan"))


class Units:
    """What queries have in common, as places: queries of one unit are not independent.

    places: shape [queries], the unit of each query, from 0
    sizes: shape [units], how many queries each has
    """

    def __init__(self, queries: int, units: Sequence[str] | None = None) -> None:
        if units is None:
            self.places = np.arange(queries)
            self.sizes = np.ones(queries, dtype=np.int64)
        else:
            _, first, places = np.unique(np.asarray(units, dtype=object), return_index=True, return_inverse=True)
            self.places = np.argsort(np.argsort(first))[places]  # in the order of their first queries
            self.sizes = np.bincount(self.places)

    def __len__(self) -> int:
        return len(self.sizes)

    def sums(self, values: np.ndarray) -> np.ndarray:
        """The sums over each unit's queries, shape [..., units], of values of shape [..., queries]."""
        if len(self.sizes) == values.shape[-1]:
            return values
        order = np.argsort(self.places, kind="stable")
        starts = np.concatenate([[0], np.cumsum(self.sizes)[:-1]])
        return np.add.reduceat(values[..., order], starts, axis=-1)


def units_of_kept(units: Sequence[str] | None, kept: np.ndarray) -> list[str] | None:
    """The units of those queries that a mask of shape [queries] keeps; None where queries are their own units."""
    return None if units is None else np.asarray(units, dtype=object)[kept].tolist()


def interval_of(values: np.ndarray, units: Sequence[str] | None = None) -> Interval:
    """The 95 % interval of the mean of `values`, shape [queries], none of them NaN: the bootstrap's.

    Where all values are 0 or 1 that would be too narrow near both ends, and of no width at them: there it is Wilson's
    (1927), with the number of independent queries that has the units' variance (Korn and Graubard 1998), or with the
    number of units where that variance is 0.
    """
    if np.isin(values, (0.0, 1.0)).all():
        return _wilson(values, Units(len(values), units))
    return bootstrap_interval(values, units)


def bootstrap_interval(values: np.ndarray, units: Sequence[str] | None = None) -> Interval:
    """The 95 % percentile bootstrap interval of the mean of `values`, shape [queries] (Efron 1979); whole units are
    drawn. A single unit has none: every resample of it is the same."""
    drawn = Units(len(values), units)
    if len(drawn) < 2:
        return NO_INTERVAL
    mean = values.mean()
    bounds = mean + np.quantile(resampled_means(values - mean, drawn), TAILS)
    low, high = np.clip(bounds, values.min(), values.max())  # which rounding may leave
    return Interval(float(low), float(high))


def _wilson(values: np.ndarray, units: Units) -> Interval:
    """Wilson's score interval of a share, for queries in units."""
    share = float(values.mean())
    n = _independent(values, share, units)
    centre, half = share + _Z**2 / (2 * n), _Z * sqrt(share * (1 - share) / n + _Z**2 / (4 * n**2))
    scale = 1 + _Z**2 / n
    low = 0.0 if share == 0 else (centre - half) / scale
    high = 1.0 if share == 1 else (centre + half) / scale
    return Interval(low, high)


def _independent(values: np.ndarray, share: float, units: Units) -> float:
    """How many independent queries have as much variance as these; no more than there are."""
    if len(units) == len(values):
        return len(values)
    if share in (0, 1) or len(units) == 1:
        return len(units)
    off = units.sums(values) - share * units.sizes
    variance = float((off**2).sum()) / len(values) ** 2 * len(units) / (len(units) - 1)
    return min(share * (1 - share) / variance, len(values)) if variance > 0 else len(values)


def resampled_means(values: np.ndarray, units: Units) -> np.ndarray:
    """The means over each resample, shape [..., resamples], of values of shape [..., queries]."""
    sums, sizes = units.sums(values), units.sizes.astype(np.float64)
    return np.concatenate([sums @ drawn.T / (drawn @ sizes) for drawn in _resamples(len(units))], axis=-1)


def _resamples(units: int) -> Iterator[np.ndarray]:
    """How often each unit is drawn in each resample, shape [some resamples, units].

    Of few units each resample draws as many as there are. Of many, each is drawn a number of times that is Poisson's
    with mean 1, to which the multinomial numbers come near (Hanley and MacGibbon 2006): that is a look into a table.
    """
    size = max(1, _AT_ONCE // units)
    parts = [slice(start, min(start + size, _RESAMPLES)) for start in range(0, _RESAMPLES, size)]
    if units <= _FEW:
        yield from (_all_resamples(units)[part].astype(np.float64) for part in parts)
        return
    generator = np.random.default_rng([0, *_STREAM])
    for part in parts:
        places = generator.integers(2**16, size=(part.stop - part.start, units), dtype=np.uint16)
        yield np.take(_poisson_quantiles(), places, mode="clip")


@lru_cache(maxsize=4)
def _all_resamples(units: int) -> np.ndarray:
    drawn = np.random.default_rng([0, *_STREAM]).integers(units, size=(_RESAMPLES, units))
    drawn += np.arange(_RESAMPLES)[:, np.newaxis] * units
    counts = np.bincount(drawn.ravel(), minlength=_RESAMPLES * units).reshape(_RESAMPLES, units)
    return counts.astype(np.min_scalar_type(counts.max()))


@lru_cache(maxsize=1)
def _poisson_quantiles() -> np.ndarray:
    """Shape [65536]: the quantiles of the Poisson distribution with mean 1."""
    cumulated = np.cumsum([exp(-1) / factorial(count) for count in range(12)])
    return np.searchsorted(cumulated, (np.arange(2**16) + 0.5) / 2**16).astype(np.float64)


def figure_of(measure: str, values: np.ndarray, units: Sequence[str] | None = None) -> Figure:
    """The mean of values of shape [queries] with its interval; one that is NaN does not count.

    `units` name what queries have in common, as in `bench.tasks.exam.Evaluation`.
    """
    known = ~np.isnan(values)
    if not known.any():
        return Figure(measure, float("nan"), 0, *NO_INTERVAL)
    interval = interval_of(values[known], units_of_kept(units, known))
    return Figure(measure, float(values[known].mean()), int(known.sum()), interval.low, interval.high)


def figure_over_seeds(measure: str, values: np.ndarray, units: Sequence[str] | None = None) -> Figure:
    """As `figure_of`, of values of shape [seeds, queries]; it is of the queries that have one with some seed.

    Where they are the same ones with every seed, it is of the means over seeds, query by query: seeds are no further
    queries. Where which queries count depends on the answers, as with what fails, it is the mean of all values of
    all seeds, and those of one query are drawn together.
    """
    known = ~np.isnan(values)
    if (known == known[0]).all():
        return figure_of(measure, values.mean(axis=0), units)
    own = units or list(map(str, range(values.shape[1])))
    found = figure_of(measure, values.ravel(), [*own] * len(values))
    return replace(found, n=int(known.any(axis=0).sum()))
