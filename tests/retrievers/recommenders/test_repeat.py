"""The baseline that repeats: by hand on small histories, and the figures measured by hand on pycalls-small."""

from collections.abc import Callable

import numpy as np
import pytest

from bench.collections.collection import Collection, Query
from retrievers.recommenders.repeat import Repeat

SEQUENCES = {
    "u1": ["open", "read", "close", "join", "split"],
    "u2": ["open", "read", "close", "join", "split"],
    "u3": ["open", "write", "close", "join", "split"],
}


def answered(retriever: Repeat, collection: Collection, history: list[str], k: int = 10) -> list[str]:
    queries = [Query("q", "", tuple(history))]
    found = retriever.retrieve(queries, k).canonical(queries, collection.documents, k)
    return collection.documents.ids(found.rows)


@pytest.fixture
def collection(make_sequences: Callable[..., Collection]) -> Collection:
    return make_sequences(SEQUENCES)


def test_what_followed_the_last_item_before_comes_first_then_the_latest(collection: Collection) -> None:
    retriever = Repeat().fit(collection.training_view())
    history = ["open", "write", "open", "read", "open"]
    assert answered(retriever, collection, history)[:3] == ["read", "write", "open"]
    assert answered(retriever, collection, ["join", "open", "read", "join"])[:3] == ["open", "read", "join"]


def test_without_it_the_latest_item_comes_first_but_the_last_itself(collection: Collection) -> None:
    history = ["open", "write", "open", "read"]
    retriever = Repeat(followed=False).fit(collection.training_view())
    assert answered(retriever, collection, history)[:3] == ["open", "write", "read"]
    retriever = Repeat(followed=False, at_once=True).fit(collection.training_view())
    assert answered(retriever, collection, history)[:3] == ["read", "open", "write"]


def test_items_that_the_history_lacks_follow_by_what_came_after_its_last_item(collection: Collection) -> None:
    retriever = Repeat().fit(collection.training_view())
    assert answered(retriever, collection, ["open"])[:2] == ["open", "read"]


def test_or_by_popularity(collection: Collection) -> None:
    retriever = Repeat(rest="popularity").fit(collection.training_view())
    assert answered(retriever, collection, ["write"])[:3] == ["write", "close", "open"]


def test_an_empty_history_has_answers_too(collection: Collection) -> None:
    assert len(answered(Repeat().fit(collection.training_view()), collection, [])) == len(collection)


def test_scores_of_the_history_are_above_all_others(collection: Collection) -> None:
    retriever = Repeat().fit(collection.training_view())
    history = retriever.read([Query("q", "", ("open", "read"))])
    (scores,) = retriever.scores(history)
    others = np.setdiff1d(np.arange(len(collection)), history[0])
    assert scores[history[0]].min() >= 1 > scores[others].max()
