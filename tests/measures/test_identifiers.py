"""What identifiers are like: a small tree worked by hand, and what must hold of any."""

from math import log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.measures.identifiers import changed, following_pairs, numbered, report, text_pairs

CODES = np.array([[0, 1, 0], [0, 1, 1], [0, 2, -1], [4, 0, -1]])
TEXTS = ["red heron", "a red heron", "blue ship sails", "a blue ship"]
SEQUENCES = [np.array([0, 1, 1, 3]), np.array([0, 1])]


def test_a_small_tree_is_what_it_looks_like() -> None:
    found = report(CODES, vocabularies=[5, 3, 2], texts=TEXTS, sequences=SEQUENCES)
    first, second, third = found.levels
    assert (first.items, first.used, first.dead, first.prefixes, first.fan_out) == (4, 2, 3, 2, 2)
    entropy = -(3 / 4 * log(3 / 4) + 1 / 4 * log(1 / 4))
    assert (first.entropy, first.perplexity) == pytest.approx((entropy / log(5), np.exp(entropy)))
    assert (second.prefixes, second.fan_out) == (3, 1.5)
    assert (third.items, third.prefixes, third.dead, third.entropy) == (2, 2, 0, pytest.approx(1))
    assert [level.chance for level in found.levels] == pytest.approx([3 / 6, 1 / 6, 0])
    assert first.together == pytest.approx(2 / 3)  # 0 and 1 twice, 1 and 3 once
    assert first.text == pytest.approx(1 / 3)  # red herons agree, and neither blue ships nor what says `a`
    assert first.busiest == pytest.approx(5 / 6)  # one code of five, with 0 and 1
    assert (found.identifiers, found.alone, found.largest, found.gini) == (4, 1, 1, 0)


def test_groups_are_those_that_the_system_says() -> None:
    found = report(CODES, groups=np.array([7, 7, 2, 3]))
    assert (found.identifiers, found.alone, found.largest) == (3, 0.5, 2)
    assert found.levels[0].dead is None
    assert found.levels[0].entropy == pytest.approx(-(3 / 4 * log(3 / 4) + 1 / 4 * log(1 / 4)) / log(2))
    assert (found.levels[0].text, found.levels[0].together, found.levels[0].busiest) == (None, None, None)


def test_another_fit_may_call_the_same_codes_otherwise() -> None:
    codes = np.array([0, 0, 1, 1, 2])
    assert changed(codes, np.array([9, 9, 4, 4, 0])) == 0
    assert changed(codes, np.array([9, 4, 4, 4, 0])) == pytest.approx(1 / 5)
    shorter, alike = CODES[:, :2], CODES
    assert [level.changed for level in report(CODES, others=[shorter, alike]).levels] == [[0, 0], [0, 0], [None, 0]]
    many = np.arange(5000)
    assert changed(many, many) is None


def test_pairs_are_of_different_documents() -> None:
    assert following_pairs(SEQUENCES).tolist() == [[0, 1, 0], [1, 3, 1]]
    assert {tuple(pair) for pair in text_pairs(TEXTS).T.tolist()} >= {(0, 1), (1, 0), (2, 3), (3, 2)}
    assert text_pairs(["", ""]).shape == text_pairs([]).shape == (2, 0)


def test_tokens_that_are_no_numbers_are_numbered_by_their_text() -> None:
    assert numbered([("12", "3"), ("2",)]).tolist() == [[12, 3], [2, -1]]
    assert numbered([("red", "b"), ("blue", "a"), ("red",)]).tolist() == [[1, 1], [0, 0], [1, -1]]


trees = st.lists(st.lists(st.integers(0, 3), min_size=2, max_size=2), min_size=1, max_size=12)


@given(trees, trees)
def test_any_identifiers_keep_the_bounds(codes: list[list[int]], other: list[list[int]]) -> None:
    rows = min(len(codes), len(other))
    found = report(np.array(codes[:rows]), vocabularies=[4, 4], others=[np.array(other[:rows])])
    assert found.identifiers == len({tuple(row) for row in codes[:rows]})
    assert 0 <= found.alone <= 1
    for level in found.levels:
        assert -1e-9 <= level.entropy <= 1 + 1e-9
        assert 1 - 1e-9 <= level.perplexity <= level.used + 1e-9
        assert level.dead == 4 - level.used
        assert 0 <= level.changed[0] <= 1 - 1 / rows + 1e-9
    assert found.levels[1].chance <= found.levels[0].chance
    assert found.levels[-1].prefixes == found.identifiers


@given(trees)
def test_renaming_codes_changes_nothing(codes: list[list[int]]) -> None:
    names = np.array([7, 0, 3, 5])
    first = np.array(codes)[:, 0]
    assert changed(first, names[first]) == 0
