"""Vectors of users and items, and how they are learned from pairs of items."""

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from scipy.sparse import coo_array
from torch import Tensor, nn
from torch.nn import functional

from retrievers.learning.trainer import Batch, Learner, Plan
from retrievers.recommenders.options import PairwiseTrainingOptions
from retrievers.recommenders.plans import Validate, validated_plan

_INITIAL = 0.1
"""Standard deviation of the vectors at the start, as in LightGCN's released code."""


class Factors(Learner):
    """A vector for each user and each item, compared as they are (Rendle et al. 2009)."""

    def __init__(self, users: int, items: int, dimension: int) -> None:
        super().__init__()
        self.users, self.items = nn.Embedding(users, dimension), nn.Embedding(items, dimension)
        for embedding in (self.users, self.items):
            nn.init.normal_(embedding.weight, std=_INITIAL)

    def final(self) -> tuple[Tensor, Tensor]:
        """The vectors of users and of items that are compared, of shapes [users or items, dimension]."""
        return self.users.weight, self.items.weight

    def final_arrays(self) -> tuple[np.ndarray, np.ndarray]:
        """The same, outside of training."""
        with torch.no_grad():
            users, items = self.final()
        return users.detach().cpu().numpy().copy(), items.detach().cpu().numpy().copy()


class Propagated(Factors):
    """Vectors that are the mean of what 0 to `layers` steps over the graph of users and items make of them.

    A step gives each node the sum of its neighbours' vectors, over the root of both their degrees, and nothing else
    (He et al. 2020, LightGCN, equations 3 and 4).
    """

    graph: Tensor

    def __init__(self, users: int, items: int, dimension: int, layers: int, owned: np.ndarray) -> None:
        super().__init__(users, items, dimension)
        self.layers = layers
        self.register_buffer("graph", graph_of(users, items, owned), persistent=False)

    def final(self) -> tuple[Tensor, Tensor]:
        """As `Factors.final`."""
        steps = spread(self.graph, torch.cat([self.users.weight, self.items.weight]), self.layers)
        mean = sum(steps[1:], steps[0]) / len(steps)
        users, items = mean.split([len(self.users.weight), len(self.items.weight)])
        return users, items


def spread(graph: Tensor, vectors: Tensor, layers: int) -> list[Tensor]:
    """The vectors of all nodes, and what 1 to `layers` steps over the graph make of them."""
    steps = [vectors]
    for _ in range(layers):
        steps.append(_Step.apply(graph, steps[-1]))
    return steps


class _Step(torch.autograd.Function):
    """The product of a graph and its nodes' vectors. No edge has a direction, so the gradient is the same product.

    Left to itself, torch transposes the graph at each step back, which takes longer than the product.
    """

    @staticmethod
    def forward(ctx: Any, graph: Tensor, vectors: Tensor) -> Tensor:
        ctx.graph = graph
        return graph @ vectors

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[None, Tensor]:
        return None, ctx.graph @ gradients[0]


def graph_of(users: int, items: int, owned: np.ndarray) -> Tensor:
    """Sparse and symmetric, of shape [users + items, users + items], its rows compressed (CSR).

    Each interaction weighs 1 over the root of both degrees.
    """
    owners, things = owned[0], owned[1] + users
    degrees = np.bincount(np.concatenate([owners, things]), minlength=users + items)
    values = 1 / np.sqrt(degrees[owners] * degrees[things])
    places = np.stack([np.concatenate([owners, things]), np.concatenate([things, owners])])
    size = (users + items, users + items)
    weights = np.concatenate([values, values]).astype(np.float32)
    rows = coo_array((weights, tuple(places)), shape=size).tocsr()
    starts, columns = (torch.from_numpy(part.astype(np.int64)) for part in (rows.indptr, rows.indices))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Sparse", UserWarning)  # torch calls all of CSR a beta
        return torch.sparse_csr_tensor(starts, columns, torch.from_numpy(rows.data), size, check_invariants=False)


def pairwise_plan(
    model: Factors,
    owned: np.ndarray,
    options: PairwiseTrainingOptions,
    validate: Validate,
    seed: int,
) -> Plan:
    """How the vectors are learned from each user's items, each against one that the user lacks, drawn uniformly."""
    size = options.training_batch
    others = _Others(owned, model.items.num_embeddings)
    return validated_plan(
        model,
        options,
        seed,
        validate,
        examples=owned.shape[1],
        batches=lambda generator: list(_batches(owned, others, size, generator)),
        loss=lambda batch: _loss(model, batch, options.regularisation),
    )


def _loss(model: Factors, batch: Batch, regularisation: float) -> Tensor:
    """Mean of -log sigmoid(score of the item that the user has - score of the other), and the regularisation."""
    device = model.users.weight.device
    owners, owned, others = (torch.from_numpy(part).to(device) for part in batch)
    users, items = model.final()
    margins = (users[owners] * (items[owned] - items[others])).sum(dim=1)
    own = (model.users(owners), model.items(owned), model.items(others))
    squares = torch.stack([vectors.square().sum() for vectors in own]).sum() / len(owners)
    return functional.softplus(-margins).mean() + regularisation * squares / 2


def _batches(
    owned: np.ndarray, others: "_Others", size: int, generator: np.random.Generator
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    order = generator.permutation(owned.shape[1])
    for start in range(0, len(order), size):
        owners, items = owned[:, order[start : start + size]]
        yield owners, items, others.drawn(owners, generator)


class _Others:
    """Draws items that users lack. A user who has all of them gets any."""

    _MOST = 100

    def __init__(self, owned: np.ndarray, items: int) -> None:
        self._items = items
        self._taken = np.sort(owned[0] * items + owned[1])

    def drawn(self, owners: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        """An item for each of `owners`."""
        drawn = generator.integers(self._items, size=len(owners))
        for _ in range(self._MOST):
            wrong = np.flatnonzero(self._has(owners, drawn))
            if not len(wrong):
                break
            drawn[wrong] = generator.integers(self._items, size=len(wrong))
        return drawn

    def _has(self, owners: np.ndarray, items: np.ndarray) -> np.ndarray:
        wanted = owners * self._items + items
        places = np.minimum(np.searchsorted(self._taken, wanted), len(self._taken) - 1)
        return self._taken[places] == wanted
