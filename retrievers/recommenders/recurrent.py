"""The network of GRU4Rec."""

from torch import Tensor, nn

from retrievers.recommenders.next_item import ItemTable, NextItemModel


class Recurrent(NextItemModel):
    """Gated recurrent units over the vectors of the items, and a linear map of their states back to these."""

    def __init__(self, vectors: ItemTable, layers: int, longest: int, dropout: float) -> None:
        super().__init__(vectors.num_embeddings - 1, vectors, longest)
        dimension = vectors.embedding_dim
        self.dropout = nn.Dropout(dropout)
        between = dropout if layers > 1 else 0.0
        self.recurrent = nn.GRU(dimension, dimension, layers, batch_first=True, dropout=between)
        self.out = nn.Linear(dimension, dimension)
        self.start_at_random()

    def read(self, vectors: Tensor, rows: Tensor) -> Tensor:  # noqa: ARG002
        """As `NextItemModel.read`."""
        states, _ = self.recurrent(self.dropout(vectors))
        return self.out(self.dropout(states))
