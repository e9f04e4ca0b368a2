"""A block of the leaderboard as columns and entries, the same for every format."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from bench.errors import BenchError
from bench.leaderboard.board import NOT_RUN, Block, Row, RowFigure
from bench.leaderboard.text import amount, count, fraction
from bench.measures.measures import Measure

DISTURBED = "†"
"""Stands at a cost that was measured while other work took part of the processor."""

QUIET = 0.15
"""Which part that may be before the cost misleads."""

_SHARES = {"fit_seconds": "fit_others_share"} | dict.fromkeys(
    ("p50_ms", "p99_ms", "queries_per_second"), "others_share"
)
"""Costs that other work changes, with the name of the share of the processor that it took."""


class Entry(NamedTuple):
    """What stands in one place of a table. `order` is what a column is sorted by; None comes last."""

    text: str
    order: float | None = None
    note: str = ""
    """What lies behind a figure: its interval, n and spread."""


@dataclass(frozen=True)
class Column:
    """A column's header, what it means, and the entry of each row that has figures."""

    header: str
    meaning: str
    entry: Callable[[Row], Entry]
    numeric: bool = True


def bounds(figure: RowFigure) -> str:
    """How the interval of a figure stands beside it."""
    return f"({interval(figure)})"


def columns(block: Block, hardware: Sequence[str], beside: Callable[[RowFigure], str] = bounds) -> list[Column]:
    """The columns beside the system's name.

    `hardware` is what rows are marked by, where there are several; `beside` says what stands at a primary figure.
    """
    ranked = any(row.best_rank is not None for row in block.rows)
    found = [Column("rank", block.test or "the only system", _rank)] if ranked else []
    found += [Column("trained", "whether the system learns from the training queries", _trained, numeric=False)]
    if any(len(row.seeds) > 1 for row in block.rows):
        found.append(_seeds(block.primary))
    found += [_quality(measure, beside if measure == block.primary else None) for measure in block.columns]
    found += [
        _count(header, name)
        for header, name in block.count_columns.items()
        if any(name in row.counts for row in block.rows)
    ]
    return found + (_costs(hardware) if block.timed else [])


def _rank(row: Row) -> Entry:
    if row.best_rank is None or row.worst_rank is None:
        return Entry("–")
    span = str(row.best_rank) if row.best_rank == row.worst_rank else f"{row.best_rank}–{row.worst_rank}"
    letters = ("" if all(len(group) == 1 for group in row.groups) else " ").join(row.groups)
    return Entry(f"{span} {letters}", row.best_rank + row.worst_rank / 1000)


def _trained(row: Row) -> Entry:
    return Entry("imported" if row.imported else "yes" if row.trained else "no")


def _seeds(primary: str) -> Column:
    def entry(row: Row) -> Entry:
        figure = row.figures.get(primary)
        spread = f" (±{fraction(figure.spread)})" if figure and figure.spread is not None else ""
        return Entry(f"{len(row.seeds)}{spread}" if row.seeds else "–", len(row.seeds))

    return Column(
        "seeds", f"seeds that the figures are means of, and the standard deviation of {primary} over them", entry
    )


def _quality(measure: str, beside: Callable[[RowFigure], str] | None) -> Column:
    def entry(row: Row) -> Entry:
        figure = row.figures.get(measure)
        if figure is None:
            return Entry("–", None, "no query has a value")
        text = fraction(figure.value) + (f" {beside(figure)}" if beside else "")
        return Entry(text, figure.value, figure_note(figure))

    return Column(measure, meaning(measure), entry)


def interval(figure: RowFigure) -> str:
    """The bounds of a figure's interval."""
    return f"{fraction(figure.low)}–{fraction(figure.high)}"


def figure_note(figure: RowFigure) -> str:
    """What lies behind a figure, in a line."""
    spread = "" if figure.spread is None else f"; standard deviation over seeds {fraction(figure.spread)}"
    return f"n = {figure.n:,}; 95 % {interval(figure)}{spread}"


def meaning(measure: str) -> str:
    """A measure's definition; a probe's measure is one of the same name on a part of the questions."""
    name, _, group = measure.partition(" ")
    if name.startswith("fail@"):
        return f"share of random documents that the judge scores above the answer at rank {name[5:]}"
    try:
        return Measure.parse(name).words + (f"; questions: {group}" if group else "")
    except BenchError:
        return measure


