"""Which texts say nearly the same, by the words that they share."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from bench.sentences import terms

if TYPE_CHECKING:
    from scipy.sparse import csr_array

ALIKE = 0.7
"""Share of their different words that near copies have in common (Jaccard)."""

_AT_ONCE = 512


def near_copies(*texts: Sequence[str]) -> np.ndarray:
    """Shape [pairs, 2]: the positions, lower first, of things that are alike in every one of their texts.

    `texts` are sequences of equal length, such as the bodies and the summaries of the same things. A text without a
    word is like none.
    """
    every = [_words(one) for one in texts]
    found = [np.zeros((0, 2), dtype=np.int64)]
    for start in range(0, len(texts[0]), _AT_ONCE):
        rows = slice(start, start + _AT_ONCE)
        alike = np.logical_and.reduce([_jaccard(words[rows], words) >= ALIKE for words in every])
        first, second = np.nonzero(alike)
        pairs = np.stack([first + start, second], axis=1)
        found.append(pairs[pairs[:, 0] < pairs[:, 1]])
    return np.concatenate(found)


def _words(texts: Sequence[str]) -> "csr_array":
    """Shape [texts, words]: 1 for each different word that a text holds."""
    from scipy.sparse import csr_array

    numbers: dict[str, int] = {}
    held = [sorted({numbers.setdefault(word, len(numbers)) for word in terms(text)}) for text in texts]
    columns = np.array([number for one in held for number in one], dtype=np.int32)
    offsets = np.cumsum([0, *map(len, held)])
    return csr_array((np.ones(len(columns), dtype=np.float32), columns, offsets), shape=(len(texts), len(numbers)))


def _jaccard(some: "csr_array", every: "csr_array") -> np.ndarray:
    shared = (some @ every.T).toarray()
    sizes = np.diff(some.indptr)[:, np.newaxis] + np.diff(every.indptr)
    return shared / np.maximum(sizes - shared, 1)
