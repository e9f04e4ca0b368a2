"""A suffix array: every n-gram of a text, with where it stands and what may follow it."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np

from retrievers.encoding import open_array

END = -1
"""Parts two texts: no n-gram goes over it."""

LONGEST = 16
"""Suffixes are sorted by so many tokens, which bounds an n-gram."""


Ranges = Sequence[int] | np.ndarray


class Continuations(NamedTuple):
    """What may follow some n-grams; all of shape [continuations], those of one n-gram together, by token.

    parents: which of the n-grams it is that goes on
    tokens: its next token
    starts, stops: the range of the n-gram with that token at its end
    """

    parents: np.ndarray
    tokens: np.ndarray
    starts: np.ndarray
    stops: np.ndarray


class SuffixArray:
    """Places of a text, sorted by the tokens that follow.

    The occurrences of an n-gram of at most LONGEST tokens are a range of it (Manber and Myers 1993), so that a
    continuation is a part of that range. It does what SEAL's FM-index does, at 9 bytes a token.

    tokens: int32, shape [length]; END parts texts
    suffixes: int32, shape [length]: places in `tokens`
    shared: uint8, shape [length]: how many tokens, at most LONGEST, a suffix has in common with the one before it
    """

    def __init__(self, tokens: np.ndarray, suffixes: np.ndarray, shared: np.ndarray) -> None:
        self.tokens = tokens
        self.suffixes = suffixes
        self._shared = shared

    @classmethod
    def build(cls, tokens: np.ndarray) -> Self:
        """Sort the suffixes of tokens of 0 and above, parted by END, which stands at the end too."""
        tokens = np.asarray(tokens, dtype=np.int32)
        suffixes = _sorted_suffixes(tokens)
        return cls(tokens, suffixes, _shared_beginnings(tokens, suffixes))

    def __len__(self) -> int:
        return len(self.tokens)

    def follow(self, starts: Ranges, stops: Ranges, length: int) -> Continuations:
        """What may follow n-grams of `length` tokens, given by their ranges; nothing follows an empty range."""
        firsts = [
            start + np.append(0, 1 + np.flatnonzero(self._shared[start + 1 : stop] <= length))
            for start, stop in zip(starts, stops, strict=True)
            if start < stop
        ]
        if not firsts:
            return Continuations(*(np.zeros(0, dtype=np.int64) for _ in range(4)))
        counts = np.array(list(map(len, firsts)))
        parents = np.repeat(np.flatnonzero(np.asarray(starts) < np.asarray(stops)), counts)
        begin = np.concatenate(firsts)
        end = np.append(begin[1:], 0)
        last = np.cumsum(counts) - 1
        end[last] = np.asarray(stops)[parents[last]]
        tokens = self.tokens[self.suffixes[begin] + length].astype(np.int64)
        found = tokens != END
        return Continuations(parents[found], tokens[found], begin[found], end[found])

    def find(self, ngram: Sequence[int]) -> tuple[int, int]:
        """The range of an n-gram; an empty one if it occurs nowhere."""
        start, stop = 0, len(self)
        for length, token in enumerate(ngram):
            start, stop = self._narrow(start, stop, length, token)
        return start, stop

    def _narrow(self, start: int, stop: int, length: int, token: int) -> tuple[int, int]:
        """The part of a range whose n-grams go on with the token: there, next tokens are sorted."""

        def first(wanted: int) -> int:
            low, high = start, stop
            while low < high:
                middle = (low + high) // 2
                if self.tokens[self.suffixes[middle] + length] < wanted:
                    low = middle + 1
                else:
                    high = middle
            return low

        return first(token), first(token + 1)

    def places(self, start: int, stop: int) -> np.ndarray:
        """Where the n-gram of a range stands, in no order."""
        return self.suffixes[start:stop]

    def save(self, folder: Path) -> None:
        np.save(folder / "tokens.npy", self.tokens)
        np.save(folder / "suffixes.npy", self.suffixes)
        np.save(folder / "shared.npy", self._shared)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """What `save` wrote, memory-mapped."""
        return cls(*(open_array(folder / f"{name}.npy") for name in ("tokens", "suffixes", "shared")))


def _sorted_suffixes(tokens: np.ndarray) -> np.ndarray:
    """Prefix doubling: suffixes sorted by one token give those sorted by two, these by four; up to LONGEST."""
    ranks = tokens.astype(np.int64) - END + 1  # 0 is what stands behind the end
    width = 1
    while True:
        behind = np.append(ranks[width:], np.zeros(min(width, len(ranks)), dtype=np.int64))
        keys = ranks * (ranks.max(initial=0) + 1) + behind
        order = np.argsort(keys, kind="stable")
        width *= 2
        if width >= LONGEST:
            return order.astype(np.int32)
        ranks[order] = 1 + np.cumsum(np.append(0, np.diff(keys[order]) != 0))


def _shared_beginnings(tokens: np.ndarray, suffixes: np.ndarray) -> np.ndarray:
    shared = np.zeros(len(suffixes), dtype=np.uint8)
    padded = np.append(tokens, np.full(LONGEST, END, dtype=tokens.dtype))
    alike = np.arange(1, len(suffixes))
    for length in range(LONGEST):
        ours, before = (padded[suffixes[places] + length] for places in (alike, alike - 1))
        alike = alike[(ours == before) & (ours != END)]
        shared[alike] = length + 1
    return shared
