"""What may be learned from users' histories, and what is told where that is nothing."""

from collections.abc import Callable

import pytest

from bench.collections.collection import Collection
from bench.collections.histories import training_sequences
from bench.errors import BenchError


def learned(collection: Collection) -> list[list[str]]:
    view = collection.training_view()
    return [view.documents.ids(rows) for rows in training_sequences(view)]


def test_the_last_two_items_of_each_user_are_not_learned_from(make_sequences: Callable[..., Collection]) -> None:
    assert learned(make_sequences({"ann": ["a", "b", "c", "d"], "bob": ["b", "a", "c"]})) == [["a", "b"], ["b"]]


def test_sequences_too_short_to_learn_from_are_told_as_such(make_sequences: Callable[..., Collection]) -> None:
    with pytest.raises(BenchError, match=r"what is left to learn from, .* is shorter than 2 items .* so 4 or more"):
        learned(make_sequences({"ann": ["a", "b", "c"], "bob": ["b", "a", "c"]}))


def test_a_collection_without_users_has_no_sequences(make_collection: Callable[..., Collection]) -> None:
    with pytest.raises(BenchError, match="has no sequences to learn from; give recommenders"):
        learned(make_collection({"a": "alpha"}, {"1": "first"}, {"1": {"a": 1}}))
