"""Titles and descriptions of items as tokens, plain and in part hidden, and what a frozen encoder makes of them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from bench.progress import Progress
from bench.workplace import Workplace
from retrievers.generative.encoders import States, TextEncoder, kept_states
from retrievers.recommenders.item_texts import Described
from retrievers.recommenders.masking import NOT_ASKED, mask_tokens


class Text(NamedTuple):
    """A text, in part hidden.

    states: of shape [tokens, dimension], marks included
    guessed: int64 of shape [tokens], the tokens to be guessed, NOT_ASKED for all others
    """

    states: Tensor
    guessed: np.ndarray


@dataclass(frozen=True)
class CatalogueTexts:
    """What is read of a catalogue.

    rows: of the items that have any text
    plain: shape [2, items with text], the numbers of their titles and descriptions, of which the one stands for the
        other where that is missing
    pairs: places in `rows` of the items that have both
    masked: shape [2, copies, pairs], the numbers of copies in which tokens are hidden; guessed: these tokens
    states: by number
    """

    rows: np.ndarray
    plain: np.ndarray
    pairs: np.ndarray
    masked: np.ndarray
    guessed: Sequence[Sequence[Sequence[np.ndarray]]] = field(repr=False)
    states: States = field(repr=False)

    def plain_states(self) -> tuple[list[Tensor], list[Tensor]]:
        """The states of each item's title and description."""
        titles, descriptions = ([self.states.of(number) for number in of_part] for of_part in self.plain.tolist())
        return titles, descriptions

    def masked_pair(self, copy: int, pair: int) -> tuple[Text, Text]:
        """A title and a description."""
        title, description = (
            Text(self.states.of(int(self.masked[part, copy, pair])), self.guessed[part][copy][pair])
            for part in (0, 1)
        )
        return title, description


def read_catalogue(
    encoder: TextEncoder,
    items: Sequence[Described],
    longest: tuple[int, int],
    copies: int,
    seed: int,
    workplace: Workplace,
    progress: Progress,
) -> CatalogueTexts:
    """The states of a catalogue's texts, read once for all systems that ask for the same.

    longest: tokens of a title and of a description, at most; copies: how often the tokens to be guessed are drawn
    """
    parts = [encoder.tokens_of([item[part] for item in items], longest[part]) for part in (0, 1)]
    told = [row for row in range(len(items)) if parts[0][row] or parts[1][row]]
    both = [place for place, row in enumerate(told) if parts[0][row] and parts[1][row]]
    plain = [[parts[part][row] or parts[1 - part][row] for row in told] for part in (0, 1)]
    hide = _Hiding(encoder, np.random.default_rng(seed))
    hidden = [[[hide(plain[part][place]) for place in both] for _ in range(copies)] for part in (0, 1)]

    numbers: dict[tuple[int, ...], int] = {}

    def number(tokens: Sequence[int]) -> int:
        return numbers.setdefault(tuple(tokens), len(numbers))

    return CatalogueTexts(
        np.array(told, dtype=np.int64),
        np.array([[number(tokens) for tokens in of_part] for of_part in plain], dtype=np.int64),
        np.array(both, dtype=np.int64),
        np.array([[[number(read) for read, _ in copy] for copy in of_part] for of_part in hidden], dtype=np.int64),
        [[[guessed for _, guessed in copy] for copy in of_part] for of_part in hidden],
        kept_states(encoder, [list(tokens) for tokens in numbers], workplace, progress),
    )


class _Hiding:
    """Draws which tokens of a text are hidden."""

    def __init__(self, encoder: TextEncoder, generator: np.random.Generator) -> None:
        self._encoder, self._generator = encoder, generator
        special = set(encoder.tokenizer.all_special_ids)
        self._others = np.array([token for token in range(len(encoder.tokenizer)) if token not in special])

    def __call__(self, tokens: Sequence[int]) -> tuple[list[int], np.ndarray]:
        """The tokens as they are read, without marks, and those to be guessed, marks included."""
        plain = np.array(tokens, dtype=np.int64)
        masked = mask_tokens(
            plain,
            np.ones(len(plain), dtype=bool),
            self._encoder.tokenizer.mask_token_id,
            self._others,
            self._generator,
        )
        guessed = np.full(len(plain) + self._encoder.marks, NOT_ASKED, dtype=np.int64)
        guessed[self._encoder.without_marks(torch.arange(len(guessed))).numpy()] = masked.guessed
        return masked.read.tolist(), guessed
