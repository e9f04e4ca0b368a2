"""How models that write identifiers are trained, whether of documents or of the next item."""

import re
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from retrievers.learning.options import TrainingOptions
from retrievers.learning.trainer import Batch, Learner, Plan, rise_and_fall

_OUTPUTS = re.compile(r"head\.(vectors|bias|factors|books\.\d+)$")
"""Names of output vectors that may start as documents' vectors."""

_BATCHES_SORTED = 8
"""So many batches at a time are sorted by length, so that little is padding and the order stays random."""


def identifier_plan(
    model: Learner,
    options: TrainingOptions,
    batches: Callable[[np.random.Generator], Sequence[Batch]],
    loss: Callable[[Batch], Tensor],
    *,
    seed: int,
    evaluate: Callable[[], dict[str, float]] | None = None,
    uphill: float = 0.0,
    bfloat16: bool = False,
) -> Plan:
    """AdamW, with a rate of its own for output vectors and nothing that draws these to zero."""
    vectors: list[Tensor] = []
    others: list[Tensor] = []
    for name, weight in model.named_parameters():
        if weight.requires_grad:
            (vectors if _OUTPUTS.search(name) else others).append(weight)
    optimizer = torch.optim.AdamW(
        [
            {"params": others, "lr": options.learning_rate, "weight_decay": options.weight_decay},
            {"params": vectors, "lr": options.learning_rate * options.vector_rate, "weight_decay": 0.0},
        ],
        fused=True,
    )
    return Plan(
        batches=lambda _number, generator: batches(generator),
        steps=len(batches(np.random.default_rng(0))),
        loss=loss,
        optimizer=optimizer,
        rate=rise_and_fall(options.warm_up),
        epochs=options.epochs,
        seed=seed,
        reseeds=True,
        evaluate=evaluate,
        patience=options.patience or None,
        uphill=uphill,
        bfloat16=bfloat16,
    )


def held_out_figures(ranks: Sequence[float] | np.ndarray) -> dict[str, float]:
    """What chooses the epoch, from the rank of each query's first relevant answer; infinity: none in ten."""
    known = np.asarray(ranks, dtype=np.float64)
    return {"MRR@10": float((1 / known).mean()), "Hits@1": float((known == 1).mean())}


def batches_by_length(lengths: np.ndarray, size: int) -> Iterator[np.ndarray]:
    """Batches of positions in their order, those of some batches at a time sorted by the lengths of their texts."""
    for start in range(0, len(lengths), size * _BATCHES_SORTED):
        block = np.arange(start, min(start + size * _BATCHES_SORTED, len(lengths)))
        block = block[np.argsort(lengths[block], kind="stable")]
        for begin in range(0, len(block), size):
            yield block[begin : begin + size]
