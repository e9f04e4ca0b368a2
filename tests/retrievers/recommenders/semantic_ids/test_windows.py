"""Which windows of a sequence are learned."""

import numpy as np
import pytest

from retrievers.recommenders.semantic_ids.windows import Sliding, Windows

SEQUENCES = [np.arange(10, 15), np.array([3]), np.arange(20, 22), np.arange(30, 42)]


def windows(sliding: Sliding, longest: int = 20, whole: bool = False, seed: int = 0) -> list[list[int]]:
    made = Windows(SEQUENCES, sliding, longest, whole=whole)
    return [items.tolist() for items in made.of(*made.epoch(np.random.default_rng(seed)))]


def test_off_gives_the_end_of_each_sequence_of_two_items() -> None:
    assert sorted(windows("off", longest=3)) == [[11, 12, 13, 14], [20, 21], [38, 39, 40, 41]]


def test_prefixes_give_each_item_once_after_all_before_it() -> None:
    found = windows("prefixes")
    assert sorted(found) == sorted(
        sequence[:end].tolist() for sequence in SEQUENCES for end in range(2, len(sequence) + 1)
    )


def test_drawn_windows_give_each_item_once_after_some_before_it() -> None:
    first, second = windows("all", seed=0), windows("all", seed=1)
    assert sorted(window[-1] for window in first) == sorted(window[-1] for window in windows("prefixes"))
    assert sorted(first) != sorted(second)
    for window in first:
        assert len(window) >= 2
        assert window == list(range(window[0], window[-1] + 1))


@pytest.mark.parametrize("sliding", ["off", "prefixes", "all"])
@pytest.mark.parametrize("whole", [False, True])
def test_no_window_is_longer_than_asked(sliding: Sliding, whole: bool) -> None:
    assert max(map(len, windows(sliding, 3, whole))) == 4


def test_windows_that_teach_all_their_items_are_one_for_each_sequence() -> None:
    assert sorted(windows("prefixes", whole=True)) == [s.tolist() for s in SEQUENCES if len(s) > 1]
    ends = {windows("all", 4, whole=True, seed=seed)[0][-1] for seed in range(50)}
    assert len(ends) > 5, "of a long sequence every part is drawn"
