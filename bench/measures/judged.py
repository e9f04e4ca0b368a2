"""Judgements of the queries that were asked, and where in the rankings the judged documents stand."""

from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np

from bench.collections.collection import Gains, Qrels
from bench.errors import BenchError
from bench.rankings import Rankings

_HIGHEST_GRADE = 4
"""Of TREC's scale, on which ERR puts grades that are no higher."""


_HIGHEST_EXPONENT = 1000
"""Sums of so many powers of two still are finite."""


@dataclass(frozen=True)
class Judgements:
    """Judgements of the queries that were asked, with the rules that turn grades into gains."""

    qrels: Qrels
    minimum_relevance: int = 1
    gains: Gains = "linear"

    def relevant(self, grades: np.ndarray) -> np.ndarray:
        """Mask of the grades that count as relevant."""
        return grades >= self.minimum_relevance

    def gain(self, grades: np.ndarray) -> np.ndarray:
        """The gain of each grade in nDCG; grades below 1 gain nothing.

        Raises BenchError for a grade whose gain no computer number holds.
        """
        if self.gains == "binary":
            return self.relevant(grades).astype(np.float64)
        positive = np.maximum(grades, 0).astype(np.float64)
        if self.gains == "linear":
            return positive
        if positive.max(initial=0) > _HIGHEST_EXPONENT:
            highest = int(positive.max())
            raise BenchError(f"nDCG: grade {highest} is too high for gains of 2^grade - 1; take ?gains=linear")
        return np.exp2(positive) - 1

    def stop_probability(self, grades: np.ndarray) -> np.ndarray:
        """The probability that a document of each grade satisfies, in ERR."""
        highest = max(int(self.qrels.grades.max(initial=0)), _HIGHEST_GRADE)
        positive = np.maximum(grades, 0).astype(np.float64)
        return np.exp2(positive - highest) - np.exp2(-float(highest))

    @cached_property
    def owners(self) -> np.ndarray:
        """Shape [judgements]: the position of the query that each judgement belongs to."""
        return np.repeat(np.arange(len(self.qrels.query_ids)), np.diff(self.qrels.offsets))

    def count(self, mask: np.ndarray) -> np.ndarray:
        """Shape [queries]: how many of its judgements are in the mask of shape [judgements]."""
        return np.bincount(self.owners[mask], minlength=len(self.qrels.query_ids))

    @cached_property
    def relevant_counts(self) -> np.ndarray:
        """Shape [queries]: how many relevant documents there are."""
        return self.count(self.relevant(self.qrels.grades))

    @cached_property
    def irrelevant_counts(self) -> np.ndarray:
        """Shape [queries]: how many documents were judged and found not relevant."""
        grades = self.qrels.grades
        return self.count((grades >= 0) & ~self.relevant(grades))


@dataclass(frozen=True)
class JudgedHits:
    """The hits that somebody judged, in the order of the rankings.

    cutoff: how many of each ranking's first documents they are taken from; None: of all
    lengths: shape [queries], how many documents were found there, judged or not
    owners: shape [hits], the position of the query
    ranks: shape [hits], from 1
    grades: shape [hits]
    """

    judgements: Judgements
    cutoff: int | None
    lengths: np.ndarray
    owners: np.ndarray
    ranks: np.ndarray
    grades: np.ndarray

    @classmethod
    def of(cls, rankings: Rankings, judgements: Judgements) -> Self:
        """From canonical rankings that answer the queries of the judgements in the same order."""
        judged, grades = _grades(rankings, judgements)
        owners = rankings.owners[judged]
        ranks = np.flatnonzero(judged) - rankings.offsets[owners] + 1
        return cls(judgements, None, rankings.lengths, owners, ranks, grades[judged])

    def within(self, cutoff: int | None) -> "JudgedHits":
        """Those among the first `cutoff` of each ranking."""
        if cutoff is None:
            return self
        kept = self.ranks <= cutoff
        return JudgedHits(
            self.judgements,
            cutoff,
            np.minimum(self.lengths, cutoff),
            self.owners[kept],
            self.ranks[kept],
            self.grades[kept],
        )

    @cached_property
    def relevant(self) -> np.ndarray:
        """Shape [hits]: whether the hit is relevant."""
        return self.judgements.relevant(self.grades)

    def so_far(self, mask: np.ndarray) -> np.ndarray:
        """Shape [hits]: how many of the mask's hits stand ahead of each hit of the same query."""
        ahead = np.cumsum(mask) - mask
        starts = np.searchsorted(self.owners, np.arange(len(self.lengths)))
        return ahead - ahead[np.minimum(starts, len(ahead) - 1)][self.owners] if len(ahead) else ahead

    def total(self, values: np.ndarray, mask: np.ndarray | None = None) -> np.ndarray:
        """Shape [queries]: the sum of values of shape [hits], or of those in the mask."""
        owners = self.owners if mask is None else self.owners[mask]
        return np.bincount(owners, values if mask is None else values[mask], minlength=len(self.lengths))


def _grades(rankings: Rankings, judgements: Judgements) -> tuple[np.ndarray, np.ndarray]:
    """Shape [hits]: whether anyone judged each hit, and the grade, 0 where nobody did."""
    qrels = judgements.qrels
    if not len(qrels) or not len(rankings.rows):
        return np.zeros(len(rankings.rows), dtype=bool), np.zeros(len(rankings.rows), dtype=np.int64)
    size = int(max(qrels.rows.max(), rankings.rows.max())) + 1
    keys = judgements.owners * size + qrels.rows
    order = np.argsort(keys)
    wanted = rankings.owners * size + rankings.rows
    places = np.minimum(np.searchsorted(keys[order], wanted), len(keys) - 1)
    judged = keys[order][places] == wanted
    return judged, np.where(judged, qrels.grades[order][places], 0)


def ordered_by_grade(rankings: Rankings, judgements: Judgements, best_first: bool) -> Rankings:
    """The rankings with equal scores in the order of the grades; what nobody judged is worth less than any grade."""
    judged, grades = _grades(rankings, judgements)
    worth = np.where(judged, grades - judgements.qrels.grades.min(initial=0) + 1, 0)
    order = np.lexsort((-worth if best_first else worth, -rankings.scores, rankings.owners))
    return Rankings(rankings.query_ids, rankings.offsets, rankings.rows[order], rankings.scores[order])
