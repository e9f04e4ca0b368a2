"""The texts that n-grams are taken from, by view: spans of documents, titles, pseudo-queries."""

from collections.abc import Sequence
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Self

import numpy as np

from retrievers.encoding import open_array
from retrievers.generative.ngram.suffix_array import END, SuffixArray


class ViewIndex:
    """All n-grams of one view.

    A unit is what is scored as a whole: a passage, a title, or all pseudo-queries of a document. A document's units
    stand together, in the order of the documents; it may have none.

    array: the units' texts, one after the other
    offsets: int64, shape [units + 1]: where each unit begins
    owners: int64, shape [units]: the document of each
    """

    def __init__(self, array: SuffixArray, offsets: np.ndarray, owners: np.ndarray) -> None:
        self.array = array
        self.offsets = offsets
        self.owners = owners

    @classmethod
    def build(cls, units: Sequence[tuple[int, Sequence[Sequence[int]]]]) -> Self:
        """From units, each the row of its document and its texts in numbers of words."""
        sizes = [sum(len(text) + 1 for text in texts) for _, texts in units]
        numbers = (number for _, texts in units for text in texts for number in (*text, END))
        tokens = np.fromiter(numbers, np.int32, count=sum(sizes))
        owners = np.array([row for row, _ in units], dtype=np.int64)
        return cls(SuffixArray.build(tokens), np.cumsum([0, *sizes]), owners)

    def and_then(self, other: "ViewIndex", documents: int) -> "ViewIndex":
        """With the units of other documents, whose rows go on after `documents` rows."""
        return ViewIndex(
            SuffixArray.build(np.concatenate([self.array.tokens, other.array.tokens])),
            np.concatenate([self.offsets, other.offsets[1:] + self.offsets[-1]]),
            np.concatenate([self.owners, other.owners + documents]),
        )

    @cached_property
    def unit_of(self) -> np.ndarray:
        """Shape [length of the text]: the unit that each place is in."""
        return np.repeat(np.arange(len(self.owners), dtype=np.int32), np.diff(self.offsets))

    @cached_property
    def spans(self) -> tuple[np.ndarray, np.ndarray]:
        """The tokens of the view, and where each single token's range begins and ends; all in the order of tokens."""
        found = self.array.follow([0], [len(self.array)], 0)
        return found.tokens, np.stack([found.starts, found.stops])

    @cached_property
    def size(self) -> int:
        """Tokens of the text, without what parts texts."""
        return int((self.array.tokens != END).sum())

    def frequencies(self, words: int) -> np.ndarray:
        """Shape [words]: how often each of so many words occurs, float64."""
        tokens = np.asarray(self.array.tokens)
        return np.bincount(tokens[tokens != END], minlength=words).astype(np.float64)

    def units(self, documents: np.ndarray) -> np.ndarray:
        """The units of some documents, given by their rows in ascending order."""
        first = np.searchsorted(self.owners, documents)
        counts = np.searchsorted(self.owners, documents, side="right") - first
        return ranges(first, counts)

    def text(self, document: int) -> slice:
        """Where the units of a document stand in the text."""
        first, last = np.searchsorted(self.owners, [document, document + 1])
        return slice(int(self.offsets[first]), int(self.offsets[last]))

    def save(self, folder: Path) -> None:
        """Write into a new folder."""
        folder.mkdir()
        self.array.save(folder)
        np.save(folder / "offsets.npy", self.offsets)
        np.save(folder / "owners.npy", self.owners)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """What `save` wrote, memory-mapped."""
        return cls(SuffixArray.load(folder), *(open_array(folder / f"{name}.npy") for name in ("offsets", "owners")))


def ranges(starts: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """So many numbers from each start on, one after the other."""
    return np.arange(counts.sum()) + np.repeat(starts - np.cumsum(counts) + counts, counts)


def passages(text: Sequence[int], longest: int) -> list[Sequence[int]]:
    """A text in parts of at most so many tokens, of nearly equal length; 0: as a whole."""
    if not longest or len(text) <= longest:
        return [text]
    bounds = np.linspace(0, len(text), -(-len(text) // longest) + 1).astype(int).tolist()
    return [text[start:stop] for start, stop in pairwise(bounds)]
