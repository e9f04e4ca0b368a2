"""SID-level and expected credit, against enumerating every order of the items."""

import math
from collections.abc import Sequence
from itertools import permutations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.collections.collection import Qrels
from bench.errors import BenchError
from bench.measures.collisions import expected, sid_level
from bench.measures.effectiveness import evaluate
from bench.measures.judged import Judgements
from bench.measures.names import Effectiveness
from bench.rankings import Rankings

MEASURES = [
    Effectiveness.parse(name) for name in ("Recall@1", "Recall@3", "Hits@2", "nDCG@3", "MRR@4", "nDCG", "MRR")
]


def rankings_of(answers: Sequence[Sequence[int]]) -> Rankings:
    return Rankings(
        query_ids=[f"q{i}" for i in range(len(answers))],
        offsets=np.cumsum([0, *map(len, answers)]),
        rows=np.array([row for answer in answers for row in answer], dtype=np.int64),
        scores=np.array([-place for answer in answers for place in range(len(answer))], dtype=np.float64),
    )


def judgements_of(targets: Sequence[int]) -> Judgements:
    places = np.arange(len(targets))
    return Judgements(
        Qrels([f"q{i}" for i in places], np.append(places, len(targets)), np.array(targets), np.ones_like(places))
    )


def gain(measure: Effectiveness, order: Sequence[int], target: int) -> float:
    if target not in order[: measure.cutoff]:
        return 0.0
    rank = order.index(target) + 1
    return {"nDCG": 1 / math.log2(rank + 1), "MRR": 1 / rank}.get(measure.family, 1.0)


def expected_by_enumeration(
    answer: Sequence[int], target: int, groups: Sequence[int], measure: Effectiveness
) -> float:
    expanded = [
        [item for item, of_item in enumerate(groups) if of_item == group]
        for group in dict.fromkeys(groups[row] for row in answer)
    ]
    orders = [[item for part in parts for item in part] for parts in product(*map(permutations, expanded))]
    return sum(gain(measure, order, target) for order in orders) / len(orders)


@st.composite
def cases(draw: st.DrawFn) -> tuple[list[list[int]], list[int], list[int]]:
    """Answers, targets and groups of a catalogue of up to six items."""
    items = draw(st.integers(1, 6))
    answers = draw(st.lists(st.permutations(range(items)), min_size=1, max_size=4))
    answers = [list(answer)[: draw(st.integers(0, items))] for answer in answers]
    targets = draw(st.lists(st.integers(0, items - 1), min_size=len(answers), max_size=len(answers)))
    numbers = draw(st.lists(st.integers(0, items - 1), min_size=items, max_size=items))
    return answers, targets, np.unique(numbers, return_inverse=True)[1].tolist()


@settings(max_examples=60, deadline=None)
@given(cases())
def test_expected_credit_is_the_mean_over_every_order_within_the_groups(
    case: tuple[list[list[int]], list[int], list[int]],
) -> None:
    answers, targets, groups = case
    found = expected(rankings_of(answers), np.array(targets), np.array(groups), MEASURES)
    for measure, values in found.items():
        by_hand = [
            expected_by_enumeration(answer, target, groups, measure)
            for answer, target in zip(answers, targets, strict=True)
        ]
        assert values == pytest.approx(by_hand)


@settings(max_examples=60, deadline=None)
@given(cases())
def test_sid_level_ranks_each_group_once(case: tuple[list[list[int]], list[int], list[int]]) -> None:
    answers, targets, groups = case
    found = sid_level(rankings_of(answers), np.array(targets), np.array(groups), MEASURES)
    named = [list(dict.fromkeys(groups[row] for row in answer)) for answer in answers]
    for measure, values in found.items():
        by_hand = [gain(measure, of, groups[target]) for of, target in zip(named, targets, strict=True)]
        assert values.tolist() == by_hand


@settings(max_examples=100, deadline=None)
@given(cases())
def test_sid_level_is_never_less_than_expected_credit(case: tuple[list[list[int]], list[int], list[int]]) -> None:
    answers, targets, groups = case
    arguments = rankings_of(answers), np.array(targets), np.array(groups), MEASURES
    at_groups, at_items = sid_level(*arguments), expected(*arguments)
    for measure in MEASURES:
        assert (at_groups[measure] >= at_items[measure]).all()


@given(st.lists(st.integers(0, 5), min_size=1, max_size=6))
def test_they_are_equal_for_every_target_only_where_no_two_items_share_a_group(numbers: list[int]) -> None:
    groups = np.unique(numbers, return_inverse=True)[1]
    items, measure = len(groups), Effectiveness("MRR")
    arguments = rankings_of([list(range(items))] * items), np.arange(items), groups, [measure]
    equal = (sid_level(*arguments)[measure] == expected(*arguments)[measure]).all()
    assert equal == (len(set(numbers)) == items)


def test_without_shared_groups_both_are_the_measures_themselves() -> None:
    answers, targets = [[2, 0, 1], [1], [], [0, 2], [3, 1, 0, 2]], [1, 1, 0, 1, 2]
    plain = evaluate(rankings_of(answers), judgements_of(targets), MEASURES)
    groups = np.array([2, 0, 3, 1])
    for credit in (sid_level, expected):
        found = credit(rankings_of(answers), np.array(targets), groups, MEASURES)
        for measure in MEASURES:
            np.testing.assert_allclose(found[measure], plain[measure], rtol=1e-12)


def test_one_group_of_everything_is_always_right_or_a_matter_of_luck() -> None:
    measures = [Effectiveness.parse("Recall@10"), Effectiveness.parse("Recall@50")]
    arguments = rankings_of([[7], []]), np.array([3, 3]), np.zeros(100, dtype=np.int64), measures
    assert [values.tolist() for values in sid_level(*arguments).values()] == [[1.0, 0.0], [1.0, 0.0]]
    assert [values.tolist() for values in expected(*arguments).values()] == [[0.1, 0.0], [0.5, 0.0]]


def test_measures_of_several_relevant_items_are_refused() -> None:
    with pytest.raises(
        BenchError, match="measure 'MAP' is not defined for groups of items; take one of Recall, Hits"
    ):
        expected(rankings_of([[0]]), np.array([0]), np.array([0]), [Effectiveness.parse("MAP")])
