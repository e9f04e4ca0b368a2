"""BPR (Rendle et al. 2009, "Bayesian personalized ranking from implicit feedback"), with matrix factorisation."""

from typing import TYPE_CHECKING

from retrievers.recommenders.pairwise import PairwiseRecommender

if TYPE_CHECKING:
    import numpy as np

    from retrievers.recommenders.factors import Factors


class BPR(PairwiseRecommender):
    """A vector for each user and each item, so that a user's items score higher than others; by Adam."""

    def network(self, users: int, items: int, owned: "np.ndarray") -> "Factors":  # noqa: ARG002
        """As `PairwiseRecommender.network`."""
        from retrievers.recommenders.factors import Factors

        return Factors(users, items, self.dimension)
