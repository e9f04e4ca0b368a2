"""Sequences of items as one text each, the newest item first (Li et al. 2023, arXiv 2305.13731)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from retrievers.recommenders.item_texts import Described

CLS, KEY, VALUE, PADDING = range(4)
"""Types of tokens."""

NO_TOKEN, BEGIN, MASK = range(3)
"""Numbers of the tokens that are no part of a text; those of the catalogue's texts come after."""


class Flat(NamedTuple):
    """Sequences as tokens, each int64 of shape [sequences, length].

    tokens: NO_TOKEN behind the end; types: PADDING there; places: of a token's item, 1 for the newest, 0 for BEGIN
    """

    tokens: np.ndarray
    types: np.ndarray
    places: np.ndarray


@dataclass(frozen=True)
class ItemTokens:
    """The keys and values of all items, one after the other.

    tokens, types: int64 of shape [tokens]; offsets: shape [items + 1], where each item begins
    vocabulary: how many different tokens there are, those that are no part of a text included
    """

    tokens: np.ndarray
    types: np.ndarray
    offsets: np.ndarray
    vocabulary: int

    @property
    def told(self) -> np.ndarray:
        """Mask of the items that have any text."""
        return np.diff(self.offsets) > 0

    def longest(self, items: int) -> int:
        """Tokens of a sequence of so many items, at most."""
        return 1 + items * int(np.diff(self.offsets).max())

    def lengths(self, sequences: Sequence[np.ndarray], items: int) -> np.ndarray:
        """Tokens of each sequence's newest items."""
        sizes = np.diff(self.offsets)
        return np.array([1 + sizes[sequence[-items:]].sum() for sequence in sequences])

    def flat(self, sequences: Sequence[np.ndarray], items: int) -> Flat:
        """So many of the newest items of each sequence, which is oldest first."""
        parts = [self._one(sequence[: -items - 1 : -1]) for sequence in sequences]
        shape = len(parts), max(part.shape[1] for part in parts)
        flat = Flat(np.full(shape, NO_TOKEN), np.full(shape, PADDING), np.zeros(shape, dtype=np.int64))
        for line, part in enumerate(parts):
            for array, values in zip(flat, part, strict=True):
                array[line, : part.shape[1]] = values
        return flat

    def _one(self, newest_first: np.ndarray) -> np.ndarray:
        spans = [slice(*self.offsets[row : row + 2]) for row in newest_first]
        places = np.repeat(np.arange(len(spans)) + 1, [span.stop - span.start for span in spans])
        begin = np.zeros(1, dtype=np.int64)
        return np.stack(
            [
                np.concatenate([begin + BEGIN, *(self.tokens[span] for span in spans)]),
                np.concatenate([begin + CLS, *(self.types[span] for span in spans)]),
                np.concatenate([begin, places]),
            ]
        )


def item_tokens(items: Sequence[Described], tokenizer: Any, most: int) -> tuple[ItemTokens, list[int]]:
    """What items are read as: the names of their attributes and the first `most` tokens of each value.

    Also gives the tokenizer's own number of each token of the vocabulary. An attribute without a value is left out.
    """
    given = {"add_special_tokens": False, "verbose": False}
    keys = [tokenizer(key, **given)["input_ids"] for key in Described._fields]
    values = [
        tokenizer([item[part] for item in items], truncation=True, max_length=most, **given)["input_ids"]
        for part in range(len(keys))
    ]
    numbers: dict[int, int] = {}
    tokens, types, ends = list[int](), list[int](), [0]
    for of_item in zip(*values, strict=True):
        for key, value in zip(keys, of_item, strict=True):
            if value:
                tokens += [numbers.setdefault(token, MASK + 1 + len(numbers)) for token in (*key, *value)]
                types += [KEY] * len(key) + [VALUE] * len(value)
        ends.append(len(tokens))
    special = [tokenizer.pad_token_id, tokenizer.cls_token_id, tokenizer.mask_token_id]
    read, kinds, offsets = (np.array(part, dtype=np.int64) for part in (tokens, types, ends))
    return ItemTokens(read, kinds, offsets, MASK + 1 + len(numbers)), [*special, *numbers]
