"""Users' histories as rows of items, and the sequences that may be learned from."""

from collections.abc import Mapping, Sequence

import numpy as np

from bench.collections.collection import Collection, Query
from bench.errors import BenchError

_SELDOM = 0.01


def come_again(histories: Sequence[np.ndarray], targets: np.ndarray) -> np.ndarray:
    """Mask of the targets that stand in their own histories."""
    return np.array([target in history for history, target in zip(histories, targets, strict=True)], dtype=bool)


def seldom_again(again: np.ndarray) -> bool:
    """Whether at most one in a hundred of the items that come next, by mask, stand in their own histories.

    Then items of a history are no answers to it, in what is published as in what is chosen by.
    """
    return bool(again.mean() <= _SELDOM)


def known_items(queries: Sequence[Query], rows: Mapping[str, int]) -> list[np.ndarray]:
    """Rows of the items of each history, oldest first; ids that `rows` lacks are passed over."""
    return [np.array([rows[item] for item in query.history if item in rows], dtype=np.int64) for query in queries]


def training_times(collection: Collection) -> list[np.ndarray]:
    """When each of the `training_sequences` had its items, in seconds since 1970.

    Raises BenchError for a collection that does not say so of every sequence.
    """
    asked = collection.asking("users").queries("train")
    if any(len(query.times) != len(query.history) + 1 for query in asked):
        raise BenchError(
            f"{collection.name} does not say when its interactions were; give a collection that does: recbole:FOLDER "
            "with a column of times (seconds, or fractions of them, since 1970)"
        )
    return [np.array(query.times) for query in asked]


def training_sequences(collection: Collection) -> list[np.ndarray]:
    """Rows of the items of each user, oldest first: the histories of the split `train`, each with its target.

    Raises BenchError for a collection without sequences of two items or more.
    """
    collection = collection.asking("users")
    asked = collection.queries("train") if "train" in collection.splits else []
    if not any(query.history for query in asked):
        raise BenchError(_nothing_to_learn(collection))
    targets = collection.qrels("train")
    histories = known_items(asked, collection.documents.rows)
    return [np.concatenate([history, targets.of(place)[0]]) for place, history in enumerate(histories)]


def _nothing_to_learn(collection: Collection) -> str:
    if any(query.history for queries in collection.split_queries.values() for query in queries):
        return (
            f"{collection.name}: what is left to learn from, without what is asked, is shorter than 2 items for "
            "every user; give longer sequences (leave-one-out takes the last two items, so 4 or more)"
        )
    return (
        f"{collection.name} has no sequences to learn from; give recommenders a collection of sequences, such as "
        "pycalls or recbole:FOLDER"
    )
