"""First-order Markov chain: what most often came right after the last item."""

from collections.abc import Sequence

import numpy as np

from retrievers.recommenders.popularity import popularity
from retrievers.recommenders.sequences import Counting


class Markov(Counting):
    """Items by how often they followed the last item of the history in training; equal ones by their popularity."""

    def learn(self, sequences: Sequence[np.ndarray], size: int) -> dict[str, np.ndarray]:
        from scipy.sparse import csr_array

        before = np.concatenate([sequence[:-1] for sequence in sequences])
        after = np.concatenate([sequence[1:] for sequence in sequences])
        table = csr_array((np.ones(len(before)), (before, after)), shape=(size, size))
        table.sum_duplicates()
        counts = popularity(sequences, size)
        return {
            "counts": table.data,
            "after": table.indices,
            "starts": table.indptr,
            "share": counts / (counts.sum() + 1),  # below one, so that it decides between equal counts alone
        }

    def scores(self, histories: Sequence[np.ndarray]) -> np.ndarray:
        learned = self._learned
        scores = np.tile(learned["share"], (len(histories), 1))
        for line, history in zip(scores, histories, strict=True):
            if len(history):
                span = slice(*learned["starts"][history[-1] : history[-1] + 2])
                line[learned["after"][span]] += learned["counts"][span]
        return scores
