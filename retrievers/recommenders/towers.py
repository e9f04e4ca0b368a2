"""The networks of a two-tower recommender with self-supervised items (Yao et al. 2021, arXiv 2007.12865)."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from retrievers.recommenders.next_item import MadeItems, NextItemModel


class FeaturedItems(MadeItems):
    """The item tower: an item is what a feed-forward part makes of the vectors of its features, side by side.

    features: int64 of shape [items, features], the value of each, from 0
    weight: vectors of the values, and one, of zeros, for nothing
    masks: shape [features, dimension], what stands for a feature that is hidden
    """

    features: Tensor

    def __init__(self, features: Tensor, dimension: int, hidden: int, dropout: float, item_dropout: float) -> None:
        super().__init__()
        sizes = features.max(dim=0).values + 1
        starts = torch.cat([sizes.new_zeros(1), sizes.cumsum(dim=0)[:-1]])
        self.register_buffer("features", features + starts, persistent=False)
        self.weight = nn.Parameter(torch.zeros(int(sizes.sum()) + 1, dimension))
        self.masks = nn.Parameter(torch.zeros(len(sizes), dimension))
        self.tower = feed_forward(len(sizes) * dimension, hidden, dimension, dropout)
        self._dropout = item_dropout

    def make(self) -> Tensor:
        """As `MadeItems.make`."""
        return self.read(self.features)

    def read(self, features: Tensor, hidden: Tensor | None = None) -> Tensor:
        """Items of these features, shape [items, features], without those that a mask of that shape hides."""
        left = functional.dropout(self.weight, self._dropout, self.training)
        vectors = functional.embedding(features, left)
        if hidden is not None:
            vectors = torch.where(hidden[:, :, None], self.masks, vectors)
        return self.tower(vectors.flatten(1))

    def contrasted(self, rows: Tensor, hidden: Tensor, temperature: float) -> Tensor:
        """InfoNCE of two views of the items of some rows, each against the others' (equations 1 and 2).

        One view lacks the features that `hidden`, of shape [rows, features], masks, and the other one the rest.
        """
        features = self.features[rows]
        first, second = (functional.normalize(self.read(features, mask), dim=1) for mask in (hidden, ~hidden))
        return functional.cross_entropy(first @ second.T / temperature, torch.arange(len(rows), device=rows.device))


class Towers(NextItemModel):
    """The user tower: what a feed-forward part makes of the last item and of a mean, in which the latest weigh most.

    decay: weight of an item in the mean, relative to the one after it
    """

    items: FeaturedItems
    shares: Tensor

    def __init__(self, items: FeaturedItems, longest: int, decay: float, hidden: int, dropout: float) -> None:
        super().__init__(len(items.features), items, longest)
        dimension = items.weight.shape[1]
        self.tower = feed_forward(2 * dimension, hidden, dimension, dropout)
        back = torch.arange(longest)[:, None] - torch.arange(longest)
        weights = torch.where(back >= 0, decay ** back.clamp(min=0).float(), 0.0)
        self.register_buffer("shares", weights / weights.sum(dim=1, keepdim=True), persistent=False)
        self.start_at_random()

    def read(self, vectors: Tensor, rows: Tensor) -> Tensor:
        """As `NextItemModel.read`."""
        length = rows.shape[1]
        means = self.shares[:length, :length] @ vectors
        return self.tower(torch.cat([vectors, means], dim=-1))


def feed_forward(width: int, hidden: int, dimension: int, dropout: float) -> nn.Sequential:
    """One hidden layer."""
    return nn.Sequential(nn.Linear(width, hidden), nn.ReLU(), nn.Dropout(dropout), nn.Linear(hidden, dimension))
