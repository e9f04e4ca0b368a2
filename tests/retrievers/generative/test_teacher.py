"""A teacher that picks parts and ranks documents."""

from collections.abc import Sequence

import numpy as np

from bench.collections.collection import Query
from bench.rankings import Rankings
from retrievers.generative.examples import Example, Examples
from retrievers.generative.teacher import Teacher, keep_found, with_lists


class Answers(Teacher):
    """Says what it was told to say."""

    def __init__(self, hits: Sequence[tuple[list[int], list[float]]]) -> None:
        self._hits = hits

    def answer(self, texts: Sequence[str], k: int) -> Rankings:
        return Rankings.from_hits([Query(text, text) for text in texts], self._hits)


def test_parts_are_kept_if_the_teacher_finds_their_document_early_enough() -> None:
    parts = [Example([1], 5), Example([2], 6), Example([3], 7)]
    teacher = Answers([([4, 5], [0.2, 0.9]), ([6, 4, 8], [0.1, 0.5, 0.7]), ([], [])])
    assert keep_found(parts, ["a", "b", "c"], teacher, 2) == [parts[0]]
    assert keep_found(parts, ["a", "b", "c"], teacher, 3) == parts[:2]


def test_lists_are_as_probable_as_the_teacher_finds_them() -> None:
    examples = Examples.of([Example([1], 5)], [Example([2], 6)])
    lists = with_lists(examples, ["a", "b"], Answers([([4, 5], [0.8, 0.9]), ([], [])]), 3).lists
    assert lists is not None
    assert lists.rows[0].tolist()[:2] == [5, 4]
    np.testing.assert_allclose(lists.probabilities[0], [1 / (1 + np.exp(-2)), 1 / (1 + np.exp(2)), 0])
    assert lists.rows[1][lists.probabilities[1] > 0].tolist() == [6]  # its own, for want of an answer
