"""Effectiveness measures by name: `nDCG@10`, `MRR@10`, `Recall@100`, `Hits@1`, `P@5`, `MAP`."""

from dataclasses import dataclass
from typing import Self

from bench.errors import BenchError, UnknownName


@dataclass(frozen=True)
class _Definition:
    ranx: str
    binary: bool
    words: str


_DEFINITIONS = {
    "nDCG": _Definition("ndcg", False, "discounted cumulative gain over its ideal (Järvelin and Kekäläinen 2002)"),
    "MRR": _Definition("reciprocal_rank", True, "reciprocal rank of the first relevant document"),
    "Hits": _Definition("hit_rate", True, "share of queries with a relevant document"),
    "Recall": _Definition("recall", True, "share of the relevant documents that were found"),
    "P": _Definition("precision", True, "share of the first k places that hold a relevant document"),
    "MAP": _Definition(
        "average_precision", True, "mean of the precision at each relevant document (average precision)"
    ),
}


@dataclass(frozen=True)
class Measure:
    """A measure with its cut-off; without one it looks at the whole ranking."""

    family: str
    cutoff: int | None = None

    @classmethod
    def parse(cls, name: str) -> Self:
        """From `nDCG@10`. Raises UnknownName or BenchError for what is not a measure."""
        family, mark, cutoff = name.partition("@")
        if family not in _DEFINITIONS:
            raise UnknownName("measure", family, _DEFINITIONS)
        if not mark:
            return cls(family)
        if not cutoff.isdecimal() or int(cutoff) < 1:
            raise BenchError(f"measure '{name}': the cut-off after '@' must be a whole number of at least 1")
        return cls(family, int(cutoff))

    def __str__(self) -> str:
        return self.family if self.cutoff is None else f"{self.family}@{self.cutoff}"

    @property
    def binary(self) -> bool:
        """Whether only relevant or not counts, so that the minimum relevance applies."""
        return _DEFINITIONS[self.family].binary

    @property
    def ranx_name(self) -> str:
        """Name of the function in `ranx.metrics`."""
        return _DEFINITIONS[self.family].ranx

    @property
    def words(self) -> str:
        """The definition, for a person."""
        within = f", first {self.cutoff}" if self.cutoff else ", whole ranking"
        return _DEFINITIONS[self.family].words + within
