"""A report on identifiers, as tables."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType

from bench.leaderboard.text import fraction
from bench.terminal.console import add, table, text
from bench.visible import plural

if TYPE_CHECKING:
    from bench.measures.identifiers import Level, Report

_MEANINGS = """\
used, dead: codes that some document has, and that none has; entropy: of a document's code, 1 where all codes are \
used alike; perplexity: so many codes, all used alike, would have it
prefixes: different beginnings down to the level; fan-out: how many ways a beginning of the level above goes on, on \
average
busiest: share of the training interactions with documents of the most popular tenth of the codes
text, together, chance: share of the pairs that agree down to the level, of texts with the ten highest cosines of \
tf-idf, of documents that follow each other in training sequences, and of all pairs"""


def identifiers_view(report: "Report", seeds: Sequence[int]) -> RenderableType:
    """The report; `seeds` are those of the other fits."""
    head = (
        f"{plural(report.documents, 'document')}, {plural(report.identifiers, 'identifier')}; {report.alone:.1%} of "
        f"the documents share theirs with none; at most {report.largest:,} have one; Gini coefficient of the groups "
        f"{fraction(report.gini)}"
    )
    columns = _columns(report, seeds)
    made = table(["level", *columns], right=["level", *columns])
    for number, level in enumerate(report.levels, start=1):
        add(made, number, *(entry(level) for entry in columns.values()))
    told = _MEANINGS
    if seeds:
        told += "\nseed: share of the documents whose code another seed changes, under the best matching of the codes"
    return Group(text(head, style="bold"), made, text(told, style="dim"))


def _columns(report: "Report", seeds: Sequence[int]) -> "dict[str, Callable[[Level], str]]":
    """What stands under each header; a column that has nothing to say anywhere is left out."""
    columns: dict[str, Callable[[Level], str]] = {
        "documents": lambda level: f"{level.items:,}",
        "used": lambda level: f"{level.used:,}",
        "dead": lambda level: "–" if level.dead is None else f"{level.dead:,}",
        "entropy": lambda level: fraction(level.entropy),
        "perplexity": lambda level: f"{level.perplexity:,.1f}",
        "prefixes": lambda level: f"{level.prefixes:,}",
        "fan-out": lambda level: f"{level.fan_out:,.2f}",
        "busiest": lambda level: _share(level.busiest),
        "text": lambda level: _share(level.text),
        "together": lambda level: _share(level.together),
        "chance": lambda level: _share(level.chance),
    }
    for place, seed in enumerate(seeds):
        columns[f"seed {seed}"] = lambda level, place=place: _share(level.changed[place])  # type: ignore[misc]
    return {header: entry for header, entry in columns.items() if any(entry(level) != "–" for level in report.levels)}


def _share(value: float | None) -> str:
    return "–" if value is None else fraction(value)
