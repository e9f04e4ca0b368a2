"""SASRec (Kang and McAuley 2018), with the losses and blocks of later work."""

from typing import TYPE_CHECKING

from pydantic import Field, model_validator

from retrievers.recommenders.options import BlockKind
from retrievers.recommenders.sequential import SequentialRecommender

if TYPE_CHECKING:
    from retrievers.recommenders.next_item import NextItemModel


class SASRec(SequentialRecommender):
    """Self-attention over the history.

    With `loss=bce` and `block=transformer` it is the paper's; with a sampled softmax and `block=ligr` eSASRec
    (Tikhonovich et al. 2025, arXiv 2508.06450).
    """

    layers: int = Field(1, ge=1, description="blocks of self-attention")
    heads: int = Field(1, ge=1, description="heads of each block")
    block: BlockKind = Field("transformer", description="SASRec's block, or one with gated residuals and a SwiGLU")
    expansion: int = Field(1, ge=1, description="hidden units of the feed-forward part, times the dimension")

    @model_validator(mode="after")
    def _heads_share_the_dimension(self) -> "SASRec":
        if self.dimension % self.heads:
            raise ValueError(f"dimension {self.dimension} is no multiple of heads {self.heads}")
        return self

    def network(self, items: int) -> "NextItemModel":
        """As `SequentialRecommender.network`."""
        from retrievers.recommenders.transformer import Shape, Transformer

        return Transformer(
            Shape(
                items,
                self.dimension,
                self.layers,
                self.heads,
                self.longest,
                self.dropout,
                self.block,
                self.expansion,
            )
        )
