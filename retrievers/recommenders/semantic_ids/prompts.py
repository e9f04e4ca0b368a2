"""What is asked of a language model in words, with places for a user and for items (Geng et al. 2022, P5)."""

import re
from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

import numpy as np

Family = Literal["sequential", "direct"]

FAMILIES: dict[Family, tuple[str, ...]] = {
    "sequential": (
        "user {user} had {items} and will have",
        "after {items} user {user} takes",
        "what follows {items} for user {user}",
    ),
    "direct": (
        "what should user {user} have",
        "choose an item for user {user}",
        "user {user} would like",
    ),
}
"""Prompts of each family; all are learned, and the first is asked."""

_SLOTS = re.compile(r"(\{user\}|\{items\})")

USER = 1
"""The word that a user is; items are the words after it, and what is no whole word has number 0."""


def words_of_all() -> list[str]:
    """The different words of all prompts, in alphabetical order."""
    return sorted({word for family in FAMILIES.values() for text in family for word in _SLOTS.sub(" ", text).split()})


class Laid(NamedTuple):
    """Prompts as token numbers.

    ids: int64 of shape [prompts, longest]; 0 where a user stands and after the end
    words: int64 of that shape: which whole word each token is a part of
    there: mask of that shape, False after the end
    """

    ids: np.ndarray
    words: np.ndarray
    there: np.ndarray


class Prompts:
    """tokens_of: the model's tokens of some words, without marks around them."""

    def __init__(self, tokens_of: Callable[[str], list[int]]) -> None:
        self._parts = {
            family: [
                [part if _SLOTS.fullmatch(part) else tokens_of(part) for part in _SLOTS.split(text)] for text in texts
            ]
            for family, texts in FAMILIES.items()
        }

    def laid(self, asked: Sequence[tuple[Family, int]], items: Sequence[Sequence[Sequence[int]]]) -> Laid:
        """Prompts of these families and numbers, each with the tokens of its items."""
        lines = [
            self._line(self._parts[family][number], some) for (family, number), some in zip(asked, items, strict=True)
        ]
        shape = len(lines), max(map(len, lines))
        laid = Laid(np.zeros(shape, np.int64), np.zeros(shape, np.int64), np.zeros(shape, bool))
        for row, line in enumerate(lines):
            laid.ids[row, : len(line)], laid.words[row, : len(line)] = zip(*line, strict=True)
            laid.there[row, : len(line)] = True
        return laid

    @staticmethod
    def _line(parts: Sequence[str | list[int]], items: Sequence[Sequence[int]]) -> list[tuple[int, int]]:
        """Each token and its whole word."""
        line: list[tuple[int, int]] = []
        for part in parts:
            if part == "{user}":
                line.append((0, USER))
            elif part == "{items}":
                line += [(token, USER + number) for number, item in enumerate(items, 1) for token in item]
            else:
                line += [(token, 0) for token in part if isinstance(token, int)]
        return line
