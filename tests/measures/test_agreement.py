"""Cohen's kappa beside scikit-learn's."""

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from bench.measures.agreement import kappa


@pytest.mark.parametrize("seed", range(5))
def test_kappa_equals_that_of_another_library(seed: int) -> None:
    generator = np.random.default_rng(seed)
    first, second = generator.choice([0.0, 0.5, 1.0], (2, 200), p=[0.7, 0.1, 0.2])
    expected = cohen_kappa_score(first * 2 // 1, second * 2 // 1, weights="linear")
    assert kappa(first, second) == pytest.approx(expected)


def test_all_alike_is_1_and_one_verdict_alone_says_nothing() -> None:
    verdicts = np.array([0.0, 1.0, 0.5, 0.0])
    assert kappa(verdicts, verdicts) == 1
    assert np.isnan(kappa(np.zeros(4), np.zeros(4)))
    assert np.isnan(kappa(np.zeros(0), np.zeros(0)))
