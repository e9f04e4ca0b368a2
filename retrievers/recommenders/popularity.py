"""The same answer for everyone: what is in most training sequences, counted with repeats."""

from collections.abc import Sequence
from typing import Self

import numpy as np
from pydantic import Field

from bench.collections.collection import Collection
from bench.collections.histories import training_sequences, training_times
from retrievers.recommenders.sequences import Counting

_DAY = 24 * 60 * 60


class Popularity(Counting):
    """Items by the number of their training interactions, of all or of the last days; nothing held out is counted."""

    days: float = Field(
        0,
        ge=0,
        description="only interactions of so many days up to the latest of training count, all of them between items "
        "that have equally many; 0: all count",
    )

    def fit(self, collection: Collection) -> Self:
        """Raises BenchError for a collection without sequences, or `days` where it does not say when they were."""
        super().fit(collection)
        if self.days:
            times = np.concatenate(training_times(collection))
            late = times > times.max() - self.days * _DAY
            counts = popularity([np.concatenate(training_sequences(collection))[late]], len(self._rows))
            self._learned["counts"] = counts + self._learned["counts"] / (len(times) + 1)  # the share is below one
        return self

    def learn(self, sequences: Sequence[np.ndarray], size: int) -> dict[str, np.ndarray]:
        return {"counts": popularity(sequences, size)}

    def scores(self, histories: Sequence[np.ndarray]) -> np.ndarray:
        counts = self._learned["counts"].astype(np.float64)
        return np.broadcast_to(counts, (len(histories), len(counts)))


def popularity(sequences: Sequence[np.ndarray], size: int) -> np.ndarray:
    """Shape [items]: how often each item occurs."""
    return np.bincount(np.concatenate(sequences), minlength=size)
