"""Which differences between systems are more than chance: all pairs, one family, and the groups that remain.

`ranx.compare` is not used here: its Tukey test ignores that all systems answered the same queries, its
randomisation test gives another p for the same seed and may give 0, and it fails beyond 26 systems.
`scipy.stats.permutation_test` is right, for one pair at a time; the tests hold this module against it.
"""

from collections.abc import Iterator, Sequence
from itertools import product
from math import ceil, comb, sqrt
from string import ascii_lowercase
from typing import NamedTuple

import numpy as np

from bench.errors import BenchError
from bench.measures.interval import TAILS, Units, resampled_means

ALPHA = 0.05
_FEWEST_FLIPS = 10_000
_ROUNDING = 1e-12
_STREAM = b"significance"
"""Beside the seed, so that draws do not follow those of a system that was given the same seed."""

_POWER = 1.959963984540054 + 0.8416212335729143
"""Standard errors of the smallest difference: found at 5 % (two-sided) in 80 % of cases."""


class Comparison(NamedTuple):
    """Two systems, by their places, on the same queries."""

    first: int
    second: int
    difference: float
    """Mean of the first minus mean of the second."""

    low: float
    high: float
    """95 % percentile bootstrap interval of the difference, units drawn in pairs; NaN where there is but one."""

    effect: float
    """Cohen's d_z: the difference over the standard deviation of the units' differences; NaN where that is 0."""

    p: float
    corrected: float
    """p after Holm's correction over all pairs."""


class RankInterval(NamedTuple):
    """The ranks, from 1, that a system may have."""

    best: int
    worst: int


def mean_over_seeds(values: Sequence[np.ndarray]) -> np.ndarray:
    """One value a query from arrays of shape [queries], one for each seed.

    Seeds are not further queries: testing them as if they were would find differences in noise.
    """
    return np.mean(np.stack(values), axis=0)


def compare_all(
    values: np.ndarray, units: Sequence[str] | None = None, *, seed: int = 0, flips: int | None = None
) -> list[Comparison]:
    """Every pair of systems, from their values of shape [systems, queries], in the order (0, 1), (0, 2), ...

    `units` name what queries have in common, as in `bench.tasks.exam.Evaluation`: signs are flipped, and resamples
    drawn, for whole units. Raises BenchError for a value that is not a number.
    """
    if not np.isfinite(values).all():
        raise BenchError("systems can be compared only on queries for which all of them have a value")
    firsts, seconds = np.triu_indices(len(values), 1)
    p = randomisation_p(values, units, seed=seed, flips=flips)
    columns = zip(
        firsts.tolist(),
        seconds.tolist(),
        (values.mean(axis=1)[firsts] - values.mean(axis=1)[seconds]).tolist(),
        *difference_intervals(values, units).tolist(),
        _effects(values, units).tolist(),
        p.tolist(),
        holm(p).tolist(),
        strict=True,
    )
    return [Comparison(*row) for row in columns]


def flips_for(systems: int) -> int:
    """How many sign flips can tell so many systems apart: Holm makes the least possible p ALPHA / 2 or less."""
    return max(_FEWEST_FLIPS, ceil(2 * comb(systems, 2) / ALPHA))


def flips_tried(units: int, systems: int) -> int:
    """How many sign flips the test of so many systems tries on so many units: all but one, where they are few."""
    wanted = flips_for(systems)
    return 2**units - 1 if _all_are_tried(units, wanted) else wanted


def _all_are_tried(units: int, flips: int) -> bool:
    return units < 40 and 2**units - 1 <= flips


def randomisation_p(
    values: np.ndarray, units: Sequence[str] | None = None, *, seed: int = 0, flips: int | None = None
) -> np.ndarray:
    """Two-sided p of the paired randomisation test for every pair, shape [pairs] (Smucker et al. 2007).

    If two systems are alike, each unit's difference might as well have the other sign. p = (b + 1) / (n + 1),
    where b of n random sign flips give a mean difference at least as large as the one observed; so p is never
    0. Where all flips are no more than n, each is tried once and p is exact. All pairs share the flips: a flipped
    sum of differences is the difference of two flipped sums, and one matrix product serves every pair.
    """
    systems, queries = values.shape
    of_units = Units(queries, units).sums(values)
    tolerance = _ROUNDING * queries * float(np.abs(values).max(initial=0))
    observed = [np.abs(of_units[a + 1 :].sum(axis=1) - of_units[a].sum()) - tolerance for a in range(systems - 1)]
    as_large = [np.zeros(len(sums), dtype=np.int64) for sums in observed]
    tried = 0
    for signs in _sign_blocks(of_units.shape[1], flips or flips_for(systems), seed):
        sums = of_units @ signs
        tried += signs.shape[1]
        for a, least in enumerate(observed):
            differences = np.abs(sums[a + 1 :] - sums[a])
            as_large[a] += np.count_nonzero(differences >= least[:, np.newaxis], axis=1)
    return (np.concatenate([np.zeros(0), *as_large]) + 1) / (tried + 1)


