"""Answers where items share identifiers."""

from collections import Counter

import numpy as np
import torch

from retrievers.generative.beam import Beams
from retrievers.generative.trie import Trie
from retrievers.recommenders.semantic_ids.answers import Collisions, answers_of

TRIE = Trie.build(np.array([[0], [1], [1], [1], [2]]), [3])
BEAMS = Beams(torch.tensor([[1, 0, -1]]), torch.tensor([[-0.5, -1.0, -torch.inf]]))


def answer(collisions: Collisions, query: str = "u1", seed: int = 0) -> tuple[list[int], list[float]]:
    ((items, scores),) = answers_of(BEAMS, TRIE, collisions, [query], seed)
    return items.tolist(), scores.tolist()


def test_expected_gives_all_items_of_an_identifier_before_those_of_the_next() -> None:
    items, scores = answer("expected")
    assert sorted(items[:3]) == [1, 2, 3]
    assert items[3:] == [0]
    assert scores == sorted(scores, reverse=True)
    assert len(set(scores)) == 4


def test_the_order_within_an_identifier_is_drawn_for_each_query_and_always_the_same() -> None:
    orders = Counter(tuple(answer("expected", f"u{n}")[0][:3]) for n in range(600))
    assert len(orders) == 6
    assert min(orders.values()) > 60
    assert answer("expected", "u5") == answer("expected", "u5")
    assert any(answer("expected", f"u{n}", seed=1) != answer("expected", f"u{n}") for n in range(5))


def test_random_pick_gives_one_item_of_each_identifier() -> None:
    picked = Counter(answer("random-pick", f"u{n}")[0][0] for n in range(600))
    assert set(picked) == {1, 2, 3}
    assert min(picked.values()) > 150
    assert answer("random-pick")[0][1:] == [0]


def test_nothing_found_is_no_answer() -> None:
    nothing = Beams(torch.full((1, 2), -1), torch.full((1, 2), -torch.inf))
    ((items, scores),) = answers_of(nothing, TRIE, "expected", ["u"], 0)
    assert len(items) == len(scores) == 0
