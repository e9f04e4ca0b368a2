"""What an encoder learns from: training queries with a relevant document, others held out, and mined negatives."""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from bench.collections.collection import Collection, Query
from bench.errors import BenchError
from bench.progress import Progress, no_progress
from retrievers.learning.holding_out import hold_out
from retrievers.learning.options import FineTuningOptions
from retrievers.lexical.bm25 import BM25

_LEAST_QUERIES = 3
_MOST_HELD_OUT = 500


class Labelled(NamedTuple):
    """A query and the distinct texts that are relevant to it."""

    query: Query
    relevant: frozenset[int]


@dataclass(frozen=True)
class Examples:
    """Queries, each with one relevant document and the same number of negatives, one row per example.

    texts: shape [examples, 1 + negatives], the relevant text first
    relevant: every text that is relevant to the example's query
    """

    queries: list[Query]
    texts: np.ndarray
    relevant: list[frozenset[int]]

    def __len__(self) -> int:
        return len(self.queries)


def labelled_queries(collection: Collection, split: str, place: np.ndarray) -> list[Labelled]:
    """The queries of a split that have a relevant document.

    `place`, of shape [documents], has the text of each document, since copies of a relevant document are relevant
    too. So is what another query of the same wording asks for. Raises BenchError if there are hardly any.
    """
    judged = [(query, place[rows].tolist()) for query, rows in collection.relevant(split) if len(rows)]
    if len({query.text for query, _ in judged}) < _LEAST_QUERIES:
        raise BenchError(
            f"{collection.name} has {len(judged)} judged training queries in the split '{split}' (to train on: "
            f"{', '.join(collection.splits) or 'none'}); set finetuning.method=none, choose another "
            "finetuning.split, or a dataset that has one"
        )
    by_wording: dict[str, set[int]] = {}
    for query, wanted in judged:
        by_wording.setdefault(query.text, set()).update(wanted)
    return [Labelled(query, frozenset(by_wording[query.text])) for query, _ in judged]


def split_wordings(queries: Sequence[Labelled], share: float, seed: int) -> tuple[list[Labelled], list[Labelled]]:
    """Queries to train on and queries to choose the epoch by, at random; of one wording all are on one side."""
    wordings = sorted({labelled.query.text for labelled in queries})
    count = min(max(1, round(share * len(wordings))), _MOST_HELD_OUT, len(wordings) - 1)
    return hold_out(queries, lambda labelled: labelled.query.text, wordings, count, seed)


def make_examples(
    collection: Collection,
    place: np.ndarray,
    queries: Sequence[Labelled],
    options: FineTuningOptions,
    seed: int,
    progress: Progress = no_progress,
) -> Examples:
    """Some relevant texts of each query, each with some negatives of BM25's first others, as the options say."""
    negatives = 0 if options.method == "in-batch" else options.negatives
    if negatives:
        progress("mining negatives", 0, 1)
    random = np.random.default_rng(seed)
    candidates = mine(collection, place, queries, options.depth) if negatives else [[] for _ in queries]
    distinct = int(place.max()) + 1
    asked, texts, relevant = [], [], []
    for labelled, near in zip(queries, candidates, strict=True):
        drawn = random.permutation(sorted(labelled.relevant))[: options.positives]
        for positive in drawn.tolist():
            asked.append(labelled.query)
            texts.append([positive, *_draw(near, labelled, negatives, distinct, random)])
            relevant.append(labelled.relevant)
    return Examples(asked, np.array(texts, dtype=np.int64), relevant)


def mine(collection: Collection, place: np.ndarray, queries: Sequence[Labelled], depth: int) -> list[list[int]]:
    """For each query the first `depth` distinct texts that BM25 finds and that are not relevant, best first.

    Karpukhin et al. (2020, section 3.2) take BM25's first hits as negatives.
    """
    engine = BM25()
    engine.fit(collection)
    asked = [labelled.query for labelled in queries]
    most = depth + max(len(labelled.relevant) for labelled in queries)
    found = engine.retrieve(asked, most).canonical(asked, collection.documents, most, collection.rules.exclude_self)
    return [
        [text for text in dict.fromkeys(place[rows].tolist()) if text not in labelled.relevant][:depth]
        for labelled, (_, rows, _) in zip(queries, found, strict=True)
    ]


def _draw(near: list[int], labelled: Labelled, count: int, distinct: int, random: np.random.Generator) -> list[int]:
    """Some of the candidates; where they do not suffice, all of them and other texts at random."""
    if len(near) >= count:
        return random.choice(near, size=count, replace=False).tolist()
    if distinct - len(labelled.relevant) < count:
        raise BenchError(
            f"query '{labelled.query.id}' has fewer than {count} documents that are not relevant; "
            "lower finetuning.negatives or set finetuning.method=in-batch"
        )
    drawn = dict.fromkeys(near)
    while len(drawn) < count:
        text = int(random.integers(distinct))
        if text not in labelled.relevant:
            drawn[text] = None
    return list(drawn)


def batches(examples: Examples, size: int, seed: int) -> Iterator[list[int]]:
    """The examples at random, in batches where no query finds a text that is relevant to it with another query.

    In a batch each query's negatives are the other queries' texts. An example that does not go with those before it
    waits for the next batch; what does not fit in as many batches as `batch_count` says is left out.
    """
    waiting = deque(np.random.default_rng(seed).permutation(len(examples)).tolist())
    for _ in range(batch_count(examples, size)):
        batch: list[int] = []
        refused: list[int] = []
        texts: set[int] = set()
        relevant: set[int] = set()
        while waiting and len(batch) < size:
            candidate = waiting.popleft()
            own = examples.texts[candidate].tolist()
            if relevant.isdisjoint(own) and texts.isdisjoint(examples.relevant[candidate]):
                batch.append(candidate)
                texts.update(own)
                relevant |= examples.relevant[candidate]
            else:
                refused.append(candidate)
        waiting.extendleft(reversed(refused))
        if batch:
            yield batch


def batch_count(examples: Examples, size: int) -> int:
    """Batches in an epoch."""
    return -(-len(examples) // size)


def ranked_pool(queries: Sequence[Labelled], place: np.ndarray, size: int, seed: int) -> list[int]:
    """Texts that held-out queries are ranked among: all that are relevant, and others at random up to `size`."""
    wanted = set().union(*(labelled.relevant for labelled in queries))
    drawn = np.random.default_rng(seed).permutation(int(place.max()) + 1)[:size].tolist()
    others = [text for text in drawn if text not in wanted]
    return sorted(wanted.union(others[: max(0, size - len(wanted))]))