def _sign_blocks(units: int, flips: int, seed: int) -> Iterator[np.ndarray]:
    """Matrices of +1 and -1, shape [units, some flips]: all but the identity, or random ones."""
    block = min(max(8, 2_000_000 // units // 8 * 8), 1024)  # columns held at once: a multiple of 8, some megabytes
    if _all_are_tried(units, flips):
        every = np.array(list(product((1.0, -1.0), repeat=units)))[1:].T
        yield from np.array_split(every, ceil(every.shape[1] / block) or 1, axis=1)
        return
    generator = np.random.default_rng([seed, *_STREAM])
    for start in range(0, flips, block):
        bits = np.unpackbits(generator.integers(0, 256, (units, block // 8), dtype=np.uint8), axis=1)
        yield 1.0 - 2.0 * bits[:, : flips - start]


def holm(p: np.ndarray) -> np.ndarray:
    """p-values of one family, shape [tests], corrected step by step (Holm 1979); they bound the family's error."""
    order = np.argsort(p, kind="stable")
    stepped = p[order] * np.arange(len(p), 0, -1)
    corrected = np.empty(len(p))
    corrected[order] = np.minimum(np.maximum.accumulate(stepped), 1.0)
    return corrected


def difference_intervals(values: np.ndarray, units: Sequence[str] | None = None) -> np.ndarray:
    """Bounds of the 95 % percentile bootstrap interval of every pair's mean difference, shape [2, pairs].

    All systems share the resamples, which are those of `bench.measures.interval`; NaN for a single unit.
    """
    drawn = Units(values.shape[1], units)
    if len(drawn) < 2:
        return np.full((2, comb(len(values), 2)), np.nan)
    means = resampled_means(values, drawn)
    bounds = [np.quantile(means[a] - means[a + 1 :], TAILS, axis=1) for a in range(len(values) - 1)]
    return np.concatenate([np.zeros((2, 0)), *bounds], axis=1)


def smallest_differences(values: np.ndarray, units: Sequence[str] | None = None) -> np.ndarray:
    """The true difference that the test of each pair would find in 4 of 5 samples of so many units, shape [pairs].

    Before correction, by the normal approximation: (z of .975 + z of .8) standard errors of the mean difference.
    """
    grouped = Units(values.shape[1], units)
    off = grouped.sums(values) - values.mean(axis=1, keepdims=True) * grouped.sizes
    firsts, seconds = np.triu_indices(len(values), 1)
    number = len(grouped)
    unbiased = sqrt(number / (number - 1)) if number > 1 else float("nan")
    return _POWER * unbiased * np.linalg.norm(off[firsts] - off[seconds], axis=1) / values.shape[1]


def _effects(values: np.ndarray, units: Sequence[str] | None) -> np.ndarray:
    """Cohen's d_z of every pair over units (Cohen 1988, chapter 2)."""
    grouped = Units(values.shape[1], units)
    of_units = grouped.sums(values) / grouped.sizes
    found = [np.zeros(0)]
    for a in range(len(values) - 1):
        differences = of_units[a] - of_units[a + 1 :]
        means = differences.mean(axis=1)
        spread = differences.std(axis=1, ddof=1) if len(grouped) > 1 else np.zeros(len(means))
        known = spread > _ROUNDING
        found.append(np.divide(means, spread, out=np.full(len(means), np.nan), where=known))
    return np.concatenate(found)


def rank_intervals(
    systems: int, comparisons: Sequence[Comparison], higher_is_better: bool = True
) -> list[RankInterval]:
    """The ranks that the corrected comparisons leave open to each system.

    Best rank: one more than the systems that are significantly better; worst rank: all systems less those that are
    significantly worse (Mogstad, Romano, Shaikh and Wilhelm 2024, Inference for Ranks). The intervals hold every true
    rank wherever no pair was wrongly called significant, of which Holm's correction assures 95 % of tables.
    """
    better, worse = [0] * systems, [0] * systems
    for one in comparisons:
        if one.corrected < ALPHA:
            ahead, behind = (
                (one.first, one.second) if (one.difference > 0) == higher_is_better else (one.second, one.first)
            )
            worse[ahead] += 1
            better[behind] += 1
    return [RankInterval(1 + better[i], systems - worse[i]) for i in range(systems)]


def letters(order: Sequence[int], comparisons: Sequence[Comparison]) -> list[list[str]]:
    """For each system, the letters of the groups it is in; two that share a letter cannot be told apart.

    A compact letter display (Piepho 2004): one letter for each largest set without a significant pair. `order`
    lists the systems from the best on; letters follow it. Beyond z, groups are called aa, ab, ...
    """
    import networkx

    alike = networkx.Graph()
    alike.add_nodes_from(order)
    alike.add_edges_from((one.first, one.second) for one in comparisons if one.corrected >= ALPHA)
    place = {system: i for i, system in enumerate(order)}
    groups = sorted(sorted(place[system] for system in group) for group in networkx.find_cliques(alike))
    names = [*ascii_lowercase, *map("".join, product(ascii_lowercase, repeat=2))]
    return [
        [name for name, group in zip(names, groups, strict=False) if place[system] in group]
        for system in range(len(order))
    ]
