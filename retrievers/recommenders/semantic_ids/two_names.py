"""Items with two identifiers, one for each task (Penha et al. 2025, arXiv 2508.10478)."""

import numpy as np

from retrievers.generative.docids import Identifiers


def with_both(first: Identifiers, second: Identifiers) -> Identifiers:
    """The first identifiers of all items, then the second ones, in tokens of their own: twice as many of each level.

    Code c of the second identifiers is the token c + v, where v is the larger vocabulary of the two on that level.
    """
    levels = max(first.tokens.shape[1], second.tokens.shape[1])
    sizes = np.max([_padded(np.array([one.vocabularies]), levels, 1)[0] for one in (first, second)], axis=0)
    own, other = (_padded(one.tokens, levels, -1) for one in (first, second))
    tokens = np.concatenate([own, np.where(other >= 0, other + sizes, -1)])
    return Identifiers(tokens.astype(np.int32), tuple((2 * sizes).tolist()))


def _padded(values: np.ndarray, levels: int, filler: int) -> np.ndarray:
    return np.pad(values, ((0, 0), (0, levels - values.shape[1])), constant_values=filler)
