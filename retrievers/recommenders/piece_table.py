"""Items whose vectors are sums of those of their pieces."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from retrievers.recommenders.next_item import MadeItems


class PieceTable(MadeItems):
    """Items that share their vectors: each is the sum of those of its pieces; zeros for no item.

    While training, a share `dropout` of the numbers of all vectors is dropped, as in an `ItemTable`.

    pieces: int64 of shape [items, pieces], rows of vectors, with -1 behind the last
    """

    pieces: Tensor

    def __init__(self, pieces: Tensor, rows: int, dimension: int, dropout: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(rows + 1, dimension))
        self.register_buffer("pieces", pieces.where(pieces >= 0, rows), persistent=False)
        self._dropout = dropout

    def make(self) -> Tensor:
        """As `MadeItems.make`."""
        return self.sums(functional.dropout(self.weight, self._dropout, self.training))

    def sums(self, values: Tensor) -> Tensor:
        """For each item the sum of its pieces' values, shape [items, width]."""
        return functional.embedding_bag(self.pieces, values, mode="sum", padding_idx=-1)
