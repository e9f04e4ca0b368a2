"""SASRec (Kang and McAuley 2018), with the losses and blocks of later work."""

from typing import TYPE_CHECKING

from retrievers.recommenders.attending import Attending
from retrievers.recommenders.sequential import SequentialRecommender

if TYPE_CHECKING:
    from retrievers.recommenders.next_item import NextItemModel


class SASRec(Attending, SequentialRecommender):
    """Self-attention over the history.

    With `loss=bce` and `block=transformer` it is the paper's, but that any other item is drawn against the next one,
    also one of the user's; with a sampled softmax and `block=ligr` eSASRec
    (Tikhonovich et al. 2025, arXiv 2508.06450).
    """

    def network(self, items: int) -> "NextItemModel":
        """As `SequentialRecommender.network`."""
        from retrievers.recommenders.transformer import Transformer

        return Transformer(self.shape(items), self.item_table(items))
