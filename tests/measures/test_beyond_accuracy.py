"""Coverage, Gini, popularity and novelty: worked by hand, and the Gini coefficient against its definition."""

from math import log, log2

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.collections.collection import Query
from bench.measures.beyond_accuracy import BeyondAccuracy, gini
from bench.rankings import Rankings

POPULARITY = np.array([9, 1, 0, 4])
ANSWERS = [[0, 1, 3], [0, 3], []]


def rankings() -> Rankings:
    asked = [Query(name, "") for name in "abc"]
    return Rankings.from_hits(asked, [(np.array(rows), -np.arange(len(rows), dtype=float)) for rows in ANSWERS])


def test_popularity_and_novelty_are_means_over_the_first_items_of_each_answer() -> None:
    beyond = BeyondAccuracy(2, POPULARITY, sequences=9)
    values = beyond.values(rankings())
    assert values["log popularity@2"][:2] == pytest.approx([(log(10) + log(2)) / 2, (log(10) + log(5)) / 2])
    surprise = {row: -log2((1 + POPULARITY[row]) / 10) for row in range(4)}
    assert values["novelty@2"][:2] == pytest.approx(
        [(surprise[0] + surprise[1]) / 2, (surprise[0] + surprise[3]) / 2]
    )
    assert surprise[0] == 0  # everyone has it
    assert np.isnan(values["novelty@2"][2])


def test_coverage_and_gini_are_of_all_answers_together() -> None:
    found = {count.name: count.value for count in BeyondAccuracy(2, POPULARITY, 9).counts(rankings())}
    assert found["coverage@2"] == 3 / 4
    assert found["Gini@2"] == pytest.approx(gini(np.array([2, 1, 0, 1])))
    assert {count.name: count.value for count in BeyondAccuracy(1, POPULARITY, 9).counts(rankings())} == {
        "coverage@1": 1 / 4,
        "Gini@1": 3 / 4,
    }


def test_neither_is_a_result_to_rank_by() -> None:
    beyond = BeyondAccuracy(10, POPULARITY, 9)
    assert beyond.log_popularity.diagnostic
    assert beyond.novelty.diagnostic
    assert beyond.log_popularity.column == "[log popularity @10]"


@pytest.mark.parametrize(("amounts", "value"), [([3, 3, 3], 0), ([0, 0, 5], 2 / 3), ([0, 0], 0), ([1, 3], 1 / 4)])
def test_gini_of_shares_that_are_known(amounts: list[int], value: float) -> None:
    assert gini(np.array(amounts)) == pytest.approx(value)


@given(st.lists(st.integers(0, 50), min_size=1, max_size=12).filter(any))
def test_gini_is_half_the_mean_difference_over_the_mean(amounts: list[int]) -> None:
    differences = [abs(one - other) for one in amounts for other in amounts]
    assert gini(np.array(amounts)) == pytest.approx(np.mean(differences) / np.mean(amounts) / 2)
