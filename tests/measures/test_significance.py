"""The paired randomisation test, Holm's correction, intervals and groups, against oracles and independent tools."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import permutation_test

from bench.errors import BenchError
from bench.measures.interval import bootstrap_interval
from bench.measures.significance import (
    ALPHA,
    Comparison,
    RankInterval,
    compare_all,
    difference_intervals,
    flips_for,
    flips_tried,
    holm,
    letters,
    mean_over_seeds,
    randomisation_p,
    rank_intervals,
    smallest_differences,
)


def noise(systems: int, queries: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((systems, queries))


def exact_p(first: np.ndarray, second: np.ndarray) -> float:
    """Every sign flip, tried one by one."""
    differences = first - second
    observed = abs(differences.sum()) - 1e-12
    flipped = [abs(float(np.dot(differences, signs))) for signs in product((1, -1), repeat=len(differences))]
    return sum(value >= observed for value in flipped) / len(flipped)


def compared(first: int, second: int, difference: float, corrected: float) -> Comparison:
    return Comparison(first, second, difference, difference, difference, 1.0, corrected, corrected)


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 8).flatmap(
        lambda n: st.lists(
            st.lists(st.sampled_from([0.0, 0.1, 0.3, 0.5, 1.0]), min_size=n, max_size=n), min_size=2, max_size=4
        )
    )
)
def test_with_few_queries_p_is_that_of_all_sign_flips(rows: list[list[float]]) -> None:
    values = np.array(rows)
    expected = [exact_p(values[a], values[b]) for a in range(len(rows)) for b in range(a + 1, len(rows))]
    assert randomisation_p(values).tolist() == pytest.approx(expected, abs=1e-12)


def test_p_agrees_with_scipys_exact_permutation_test() -> None:
    values = noise(4, 12)
    values[0] += 0.2

    def mean_difference(first: np.ndarray, second: np.ndarray, axis: int) -> np.ndarray:
        return np.mean(first - second, axis=axis)

    expected = [
        permutation_test(
            (values[a], values[b]), mean_difference, permutation_type="samples", vectorized=True, n_resamples=np.inf
        ).pvalue
        for a in range(4)
        for b in range(a + 1, 4)
    ]
    assert randomisation_p(values).tolist() == pytest.approx(expected, abs=1e-12)


def test_random_flips_come_near_the_exact_p() -> None:
    values = noise(2, 16, seed=3)
    values[0] += 0.25
    sampled = randomisation_p(values, flips=20_000)[0]
    exact = exact_p(values[0], values[1])
    assert 0.001 < exact < 0.2
    assert sampled == pytest.approx(exact, abs=4 * np.sqrt(exact * (1 - exact) / 20_000))


def test_a_consistent_hundredth_on_200_topics_is_found() -> None:
    topics = noise(1, 200)[0]
    found = compare_all(np.stack([topics + 0.01, topics]))[0]
    assert found.difference == pytest.approx(0.01)
    assert found.corrected < 0.001
    assert rank_intervals(2, [found]) == [RankInterval(1, 1), RankInterval(2, 2)]


def test_the_same_seed_gives_the_same_p_and_another_seed_nearly_so() -> None:
    values = noise(6, 60)
    values[0] += 0.05
    first = randomisation_p(values, seed=7)
    assert all(np.array_equal(first, randomisation_p(values, seed=7)) for _ in range(5))
    other = randomisation_p(values, seed=8)
    assert not np.array_equal(first, other)
    np.testing.assert_allclose(first, other, atol=0.03)


def test_the_flips_do_not_follow_values_that_were_drawn_with_the_same_seed() -> None:
    values = np.random.default_rng(0).random((2, 3000))
    values[1] += 0.04
    assert randomisation_p(values, seed=0)[0] < 0.001


def test_p_is_never_0() -> None:
    values = np.stack([np.ones(300), np.zeros(300)])
    assert randomisation_p(values, flips=999).tolist() == [1 / 1000]


def test_equal_systems_have_p_1_however_sums_round() -> None:
    values = np.tile(noise(1, 333)[0] / 3, (3, 1))
    values[1] = values[1][::1] + 1e-17
    assert randomisation_p(values).tolist() == [1.0, 1.0, 1.0]


def test_thirty_systems_are_compared_and_a_better_one_is_told_apart() -> None:
    values = noise(30, 150)
    values[11] += 0.3
    found = compare_all(values)
    assert len(found) == 30 * 29 // 2
    assert flips_for(30) == pytest.approx(435 * 2 / ALPHA)
    ranks = rank_intervals(30, found)
    assert ranks[11] == RankInterval(1, 1)
    order = sorted(range(30), key=lambda i: -values[i].mean())
    named = letters(order, found)
    assert named[11] == ["a"]
    assert all(named)


def test_no_difference_is_found_more_often_than_promised() -> None:
    found = [min(one.corrected for one in compare_all(noise(5, 40, seed), flips=2000)) for seed in range(100)]
    assert sum(p < ALPHA for p in found) <= 12  # a family errs in 5 % of cases; more than 12 of 100 has p < .002


def test_holm_multiplies_by_what_is_left_and_never_falls() -> None:
    # by hand: .01 x 4; .02 x 3; max(.06, .03 x 2); max(.06, .9 x 1)
    assert holm(np.array([0.03, 0.01, 0.9, 0.02])).tolist() == pytest.approx([0.06, 0.04, 0.9, 0.06])
    assert holm(np.array([0.7, 0.8])).tolist() == [1.0, 1.0]
    assert holm(np.zeros(0)).tolist() == []


@given(st.lists(st.floats(0.0001, 1), min_size=1, max_size=20))
def test_holm_lies_between_no_correction_and_bonferroni(p: list[float]) -> None:
    corrected = holm(np.array(p))
    assert (corrected >= np.array(p) - 1e-15).all()
    assert (corrected <= np.minimum(np.array(p) * len(p), 1) + 1e-15).all()


def test_the_interval_of_a_difference_is_the_bootstrap_of_the_differences() -> None:
    values = noise(3, 200, seed=5)
    low, high = difference_intervals(values)
    for pair, (a, b) in enumerate([(0, 1), (0, 2), (1, 2)]):
        expected = bootstrap_interval(values[a] - values[b])
        assert low[pair] == pytest.approx(expected.low, abs=0.006)
        assert high[pair] == pytest.approx(expected.high, abs=0.006)


def test_a_single_unit_has_no_interval_of_a_difference() -> None:
    assert np.isnan(difference_intervals(noise(3, 1))).all()
    assert difference_intervals(noise(3, 4), ["a"] * 4).shape == (2, 3)
    (found,) = compare_all(np.array([[0.9], [0.2]]))
    assert (found.difference, found.p) == (pytest.approx(0.7), 1)
    assert np.isnan([found.low, found.high, found.effect]).all()


def test_the_effect_is_the_mean_over_the_deviation_of_the_differences() -> None:
    found = compare_all(np.array([[0.5, 0.7, 0.9], [0.4, 0.5, 0.6]]))[0]
    assert found.effect == pytest.approx(0.2 / 0.1)
    assert np.isnan(compare_all(np.array([[0.5, 0.5], [0.4, 0.4]]))[0].effect)


def test_many_queries_are_resampled_and_flipped_in_parts() -> None:
    values = noise(2, 12_000)
    values[1] += 0.02
    found = compare_all(values, flips=200)[0]
    assert found.p == 1 / 201
    deviation = (values[0] - values[1]).std() / np.sqrt(12_000)
    assert found.high - found.low == pytest.approx(2 * 1.96 * deviation, rel=0.1)
    assert found.low < found.difference < found.high


def test_seeds_are_averaged_query_by_query() -> None:
    assert mean_over_seeds([np.array([0.0, 1.0]), np.array([1.0, 1.0])]).tolist() == [0.5, 1.0]


def test_a_value_that_is_not_a_number_is_refused() -> None:
    with pytest.raises(BenchError, match="all of them have a value"):
        compare_all(np.array([[0.5, np.nan], [0.5, 0.5]]))


def test_one_system_alone_has_rank_1() -> None:
    assert compare_all(noise(1, 9)) == []
    assert rank_intervals(1, []) == [RankInterval(1, 1)]
    assert letters([0], []) == [["a"]]


def test_ranks_count_who_is_significantly_better_and_worse() -> None:
    # 0 beats 2; 1 cannot be told from either
    found = [compared(0, 1, 0.1, 0.4), compared(0, 2, 0.3, 0.01), compared(1, 2, 0.2, 0.2)]
    assert rank_intervals(3, found) == [RankInterval(1, 2), RankInterval(1, 3), RankInterval(2, 3)]
    assert rank_intervals(3, found, higher_is_better=False) == [
        RankInterval(2, 3), RankInterval(1, 3), RankInterval(1, 2),
    ]  # fmt: skip
    assert letters([0, 1, 2], found) == [["a"], ["a", "b"], ["b"]]


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 9), st.data())
def test_two_systems_share_a_letter_exactly_if_they_cannot_be_told_apart(systems: int, data: st.DataObject) -> None:
    pairs = [(a, b) for a in range(systems) for b in range(a + 1, systems)]
    apart = data.draw(st.sets(st.sampled_from(pairs))) if pairs else set()
    found = [compared(a, b, 0.1, 0.01 if (a, b) in apart else 0.5) for a, b in pairs]
    named = letters(list(range(systems)), found)
    for a, b in pairs:
        assert bool(set(named[a]) & set(named[b])) == ((a, b) not in apart)


def test_all_flips_are_tried_where_they_are_few_and_it_is_told_how_many() -> None:
    assert flips_tried(4, 2) == 15
    assert flips_tried(13, 2) == 2**13 - 1
    assert flips_tried(14, 2) == flips_tried(500, 2) == 10_000
    assert flips_tried(14, 30) == 2**14 - 1
    values = np.stack([np.ones(4), np.zeros(4)])
    assert randomisation_p(values).tolist() == [2 / 16]


def test_a_unit_is_flipped_and_resampled_whole() -> None:
    """Three questions of one document that always agree are one observation."""
    once = noise(3, 60)
    once[0] += 0.1
    documents = [f"d{place // 3}" for place in range(180)]
    thrice = np.repeat(once, 3, axis=1)
    np.testing.assert_allclose(randomisation_p(thrice, documents), randomisation_p(once))
    np.testing.assert_allclose(difference_intervals(thrice, documents), difference_intervals(once))
    for in_units, alone in zip(compare_all(thrice, documents), compare_all(once), strict=True):
        assert in_units == pytest.approx(alone)
    assert (randomisation_p(thrice) < randomisation_p(once))[:2].all()


def test_few_documents_are_flipped_in_every_way() -> None:
    values = noise(2, 12)
    documents = ["a", "b", "c", "a", "b", "c"] * 2
    sums = np.array([[row[place::3].sum() for place in range(3)] for row in values])
    assert randomisation_p(values, documents)[0] == pytest.approx(exact_p(sums[0], sums[1]), abs=1e-12)


def test_the_smallest_difference_is_found_in_four_of_five_samples() -> None:
    generator = np.random.default_rng(0)
    smallest = smallest_differences(generator.normal(size=(2, 100)))[0]
    assert smallest == pytest.approx(2.8 * np.sqrt(2) / 10, rel=0.15)
    found = 0
    for _ in range(200):
        values = generator.normal(size=(2, 100))
        values[0] += 2.8016 * np.sqrt(2) / 10
        found += randomisation_p(values, flips=400)[0] < ALPHA
    assert 0.72 < found / 200 < 0.88
    once = noise(3, 50)
    documents = [str(place // 2) for place in range(100)]
    np.testing.assert_allclose(
        smallest_differences(np.repeat(once, 2, axis=1), documents), smallest_differences(once)
    )
