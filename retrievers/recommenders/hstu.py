"""HSTU (Zhai et al. 2024, "Actions speak louder than words", arXiv 2402.17152)."""

from typing import TYPE_CHECKING

from pydantic import Field, model_validator

from retrievers.recommenders.sequential import SequentialRecommender

if TYPE_CHECKING:
    from retrievers.recommenders.next_item import NextItemModel


class HSTU(SequentialRecommender):
    """Attention without a softmax, gated point by point.

    Its bias is of places alone: the paper's is of times too, which are not read here.
    """

    layers: int = Field(2, ge=1, description="layers")
    heads: int = Field(1, ge=1, description="heads of each layer")

    @model_validator(mode="after")
    def _heads_share_the_dimension(self) -> "HSTU":
        if self.dimension % self.heads:
            raise ValueError(f"dimension {self.dimension} is no multiple of heads {self.heads}")
        return self

    def network(self, items: int) -> "NextItemModel":
        """As `SequentialRecommender.network`."""
        from retrievers.recommenders.gated_attention import GatedAttention

        return GatedAttention(self.item_table(items), self.layers, self.heads, self.longest, self.dropout)
