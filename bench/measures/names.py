"""Effectiveness measures by name: one canonical name each, read from our spelling and from those of other tools."""

import re
from dataclasses import dataclass
from typing import Self

from bench.errors import BenchError, UnknownName
from bench.measures.measure import Measure

PERSISTENCE = 0.8
"""Of RBP, where none is named, as in ir_measures."""


@dataclass(frozen=True)
class _Definition:
    """What a family measures, its other spellings (folded as `_fold` does), and what it reads of the judgements."""

    words: str
    aliases: tuple[str, ...] = ()
    graded: bool = False
    diagnostic: bool = False


_DEFINITIONS = {
    "nDCG": _Definition(
        "discounted cumulative gain over its ideal (Järvelin and Kekäläinen 2002)", ("ndcgcut",), graded=True
    ),
    "MRR": _Definition("reciprocal rank of the first relevant document", ("rr", "reciprank", "reciprocalrank")),
    "Hits": _Definition("share of queries with a relevant document", ("success", "hit", "hitrate")),
    "Recall": _Definition("share of the relevant documents that were found", ("r", "setr", "setrecall")),
    "P": _Definition("share of the first k places that hold a relevant document", ("precision", "setp")),
    "R-precision": _Definition(
        "precision at R, the number of relevant documents (Buckley and Voorhees 2005)", ("rprec", "rprecision")
    ),
    "MAP": _Definition("mean of the precision at each relevant document (average precision)", ("ap", "mapcut")),
    "RBP": _Definition("rank-biased precision (Moffat and Zobel 2008)"),
    "ERR": _Definition(
        "expected reciprocal rank of the document that satisfies, grade g with probability (2^g - 1) / 2^G, G the "
        "highest grade and at least 4 (Chapelle et al. 2009)",
        graded=True,
    ),
    "bpref": _Definition(
        "relevant documents found ahead of those judged not relevant, unjudged ones passed over "
        "(Buckley and Voorhees 2004)"
    ),
    "infAP": _Definition(
        "average precision inferred where only some of the pool was judged (Yilmaz and Aslam 2006); a grade below 0 "
        "marks a document of the pool that nobody judged"
    ),
    "Judged": _Definition("share of the documents found that anyone judged", diagnostic=True),
}


def _fold(name: str) -> str:
    return re.sub(r"[\s_.-]", "", name).casefold()


_FAMILIES = {_fold(name): family for family, d in _DEFINITIONS.items() for name in (family, *d.aliases)}
_SPELLING = re.compile(r"([^@()]*?)(?:\(([^()]*)\))?(?:@(.*)|[_.]([0-9]+))?")
"""Family, options, and the cut-off as ir_measures or as trec_eval writes it."""


@dataclass(frozen=True)
class Effectiveness:
    """A measure of effectiveness with its cut-off; without one it looks at the whole ranking.

    `persistence` is that of RBP: the chance that its reader goes on to the next document.
    """

    family: str
    cutoff: int | None = None
    persistence: float = PERSISTENCE

    @classmethod
    def parse(cls, name: str) -> Self:
        """From `nDCG@10`, trec_eval's `ndcg_cut_10`, or ir_measures' `RBP(p=0.9)@20`.

        Raises UnknownName or BenchError for what is not a measure.
        """
        found = _SPELLING.fullmatch(name.strip())
        if not found or _fold(found[1]) not in _FAMILIES:
            raise UnknownName("measure", name.partition("@")[0], _DEFINITIONS)
        family, options = _FAMILIES[_fold(found[1])], found[2]
        persistence = PERSISTENCE if options is None else _persistence(name, family, options)
        cutoff = found[4] if found[3] is None else found[3]
        if cutoff is None:
            return cls(family, None, persistence)
        if not re.fullmatch("[0-9]{1,9}", cutoff) or int(cutoff) < 1:
            raise BenchError(f"measure '{name}': the cut-off after '@' must be a whole number of at least 1")
        return cls(family, int(cutoff), persistence)

    def __str__(self) -> str:
        options = "" if self.persistence == PERSISTENCE else f"(p={self.persistence:g})"
        return f"{self.family}{options}" + (f"@{self.cutoff}" if self.cutoff else "")

    @property
    def graded(self) -> bool:
        """Whether the grades count, and not only relevant or not by the minimum relevance."""
        return _DEFINITIONS[self.family].graded

    @property
    def words(self) -> str:
        """The definition, for a person."""
        persistence = f", persistence {self.persistence:g}" if self.family == "RBP" else ""
        within = f", first {self.cutoff}" if self.cutoff else ", whole ranking"
        return _DEFINITIONS[self.family].words + persistence + within

    @property
    def measure(self) -> Measure:
        """What a table has to know of it."""
        return Measure(str(self), self.words, diagnostic=_DEFINITIONS[self.family].diagnostic)


def _persistence(name: str, family: str, options: str) -> float:
    """From `p=0.9`, RBP's only option; `rel=1`, which ir_measures writes beside it, changes nothing."""
    found = re.fullmatch(r"(p=(0?\.[0-9]+))?,?(rel=1)?", options.replace(" ", ""))
    persistence = float(found[2] or PERSISTENCE) if found else 0.0
    if family != "RBP" or persistence == 0:
        raise BenchError(
            f"measure '{name}': only RBP takes an option, p between 0 and 1, e.g. RBP(p=0.9)@20; the lowest grade "
            "that is relevant is set by ?minimum_relevance= of the dataset, gains by ?gains="
        )
    return persistence
