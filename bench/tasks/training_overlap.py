"""Queries told apart by whether training asks for their documents too.

A system can learn of the documents that training asks for what it cannot learn of others, one with an output vector
for each document above all, so that the mean over both kinds of query says little about either.
"""

from collections.abc import Iterator

import numpy as np

from bench.collections.collection import Collection
from bench.measures.judged import Judgements
from bench.tasks.measured import Slice

_TRAINING = "train"
"""The split that systems learn from, unless an option of theirs says otherwise."""


def overlap_slices(collection: Collection, judgements: Judgements) -> Iterator[Slice]:
    """Both kinds of the judged queries, where there are both and training is not what is asked."""
    if collection.rules.split == _TRAINING:
        return
    qrels, wanted = judgements.qrels, list(collection.relevant_rows(_TRAINING))
    shared = judgements.count(judgements.relevant(qrels.grades) & np.isin(qrels.rows, wanted)) > 0
    if shared.any() and not shared.all():
        whose = "relevant document that a training query asks for"
        yield Slice("training", "in training", f"with a {whose} too", shared)
        yield Slice("training", "not in training", f"without any {whose}", ~shared)
