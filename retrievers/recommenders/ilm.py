"""The item encoder of an item-language model (Yang et al. 2024, arXiv 2406.02844)."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Self, cast

import numpy as np
from pydantic import Field

from bench.collections.collection import Collection
from bench.collections.histories import training_sequences
from bench.options import Options
from retrievers.recommenders.item_texts import ItemReader
from retrievers.recommenders.sasrec import SASRec
from retrievers.unit_vectors import unit

if TYPE_CHECKING:
    from torch import Tensor

    from retrievers.recommenders.item_queries import QueriedItems
    from retrievers.recommenders.next_item import NextItemLoss, NextItemModel
    from retrievers.recommenders.transformer import Transformer

_WIDTH = "text_width.json"


class EncoderOptions(Options):
    """How an item's collaborative vector is read."""

    queries: int = Field(4, ge=1, le=64, description="learned queries; an item is the mean of what they read")
    keys: int = Field(4, ge=1, le=64, description="tokens that a collaborative vector becomes")
    layers: int = Field(1, ge=1, le=6, description="in which queries attend to each other, and to the tokens")


class AlignmentOptions(Options):
    """How items are brought to their texts."""

    weight: float = Field(0.1, ge=0, description="of this loss beside that of the next item; 0: none")
    temperature: float = Field(0.1, gt=0, le=1, description="cosines of items and texts are divided by it")
    batch: int = Field(256, ge=2, description="items of a training step, drawn uniformly of those with text")


class ItemItemOptions(Options):
    """How items are brought to those that came next."""

    weight: float = Field(0.1, ge=0, description="of this loss beside that of the next item; 0: none")
    temperature: float = Field(0.1, gt=0, le=1, description="cosines of items are divided by it")
    batch: int = Field(256, ge=2, description="neighbours in training sequences of a step, drawn uniformly")


class ILM(ItemReader, SASRec):
    """SASRec whose items are what a few learned queries read of who has them, brought near to their texts.

    The collaborative vector of an item, made of which items training users have together, becomes a few tokens that
    a small transformer of learned queries reads, as BLIP-2's Q-Former does. What it makes of an item has to be nearer
    to the item's text than to those of others, and nearer to an item that came next than to others. An item without
    text takes part by its collaborative vector alone. Items that training has with no other one have none, and all
    are one vector.

    It is the part of the paper that retrieves: there is no language model that the queries' states are given to, and
    no conversation. Unlike in the paper, losses of generating a text and of matching it are left out, as is the one
    of users and items; all is learned at once with the next item, which the paper learns in a second phase; a text is
    a projection of MiniLM's vector, which stays as it is, where the paper's queries and words share a transformer;
    and an item is the mean of its queries' states, where BLIP-2 takes the one nearest to the text.
    """

    encoder: EncoderOptions = Field(default_factory=EncoderOptions, description="how items are read")
    alignment: AlignmentOptions = Field(default_factory=AlignmentOptions, description="of items and texts")
    item_item: ItemItemOptions = Field(default_factory=ItemItemOptions, description="of items and those after them")

    def fit(self, collection: Collection) -> Self:
        """As `SASRec.fit`. Raises BenchError where no item has text."""
        from retrievers.recommenders.semantic_ids.joint_vectors import factors_of

        sequences = training_sequences(collection)
        self._texts = unit(self.item_vectors(collection))
        self._text_width = self._texts.shape[1]
        self._factors = unit(factors_of(sequences, len(collection), self.seed))
        pairs = np.concatenate([np.stack([sequence[:-1], sequence[1:]], axis=1) for sequence in sequences])
        self._pairs = pairs[pairs[:, 0] != pairs[:, 1]]
        return super().fit(collection)

    def network(self, items: int) -> "Transformer":
        """As `NextItemRecommender.network`."""
        import torch

        from retrievers.recommenders.item_queries import QueriedItems
        from retrievers.recommenders.transformer import Transformer

        shape, encoder = self.shape(items), self.encoder
        table = QueriedItems(
            torch.from_numpy(self._factors),
            self._text_width,
            shape._replace(layers=encoder.layers),
            encoder.queries,
            encoder.keys,
            self.item_dropout,
        )
        return Transformer(shape, table)

    def loss_of(self, model: "NextItemModel") -> "NextItemLoss":
        """As `NextItemRecommender.loss_of`, with those of items and texts, and of items and items."""
        next_item, items = super().loss_of(model), cast("QueriedItems", model.items)
        others = [*self._text_loss(items), *self._item_loss(items)]

        def loss(states: "Tensor", targets: "Tensor") -> "Tensor":
            lost = next_item(states, targets)
            for weight, other in others:
                lost = lost + weight * other()
            return lost

        return loss

    def _text_loss(self, items: "QueriedItems") -> "list[tuple[float, Callable[[], Tensor]]]":
        """Weight and loss, where there is any, of items with text and a collaborative vector."""
        import torch

        chosen = self.alignment
        rows = np.flatnonzero(self._texts.any(axis=1) & self._factors.any(axis=1))
        if not chosen.weight or not len(rows):
            return []
        known, texts = (torch.from_numpy(one).to(items.weight.device) for one in (rows, self._texts))

        def loss() -> "Tensor":
            drawn = known[torch.randperm(len(known), device=known.device)[: chosen.batch]]
            return items.text_loss(drawn, texts[drawn], chosen.temperature)

        return [(chosen.weight, loss)]

    def _item_loss(self, items: "QueriedItems") -> "list[tuple[float, Callable[[], Tensor]]]":
        """Weight and loss, where there is any, of items that follow each other."""
        import torch

        chosen = self.item_item
        if not chosen.weight or not len(self._pairs):
            return []
        pairs = torch.from_numpy(self._pairs).to(items.weight.device)

        def loss() -> "Tensor":
            drawn = torch.randint(len(pairs), (chosen.batch,), device=pairs.device)
            return items.item_loss(pairs[drawn], chosen.temperature)

        return [(chosen.weight, loss)]

    def save(self, folder: Path) -> None:
        super().save(folder)
        np.save(folder / "factors.npy", self._factors)
        (folder / _WIDTH).write_text(json.dumps(self._text_width))

    def load(self, folder: Path) -> None:
        self._factors = np.load(folder / "factors.npy", allow_pickle=False)
        self._text_width = json.loads((folder / _WIDTH).read_text())
        super().load(folder)
