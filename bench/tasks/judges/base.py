"""What a judge of the relevance probe is."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np

from bench.errors import BenchError
from bench.measures.measure import Instrument
from bench.models import find_weights


class Judge(ABC):
    """Scores pairs; higher is better, and only the order means something."""

    name: str
    """How a column and the foot of a table call it, in a word."""

    label: str
    """What it is, in a few words."""

    model: str = ""
    """Name or path of its weights; empty for one without any."""

    family: str = ""
    """Of the systems that score as it does: one of them with its weights is the judge itself."""

    def instrument(self) -> Instrument:
        weights = find_weights(self.model).digest if self.model else ""
        return Instrument("judge", self.label, weights, self.family)

    def scores(self, pairs: Sequence[tuple[str, str]]) -> np.ndarray:
        """float64 scores, shape [pairs], of (query text, document text); equal pairs get equal scores.

        Raises BenchError for a score that is not a finite number.
        """
        distinct = list(dict.fromkeys(pairs))
        found = dict(zip(distinct, self._score(distinct).tolist(), strict=True))
        scores = np.array([found[pair] for pair in pairs], dtype=np.float64)
        if not np.isfinite(scores).all():
            raise BenchError(f"the judge, {self.label}, gave a score that is not a finite number; choose another")
        return scores

    @abstractmethod
    def _score(self, pairs: list[tuple[str, str]]) -> np.ndarray:
        """Shape [pairs], for pairs that differ."""
