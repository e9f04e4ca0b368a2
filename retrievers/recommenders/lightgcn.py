"""LightGCN (He et al. 2020, arXiv 2002.02126)."""

from typing import TYPE_CHECKING

from pydantic import Field

from retrievers.recommenders.pairwise import PairwiseRecommender

if TYPE_CHECKING:
    import numpy as np

    from retrievers.recommenders.factors import Factors


class LightGCN(PairwiseRecommender):
    """Vectors of users and items, smoothed over the graph of who has what."""

    layers: int = Field(3, ge=0, description="steps over the graph; 0: none, which is BPR")

    def network(self, users: int, items: int, owned: "np.ndarray") -> "Factors":
        """As `PairwiseRecommender.network`."""
        from retrievers.recommenders.factors import Propagated

        return Propagated(users, items, self.dimension, self.layers, owned)
