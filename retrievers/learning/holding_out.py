"""Which training examples are not learned from, so that the epoch can be chosen by them."""

from collections.abc import Callable, Hashable, Sequence
from typing import TypeVar

import numpy as np

T = TypeVar("T")
K = TypeVar("K", bound=Hashable)


def hold_out(
    examples: Sequence[T], kind: Callable[[T], K], kinds: Sequence[K], count: int, seed: int
) -> tuple[list[T], list[T]]:
    """Examples to learn from, and those of `count` of the different `kinds`, drawn at random; both in their order.

    All examples of one kind, such as a query's wording, are on one side.
    """
    held = {kinds[place] for place in np.random.default_rng(seed).permutation(len(kinds))[:count].tolist()}
    return (
        [example for example in examples if kind(example) not in held],
        [example for example in examples if kind(example) in held],
    )
