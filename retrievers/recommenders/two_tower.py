"""Two towers with self-supervised items (Yao et al. 2021, arXiv 2007.12865)."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self, cast

import numpy as np
from pydantic import Field

from bench.collections.collection import Collection
from bench.collections.histories import training_sequences
from bench.options import Options
from retrievers.recommenders.item_texts import ItemReader
from retrievers.recommenders.semantic_ids.product import ProductOptions, product_codes
from retrievers.recommenders.sequential import SequentialRecommender

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from retrievers.recommenders.next_item import NextItemLoss, NextItemModel
    from retrievers.recommenders.towers import FeaturedItems, Towers


class FeatureOptions(ProductOptions):
    """How items become features: the codes of parts of their texts' vectors."""

    digits: int = Field(8, ge=2, le=256, description="codes of an item, each of a part of its vector")
    bits: int = Field(6, ge=1, le=8, description="a digit has two to this power codes; fewer than training items")


class SelfSupervision(Options):
    """How items are told from each other by a part of their features."""

    weight: float = Field(0.3, ge=0, description="of this loss beside that of the next item; 0: none")
    masking: Literal["correlated", "random"] = Field(
        "correlated", description="which half a view lacks: a feature with those that tell most of it, or any"
    )
    temperature: float = Field(0.1, gt=0, le=1, description="cosines of the views are divided by it")
    batch: int = Field(256, ge=2, description="items of a training step, drawn uniformly")


class TwoTower(ItemReader, SequentialRecommender):
    """A network of the history and one of an item's features, which also learns to know items by half of these.

    Features are the item's number and codes of its text. Two views of an item, each without what the other one has,
    have to be nearer to each other than to those of other items; a feature is hidden with those that are correlated
    with it, because what they tell is easily guessed. Items are drawn alike for that, so that those that training
    seldom or never has are learned too; the latter are no negatives of the next item. Unlike in the paper, whose
    queries are items or pages, the user tower reads a history, by its last item and a mean; each item's views are
    drawn on their own; and no feature has several values, which the paper also drops.
    """

    hidden: int = Field(128, ge=1, description="hidden units of both towers")
    decay: float = Field(0.7, gt=0, le=1, description="weight of an item in the history's mean, to the one after it")
    numbered: bool = Field(True, description="the item's own number is a feature, beside its codes")
    features: FeatureOptions = Field(default_factory=FeatureOptions, description="codes that items have as features")
    self_supervision: SelfSupervision = Field(
        default_factory=SelfSupervision, description="how items are learned beside what comes next"
    )

    def fit(self, collection: Collection) -> Self:
        """As `NextItemRecommender.fit`. Raises BenchError where no item has text."""
        self._seen = np.unique(np.concatenate(training_sequences(collection)))
        codes = product_codes(self.item_vectors(collection), self._seen, self.features, self.seed)
        number = np.arange(len(codes), dtype=np.int64)[:, None]
        self._features = np.concatenate([number, codes], axis=1) if self.numbered else codes
        return super().fit(collection)

    def network(self, items: int) -> "Towers":  # noqa: ARG002
        """As `NextItemRecommender.network`."""
        import torch

        from retrievers.recommenders.towers import FeaturedItems, Towers

        features = torch.from_numpy(self._features)
        table = FeaturedItems(features, self.dimension, self.hidden, self.dropout, self.item_dropout)
        return Towers(table, self.longest, self.decay, self.hidden, self.dropout)

    def loss_of(self, model: "NextItemModel") -> "NextItemLoss":
        """As `NextItemRecommender.loss_of`, with that of the items' views."""
        import torch

        from retrievers.recommenders.losses import among, loss_of

        chosen, items = self.self_supervision, cast("FeaturedItems", model.items)
        seen = torch.from_numpy(self._seen).to(items.weight.device)
        next_item = among(loss_of(self.loss, self.negatives), seen, model.none)
        if not chosen.weight:
            return lambda states, targets: next_item(states, targets, items.compared)
        halves = self._halves(seen.device)

        def loss(states: "Tensor", targets: "Tensor") -> "Tensor":
            rows = torch.randperm(model.none, device=seen.device)[: chosen.batch]
            views = items.contrasted(rows, halves(len(rows)), chosen.temperature)
            return next_item(states, targets, items.compared) + chosen.weight * views

        return loss

    def _halves(self, device: "torch.device") -> "Callable[[int], Tensor]":
        """Draws masks for so many items."""
        import torch

        from retrievers.recommenders.feature_masking import correlated_halves, most_correlated, random_halves

        if self.self_supervision.masking == "random":
            return lambda count: random_halves(count, self._features.shape[1], device)
        order = torch.from_numpy(most_correlated(self._features)).to(device)
        return lambda count: correlated_halves(count, order)

    def save(self, folder: Path) -> None:
        super().save(folder)
        np.save(folder / "features.npy", self._features)
        np.save(folder / "seen.npy", self._seen)

    def load(self, folder: Path) -> None:
        self._features = np.load(folder / "features.npy", allow_pickle=False)
        self._seen = np.load(folder / "seen.npy", allow_pickle=False)
        super().load(folder)
