"""What chooses the epoch: ranks worked by hand, and scores that say that something is no answer."""

from collections.abc import Callable

import numpy as np
import pytest

from bench.collections.collection import Collection
from bench.errors import BenchError
from retrievers.recommenders.validation import Validation

MakeSequences = Callable[..., Collection]


@pytest.fixture
def users(make_sequences: MakeSequences) -> Validation:
    """Two users of four items; `d` and `c` come next."""
    collection = make_sequences({"u": ["a", "b", "d", "c"], "v": ["b", "a", "c", "d"]})
    return Validation.of(collection, "a system", 10, 0)


def figures(users: Validation, scores: list[list[float]]) -> dict[str, float]:
    return users.figures(lambda part: np.array(scores[part], dtype=np.float32), 0.5)


def test_items_of_the_history_are_no_answer_where_they_seldom_come_again(users: Validation) -> None:
    assert users.hide
    first, second = users.targets.tolist()
    scores = [[3.0] * 4, [3.0] * 4]
    scores[0][first], scores[1][second] = 2.0, 4.0
    assert figures(users, scores) == pytest.approx({"Recall@10": 1, "nDCG@10": (1 / np.log2(3) + 1) / 2})


def test_a_target_in_the_history_is_missed_where_such_items_are_no_answer() -> None:
    """One of a hundred and twenty, so that the others' histories are hidden and its own too."""
    histories = [np.array([0, 1])] * 120
    targets = np.array([2] * 119 + [1])
    users = Validation([], histories, targets, hide=True)
    scores = np.tile(np.array([1.0, 5.0, 3.0, 0.0]), (120, 1))
    found = users.figures(lambda part: scores[part].copy(), 0.5)
    assert found == pytest.approx({"Recall@10": 119 / 120, "nDCG@10": 119 / 120})


def test_a_target_that_is_no_answer_is_missed(users: Validation) -> None:
    """As where it has no text, or nobody knows the user; and in a catalogue of fewer than ten items too."""
    scores = [[0.0] * 4, [-np.inf] * 4]
    scores[0][users.targets[0]] = 1.0
    assert figures(users, scores) == pytest.approx({"Recall@10": 0.5, "nDCG@10": 0.5})


@pytest.mark.parametrize("broken", [np.nan, np.inf])
def test_scores_that_are_no_numbers_are_a_training_that_diverged(users: Validation, broken: float) -> None:
    with pytest.raises(BenchError, match=r"the training diverged; lower training.learning_rate \(0.5\)"):
        figures(users, [[0.0] * 4, [broken] * 4])
