"""What a collection has of search and of recommendation for one model to learn: questions, and pairs with items."""

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from bench.collections.collection import Collection, Query
from bench.collections.histories import known_items
from bench.errors import BenchError
from bench.sentences import sentences

ReadTexts = Callable[[Sequence[str]], np.ndarray]
"""The vectors of texts, float32 of shape [texts, dimension]."""


class Searches(NamedTuple):
    """Questions in words and the item that each is for.

    vectors: float32 of shape [questions, dimension]
    rows: int64 of shape [questions]
    asked: how many of them, the first, are training queries; the others are parts of the items' texts
    """

    vectors: np.ndarray
    rows: np.ndarray
    asked: int

    def drawn(self, number: int, generator: np.random.Generator) -> np.ndarray:
        """Places of so many questions: half are training queries where there are both kinds."""
        asked, parts = self.asked, len(self.rows) - self.asked
        of_asked = number if not parts else number // 2 if asked else 0
        return np.concatenate(
            [
                generator.integers(asked, size=of_asked) if of_asked else np.zeros(0, dtype=np.int64),
                asked + generator.integers(parts, size=number - of_asked) if parts else np.zeros(0, dtype=np.int64),
            ]
        )


class Pairs(NamedTuple):
    """What should be near what: vectors, float32 of shape [pairs, dimension], and rows of items, int64 [pairs]."""

    vectors: np.ndarray
    rows: np.ndarray


def in_words(query: Query) -> bool:
    """Whether it asks by its text and not by a history."""
    return not query.history and bool(query.text.strip())


def questions_of(collection: Collection, split: str) -> list[tuple[str, int]]:
    """The queries in words of a split, if there is one, each with the row of each of its relevant documents."""
    relevant = collection.relevant(split)
    return [(query.text, row) for query, rows in relevant if in_words(query) for row in rows.tolist()]


def searches_in(collection: Collection, number: int, read: ReadTexts) -> Searches:
    """Training queries in words, and titles and so many sentences of the items, with the items that they are for.

    Raises BenchError where there are neither.
    """
    asked = questions_of(collection, "train")
    parts = [
        (part, row)
        for row, document in enumerate(collection.documents if number else ())
        for part in (document.title, *sentences(document.body)[:number])
        if part.strip()
    ]
    if not asked and not parts:
        raise BenchError(f"{collection.name} has no training queries in words; raise questions.sentences above 0")
    return Searches(*_read([*asked, *parts], read), len(asked))


def steps_of(texts: np.ndarray, sequences: Sequence[np.ndarray]) -> Pairs:
    """The text vector of each item of the sequences with the row of the item that comes next, where that differs."""
    steps = [step for sequence in sequences for step in pairwise(sequence.tolist()) if step[0] != step[1]]
    before, after = np.array(steps, dtype=np.int64).reshape(-1, 2).T
    return Pairs(texts[before], after)


def held_out_searches(collection: Collection, read: ReadTexts) -> Iterator[tuple[str, Pairs]]:
    """The questions of the split `dev`, if it has any, under the name of their task."""
    if asked := questions_of(collection, "dev"):
        yield "search", _read(asked, read)


def held_out_steps(collection: Collection, texts: np.ndarray) -> Iterator[tuple[str, Pairs]]:
    """The last steps of the users of the split `valid`, if there is one, under the name of their task."""
    if "valid" in collection.splits:
        histories = known_items(collection.queries("valid"), collection.documents.rows)
        targets = collection.qrels("valid").rows
        ends = [np.array([*items[-1:], target]) for items, target in zip(histories, targets, strict=True)]
        yield "next_item", steps_of(texts, ends)


def _read(asked: Sequence[tuple[str, int]], read: ReadTexts) -> Pairs:
    return Pairs(read([text for text, _ in asked]), np.array([row for _, row in asked], dtype=np.int64))
