"""The network of AlphaRec (Sheng et al. 2024): a map of texts, spread over a graph of users and items."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from retrievers.learning.trainer import Batch, Learner, Plan
from retrievers.recommenders.factors import graph_of, spread
from retrievers.recommenders.losses import sampled_softmax
from retrievers.recommenders.options import InteractionTrainingOptions
from retrievers.recommenders.plans import Validate, validated_plan


def text_map(width: int, hidden: int, dimension: int) -> nn.Module:
    """From vectors of texts to those that are compared: a linear map, or one with a hidden layer in between."""
    if not hidden:
        return nn.Linear(width, dimension, bias=False)
    return nn.Sequential(nn.Linear(width, hidden), nn.LeakyReLU(), nn.Linear(hidden, dimension))


class Answering(NamedTuple):
    """What answers a history without the graph.

    items: shape [items, dimension], their final vectors, of length 1
    passed_on: of that shape, what an item gives to each user who has it, over all steps, times the root of how many
        items the user has
    seen: mask of shape [items], those that the graph has
    """

    items: np.ndarray
    passed_on: np.ndarray
    seen: np.ndarray


class TextGraph(Learner):
    """Vectors of users and items that are the mean of what 0 to `layers` steps over the graph make of their texts.

    The text of a user is the mean of those of the user's items.

    texts: float32 of shape [items, width]
    owned: shape [2, interactions], each user with each item once
    """

    texts: Tensor
    means: Tensor
    graph: Tensor
    degrees: Tensor

    def __init__(self, mapped: nn.Module, texts: np.ndarray, owned: np.ndarray, users: int, layers: int) -> None:
        super().__init__()
        self.mapped, self.layers = mapped, layers
        owners, items = owned
        sums = np.zeros((users, texts.shape[1]), dtype=np.float32)
        np.add.at(sums, owners, texts[items])
        counts = np.maximum(np.bincount(owners, minlength=users), 1)
        degrees = np.bincount(items, minlength=len(texts)).astype(np.float32)
        self.register_buffer("texts", torch.from_numpy(texts), persistent=False)
        self.register_buffer("means", torch.from_numpy((sums / counts[:, None]).astype(np.float32)), persistent=False)
        self.register_buffer("graph", graph_of(users, len(texts), owned), persistent=False)
        self.register_buffer("degrees", torch.from_numpy(degrees), persistent=False)

    def final(self) -> tuple[Tensor, Tensor]:
        """The vectors of users and of items, of length 1, so that inner products are cosines."""
        steps = self._steps()
        mean = functional.normalize(sum(steps[1:], steps[0]), dim=1)
        users, items = mean.split([len(self.means), len(self.texts)])
        return users, items

    def answering(self) -> Answering:
        """What is kept of a trained network beside its map of texts."""
        with torch.no_grad():
            steps = [step[len(self.means) :] for step in self._steps()]
            items = functional.normalize(sum(steps[1:], steps[0]), dim=1)
            before = sum(steps[:-1], torch.zeros_like(items))
            seen = self.degrees > 0
            passed_on = before * seen[:, None] / self.degrees.clamp(min=1).sqrt()[:, None]
        return Answering(*(array.cpu().numpy().copy() for array in (items, passed_on, seen)))

    def _steps(self) -> list[Tensor]:
        return spread(self.graph, torch.cat([self.mapped(self.means), self.mapped(self.texts)]), self.layers)


def text_graph_plan(
    model: TextGraph,
    owned: np.ndarray,
    options: InteractionTrainingOptions,
    temperature: float,
    negatives: int,
    validate: Validate,
    seed: int,
) -> Plan:
    """How the map is learned: each user's items against some that the user lacks, by InfoNCE and Adam.

    Items that no user has are no negatives, which would teach that nobody wants them.
    """
    size, items = options.training_batch, len(model.texts)
    taken = torch.from_numpy(np.sort(owned[0] * items + owned[1])).to(model.texts.device)

    def loss(batch: Batch) -> Tensor:
        owners, targets = (torch.from_numpy(part).to(taken.device) for part in batch)
        users, vectors = model.final()
        return sampled_softmax(
            users[owners] / temperature,
            targets,
            vectors,
            negatives,
            barred=lambda drawn: _among(owners[:, None] * items + drawn, taken) | (model.degrees[drawn] == 0),
        )

    def batches(generator: np.random.Generator) -> list[Batch]:
        order = generator.permutation(owned.shape[1])
        return [tuple(owned[:, order[start : start + size]]) for start in range(0, len(order), size)]

    return validated_plan(model, options, seed, validate, examples=owned.shape[1], batches=batches, loss=loss)


def _among(wanted: Tensor, taken: Tensor) -> Tensor:
    """Mask of the numbers that are among some sorted ones."""
    places = torch.searchsorted(taken, wanted).clamp(max=len(taken) - 1)
    return taken[places] == wanted
