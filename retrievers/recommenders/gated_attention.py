"""The network of HSTU (Zhai et al. 2024, arXiv 2402.17152, section 3.2)."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from retrievers.recommenders.next_item import ItemTable, NextItemModel


class GatedAttention(NextItemModel):
    """Layers of gated attention over the vectors of items and places."""

    def __init__(self, vectors: ItemTable, layers: int, heads: int, longest: int, dropout: float) -> None:
        super().__init__(vectors.num_embeddings - 1, vectors, longest)
        dimension = vectors.embedding_dim
        self.positions = nn.Embedding(longest, dimension)
        self.dropout = nn.Dropout(dropout)
        self.layers = nn.ModuleList(_Layer(dimension, heads, longest, dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(dimension)
        self.start_at_random()

    def read(self, vectors: Tensor, rows: Tensor) -> Tensor:
        """As `NextItemModel.read`."""
        x = self.dropout(vectors + self.positions(self.places(rows)))
        for layer in self.layers:
            x = layer(x)
        return self.norm(x)


class _Layer(nn.Module):
    """U, V, Q, K = SiLU(W LN(x)); A = SiLU(Q K' + bias) V / n; x + W'(LN(A) * U) (equations 1 to 3).

    n counts the items up to each place; which number divides A makes no difference behind its norm.
    """

    def __init__(self, dimension: int, heads: int, longest: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.before, self.after = nn.LayerNorm(dimension), nn.LayerNorm(dimension)
        self.parts = nn.Linear(dimension, 4 * dimension)
        self.distances = nn.Parameter(torch.zeros(longest))
        self.out = nn.Linear(dimension, dimension)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Of the shape of the input, [sequences, length, dimension]."""
        sequences, length, dimension = x.shape
        gate, *others = functional.silu(self.parts(self.before(x))).chunk(4, dim=-1)
        values, queries, keys = (part.view(sequences, length, self.heads, -1).transpose(1, 2) for part in others)
        places = torch.arange(length, device=x.device)
        apart = places[:, None] - places
        weights = functional.silu(queries @ keys.transpose(2, 3) + self.distances[apart.clamp(min=0)])
        weights = weights.masked_fill(apart < 0, 0) / (places[:, None] + 1)
        found = (weights @ values).transpose(1, 2).reshape(sequences, length, dimension)
        return x + self.out(self.dropout(self.after(found) * gate))
