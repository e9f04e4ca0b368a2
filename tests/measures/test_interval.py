"""The bootstrap interval of a mean."""

import numpy as np
import pytest
from scipy import stats

from bench.measures.interval import bootstrap_interval


def test_it_agrees_with_scipy() -> None:
    values = np.random.default_rng(3).beta(0.5, 0.5, size=300)
    theirs = stats.bootstrap((values,), np.mean, n_resamples=9999, method="percentile", rng=np.random.default_rng(1))
    ours = bootstrap_interval(values)
    assert ours.low == pytest.approx(theirs.confidence_interval.low, abs=0.004)
    assert ours.high == pytest.approx(theirs.confidence_interval.high, abs=0.004)


def test_the_same_seed_gives_the_same_interval_and_another_does_not() -> None:
    values = np.random.default_rng(0).random(50)
    assert bootstrap_interval(values, seed=1) == bootstrap_interval(values, seed=1)
    assert bootstrap_interval(values, seed=1) != bootstrap_interval(values, seed=2)


def test_equal_values_leave_no_doubt() -> None:
    assert bootstrap_interval(np.full(7, 0.5)) == (0.5, 0.5)
