"""The network of SASRec or eSASRec over items that are sums of pieces."""

from torch import Tensor

from retrievers.recommenders.piece_table import PieceTable
from retrievers.recommenders.transformer import Transformer


class PieceTransformer(Transformer):
    """Self-attention over sums of pieces, which is also what its states are compared with."""

    items: PieceTable

    def item_scores(self, states: Tensor) -> Tensor:
        """As `NextItemModel.item_scores`."""
        return states @ self.items.compared.T
