"""GRU4Rec (Hidasi et al. 2016, "Session-based recommendations with recurrent neural networks")."""

from typing import TYPE_CHECKING

from pydantic import Field

from retrievers.recommenders.sequential import SequentialRecommender

if TYPE_CHECKING:
    from retrievers.recommenders.next_item import NextItemModel


class GRU4Rec(SequentialRecommender):
    """A gated recurrent unit over the history, whose last state is compared with every item.

    Unlike the paper's, items have vectors that are read as well as compared, the loss is a softmax and not pairwise,
    and a user's items are one session.
    """

    layers: int = Field(1, ge=1, description="recurrent layers")

    def network(self, items: int) -> "NextItemModel":
        """As `SequentialRecommender.network`."""
        from retrievers.recommenders.recurrent import Recurrent

        return Recurrent(self.item_table(items), self.layers, self.longest, self.dropout)
