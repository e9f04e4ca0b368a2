"""Rankings and judgements from plain lists."""

from collections.abc import Mapping, Sequence

import numpy as np

from bench.collections.collection import Gains, Qrels
from bench.measures.judged import Judgements
from bench.measures.names import Effectiveness
from bench.rankings import Rankings


def measures(*names: str) -> list[Effectiveness]:
    return [Effectiveness.parse(name) for name in names]


def judgements(
    judged: Sequence[Mapping[int, int]], minimum_relevance: int = 1, gains: Gains = "linear"
) -> Judgements:
    """Grades by document row, for each query."""
    qrels = Qrels(
        query_ids=[str(i) for i in range(len(judged))],
        offsets=np.cumsum([0, *map(len, judged)]),
        rows=np.array([row for one in judged for row in one], dtype=np.int64),
        grades=np.array([grade for one in judged for grade in one.values()], dtype=np.int64),
    )
    return Judgements(qrels, minimum_relevance, gains)


def rankings(lists: Sequence[Sequence[int]], scores: Sequence[Sequence[float]] | None = None) -> Rankings:
    """Document rows, best first; scores fall by one from rank to rank unless they are given."""
    scores = scores or [[float(-i) for i in range(len(one))] for one in lists]
    return Rankings(
        query_ids=[str(i) for i in range(len(lists))],
        offsets=np.cumsum([0, *map(len, lists)]),
        rows=np.array([row for one in lists for row in one], dtype=np.int64),
        scores=np.array([score for one in scores for score in one], dtype=np.float64),
    )
