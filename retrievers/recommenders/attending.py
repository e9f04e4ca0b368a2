"""Options of recommenders whose network is a causal transformer."""

from typing import TYPE_CHECKING

from pydantic import Field, model_validator

from retrievers.recommenders.options import BlockKind
from retrievers.recommenders.sequential import NextItemRecommender

if TYPE_CHECKING:
    from retrievers.recommenders.transformer import Shape


class Attending(NextItemRecommender):
    """Self-attention over the history."""

    layers: int = Field(1, ge=1, description="blocks of self-attention")
    heads: int = Field(1, ge=1, description="heads of each block")
    block: BlockKind = Field("transformer", description="SASRec's block, or one with gated residuals and a SwiGLU")
    expansion: int = Field(1, ge=1, description="hidden units of the feed-forward part, times the dimension")

    @model_validator(mode="after")
    def _heads_share_the_dimension(self) -> "Attending":
        if self.dimension % self.heads:
            raise ValueError(f"dimension {self.dimension} is no multiple of heads {self.heads}")
        return self

    def shape(self, items: int) -> "Shape":
        """Of the network for so many items."""
        from retrievers.recommenders.transformer import Shape

        return Shape(
            items,
            self.dimension,
            self.layers,
            self.heads,
            self.longest,
            self.dropout,
            self.block,
            self.expansion,
        )
