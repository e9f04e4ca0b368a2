"""What sources of recommendation data share: filtering interactions, questions in words, what is counted."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from pydantic import Field

from bench.collections.collection import Document
from bench.collections.sources import Source
from bench.collections.sources.protocols import Asked, leave_one_out
from bench.collections.writer import CollectionWriter


class Item(NamedTuple):
    """A document and the place that a complaint about it should name."""

    document: Document
    where: str


class InWords(NamedTuple):
    """A question in words, for which one item is right. `name` is unique in its split, also among the users."""

    split: str
    name: str
    text: str
    item: str


class SequenceSource(Source):
    """A source of sequences: each user asks for the next item.

    The collection has the items of the users who are asked. An item without text stays, and so does one that is a
    target only; both are counted.
    """

    minimum_interactions: int = Field(
        0, ge=0, description="users and items with fewer are left out until none has (k-core); 0: none is"
    )
    history_titles: int = Field(
        10, ge=1, description="a question in words names so many items of the history, the latest first"
    )

    def write(self, writer: CollectionWriter, items: Iterable[Item], sequences: Mapping[str, Sequence[str]]) -> None:
        """Write items and questions, leave-one-out. `sequences` has every user's item ids, oldest first.

        Raises BenchError when no user is left.
        """
        self.ask(writer, items, leave_one_out(sequences))

    def ask(
        self,
        writer: CollectionWriter,
        items: Iterable[Item],
        asked: Asked,
        users: Mapping[str, str] = MappingProxyType({}),
        in_words: Sequence[InWords] = (),
    ) -> None:
        """Write the items that occur in the questions, then these. `items` may hold more, and lack some.

        `users` has texts that a user's questions begin with in words, by the user. `in_words` are
        asked too, and have no history; each for an item that occurs in a user's question.
        """
        questions = asked.questions
        wanted = dict.fromkeys(item for one in questions for item in (*one.history, one.target))
        titles = _write_items(writer, items, wanted)
        for one in questions:
            latest = [titles[item] for item in one.history[: -self.history_titles - 1 : -1]]
            words = "; ".join(filter(None, (users.get(one.user, ""), *latest)))
            writer.query(one.split, one.name, words, f"user {one.user}", one.history, one.times, one.of)
        for split, name, text, item in in_words:
            writer.query(split, name, text, item)
        for one in questions:
            writer.judgement(one.split, one.name, one.target, 1, f"user {one.user}")
        for split, name, _, item in in_words:
            writer.judgement(split, name, item, 1, item)
        fitted = {item for one in questions if one.split == "train" for item in (*one.history, one.target)}
        notes = {
            **asked.notes,
            "k-core": self.minimum_interactions or "none",
            "items without text": sum(not title for title in titles.values()),
            "items that occur only as targets": len(titles.keys() - fitted),
        }
        for note, value in notes.items():
            writer.note(note, value)


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
