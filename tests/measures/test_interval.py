"""How far means may be off: the bootstrap over units, and Wilson's interval where values are 0 or 1."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from bench.measures.interval import Interval, Units, bootstrap_interval, figure_of, interval_of, resampled_means


def test_the_bootstrap_agrees_with_scipy() -> None:
    values = np.random.default_rng(3).beta(0.5, 0.5, size=300)
    theirs = stats.bootstrap((values,), np.mean, n_resamples=9999, method="percentile", rng=np.random.default_rng(1))
    ours = interval_of(values)
    assert ours.low == pytest.approx(theirs.confidence_interval.low, abs=0.004)
    assert ours.high == pytest.approx(theirs.confidence_interval.high, abs=0.004)


@pytest.mark.parametrize("queries", [900, 5000, 22_000])
def test_many_queries_have_the_interval_of_the_normal_distribution(queries: int) -> None:
    values = np.random.default_rng(1).random(queries)
    half = 1.96 * values.std() / np.sqrt(queries)
    found = bootstrap_interval(values)
    assert found.low == pytest.approx(values.mean() - half, abs=0.1 * half)
    assert found.high == pytest.approx(values.mean() + half, abs=0.1 * half)


def test_the_same_values_have_the_same_interval_whoever_asks() -> None:
    values = np.random.default_rng(0).random(50)
    assert interval_of(values) == interval_of(values.copy())
    seeds = np.stack([values, values])
    assert interval_of(seeds.mean(axis=0)) == interval_of(values)
    figure = figure_of("nDCG@10", values)
    assert (figure.low, figure.high) == interval_of(values)
    together = resampled_means(np.stack([values, values**2]), Units(50))
    np.testing.assert_allclose(together[0], resampled_means(values, Units(50)), rtol=1e-12)


@pytest.mark.parametrize(("share", "queries"), [(0.975, 40), (0.025, 40), (0.99, 40), (0.5, 40), (0.02, 179)])
def test_the_interval_of_a_share_holds_its_level_near_0_and_1(share: float, queries: int) -> None:
    """The percentile bootstrap covers .61 where the share is .975 and there are 40 queries."""
    covered = 0.0
    for right in range(queries + 1):
        low, high = interval_of(np.array([1.0] * right + [0.0] * (queries - right)))
        covered += stats.binom.pmf(right, queries, share) * (low <= share <= high)
    assert 0.90 <= covered <= 0.99


@pytest.mark.parametrize("share", [0.5, 0.9, 0.975])
def test_it_holds_its_level_where_questions_come_from_one_document(share: float) -> None:
    """Of 40 documents with three questions each, a question has its document's answer with a chance of .6."""
    generator = np.random.default_rng(0)
    documents = [str(document) for document in range(40) for _ in range(3)]
    held = alone = 0
    for _ in range(600):
        of_document = generator.random((40, 1)) < share
        own = generator.random((40, 3)) < share
        answers = np.where(generator.random((40, 3)) < 0.6, of_document, own).ravel().astype(float)
        low, high = interval_of(answers, documents)
        held += low <= share <= high
        low, high = interval_of(answers)
        alone += low <= share <= high
    assert held / 600 >= 0.90
    assert alone < held


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_no_failure_at_all_is_no_certainty(value: float) -> None:
    low, high = interval_of(np.full(40, value))
    assert value in (low, high)
    assert high - low == pytest.approx(1.96**2 / (40 + 1.96**2), abs=1e-4)
    documents = [str(place // 4) for place in range(40)]
    assert interval_of(np.full(40, value), documents) == pytest.approx(interval_of(np.full(10, value)))


def test_a_share_has_wilsons_interval() -> None:
    theirs = stats.binomtest(7, 40).proportion_ci(method="wilson")
    assert interval_of(np.array([1.0] * 7 + [0.0] * 33)) == pytest.approx((theirs.low, theirs.high))


@pytest.mark.parametrize("make", [np.round, np.asarray], ids=["shares", "other values"])
def test_questions_that_only_repeat_their_document_tell_no_more_than_one(
    make: Callable[[np.ndarray], np.ndarray],
) -> None:
    once = make(np.random.default_rng(5).random(200))
    thrice = np.repeat(once, 3)
    documents = [f"d{place // 3}" for place in range(600)]
    assert interval_of(thrice, documents) == pytest.approx(interval_of(once), abs=0.002)
    assert np.ptp(interval_of(thrice)) < 0.7 * np.ptp(interval_of(once))


def test_units_may_be_named_and_ordered_in_any_way() -> None:
    values = np.random.default_rng(2).random(60)
    sizes = np.array([1, 2, 3] * 10)
    units = np.repeat([f"d{place}" for place in range(30)], sizes).tolist()
    expected = interval_of(values, units)
    shuffled = np.random.default_rng(3).permutation(60)
    assert interval_of(values[shuffled], [units[place] for place in shuffled]) == pytest.approx(expected, abs=0.02)
    assert interval_of(values, [name.replace("d", "name ") for name in units]) == expected
    assert interval_of(values, [str(place) for place in range(60)]) == interval_of(values)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.sampled_from([0.0, 0.1, 1 / 3, 0.5, 1.0]), min_size=5, max_size=30), st.integers(1, 4))
def test_an_interval_holds_its_mean(values: list[float], size: int) -> None:
    found = np.array(values)
    for units in (None, [str(place // size) for place in range(len(values))]):
        low, high = interval_of(found, units)
        assert 0 <= low <= found.mean() + 1e-12
        assert found.mean() - 1e-12 <= high <= 1 + 1e-12


@pytest.mark.parametrize("units", [["a"], ["a", "a", "a"]])
def test_a_single_unit_has_no_interval_but_that_of_a_share(units: list[str]) -> None:
    values = np.linspace(0.8, 0.9, len(units))
    assert np.isnan(interval_of(values, units)).all()
    figure = figure_of("nDCG@10", values, units)
    assert (figure.value, figure.n) == (pytest.approx(values.mean()), len(units))
    assert np.isnan([figure.low, figure.high]).all()
    low, high = interval_of(np.ones(len(units)), units)
    assert low < 0.3
    assert high == 1


def test_queries_without_a_value_do_not_count_and_neither_do_their_units() -> None:
    values = np.array([0.2, np.nan, 0.4, 0.9, np.nan])
    figure = figure_of("Judged@10", values, ["a", "b", "b", "c", "c"])
    assert (figure.measure, figure.n) == ("Judged@10", 3)
    assert figure.value == pytest.approx(0.5)
    assert (figure.low, figure.high) == interval_of(np.array([0.2, 0.4, 0.9]))


def test_a_measure_without_any_value_has_no_figure() -> None:
    figure = figure_of("Judged@10", np.array([np.nan, np.nan]))
    assert figure.n == 0
    assert np.isnan([figure.value, figure.low, figure.high]).all()


def test_differences_are_resampled_and_are_no_shares() -> None:
    assert bootstrap_interval(np.zeros(30)) == Interval(0.0, 0.0)
