"""Gradient descent on item vectors, for the tokenizers that learn.

It is counted in steps and not in epochs, takes seconds, and nothing is held out to choose by: there is no course to
record and no checkpoint to go on from, so that the trainer of `retrievers.learning` has nothing to do here.
"""

from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Protocol

import numpy as np

from bench.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Iterable

    from torch import Tensor
    from torch.nn import Parameter

_BATCH = 1024
_REPORTED = 20
"""Steps from one report of progress to the next."""


@dataclass(frozen=True)
class Training:
    """How a tokenizer is trained. The seed decides the order of the items and all that a model draws itself."""

    steps: int
    rate: float
    seed: int
    progress: Progress


class Learner(Protocol):
    """What is trained: a loss over a batch of vectors, and something to do after each pass over all of them."""

    def parameters(self) -> "Iterable[Parameter]": ...

    def loss(self, vectors: "Tensor") -> "Tensor":
        """The loss of vectors of shape [batch, dimension]."""
        ...

    def pass_ended(self) -> None: ...


def train(model: Learner, vectors: "Tensor", training: Training) -> None:
    """Train `model` on `vectors`, of shape [items, dimension], in equal batches of a thousand or fewer."""
    import torch

    from retrievers.learning.repeatable import repeatable

    optimiser = torch.optim.AdamW(model.parameters(), lr=training.rate)
    generator = np.random.default_rng(training.seed)
    batches = ceil(len(vectors) / _BATCH)
    with repeatable(vectors.device):
        for step in range(training.steps):
            if step % batches == 0:
                order = torch.from_numpy(generator.permutation(len(vectors))).tensor_split(batches)
            optimiser.zero_grad()
            model.loss(vectors[order[step % batches]]).backward()
            optimiser.step()
            done = step + 1
            if done % batches == 0:
                model.pass_ended()
            if done % _REPORTED == 0 or done == training.steps:
                training.progress("training the tokenizer", done, training.steps)
