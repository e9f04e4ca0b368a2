"""Item vectors made for search, for recommendation, and for both (Penha et al. 2025, arXiv 2508.10478)."""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import Parameter
from torch.nn.functional import cross_entropy, normalize

from bench.progress import Progress
from bench.workplace import Workplace
from retrievers.learning.trainer import Batch, Learner, Plan, steady, train
from retrievers.recommenders.semantic_ids.joint_data import Pairs
from retrievers.recommenders.sequences import ownership
from retrievers.unit_vectors import unit

_FACTORS = 64
"""Dimension of the vectors that are made of what users have, at most."""

_BATCH, _RATE, _EPOCHS, _PATIENCE, _TEMPERATURE = 64, 1e-4, 30, 5, 0.05


def factors_of(sequences: Sequence[np.ndarray], items: int, seed: int) -> np.ndarray:
    """Float32 of shape [items, up to 64]: what users have together; zeros for an item that nobody has with another.

    A truncated singular value decomposition of the items' positive pointwise mutual information, each factor times
    the root of its singular value (Levy and Goldberg 2014, sections 3.2 and 3.3). Two items are seen together once
    for each sequence that has both.
    """
    from scipy.sparse import csr_array
    from scipy.sparse.linalg import svds

    has = ownership(sequences, items)
    both = (has.T @ has).tocoo()
    apart = both.row != both.col
    first, second, counts = both.row[apart], both.col[apart], both.data[apart]
    of_item = np.bincount(first, counts, minlength=items)
    information = np.log(counts * counts.sum() / (of_item[first] * of_item[second]))
    matrix = csr_array((np.maximum(information, 0), (first, second)), shape=(items, items))
    number = min(_FACTORS, items - 1)
    if number < 1 or not matrix.count_nonzero():
        return np.zeros((items, 1), dtype=np.float32)
    start = np.random.default_rng(seed).standard_normal(items)
    left, strengths, _ = svds(matrix, number, v0=start)
    return (left * np.sqrt(strengths)).astype(np.float32)


def fused(first: np.ndarray, second: np.ndarray, how: Literal["concatenated", "averaged"]) -> np.ndarray:
    """One vector of two for each item, both of length 1 first; the mean takes a shorter one as ending in zeros."""
    if how == "concatenated":
        return np.hstack([unit(first), unit(second)])
    width = max(first.shape[1], second.shape[1])
    padded = [np.pad(unit(part), ((0, 0), (0, width - part.shape[1]))) for part in (first, second)]
    return np.mean(padded, axis=0)


class _Projection(Learner):
    """A linear map of text vectors that starts as the identity."""

    def __init__(self, dimension: int) -> None:
        super().__init__()
        self.weight = Parameter(torch.eye(dimension))

    def forward(self, vectors: Tensor) -> Tensor:
        return normalize(vectors @ self.weight, dim=-1)


def projected(
    texts: np.ndarray,
    learned: Sequence[Pairs],
    held_out: Mapping[str, Pairs],
    seed: int,
    workplace: Workplace,
    progress: Progress,
) -> np.ndarray:
    """The items' text vectors by a linear map that brings those of pairs together, shape [items, dimension].

    texts: float32 of shape [items, dimension]
    learned: kinds of pairs; a batch has as many of each kind, and a pass is as long as the longest of them
    held_out: by name, what chooses the epoch: the mean over the kinds of MRR@10 among all items

    The loss is the softmax of cosines with the batch's other items (in-batch InfoNCE), at temperature 0.05.
    """
    items = torch.from_numpy(texts)
    with_text = [Pairs(*(part[texts[pairs.rows].any(axis=1)] for part in pairs)) for pairs in learned]
    kinds = [pairs for pairs in with_text if len(pairs.rows)]
    model = _Projection(texts.shape[1])

    def batches(_: int, generator: np.random.Generator) -> list[Batch]:
        return _mixed([len(pairs.rows) for pairs in kinds], generator)

    def loss(batch: Batch) -> Tensor:
        kind, places = batch
        vectors = np.stack([kinds[one].vectors[place] for one, place in zip(kind, places, strict=True)])
        rows = torch.tensor([kinds[one].rows[place] for one, place in zip(kind, places, strict=True)])
        cosines = model(torch.from_numpy(vectors)) @ model(items[rows]).T
        again = (rows[:, None] == rows).fill_diagonal_(False)
        return cross_entropy(cosines.masked_fill(again, -torch.inf) / _TEMPERATURE, torch.arange(len(rows)))

    plan = Plan(
        batches=batches,
        steps=len(batches(0, np.random.default_rng(0))),
        loss=loss,
        optimizer=torch.optim.Adam(model.parameters(), lr=_RATE),
        rate=steady,
        epochs=_EPOCHS,
        seed=seed,
        reseeds=True,
        evaluate=_figures(model, items, held_out) if held_out else None,
        patience=_PATIENCE,
    )
    train(model, plan, workplace, lambda phase, *steps: progress(f"item vectors: {phase}", *steps))
    with torch.no_grad():
        return model(items).numpy()


def _mixed(sizes: Sequence[int], generator: np.random.Generator) -> list[Batch]:
    """Batches of kinds and places, with as many of each kind; shorter kinds come again."""
    each = max(1, _BATCH // len(sizes))
    longest = max(sizes)
    orders = [np.resize(generator.permutation(size), longest) for size in sizes]
    kinds = np.arange(len(sizes))
    return [
        (
            np.repeat(kinds, len(orders[0][start : start + each])),
            np.concatenate([order[start : start + each] for order in orders]),
        )
        for start in range(0, longest, each)
    ]


def _figures(model: _Projection, items: Tensor, held_out: Mapping[str, Pairs]) -> Callable[[], dict[str, float]]:
    @torch.no_grad()
    def figures() -> dict[str, float]:
        compared = model(items)
        found = {}
        for name, pairs in held_out.items():
            scores = model(torch.from_numpy(pairs.vectors)) @ compared.T
            wanted = scores.gather(1, torch.from_numpy(pairs.rows)[:, None])
            ranks = (scores >= wanted).sum(dim=1)
            found[f"MRR@10 of {name}"] = float(torch.where(ranks <= 10, 1 / ranks, 0.0).mean())
        return {"MRR@10": float(np.mean(list(found.values()))), **found}

    return figures
