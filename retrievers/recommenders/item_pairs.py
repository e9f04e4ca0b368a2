"""Pairs of items that stand in one sequence, and some for items that have few (Kvernadze et al. 2022)."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from retrievers.recommenders.options import SyntheticOptions
from retrievers.unit_vectors import unit

_AT_ONCE = 1024

Drawn = tuple[np.ndarray, np.ndarray]
"""Items, and for each of them another one."""


class PairSource(Protocol):
    """What pairs are learned from."""

    @property
    def most(self) -> int:
        """Pairs of an epoch, at most."""

    def drawn(self, generator: np.random.Generator) -> Drawn:
        """The pairs of an epoch; an item is no pair with itself."""


class Pairs:
    """Draws, for each place of each sequence, so many others of its window, uniformly.

    window: places apart that two items of a pair may be; 0: any
    only_after: the other one stands after the item
    kept: shape [items], the share of an item's places that are looked at
    """

    def __init__(
        self, sequences: Sequence[np.ndarray], window: int, only_after: bool, each: int, kept: np.ndarray
    ) -> None:
        lengths = np.array([len(sequence) for sequence in sequences])
        ends = np.repeat(np.cumsum(lengths), lengths)
        starts = ends - np.repeat(lengths, lengths)
        reach = window or int(lengths.max())
        self._items = np.concatenate(sequences)
        self._places = np.arange(len(self._items))
        self._first = self._places + 1 if only_after else np.maximum(starts, self._places - reach)
        self._behind = np.minimum(ends, self._places + reach + 1)
        self._kept = kept[self._items]
        self._each, self.most = each, each * len(self._items)

    def drawn(self, generator: np.random.Generator) -> Drawn:
        """As `PairSource.drawn`."""
        looked_at = generator.random(len(self._items)) < self._kept
        places = np.repeat(self._places[looked_at & (self._behind > self._first)], self._each)
        others = generator.integers(self._first[places], self._behind[places])
        pairs = looked_at[others] & (self._items[places] != self._items[others])
        return self._items[places[pairs]], self._items[others[pairs]]


def keeping(counts: np.ndarray, threshold: float) -> np.ndarray:
    """Shape of `counts`: the share of an item's places that is kept, min(1, sqrt(t / f)) for a share f of all.

    A threshold t of 0 keeps all (Mikolov et al. 2013, equation 5).
    """
    if not threshold:
        return np.ones(len(counts))
    shares = counts / counts.sum()
    return np.minimum(1, np.sqrt(np.divide(threshold, shares, out=np.ones(len(counts)), where=shares > 0)))


class WithSynthetic:
    """Pairs, and for items that training has seldom or never others that go with items of like texts.

    An item gets as many as one that training has just often enough would have.

    vectors: of the items' texts, shape [items, dimension], zeros where there is none
    counts: shape [items], how often training has each
    """

    def __init__(
        self, pairs: PairSource, vectors: np.ndarray, counts: np.ndarray, each: int, options: SyntheticOptions
    ) -> None:
        told, frequent = vectors.any(axis=1), counts >= options.below
        among = np.flatnonzero(told & frequent)
        self._rare = np.flatnonzero(told & ~frequent) if len(among) else among
        self._like = among[_nearest(vectors[self._rare], vectors[among], options.neighbours)]
        self._pairs, self._each = pairs, each * options.below
        self.most = pairs.most + self._each * len(self._rare)

    def drawn(self, generator: np.random.Generator) -> Drawn:
        """As `PairSource.drawn`."""
        items, others = self._pairs.drawn(generator)
        order = np.argsort(items, kind="stable")
        asked = np.repeat(self._rare, self._each)
        choice = generator.integers(max(1, self._like.shape[1]), size=len(asked))
        like = np.repeat(self._like, self._each, axis=0)[np.arange(len(asked)), choice]
        first, behind = (np.searchsorted(items[order], like, side=side) for side in ("left", "right"))
        some = behind > first
        asked, found = asked[some], others[order[generator.integers(first[some], behind[some])]]
        pairs = found != asked
        return np.concatenate([items, asked[pairs]]), np.concatenate([others, found[pairs]])


def _nearest(asked: np.ndarray, among: np.ndarray, most: int) -> np.ndarray:
    """Shape [asked, most]: places of the highest cosines, or fewer where there are no more."""
    asked, among = unit(asked), unit(among)
    found = [
        np.argsort(-(asked[start : start + _AT_ONCE] @ among.T), axis=1, kind="stable")[:, :most]
        for start in range(0, len(asked), _AT_ONCE)
    ]
    return np.concatenate([np.zeros((0, min(most, len(among))), dtype=np.int64), *found])