def _count(header: str, name: str) -> Column:
    def entry(row: Row) -> Entry:
        value = row.counts.get(name)
        return Entry("–") if value is None else Entry(shown(value), value)

    shown = fraction if _is_measure(name) else count
    return Column(header, header if _is_measure(name) else f"queries: {header}", entry)


def _is_measure(name: str) -> bool:
    """Whether a count is a mean over queries after all, such as a diagnosis in a measure of its own."""
    try:
        Measure.parse(name.split()[-1])
    except BenchError:
        return False
    return True


def _costs(hardware: Sequence[str]) -> list[Column]:
    def of(header: str, meaning: str, name: str, unit: float = 1.0) -> Column:
        def entry(row: Row) -> Entry:
            value = row.cost.get(name)
            if value is None:
                return Entry("–")
            taken = disturbance(row, name)
            note = f"other work took {taken:.0%} of the processor meanwhile" if taken else ""
            return Entry(f"{amount(value / unit)}{DISTURBED if taken else ''}", value / unit, note)

        return Column(header, f"{meaning}; compare it within one hardware only", entry)

    def mark(row: Row) -> Entry:
        return Entry(str(hardware.index(row.hardware) + 1) if row.hardware else "–", None, row.hardware)

    marks = [Column("hardware", "what the costs were measured on, by number", mark)] if len(hardware) > 1 else []
    return [
        *marks,
        of("fit s", "seconds to build the index or to train", "fit_seconds"),
        of("p50 ms", "median latency of single queries after warm-up", "p50_ms"),
        of("p99 ms", "99th percentile of the latency of single queries", "p99_ms"),
        of("q/s", "queries a second in one batch", "queries_per_second"),
        of("memory MB", "peak memory beyond the loaded libraries", "added_memory_mb"),
        of("disk MB", "size of the saved index", "index_bytes", unit=1e6),
    ]


def disturbance(row: Row, cost: str) -> float | None:
    """The share of the processor that other work took while a cost was measured, where it misleads."""
    taken = row.cost.get(_SHARES.get(cost, "")) or 0.0
    return taken if taken > QUIET else None


def label(row: Row) -> str:
    """The system's name with the mark of shared weights."""
    return row.system + (" *" if row.shares_weights_with else "")


def absence(row: Row) -> str:
    """Why a row has no figures."""
    return row.problem if row.problem == NOT_RUN else f"failed: {row.problem}"


def notes(block: Block, hardware: Sequence[str]) -> list[str]:
    """What stands below a block: definition, test, marks, hardware."""
    found = [block.definition, block.test]
    found += dict.fromkeys(
        f"* shares weights with {row.shares_weights_with}" for row in block.rows if row.shares_weights_with
    )
    if any(row.imported for row in block.rows):
        found.append("imported: a third party's run, scored here by the same rules; its cost is not known")
    incomplete: dict[str, list[str]] = {}
    for row in block.rows:
        if row.done and row.problem:
            incomplete.setdefault(row.problem, []).append(row.system)
    found += [f"{', '.join(systems)}: {problem}" for problem, systems in incomplete.items()]
    if any(name.startswith("SID-level") for row in block.rows for name in row.counts):
        found.append(
            "where items share identifiers, expected: Recall over all orders of the items of an identifier; "
            "[SID-level]: Recall of identifiers in place of items, which rewards sharing: a diagnostic, no result"
        )
    for row in block.rows:
        if invalid := row.counts.get("invalid answers"):
            found.append(f"{row.system}: {invalid:.1%} of the identifiers it wrote do not exist")
    return [note for note in found if note] + (_cost_notes(block, hardware) if block.timed else [])


def _cost_notes(block: Block, hardware: Sequence[str]) -> list[str]:
    if len(hardware) > 1:
        found = [f"hardware {number}: {name}" for number, name in enumerate(hardware, start=1)]
    else:
        found = [f"cost on {name}; memory beyond the loaded libraries" for name in hardware]
    taken = [share for row in block.rows for cost in _SHARES if (share := disturbance(row, cost))]
    if taken:
        found.append(
            f"{DISTURBED} measured while other work took more than {QUIET:.0%} of the processor (up to "
            f"{max(taken):.0%}): a quiet machine is quicker"
        )
    return found
