"""What people do again: the baseline that tells how much of a sequence is repetition."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from pydantic import Field

from retrievers.recommenders.markov import Markov


class Repeat(Markov):
    """The items of the history, the latest first, before all others; nothing is learned of them.

    The last item itself stands behind the others unless `at_once` says that it may come again right away. With
    `followed` those that came right after the last item earlier in this history stand first, the latest first. Items
    that the history lacks follow by how often they came after its last item in training (`markov`), or by their
    popularity. A system below this row has not learned to predict sequences that repeat, such as those of calls.
    """

    followed: bool = Field(True, description="begin with what followed the last item before in this history")
    at_once: bool = Field(False, description="the last item stands first of the history, and not last")
    rest: Literal["markov", "popularity"] = Field("markov", description="order of the items that the history lacks")

    def scores(self, histories: Sequence[np.ndarray]) -> np.ndarray:
        scores = super().scores(histories) if self.rest == "markov" else self._popularity(len(histories))
        scores /= 1 + scores.max(axis=1, keepdims=True)  # below one, and so below every item of the history
        for line, history in zip(scores, histories, strict=True):
            if len(history):
                line[history] = np.arange(len(history)) + 2  # of an item that comes twice the later place counts
                if not self.at_once:
                    line[history[-1]] = 1
                if self.followed:
                    places = np.flatnonzero(history[:-1] == history[-1]) + 1
                    line[history[places]] = len(history) + places + 2
        return scores

    def _popularity(self, histories: int) -> np.ndarray:
        return np.tile(self._learned["share"], (histories, 1))
