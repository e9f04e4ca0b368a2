"""EASE (Steck 2019, "Embarrassingly shallow autoencoders for sparse data"): a linear model of items by items."""

from collections.abc import Sequence

import numpy as np
from pydantic import Field

from bench.errors import BenchError
from retrievers.recommenders.sequences import Counting, ownership

_SINGULAR = 2.0**-24
"""Reciprocal condition number, below which LAPACK takes a matrix for singular in single precision."""


class EASE(Counting):
    """Items by a linear map of those that the history has, solved in closed form; order is not read.

    With X the binary matrix of who has what, P = (X'X + lambda I)^-1 and B = -P / diag(P) with a diagonal of 0
    (section 3.1), an answer's scores are x B. Memory is a dense matrix of items by items in float32, in
    which all is solved: .6 GB for 12,000.
    """

    regularisation: float = Field(500.0, gt=0, description="lambda: what is added to the diagonal of X'X")
    latest: int = Field(0, ge=0, description="how many of the history's items count, the latest; 0: all")

    def learn(self, sequences: Sequence[np.ndarray], size: int) -> dict[str, np.ndarray]:
        """As `Counting.learn`. Raises BenchError where too little is added to the diagonal."""
        from scipy.linalg import lapack

        self.progress("solving", 0, 1)
        has = ownership(sequences, size).astype(np.float32)
        together = has.T @ has
        norm = float(together.sum(axis=0).max()) + self.regularisation
        gram = together.toarray(order="F")
        gram[np.diag_indices(size)] += np.float32(self.regularisation)
        factor, refused = lapack.spotrf(gram, lower=True, overwrite_a=True)
        if refused or lapack.spocon(factor, norm, uplo="L")[0] < _SINGULAR:
            raise BenchError(
                "ease: the items' matrix cannot be inverted in single precision; raise regularisation "
                f"({self.regularisation:g})"
            )
        inverse, _ = lapack.spotri(factor, lower=True, overwrite_c=True)
        return {"weights": _weights(inverse)}

    def scores(self, histories: Sequence[np.ndarray]) -> np.ndarray:
        latest = [history[-self.latest :] for history in histories]
        weights = self._learned["weights"]
        scores = ownership(latest, len(weights)).astype(np.float32) @ weights
        scores[[len(history) == 0 for history in latest]] = -np.inf
        return scores


def _weights(inverse: np.ndarray) -> np.ndarray:
    """B from the lower triangle of P, in its place.

    LAPACK's order is by columns; P is symmetric, so that its transpose is P by rows, as a sparse product needs it: it
    would copy the whole matrix for every question.
    """
    for row in range(len(inverse)):
        inverse[row, row + 1 :] = inverse[row + 1 :, row]
    weights = inverse.T
    weights /= -weights.diagonal().copy()
    np.fill_diagonal(weights, 0)
    return weights
