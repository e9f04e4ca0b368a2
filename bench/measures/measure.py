"""Measures, figures and counts as values: all that a table, a test, a plot or `verify` has to know about a number."""

from collections.abc import Container
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Measure:
    """What a figure is of, e.g. `nDCG@10`, `Hits@1 N=32` or `fail@3`.

    header: how a table's column calls it; empty: by its name
    meaning: the definition, in a line for a person
    higher_is_better: which way is better
    diagnostic: tells something of a system and is no result: it stands in brackets and is never ranked or tested
    of_answers: follows from the answers alone, so that anyone can compute it again from them; if not, the values of
        each query are published beside the answers
    decided_by: which of the exam's instruments decides its values; empty: the judgements
    """

    name: str
    meaning: str = ""
    higher_is_better: bool = True
    diagnostic: bool = False
    header: str = ""
    of_answers: bool = True
    decided_by: Literal["", "instrument", "second_instrument"] = ""

    def __str__(self) -> str:
        return self.name

    @property
    def column(self) -> str:
        """The header of its column; brackets mark what is no result."""
        header = self.header or self.name
        return f"[{header}]" if self.diagnostic else header


@dataclass(frozen=True)
class Figure:
    """The mean of a measure over `n` queries with its 95 % interval; all NaN where no query has a value.

    The bounds are NaN too where the queries are too few for an interval.
    """

    measure: str
    value: float
    n: int
    low: float
    high: float


@dataclass(frozen=True)
class Count:
    """A fact beside the figures, such as how many queries found nothing.

    header: how a table's column calls it; empty: no column
    kind: what the value is: a number of queries, a share between 0 and 1, or some other amount
    needs_scores: depends on scores in full, which a run file does not keep, so that it cannot be computed from one
    note: a sentence for the table's foot where the value is not 0, in which `{value}` stands for it
    """

    name: str
    value: float
    meaning: str = ""
    header: str = ""
    kind: Literal["queries", "share", "amount"] = "queries"
    needs_scores: bool = False
    note: str = ""


@dataclass(frozen=True)
class Instrument:
    """A model that a task measures with.

    role: what it does: "judge" (of the relevance probe) or "selector" (of questions)
    name: what a table calls it
    weights: digest of its weights, by which systems that share them are marked; empty for one without any
    family: of the systems that score as it does; empty where none does
    """

    role: Literal["judge", "selector"]
    name: str
    weights: str = ""
    family: str = ""

    def is_the_system(self, family: str, weights: Container[str]) -> bool:
        """Whether a system of this family, with weights of these digests, would judge itself."""
        return bool(self.weights) and self.family == family and self.weights in weights
