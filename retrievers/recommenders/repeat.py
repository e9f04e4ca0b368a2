"""What people do again: the baseline that tells how much of a sequence is repetition."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from pydantic import Field

from retrievers.recommenders.markov import Markov


class Repeat(Markov):
    """The items of the history, the latest first, before all others; nothing is learned of them.

    With `followed` those that came right after the last item earlier in this history stand first, the latest first.
    Items that the history lacks follow by how often they came after its last item in training (`markov`), or by their
    popularity. Sequences that repeat (of calls, of songs) are asked little else, and a system below this row has not
    learned to predict.
    """

    followed: bool = Field(True, description="begin with what followed the last item before in this history")
    rest: Literal["markov", "popularity"] = Field("markov", description="order of the items that the history lacks")

    def scores(self, histories: Sequence[np.ndarray]) -> np.ndarray:
        rest = super().scores(histories) if self.rest == "markov" else self._popularity(len(histories))
        scores = rest / (1 + rest.max(axis=1, keepdims=True))  # below one, and so below every item of the history
        for line, history in zip(scores, histories, strict=True):
            line[history] = _latest_first(history)  # of an item that comes twice the later place counts
            if self.followed and len(history):
                places = np.flatnonzero(history[:-1] == history[-1]) + 1
                line[history[places]] = len(history) + places + 1
        return scores

    def _popularity(self, histories: int) -> np.ndarray:
        return np.tile(self._learned["share"], (histories, 1))


def _latest_first(history: np.ndarray) -> np.ndarray:
    """Shape [items of the history]: from 1 for the oldest."""
    return np.arange(1, len(history) + 1)
