"""The word-pieces of a collection, numbered."""

from collections.abc import Iterable, Sequence
from typing import Self

import numpy as np


class Words:
    """The word-pieces of a collection, numbered. `tokens`, of shape [words], has the encoder's token of each."""

    def __init__(self, tokens: np.ndarray) -> None:
        self.tokens = tokens
        self._numbers = {token: number for number, token in enumerate(tokens.tolist())}

    def __len__(self) -> int:
        return len(self.tokens)

    @classmethod
    def of(cls, texts: Iterable[Sequence[int]], known: Sequence[int] = ()) -> Self:
        """The different tokens of some texts, after those that are known already."""
        new = sorted({token for text in texts for token in text} - set(known))
        return cls(np.array([*known, *new], dtype=np.int64))

    def numbers(self, text: Sequence[int]) -> list[int]:
        """The number of each token; -1 for one that the collection lacks."""
        return [self._numbers.get(token, -1) for token in text]
