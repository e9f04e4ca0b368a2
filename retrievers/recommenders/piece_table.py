"""Items whose vectors are sums of those of their pieces."""

import torch
from torch import Tensor, nn
from torch.nn import functional


class PieceTable(nn.Module):
    """Items that share their vectors: each is the sum of those of its pieces; zeros for no item.

    While training, a share `dropout` of the numbers of all vectors is dropped, as in an `ItemTable`.

    pieces: int64 of shape [items, pieces], rows of vectors, with -1 behind the last
    compared: shape [items, dimension], what states are compared with: what was left of the sums when last read
    """

    pieces: Tensor

    def __init__(self, pieces: Tensor, rows: int, dimension: int, dropout: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(rows + 1, dimension))
        nothing = torch.full((1, pieces.shape[1]), rows)
        self.register_buffer("pieces", torch.cat([pieces.where(pieces >= 0, rows), nothing]), persistent=False)
        self._dropout = dropout
        self.compared = self.sums(self.weight).detach()

    def forward(self, rows: Tensor) -> Tensor:
        """Shape [*rows, dimension]."""
        left = functional.embedding_bag(
            self.pieces, functional.dropout(self.weight, self._dropout, self.training), mode="sum", padding_idx=-1
        )
        self.compared = left[:-1]
        return functional.embedding(rows, left)

    def sums(self, values: Tensor) -> Tensor:
        """For each item the sum of its pieces' values, shape [items, width]."""
        return functional.embedding_bag(self.pieces[:-1], values, mode="sum", padding_idx=-1)
