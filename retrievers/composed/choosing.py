"""Settings of a composed system that are chosen by the judged queries of a split."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from bench.collections.collection import Collection, Query


class Judged(NamedTuple):
    """Queries of a split, and for each the rows of its relevant documents."""

    split: str
    queries: list[Query]
    relevant: list[np.ndarray]


def judged_queries(collection: Collection, splits: Sequence[str], most: int, seed: int) -> Judged | None:
    """Some queries of the first of these splits that the collection has, drawn at random; None where it has none."""
    split = next((split for split in splits if split in collection.splits), "")
    if not split:
        return None
    judged = [(query, rows) for query, rows in collection.relevant(split) if len(rows)]
    picked = np.random.default_rng(seed).permutation(len(judged))[:most]
    return Judged(split, [judged[i][0] for i in picked], [judged[i][1] for i in picked])


def reciprocal_rank(rows: np.ndarray, scores: np.ndarray, relevant: np.ndarray) -> float:
    """Of the first relevant document among the ten best; 0 without one."""
    ranked = rows[np.argsort(-scores, kind="stable")][:10]
    places = np.flatnonzero(np.isin(ranked, relevant))
    return 1 / (int(places[0]) + 1) if len(places) else 0.0
