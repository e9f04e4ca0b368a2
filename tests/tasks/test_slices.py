"""Parts of the questions of what comes next: each by hand, and what a slice must be."""

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.collections.collection import Collection
from bench.rankings import Rankings
from bench.tasks.next_item import NextItem
from bench.tasks.slices import Questions, slices

MakeSequences = Callable[..., Collection]

TRAINING = [[0, 1, 2], [1, 3], [3, 4], [0, 1]]
ASKED = [([0], 1), ([0], 3), ([1], 4), ([0, 4], 0), ([], 5), ([2, 0], 2)]


def questions(asked: Sequence[tuple[Sequence[int], int]], training: Sequence[Sequence[int]], items: int) -> Questions:
    return Questions(
        histories=[np.array(history, dtype=np.int64) for history, _ in asked],
        targets=np.array([target for _, target in asked], dtype=np.int64),
        training=[np.array(sequence, dtype=np.int64) for sequence in training],
        items=items,
    )


def parts(of: Questions) -> dict[str, list[int]]:
    return {part.name: np.flatnonzero(part.asked).tolist() for part in slices(of)}


def test_steps_that_were_seen_lie_apart_from_those_that_two_of_them_make() -> None:
    found = parts(questions(ASKED, TRAINING, 6))
    assert (found["seen step"], found["two steps"], found["new step"]) == ([0], [1, 2, 5], [3, 4])


def test_what_comes_again_is_told_apart_from_what_is_new() -> None:
    found = parts(questions(ASKED, TRAINING, 6))
    assert (found["repeated"], found["new"]) == ([3, 5], [0, 1, 2, 4])


def test_what_nobody_had_before_is_cold() -> None:
    found = parts(questions(ASKED, TRAINING, 6))
    assert (found["cold"], found["warm"]) == ([4], [0, 1, 2, 3, 5])


def test_thirds_keep_equal_amounts_together() -> None:
    of = questions(ASKED, TRAINING, 6)  # what comes next is in 3, 2, 1, 2, 0 and 1 sequences
    assert of.popularity.tolist() == [2, 3, 1, 2, 1, 0]
    found = {part.name: part for part in slices(of)}
    assert np.flatnonzero(found["tail"].asked).tolist() == [2, 4, 5]
    assert np.flatnonzero(found["torso"].asked).tolist() == [1, 3]
    assert np.flatnonzero(found["head"].asked).tolist() == [0]
    assert found["tail"].words == "whose next item at most 1 training sequences have"
    assert found["long history"].words == "whose history has more than 1 items"


def test_without_anything_to_learn_from_only_histories_tell_apart() -> None:
    assert {part.kind for part in slices(questions(ASKED, [], 6))} == {"repeats", "history"}


a_sequence = st.lists(st.integers(0, 5), max_size=6)
some_questions = st.lists(st.tuples(a_sequence, st.integers(0, 5)), min_size=1, max_size=8)


@given(some_questions, st.lists(a_sequence, max_size=6))
def test_the_slices_of_a_kind_hold_each_question_once_and_none_holds_all(
    asked: list[tuple[list[int], int]], training: list[list[int]]
) -> None:
    of = questions(asked, training, 6)
    by_kind: dict[str, list[np.ndarray]] = {}
    for part in slices(of):
        by_kind.setdefault(part.kind, []).append(part.asked)
    for masks in by_kind.values():
        assert np.sum(masks, axis=0).tolist() == [1] * len(asked)
        assert all(0 < mask.sum() < len(asked) for mask in masks)


@given(some_questions, st.lists(a_sequence, max_size=6))
def test_steps_are_those_of_a_search_by_hand(asked: list[tuple[list[int], int]], training: list[list[int]]) -> None:
    pairs = {pair for sequence in training for pair in pairwise(sequence)}
    expected = []
    for history, target in asked:
        last = history[-1] if history else None
        two = any((last, between) in pairs and (between, target) in pairs for between in range(6))
        expected.append(1 if (last, target) in pairs else 2 if two else 0)
    assert questions(asked, training, 6).steps.tolist() == expected


def test_tables_show_the_slices_that_are_asked_for_and_all_are_measured(make_sequences: MakeSequences) -> None:
    trips: Mapping[str, Sequence[str]] = {
        "ada": ["oslo", "bergen", "tromso", "narvik"],
        "bo": ["bergen", "oslo", "narvik", "bergen"],
        "cleo": ["oslo", "narvik", "bergen", "oslo", "narvik", "hamar"],
    }
    collection = make_sequences(trips)
    shown = NextItem(slices=["cold", "history"]).on(collection)
    assert shown.columns[5:9] == [
        "Recall@10 cold",
        "Recall@10 warm",
        "Recall@10 short history",
        "Recall@10 long history",
    ]
    exam = NextItem().on(collection)
    everything = Rankings.from_hits(exam.queries, [(np.arange(5), np.arange(5.0))] * 3)
    evaluation = exam.evaluate(everything)
    assert {"coverage@10", "Gini@10"} <= {count.name for count in evaluation.counts}
    values = evaluation.values
    assert {name for name in values if name.startswith("Recall@10 ")} >= {
        "Recall@10 repeated",
        "Recall@10 cold",
        "Recall@10 seen step",
    }
    assert values["Recall@10 repeated"][np.isfinite(values["Recall@10 repeated"])] == pytest.approx(1)
    measured = {measure.name for measure in exam.measures}
    assert set(values) <= measured
