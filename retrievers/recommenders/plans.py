"""How every recommender that learns by gradients is trained, but for what it learns from and what it loses."""

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from retrievers.learning.trainer import Batch, Learner, Plan, steady
from retrievers.recommenders.options import NextItemTrainingOptions

Validate = Callable[[], Mapping[str, float]]
"""Figures on users of the split `valid`."""


def validated_plan(
    model: Learner,
    options: NextItemTrainingOptions,
    seed: int,
    validate: Validate,
    *,
    examples: int,
    batches: Callable[[np.random.Generator], Sequence[Batch]],
    loss: Callable[[Batch], Tensor],
    betas: tuple[float, float] = (0.9, 0.999),
) -> Plan:
    """Adam at one rate, through so many examples an epoch; the highest of what `validate` gives chooses the epoch.

    Gradients are as long as they are.
    """
    return Plan(
        batches=lambda _number, generator: batches(generator),
        steps=-(-examples // options.training_batch),
        loss=loss,
        optimizer=torch.optim.Adam(model.parameters(), lr=options.learning_rate, betas=betas, fused=True),
        rate=steady,
        epochs=options.epochs,
        seed=seed,
        reseeds=False,
        evaluate=validate,
        decided_by=options.decided_by,
        patience=options.patience,
        largest_gradient=None,
    )


def of_like_length(lengths: np.ndarray, size: int, generator: np.random.Generator) -> Iterator[np.ndarray]:
    """Positions in batches of sequences of like length, in random order."""
    shuffled = generator.permutation(len(lengths))
    by_length = shuffled[np.argsort(lengths[shuffled], kind="stable")]
    starts = range(0, len(by_length), size)
    for start in generator.permutation(starts):
        yield by_length[start : start + size]
