"""The documents' identifiers, and what they spell where they are text."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from retrievers.generative.docids import Identifiers


@dataclass(frozen=True)
class Named:
    """The documents' identifiers.

    words: where they are text, the encoder's tokens that token 0, 1, ... of every level stand for
    text: the whole texts, where the model writes only what distinguishes them
    """

    identifiers: Identifiers
    words: tuple[int, ...] | None = None
    text: Identifiers | None = None

    @property
    def model_words(self) -> tuple[int, ...] | None:
        """The words that the model writes, if it writes text."""
        return self.words if self.text is self.identifiers else None

    def spelled(self, spell: Callable[[list[int]], list[str]]) -> list[tuple[str, ...]]:
        """Each document's identifier as a person reads it; `spell` gives the encoder's tokens as text."""
        shown = self.text or self.identifiers
        paths = [row[row >= 0].tolist() for row in shown.tokens]
        if self.words is None:
            return [tuple(map(str, path)) for path in paths]
        words = self.words
        return [tuple(spell([words[token] for token in path if token])) for path in paths]  # 0 ends a text

    def steps(self, row: int, spell: Callable[[list[int]], list[str]]) -> list[str]:
        """What the model writes for a document, step by step, as a person reads it."""
        path = self.identifiers.tokens[row]
        tokens: list[int] = path[path >= 0].tolist()
        words = self.model_words
        if words is not None:
            return [spell([words[token]])[0] if token else "(end)" for token in tokens]
        return [f"choice {token}" if self.text else str(token) for token in tokens]

    def save(self, folder: Path) -> None:
        """Write arrays: the identifiers, and for text the words and whole texts."""
        self.identifiers.save(folder)
        if self.text is not None:
            np.save(folder / "words.npy", np.array(self.words))
            (folder / "text").mkdir()
            self.text.save(folder / "text")

    @classmethod
    def load(cls, folder: Path) -> "Named":
        """Read what `save` wrote."""
        identifiers = Identifiers.load(folder)
        if not (folder / "text").is_dir():
            return cls(identifiers)
        text = Identifiers.load(folder / "text")
        whole = np.array_equal(text.tokens, identifiers.tokens)
        words = tuple(np.load(folder / "words.npy", allow_pickle=False).tolist())
        return cls(text if whole else identifiers, words, text)
