"""Answers to single questions, and the figures of a run made elsewhere."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from bench.leaderboard.text import bounds, count, fraction
from bench.measures.measure import Count
from bench.terminal.console import add, table, text
from bench.visible import visible

if TYPE_CHECKING:
    from bench.collections.collection import Collection
    from bench.hits import Evidence, Hits
    from bench.leaderboard.imported import ImportedRow
    from bench.leaderboard.reported import ReportedFigures
    from bench.runner.asking import Named

_LONGEST = 300
"""Characters of a document or question that are shown."""

_FIRST = ("nDCG@10", "MRR@10", "Hits@1", "Hits@10", "Recall@100")
"""Of all figures that others compute, those that tables of the task search show."""

_MOST_EVIDENCE = 12
"""Lines of what a hit was found by."""


def paragraph(words: str) -> Text:
    """A text in one paragraph, shortened."""
    line = " ".join(words.split())
    return text(f"{line[:_LONGEST]} ..." if len(line) > _LONGEST else line)


def hits_table(hits: "Hits", collection: "Collection") -> RenderableType:
    """Hits with their text, shortened to a paragraph."""
    if not hits:
        return text(f"nothing in {collection.name} matches")
    parts: list[RenderableType] = []
    for hit in hits:
        parts.append(text(f"{hit.rank:>3}  {hit.score:.4f}  {hit.document}", style="bold", keep=""))
        parts.append(Padding(paragraph(hit.text), (0, 0, 0, 5)))
        parts += [Padding(line, (0, 0, 0, 5)) for line in _evidence(hit.evidence)]
    return Group(*parts)


def _evidence(evidence: Sequence["Evidence"]) -> list[Text]:
    """A line for each of the first pieces, and one for the rest."""
    shown = [
        f"{one.weight:>9.3f}  {one.what}{f'  ({one.note})' if one.note else ''}" for one in evidence[:_MOST_EVIDENCE]
    ]
    rest = evidence[_MOST_EVIDENCE:]
    if rest:
        shown.append(f"{sum(one.weight for one in rest):>9.3f}  of {len(rest)} more")
    return [text(line, style="dim") for line in shown]


def docids_table(found: "Sequence[Named]") -> RenderableType:
    """A document's identifier above those that begin most like it; what they share is set apart."""
    made = table(("document", "identifier", "shared tokens"))
    for one in found:
        docid = text(" ".join(one.docid[: one.shared]), style="bold")
        docid.append(" " + visible(" ".join(one.docid[one.shared :])), style="not bold")
        add(made, one.document.id, docid, f"{one.shared} of {len(one.docid)}")
    return made


def judged_table(row: "ImportedRow") -> RenderableType:
    """The figures of an imported run."""
    result = row.result
    title = text(f"{row.system} on {row.collection}, {result.task} (imported)", style="bold", keep="")
    made = table(("measure", "value", "95 % interval", "queries"), right=("value", "95 % interval", "queries"))
    for figure in result.figures:
        numbers = (f"{figure.value:.4f}", bounds(figure.low, figure.high)) if figure.n else ("–", "–")
        add(made, figure.measure, *numbers, f"{figure.n:,}")
    told = [", ".join(map(_named, result.counts)), *_notes(row), result.definition]
    return Group(title, made, text("\n".join(told), style="dim"))


def judged_tables(rows: Sequence["ImportedRow"]) -> RenderableType:
    """The figures of several imported runs, a row for each, with what is to be known of each below."""
    result = rows[0].result
    title = text(f"{len(rows)} runs on {rows[0].collection}, {result.task} (imported)", style="bold", keep="")
    made = table(("run", *result.columns), right=result.columns)
    told = []
    for row in rows:
        values = {figure.measure: fraction(figure.value) if figure.n else "–" for figure in row.result.figures}
        add(made, row.system, *(values.get(measure, "–") for measure in result.columns))
        told += [f"{row.system}: {note}" for note in _notes(row)]
    return Group(title, made, text("\n".join([*told, result.definition]), style="dim"))


def reported_table(rows: Sequence["ReportedFigures"]) -> RenderableType:
    """Figures that were computed elsewhere, a row for each system, as they were given."""
    names = list(dict.fromkeys(name for row in rows for name in row.figures))
    shown = [name for name in _FIRST if name in names] or names[:5]
    made = table(("system", *shown), right=shown)
    for row in rows:
        add(made, row.system, *(fraction(row.figures[name]) if name in row.figures else "–" for name in shown))
    title = text(f"on {rows[0].collection} (imported, not run here)", style="bold", keep="")
    told = [f"{row.system}: {row.source}" for row in rows]
    told.append("without answers there is no interval, rank or test; nothing tells by which rules they were judged")
    return Group(title, made, text("\n".join(told), style="dim"))


def _notes(row: "ImportedRow") -> list[str]:
    """What is to be known of a run, in sentences."""
    return [one.note.replace("{value}", count(one.value)) for one in row.result.counts if one.note and one.value]


def _named(one: Count) -> str:
    """A fact beside the means, with its name."""
    return f"{one.header or one.name} {fraction(one.value) if one.kind == 'share' else count(one.value)}"
