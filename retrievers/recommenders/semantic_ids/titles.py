"""Titles in place of identifiers: the pieces of their words, and an end that tells equal titles apart."""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from retrievers.generative.docids import Identifiers
from retrievers.recommenders.semantic_ids.unique import numbered

END = "(end)"


class Titles(NamedTuple):
    """pieces: what each token stands for, at every level the same; ends of titles come first."""

    identifiers: Identifiers
    pieces: Sequence[str]


def title_identifiers(titles: Sequence[Sequence[str]], seed: int) -> Titles:
    """An identifier of its own for each title, given as the pieces of its words.

    A title ends with the first of the ends; of several that are equal each has an end of its own, in an order drawn
    at random.
    """
    ends = max(Counter(map(tuple, titles)).values())
    pieces = sorted({piece for title in titles for piece in title})
    number = {piece: place for place, piece in enumerate(pieces, start=ends)}
    tokens = np.full((len(titles), max(1, *map(len, titles))), -1, dtype=np.int32)
    for row, title in enumerate(titles):
        tokens[row, : len(title)] = [number[piece] for piece in title]
    ended = numbered(Identifiers.of(tokens), seed).tokens
    longest = int((ended >= 0).sum(axis=1).max())
    sizes = (ends + len(pieces),) * longest
    return Titles(Identifiers(ended[:, :longest], sizes), [*[END] * ends, *pieces])
