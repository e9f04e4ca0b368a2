"""The networks of SASRec (Kang and McAuley 2018) and eSASRec (Tikhonovich et al. 2025)."""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from retrievers.recommenders.next_item import ItemTable, ItemVectors, NextItemModel
from retrievers.recommenders.options import BlockKind


class Shape(NamedTuple):
    """Sizes of the network; `expansion` is the feed-forward part's hidden units over the dimension."""

    items: int
    dimension: int
    layers: int
    heads: int
    longest: int
    dropout: float
    block: BlockKind = "transformer"
    expansion: int = 4


class Transformer(NextItemModel):
    """Self-attention over a sequence of items, each seeing itself and those before it.

    vectors: of the items; None: each has one of its own, whole
    """

    def __init__(self, shape: Shape, vectors: ItemVectors | None = None) -> None:
        super().__init__(shape.items, vectors or ItemTable(shape.items, shape.dimension), shape.longest)
        self.positions = nn.Embedding(shape.longest, shape.dimension)
        self.dropout = nn.Dropout(shape.dropout)
        block = LiGR if shape.block == "ligr" else Block
        self.blocks = nn.ModuleList(block(shape) for _ in range(shape.layers))
        self.norm = nn.LayerNorm(shape.dimension)
        self.start_at_random()

    def read(self, vectors: Tensor, rows: Tensor) -> Tensor:
        """As `NextItemModel.read`."""
        return self.through(vectors + self.positions(self.places(rows)))

    def through(self, x: Tensor, seen: Tensor | None = None) -> Tensor:
        """States of the shape of what is read; `seen` is as of `Attention`."""
        x = self.dropout(x)
        for block in self.blocks:
            x = block(x, seen)
        return self.norm(x)


class Attention(nn.Module):
    """Multi-head attention of each position to itself and those before it."""

    def __init__(self, dimension: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.dropout = dropout
        self.queries = nn.Linear(dimension, dimension)
        self.keys_and_values = nn.Linear(dimension, 2 * dimension)
        self.out = nn.Linear(dimension, dimension)

    def forward(self, asking: Tensor, asked: Tensor, seen: Tensor | None = None) -> Tensor:
        """Shape [sequences, length, dimension], as of both inputs.

        `seen` masks what a position sees in place of itself and those before it, shape [sequences, length, length].
        """
        sequences, length, dimension = asking.shape
        queries = self.queries(asking).view(sequences, length, self.heads, -1).transpose(1, 2)
        pairs = self.keys_and_values(asked).view(sequences, length, 2, self.heads, -1)
        keys, values = pairs.permute(2, 0, 3, 1, 4)
        dropout = self.dropout if self.training else 0.0
        mask = None if seen is None else seen[:, None]
        found = functional.scaled_dot_product_attention(
            queries, keys, values, attn_mask=mask, dropout_p=dropout, is_causal=seen is None
        )
        return self.out(found.transpose(1, 2).reshape(sequences, length, dimension))


class Block(nn.Module):
    """Attention and a feed-forward part as in SASRec's released code.

    There, unlike in the paper's equations, the residual of each part is its normalised input, and keys and values
    come from the input as it is.
    """

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        hidden = shape.expansion * shape.dimension
        self.norms = nn.ModuleList(nn.LayerNorm(shape.dimension) for _ in range(2))
        self.attention = Attention(shape.dimension, shape.heads, shape.dropout)
        self.feed_forward = nn.Sequential(
            nn.Linear(shape.dimension, hidden),
            nn.ReLU(),
            nn.Dropout(shape.dropout),
            nn.Linear(hidden, shape.dimension),
            nn.Dropout(shape.dropout),
        )

    def forward(self, x: Tensor, seen: Tensor | None = None) -> Tensor:
        """Of the shape of the input."""
        normalised = self.norms[0](x)
        x = self.norms[1](normalised + self.attention(normalised, x, seen))
        return x + self.feed_forward(x)


class LiGR(nn.Module):
    """Gated residuals around attention and a SwiGLU (Borisyuk et al. 2025, "From features to transformers").

    x + sigmoid(W x) * part(LN(x)) for both parts, where the second is W_b(SiLU(W_a h) * W_c h).
    """

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        dimension, hidden = shape.dimension, shape.expansion * shape.dimension
        self.norms = nn.ModuleList(nn.LayerNorm(dimension) for _ in range(2))
        self.gates = nn.ModuleList(nn.Linear(dimension, dimension) for _ in range(2))
        self.attention = Attention(dimension, shape.heads, shape.dropout)
        self.gate, self.up = (nn.Linear(dimension, hidden, bias=False) for _ in range(2))
        self.down = nn.Linear(hidden, dimension, bias=False)
        self.dropout = nn.Dropout(shape.dropout)

    def forward(self, x: Tensor, seen: Tensor | None = None) -> Tensor:
        """Of the shape of the input."""
        h = self.norms[0](x)
        x = x + torch.sigmoid(self.gates[0](x)) * self.dropout(self.attention(h, h, seen))
        h = self.norms[1](x)
        written = self.down(self.dropout(functional.silu(self.gate(h))) * self.up(h))
        return x + torch.sigmoid(self.gates[1](x)) * written
