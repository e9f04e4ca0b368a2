"""Item-to-item neighbours (Deshpande and Karypis 2004): cosine of who has which item, the latest weighing most."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field

from retrievers.recommenders.sequences import Counting, ownership

if TYPE_CHECKING:
    from scipy.sparse import csr_array


class ItemKNN(Counting):
    """Items by their binary cosine with the history's latest items, each step back weighing less.

    The cosine of two items is the number of users who have both over the root of the product of the numbers who have
    either, in training. An item that shares no user with the history is no answer.
    """

    decay: float = Field(0.7, gt=0, le=1, description="weight of an item relative to the one after it")
    latest: int = Field(20, ge=1, description="how many of the history's items count")

    def learn(self, sequences: Sequence[np.ndarray], size: int) -> dict[str, np.ndarray]:
        from scipy.sparse import coo_array

        has = ownership(sequences, size)
        both = (has.T @ has).tocoo()
        of_each = has.sum(axis=0)
        cosine = both.data / np.sqrt(of_each[both.row] * of_each[both.col])
        other = both.row != both.col
        table = coo_array((cosine[other], (both.row[other], both.col[other])), shape=(size, size)).tocsr()
        return {"cosines": table.data, "neighbours": table.indices, "starts": table.indptr}

    def scores(self, histories: Sequence[np.ndarray]) -> "csr_array":
        from scipy.sparse import coo_array, csr_array

        learned = self._learned
        size = len(self._rows)
        table = csr_array((learned["cosines"], learned["neighbours"], learned["starts"]), shape=(size, size))
        latest = [history[: -self.latest - 1 : -1] for history in histories]
        lengths = [len(history) for history in latest]
        weights = [self.decay ** np.arange(length) for length in lengths]
        place = (np.repeat(np.arange(len(histories)), lengths), np.concatenate(latest))
        weighted = coo_array((np.concatenate(weights), place), shape=(len(histories), size)).tocsr()
        return weighted @ table
