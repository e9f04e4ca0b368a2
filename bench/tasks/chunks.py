"""Sentences of a document, with where they stand in it, and how often they occur in a collection."""

import string
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from bench.collections.collection import Document
from bench.sentences import sentences

THIRDS = ("start", "middle", "end")


class Chunk(NamedTuple):
    """Consecutive words of a document's body. `third` says where their middle stands, as in THIRDS."""

    words: tuple[str, ...]
    third: str

    @property
    def text(self) -> str:
        return " ".join(self.words)


def chunks(document: Document, shortest: int, longest: int) -> list[Chunk]:
    """The body's sentences of at least `shortest` words, without the title's words where those stand together.

    A sentence of more than `longest` words is cut into windows of nearly equal length.
    """
    title = _plain(document.title.split())
    title = title if any(title) else []
    parts = [sentence.split() for sentence in sentences(document.body)]
    total = sum(map(len, parts))
    found = []
    place = 0
    for window in (window for sentence in parts for window in _windows(sentence, longest)):
        third = THIRDS[int(len(THIRDS) * (place + len(window) / 2) / total)]
        place += len(window)
        kept = _without(window, title)
        if len(kept) >= shortest:
            found.append(Chunk(tuple(kept), third))
    return found


def _windows(words: Sequence[str], longest: int) -> Iterator[Sequence[str]]:
    number = -(-len(words) // longest)
    for i in range(number):
        yield words[len(words) * i // number : len(words) * (i + 1) // number]


def _without(words: Sequence[str], title: Sequence[str]) -> list[str]:
    """The words without every place where the title's words follow one another, whatever their case."""
    kept = list(words)
    start = 0
    while title and start <= len(kept) - len(title):
        if _plain(kept[start : start + len(title)]) == title:
            del kept[start : start + len(title)]
            start = 0
        else:
            start += 1
    return kept


def _plain(words: Sequence[str]) -> list[str]:
    return [word.strip(string.punctuation).casefold() for word in words]


def documents_with(wanted: Sequence[Sequence[str]], texts: Sequence[str]) -> np.ndarray:
    """Shape [wanted]: how many of the texts hold each sequence of words, of one word or more."""
    size = min(map(len, wanted), default=0)
    by_beginning: dict[tuple[str, ...], list[int]] = {}
    for number, words in enumerate(wanted):
        by_beginning.setdefault(tuple(words[:size]), []).append(number)
    counts = np.zeros(len(wanted), dtype=np.int64)
    for text in texts:
        words = text.split()
        held = {
            number
            for place, beginning in enumerate(zip(*(words[i:] for i in range(size)), strict=False))
            for number in by_beginning.get(beginning, ())
            if words[place : place + len(wanted[number])] == list(wanted[number])
        }
        counts[list(held)] += 1
    return counts
