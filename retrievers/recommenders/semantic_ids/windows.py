"""From users' sequences to what a model learns from: windows, each with the item that comes next as its last."""

from collections.abc import Sequence
from typing import Literal

import numpy as np

Sliding = Literal["off", "prefixes", "all"]


class Windows:
    """Parts of sequences of two items or more.

    sliding: "off": one window a sequence, which ends with its last item; "prefixes": one for each item that has one
        before it, from the sequence's beginning; "all": as many, each from a beginning that is drawn for every epoch
        (GRID's contiguous sub-sequences, Ju et al. 2025, arXiv 2507.22224)
    longest: items of a window before its last one; of a longer one the latest count
    whole: a window teaches every item that it holds, so that one a sequence is enough; of a sequence that is longer
        "prefixes" teaches the latest part, and "all" another one in every epoch
    """

    def __init__(self, sequences: Sequence[np.ndarray], sliding: Sliding, longest: int, *, whole: bool) -> None:
        self._sequences = sequences
        self._sliding = sliding
        self._longest = longest
        lengths = np.array([len(sequence) for sequence in sequences], dtype=np.int64)
        if whole or sliding == "off":
            self._owners = np.flatnonzero(lengths >= 2)
            self._ends = lengths[self._owners]
        else:
            self._owners = np.repeat(np.arange(len(lengths)), np.maximum(lengths - 1, 0))
            firsts = np.cumsum(lengths - 1) - (lengths - 1)
            self._ends = np.arange(len(self._owners)) - firsts[self._owners] + 2
        self._whole = whole

    def __len__(self) -> int:
        return len(self._owners)

    def epoch(self, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The sequence, beginning and end of each window, in random order; all of shape [windows]."""
        order = generator.permutation(len(self))
        owners, ends = self._owners[order], self._ends[order]
        if self._sliding == "all":
            if self._whole:
                ends = generator.integers(np.minimum(ends, max(2, self._longest)), ends + 1)
            starts = generator.integers(0, ends - 1)
        else:
            starts = np.zeros_like(ends)
        return owners, np.maximum(starts, ends - 1 - self._longest), ends

    def of(self, owners: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> list[np.ndarray]:
        """The items of windows that `epoch` gave."""
        spans = zip(owners.tolist(), starts.tolist(), ends.tolist(), strict=True)
        return [self._sequences[owner][start:end] for owner, start, end in spans]
