"""The same answer for everyone: what is in most training sequences, counted with repeats."""

from collections.abc import Sequence

import numpy as np

from retrievers.recommenders.sequences import Counting


class Popularity(Counting):
    """Items by the number of their training interactions; nothing held out is counted."""

    def learn(self, sequences: Sequence[np.ndarray], size: int) -> dict[str, np.ndarray]:
        return {"counts": popularity(sequences, size)}

    def scores(self, histories: Sequence[np.ndarray]) -> np.ndarray:
        counts = self._learned["counts"].astype(np.float64)
        return np.broadcast_to(counts, (len(histories), len(counts)))


def popularity(sequences: Sequence[np.ndarray], size: int) -> np.ndarray:
    """Shape [items]: how often each item occurs."""
    return np.bincount(np.concatenate(sequences), minlength=size)
