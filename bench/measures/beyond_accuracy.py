"""What recommendations are beside right: how much of the catalogue they show, and how popular it is.

Functions of rankings and of what is known of the items; none of them looks at what was right.
"""

from dataclasses import dataclass

import numpy as np

from bench.measures.measure import Count, Measure
from bench.rankings import Rankings

COVERAGE = "coverage@"
"""Begins the name of the count that tells how much of the catalogue is shown."""


@dataclass(frozen=True)
class BeyondAccuracy:
    """The measures of the first `cutoff` items of each answer.

    popularity: shape [items], how many training sequences have each item, however often
    sequences: how many training sequences there are
    """

    cutoff: int
    popularity: np.ndarray
    sequences: int

    @property
    def log_popularity(self) -> Measure:
        meaning = "mean of log(1 + training sequences that have the item) over the items of an answer"
        return Measure(
            f"log popularity@{self.cutoff}", meaning, diagnostic=True, header=f"log popularity @{self.cutoff}"
        )

    @property
    def novelty(self) -> Measure:
        meaning = (
            "mean over the items of an answer of -log2((1 + c) / (1 + n)), where c of n training sequences have the "
            "item (self-information, Zhou et al. 2010)"
        )
        return Measure(f"novelty@{self.cutoff}", meaning, diagnostic=True)

    def values(self, rankings: Rankings) -> dict[str, np.ndarray]:
        """Values of shape [queries] by measure; NaN for an empty answer."""
        owners, rows = self._first(rankings)
        sizes = np.bincount(owners, minlength=len(rankings)).astype(np.float64)
        sizes[sizes == 0] = np.nan
        surprise = np.log2(1 + self.sequences) - np.log2(1 + self.popularity)
        each = {self.log_popularity.name: np.log1p(self.popularity), self.novelty.name: surprise}
        return {
            name: np.bincount(owners, of_items[rows], minlength=len(rankings)) / sizes
            for name, of_items in each.items()
        }

    def counts(self, rankings: Rankings) -> list[Count]:
        """Of all answers together: catalogue coverage (Ge et al. 2010), and the Gini coefficient of how often each
        item of the catalogue is shown (0: all alike; near 1: one item alone)."""
        _, rows = self._first(rankings)
        shown = np.bincount(rows, minlength=len(self.popularity))
        return [
            Count(
                f"{COVERAGE}{self.cutoff}",
                float((shown > 0).mean()),
                f"share of the catalogue that stands among the first {self.cutoff} of some answer",
                f"coverage @{self.cutoff}",
                kind="share",
            ),
            Count(
                f"Gini@{self.cutoff}",
                gini(shown),
                f"Gini coefficient of how often each item of the catalogue stands among the first {self.cutoff}",
                f"Gini @{self.cutoff}",
                kind="share",
            ),
        ]

    def _first(self, rankings: Rankings) -> tuple[np.ndarray, np.ndarray]:
        """The positions of the queries and the rows of the items, of the first items of each canonical ranking."""
        ranks = np.arange(len(rankings.rows)) - rankings.offsets[rankings.owners]
        kept = ranks < self.cutoff
        return rankings.owners[kept], rankings.rows[kept]


def gini(amounts: np.ndarray) -> float:
    """The Gini coefficient of amounts that are not negative, shape [n]: 0 where all are equal, (n - 1) / n where one
    has everything; 0 where there is nothing to share."""
    total, n = float(amounts.sum()), len(amounts)
    if total == 0:
        return 0.0
    places = np.arange(1, n + 1)
    return float((2 * places - n - 1) @ np.sort(amounts) / (n * total))
