"""What chooses the epoch of a recommender: how it answers the users of the split `valid`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from bench.collections.collection import Collection, Query
from bench.collections.histories import come_again, known_items, seldom_again
from bench.errors import BenchError

_BATCH = 128


@dataclass(frozen=True)
class Validation:
    """Users with what came next.

    queries, histories, targets: of each user, in the order of the histories' lengths
    hide: items of a history are no answer to it, because they seldom come again
    """

    queries: Sequence[Query]
    histories: Sequence[np.ndarray] = field(repr=False)
    targets: np.ndarray = field(repr=False)
    hide: bool

    @classmethod
    def of(cls, collection: Collection, name: str, most: int, seed: int) -> "Validation":
        """Some users of `valid`. Raises BenchError where the collection, or its training view, has no such split."""
        if "valid" not in collection.splits:
            raise BenchError(
                f"{collection.name}: {name} chooses its weights on the split 'valid', which is evaluated or absent "
                "here; use ?split=test, or item-knn"
            )
        queries, targets = collection.queries("valid"), collection.qrels("valid").rows
        histories = known_items(queries, collection.documents.rows)
        drawn = np.random.default_rng(seed).permutation(len(histories))[:most]
        places = drawn[np.argsort([len(histories[place]) for place in drawn], kind="stable")].tolist()
        return cls(
            [queries[place] for place in places],
            [histories[place] for place in places],
            targets[places],
            hide=seldom_again(come_again(histories, targets)),
        )

    def figures(self, scores: Callable[[slice], np.ndarray], learning_rate: float) -> dict[str, float]:
        """Mean Recall@10 and nDCG@10 of one target each among all items; equal scores count against it.

        `scores` gives a part of the users their scores, of shape [users, items], which may be written to; those of
        -inf are no answers. Raises BenchError where that of a target is not a number, or infinite, and says that the
        learning rate is to be lowered.
        """
        ranks = []
        for start in range(0, len(self.targets), _BATCH):
            part = slice(start, start + _BATCH)
            of_part = scores(part)
            places = np.arange(len(of_part)), self.targets[part]
            if np.isnan(of_part[places]).any() or np.isposinf(of_part[places]).any():
                raise BenchError(f"the training diverged; lower training.learning_rate ({learning_rate:g})")
            if self.hide:
                hidden = self.histories[part]
                owners = np.repeat(np.arange(len(hidden)), list(map(len, hidden)))
                of_part[owners, np.concatenate(hidden)] = -np.inf
            of_target = of_part[places]
            rank = (of_part >= of_target[:, None]).sum(axis=1)
            ranks.append(np.where(np.isneginf(of_target), np.inf, rank))
        found = np.concatenate(ranks)
        gains = np.where(found <= 10, 1 / np.log2(found + 1), 0.0)
        return {"Recall@10": float((found <= 10).mean()), "nDCG@10": float(gains.mean())}
