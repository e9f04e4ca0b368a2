"""Questions of what comes next, told apart by what makes them easy or hard."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np

from bench.collections.collection import Collection, Query
from bench.collections.histories import come_again, known_items, training_sequences
from bench.tasks.measured import Slice

if TYPE_CHECKING:
    from scipy.sparse import csr_array

Kind = Literal["repeats", "transition", "popularity", "cold", "history"]


@dataclass(frozen=True)
class Questions:
    """Histories with what comes next, beside what was there to learn from.

    histories: rows of each user's items, oldest first
    targets: shape [questions], the row of what comes next
    training: rows of the items of each training sequence, oldest first
    items: size of the catalogue
    """

    histories: Sequence[np.ndarray]
    targets: np.ndarray
    training: Sequence[np.ndarray]
    items: int

    @classmethod
    def of(cls, collection: Collection, queries: Sequence[Query], targets: np.ndarray) -> "Questions":
        """Of a collection; without a split `train`, nothing was there to learn from."""
        known = training_sequences(collection) if "train" in collection.splits else []
        return cls(known_items(queries, collection.documents.rows), targets, known, len(collection))

    @cached_property
    def come_again(self) -> np.ndarray:
        """Mask of shape [questions]: what comes next stands in the history already."""
        return come_again(self.histories, self.targets)

    @cached_property
    def popularity(self) -> np.ndarray:
        """Shape [items]: how many training sequences have each item, however often."""
        owned = [np.unique(sequence) for sequence in self.training]
        return np.bincount(np.concatenate([*owned, np.zeros(0, dtype=np.int64)]), minlength=self.items)

    @cached_property
    def steps(self) -> np.ndarray:
        """Shape [questions]: in how many transitions of the training sequences one comes from the last item of the
        history to the next: 1, 2, or 0 for none of these."""
        follows = _transitions(self.training, self.items)
        precedes = follows.T.tocsr()
        found = np.zeros(len(self.targets), dtype=np.int64)
        for place, (history, target) in enumerate(zip(self.histories, self.targets.tolist(), strict=True)):
            if len(history):
                ahead, behind = _row(follows, int(history[-1])), _row(precedes, target)
                found[place] = 1 if target in ahead else 2 * bool(np.isin(ahead, behind).any())
        return found


def slices(questions: Questions) -> Iterator[Slice]:
    """All slices whose kind tells questions apart: one that has none of them, or all, says nothing."""
    for kind, found in _KINDS.items():
        parts = [Slice(kind, name, words, asked) for name, (words, asked) in found(questions).items()]
        told = [part for part in parts if part.asked.any()]
        if len(told) > 1:
            yield from told


def _repeats(questions: Questions) -> dict[str, tuple[str, np.ndarray]]:
    again = questions.come_again
    return {
        "repeated": ("for whom what comes next stands in the history already", again),
        "new": ("for whom what comes next is new to the history", ~again),
    }


def _transition(questions: Questions) -> dict[str, tuple[str, np.ndarray]]:
    """What can be remembered, what can be put together, and the rest (arXiv 2603.19809)."""
    if not questions.training:
        return {}
    return {
        "seen step": ("whose step from the last item to the next is in a training sequence", questions.steps == 1),
        "two steps": ("whose next item is two such steps away from the last, and not one", questions.steps == 2),
        "new step": ("whose next item is farther away from the last than two such steps", questions.steps == 0),
    }


def _popularity(questions: Questions) -> dict[str, tuple[str, np.ndarray]]:
    if not questions.training:
        return {}
    counts = questions.popularity[questions.targets]
    return _thirds(counts, ("tail", "torso", "head"), "whose next item {} training sequences have")


def _cold(questions: Questions) -> dict[str, tuple[str, np.ndarray]]:
    if not questions.training:
        return {}
    cold = questions.popularity[questions.targets] == 0
    return {
        "cold": ("whose next item is in no training sequence", cold),
        "warm": ("whose next item is in some training sequence", ~cold),
    }


def _history(questions: Questions) -> dict[str, tuple[str, np.ndarray]]:
    lengths = np.array([len(history) for history in questions.histories])
    names = ("short history", "medium history", "long history")
    return _thirds(lengths, names, "whose history has {} items")


_KINDS: Mapping[Kind, Callable[[Questions], dict[str, tuple[str, np.ndarray]]]] = {
    "repeats": _repeats,
    "transition": _transition,
    "popularity": _popularity,
    "cold": _cold,
    "history": _history,
}


def _thirds(amounts: np.ndarray, names: Sequence[str], words: str) -> dict[str, tuple[str, np.ndarray]]:
    """Questions by an amount, as near to thirds of them as equal amounts allow, which stay together."""
    low, high = np.quantile(amounts, [1 / 3, 2 / 3], method="lower").tolist()
    told = (f"at most {low:,}", f"{low + 1:,} to {high:,}", f"more than {high:,}")
    masks = (amounts <= low, (amounts > low) & (amounts <= high), amounts > high)
    return {name: (words.format(some), asked) for name, some, asked in zip(names, told, masks, strict=True)}


def _transitions(sequences: Sequence[np.ndarray], items: int) -> "csr_array":
    """Shape [items, items]: which item was followed by which."""
    from scipy.sparse import coo_array

    pairs = np.concatenate(
        [np.zeros((2, 0), dtype=np.int64), *(np.stack([one[:-1], one[1:]]) for one in sequences)], axis=1
    )
    found = coo_array((np.ones(pairs.shape[1]), (pairs[0], pairs[1])), shape=(items, items)).tocsr()
    found.sum_duplicates()
    return found


def _row(matrix: "csr_array", row: int) -> np.ndarray:
    return matrix.indices[matrix.indptr[row] : matrix.indptr[row + 1]]
