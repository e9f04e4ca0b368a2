"""The items that beams stand for, and how far the beams gave what was asked for."""

from collections.abc import Iterator
from dataclasses import astuple, dataclass

import numpy as np

from retrievers.generative.beam import Beams
from retrievers.generative.trie import Trie


def items_of(beams: Beams, trie: Trie) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """For each query its items and their log-probabilities, best first.

    An identifier gives all the items that share it, in the order that the trie was built with and with equal scores;
    an item that has several identifiers is listed once, with the best. What is no identifier gives nothing.
    """
    for items, log_probs in _expanded(beams, trie):
        _, first = np.unique(items, return_index=True)
        first.sort()
        yield items[first], log_probs[first]


def _expanded(beams: Beams, trie: Trie) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    sizes = np.diff(trie.group_indptr)
    for groups, log_probs in zip(beams.groups.cpu().numpy(), beams.log_probs.cpu().numpy(), strict=True):
        log_probs, groups = log_probs[groups >= 0], groups[groups >= 0]
        counts = sizes[groups]
        within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        yield trie.items[np.repeat(trie.group_indptr[groups], counts) + within], np.repeat(log_probs, counts)


@dataclass(frozen=True)
class Validity:
    """How far beams gave what was asked for; sums over batches of queries with `+`."""

    answers: int = 0
    invalid_answers: int = 0
    items: int = 0
    repeated_items: int = 0
    queries: int = 0
    short_lists: int = 0

    @classmethod
    def of(cls, beams: Beams, trie: Trie, k: int) -> "Validity":
        """Judge answers that should give k items, or all items of a smaller catalogue."""
        answered = beams.log_probs > -np.inf
        items = [items for items, _ in _expanded(beams, trie)]
        different = np.array([len(np.unique(found)) for found in items])
        total = sum(map(len, items))
        return cls(
            answers=int(answered.sum()),
            invalid_answers=int((answered & (beams.groups < 0)).sum()),
            items=total,
            repeated_items=total - int(different.sum()),
            queries=len(items),
            short_lists=int((different < min(k, trie.distinct_items)).sum()),
        )

    def __add__(self, other: "Validity") -> "Validity":
        return Validity(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))

    def rates(self) -> dict[str, float]:
        """Invalid answers per answer, repeated items per item, and queries with a short list per query."""
        return {
            "invalid": self.invalid_answers / max(1, self.answers),
            "duplicate": self.repeated_items / max(1, self.items),
            "short": self.short_lists / max(1, self.queries),
        }
