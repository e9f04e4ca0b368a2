"""Which tokens a masked language model has to guess (Devlin et al. 2019, section 3.1)."""

from typing import NamedTuple

import numpy as np

NOT_ASKED = -100
"""Stands for a token that is not guessed, as in torch's cross-entropy."""

_SHARE, _MASKED, _OTHER = 0.15, 0.8, 0.1


class Masked(NamedTuple):
    """Tokens as they are read, and what is to be guessed in their places; int64 of the tokens' shape."""

    read: np.ndarray
    guessed: np.ndarray


def mask_tokens(
    tokens: np.ndarray, may: np.ndarray, mask: int, others: np.ndarray, generator: np.random.Generator
) -> Masked:
    """Draws 15 % of the tokens that `may` be guessed: 80 % of these are read as the mask, 10 % as another token.

    tokens: int64 of any shape; may: mask of that shape; mask: the token that stands for hidden ones; others: tokens
    that are drawn from. The remaining 10 % are read as they are.
    """
    drawn = may & (generator.random(tokens.shape) < _SHARE)
    kind = generator.random(tokens.shape)
    read = np.where(drawn & (kind < _MASKED), mask, tokens)
    replaced = drawn & (kind >= _MASKED) & (kind < _MASKED + _OTHER)
    read = np.where(replaced, generator.choice(others, size=tokens.shape), read)
    return Masked(read, np.where(drawn, tokens, NOT_ASKED))
