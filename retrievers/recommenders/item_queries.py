"""The item encoder of an item-language model (Yang et al. 2024, arXiv 2406.02844) as a table of items."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from retrievers.recommenders.next_item import MadeItems
from retrievers.recommenders.transformer import Shape


class QueriedItems(MadeItems):
    """An item is what a few learned queries read of its collaborative vector: the mean of their last states.

    The vector becomes a few key tokens. In each layer the queries attend to each other and then to the tokens.

    factors: float32 of shape [items, width], the collaborative vectors
    text_width: dimension of the text vectors that items are aligned with
    dropout: within the layers; `item_dropout` is a share of the vectors' numbers, as in an `ItemTable`
    weight: the queries, and a vector of zeros, for nothing
    """

    factors: Tensor

    def __init__(
        self, factors: Tensor, text_width: int, shape: Shape, queries: int, keys: int, item_dropout: float
    ) -> None:
        super().__init__()
        dimension = shape.dimension
        self.register_buffer("factors", factors, persistent=False)
        self.weight = nn.Parameter(torch.zeros(queries + 1, dimension))
        self.keys = nn.Linear(factors.shape[1], keys * dimension)
        self.norm = nn.LayerNorm(dimension)
        self.layers = nn.ModuleList(
            nn.TransformerDecoderLayer(
                dimension,
                shape.heads,
                shape.expansion * dimension,
                shape.dropout,
                batch_first=True,
                norm_first=True,
            )
            for _ in range(shape.layers)
        )
        self.of_text = nn.Linear(text_width, dimension, bias=False)
        self._item_dropout = item_dropout

    def make(self) -> Tensor:
        """As `MadeItems.make`."""
        items = len(self.factors)
        tokens = self.norm(self.keys(self.factors).view(items, -1, self.weight.shape[1]))
        states = self.weight[:-1].expand(items, -1, -1)
        for layer in self.layers:
            states = layer(states, tokens)
        return functional.dropout(states.mean(dim=1), self._item_dropout, self.training)

    def text_loss(self, rows: Tensor, texts: Tensor, temperature: float) -> Tensor:
        """Contrast of the items of some rows, as last read, and their texts, of length 1 and shape [rows, width].

        Items of equal texts are no negatives of each other.
        """
        equal = texts @ texts.T > 1 - 1e-5
        return contrast(self.compared[rows], self.of_text(texts), equal, temperature)

    def item_loss(self, pairs: Tensor, temperature: float) -> Tensor:
        """Contrast of items, as last read, and those that came next: int64 of shape [pairs, 2].

        An item that comes next in another pair is no negative of itself, nor of what else it came after.
        """
        first, second = pairs.unbind(dim=1)
        related = (first[:, None] == first) | (second[:, None] == second) | (first[:, None] == second)
        return contrast(self.compared[first], self.compared[second], related, temperature)


def contrast(first: Tensor, second: Tensor, related: Tensor, temperature: float) -> Tensor:
    """InfoNCE of cosines, over temperature, within pairs against those across pairs; the mean of both directions.

    first, second: shape [pairs, dimension]
    related: bool of shape [pairs, pairs], which of the first have which of the second as no negatives
    """
    own = torch.arange(len(first), device=first.device)
    cosines = functional.normalize(first, dim=1) @ functional.normalize(second, dim=1).T
    barred = related & (own[:, None] != own)
    logits = cosines.masked_fill(barred, -torch.inf) / temperature
    return (functional.cross_entropy(logits, own) + functional.cross_entropy(logits.T, own)) / 2
