"""What sources of recommendation data share: filtering interactions, leave-one-out, questions in words."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from pydantic import Field

from bench.collections.collection import Document
from bench.collections.sources import Source
from bench.collections.writer import CollectionWriter
from bench.errors import BenchError

SPLITS = ("test", "valid", "train")
"""Each asks for one item of a user's sequence: the last, the last but one, the one before that."""


class Item(NamedTuple):
    """A document and the place that a complaint about it should name."""

    document: Document
    where: str


class SequenceSource(Source):
    """A source of sequences: each user asks for the next item, leave-one-out.

    The collection has the items of the users who stay. A user with fewer than three items cannot be asked and is
    left out; an item without text stays, and so does one that is a target only. All three are counted.
    """

    minimum_interactions: int = Field(
        0, ge=0, description="users and items with fewer are left out until none has (k-core); 0: none is"
    )
    history_titles: int = Field(
        10, ge=1, description="a question in words names so many items of the history, the latest first"
    )

    def write(self, writer: CollectionWriter, items: Iterable[Item], sequences: Mapping[str, Sequence[str]]) -> None:
        """Write items and questions. `sequences` has every user's item ids, oldest first; `items` may hold more.

        Raises BenchError when no user is left.
        """
        kept = {user: ids for user, ids in sequences.items() if len(ids) >= len(SPLITS)}
        if not kept:
            raise BenchError(
                f"none of {len(sequences)} users has {len(SPLITS)} interactions or more; leave-one-out needs them: "
                "lower ?minimum_interactions= or give longer sequences"
            )
        titles = _write_items(writer, items, dict.fromkeys(item for ids in kept.values() for item in ids))
        for user, ids in kept.items():
            for place, split in enumerate(SPLITS, start=1):
                history = ids[:-place]
                latest = [titles[item] for item in history[: -self.history_titles - 1 : -1]]
                writer.query(split, user, "; ".join(filter(None, latest)), f"user {user}", history)
        for user, ids in kept.items():
            for place, split in enumerate(SPLITS, start=1):
                writer.judgement(split, user, ids[-place], 1, f"user {user}")
        for name, value in self._notes(sequences, kept, titles).items():
            writer.note(name, value)

    def _notes(
        self, sequences: Mapping[str, Sequence[str]], kept: Mapping[str, Sequence[str]], titles: Mapping[str, str]
    ) -> dict[str, Any]:
        fitted = {item for ids in kept.values() for item in ids[:-2]}
        return {
            "users": len(kept),
            "users left out (fewer than 3 interactions)": len(sequences) - len(kept),
            "interactions": sum(map(len, kept.values())),
            "k-core": self.minimum_interactions or "none",
            "items without text": sum(not title for title in titles.values()),
            "items that occur only as targets": len(titles.keys() - fitted),
        }


def _write_items(writer: CollectionWriter, items: Iterable[Item], wanted: dict[str, None]) -> dict[str, str]:
    """Write the wanted items, those that nobody describes last, sorted by id; gives their titles by id."""
    titles: dict[str, str] = {}
    for document, where in items:
        if document.id in wanted:
            writer.document(document, where)
            titles[document.id] = document.title or document.body
    for item in sorted(wanted.keys() - titles.keys()):
        writer.document(Document(item, "", ""), f"item {item}")
        titles[item] = ""
    return titles


def core(users: np.ndarray, items: np.ndarray, minimum: int) -> np.ndarray:
    """Mask over interactions: the largest part in which every user and every item has `minimum` or more.

    `users` and `items` number the user and the item of each interaction, from 0.
    """
    kept = np.ones(len(users), dtype=bool)
    while True:
        frequent = np.ones(len(users), dtype=bool)
        for codes in (users, items):
            counts = np.bincount(codes[kept], minlength=codes.max(initial=0) + 1)
            frequent &= counts[codes] >= minimum
        if not (kept & ~frequent).any():
            return kept
        kept &= frequent


def core_of(sequences: Mapping[str, Sequence[str]], minimum: int) -> dict[str, list[str]]:
    """The `core` of sequences of items; what is left of each keeps its order."""
    numbers: dict[str, int] = {}
    items = [item for sequence in sequences.values() for item in sequence]
    codes = np.array([numbers.setdefault(item, len(numbers)) for item in items], dtype=np.int64)
    users = np.repeat(np.arange(len(sequences)), [len(sequence) for sequence in sequences.values()])
    kept = core(users, codes, minimum)
    starts = np.cumsum([0, *map(len, sequences.values())])
    left = {
        user: [item for item, stays in zip(sequence, kept[start:], strict=False) if stays]
        for (user, sequence), start in zip(sequences.items(), starts, strict=False)
    }
    return {user: sequence for user, sequence in left.items() if sequence}


def ties(users: np.ndarray, times: np.ndarray) -> int:
    """How many interactions share their user and their time with another one."""
    counts = Counter(zip(users.tolist(), times.tolist(), strict=True))
    return sum(count for count in counts.values() if count > 1)
