"""A block of the leaderboard as columns, entries and notes, the same for every format."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from bench.leaderboard.board import LAST_CHOSEN, NOT_RUN, START_CHOSEN, Block, Row, RowCost, RowFigure
from bench.leaderboard.text import amount, count, fraction
from bench.measures.measure import Count, Measure

DISTURBED = "†"
"""Stands at a cost that was measured while other work took part of the processor."""

QUIET = 0.15
"""Which part that may be before the cost misleads."""

_SHARES = {"fit_seconds": "fit_others_share"} | dict.fromkeys(
    ("p50_ms", "p99_ms", "queries_per_second"), "others_share"
)
"""Costs that other work changes, with the name of the share of the processor that it took."""

Kind = Literal["rank", "primary", "quality", "fact", "count", "cost"]
"""What a column tells. A narrow format drops whole kinds, from the last on; the system's name stands before all."""


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
    kind: Kind
    numeric: bool = True


def bounds(figure: RowFigure) -> str:
    """How the interval of a figure stands beside it."""
    return f"({interval(figure)})"


def columns(block: Block, hardware: Sequence[str], beside: Callable[[RowFigure], str] = bounds) -> list[Column]:
    """The columns beside the system's name.

    `hardware` is what rows are marked by, where there are several; `beside` says what stands at a primary figure.
    """
    return list(_columns(block, hardware, beside))


def _columns(block: Block, hardware: Sequence[str], beside: Callable[[RowFigure], str]) -> Iterator[Column]:
    if any(row.best_rank is not None for row in block.rows):
        yield Column("rank", block.test or "the only system", _rank, "rank")
    yield Column(
        "trained",
        "whether the system learns from the training queries; start: the epoch chosen is the one before it; "
        "last: it is the last, so that more might have helped",
        _trained,
        "fact",
        numeric=False,
    )
    if any(len(row.seeds) > 1 for row in block.rows):
        yield _seeds(block.primary)
    for measure in block.shown:
        yield _quality(measure, beside if measure == block.primary else None, measure == block.primary)
    counted = {one.name: one for row in block.rows for one in row.counts.values() if one.header}
    yield from map(_count, counted.values())
    if block.timed:
        yield from _costs(hardware)


def _rank(row: Row) -> Entry:
    if row.best_rank is None or row.worst_rank is None:
        return Entry("–")
    span = str(row.best_rank) if row.best_rank == row.worst_rank else f"{row.best_rank}–{row.worst_rank}"
    letters = ("" if all(len(group) == 1 for group in row.groups) else " ").join(row.groups)
    return Entry(f"{span} {letters}", row.best_rank + row.worst_rank / 1000)


def _trained(row: Row) -> Entry:
    if row.imported or not row.trained:
        return Entry("imported" if row.imported else "no")
    chosen = {"start": START_CHOSEN, "last": LAST_CHOSEN}
    told = {word: row.counts[name] for word, name in chosen.items() if name in row.counts}
    if not told:
        return Entry("yes")
    note = "; ".join(f"{word}: {count.meaning}" for word, count in told.items())
    for word, share in told.items():
        if share.value == 1:
            return Entry(word, note=note)
    parts = [f"{word} in {round(count.value * len(row.seeds))}" for word, count in told.items()]
    return Entry(f"yes, {', '.join(parts)} of {len(row.seeds)}", note=note)


def _seeds(primary: Measure) -> Column:
    def entry(row: Row) -> Entry:
        if row.deterministic:
            return Entry("any", 1, "the seed changes nothing: one run stands for all seeds")
        figure = row.figures.get(primary.name)
        spread = f" (±{fraction(figure.spread)})" if figure and figure.spread is not None else ""
        return Entry(f"{len(row.seeds)}{spread}" if row.seeds else "–", len(row.seeds))

    meaning = f"seeds that the figures are means of, and the standard deviation of {primary} over them"
    return Column("seeds", meaning, entry, "fact")


def _quality(measure: Measure, beside: Callable[[RowFigure], str] | None, primary: bool) -> Column:
    def entry(row: Row) -> Entry:
        figure = row.figures.get(measure.name)
        if figure is None:
            return Entry("–", None, "no query has a value")
        text = fraction(figure.value) + (f" {beside(figure)}" if beside else "")
        return Entry(text, figure.value, figure_note(figure))

    way = "" if measure.higher_is_better else "lower is better"
    meaning = "; ".join(filter(None, (measure.meaning or measure.name, way)))
    return Column(measure.column, meaning, entry, "primary" if primary else "quality")


def interval(figure: RowFigure) -> str:
    """The bounds of a figure's interval; a dash where there is none."""
    if figure.low is None or figure.high is None:
        return "–"
    return f"{fraction(figure.low)}–{fraction(figure.high)}"


def figure_note(figure: RowFigure) -> str:
    """What lies behind a figure, in a line."""
    spread = "" if figure.spread is None else f"; standard deviation over seeds {fraction(figure.spread)}"
    return f"n = {figure.n:,}; 95 % {interval(figure)}{spread}"


def _count(one: Count) -> Column:
    def entry(row: Row) -> Entry:
        found = row.counts.get(one.name)
        return Entry("–") if found is None else Entry(_shown(found), found.value)

    return Column(one.header, one.meaning or one.name, entry, "count")


def _shown(one: Count) -> str:
    """A share in the form of a measure, all else as a number."""
    return fraction(one.value) if one.kind == "share" else count(one.value)


def _costs(hardware: Sequence[str]) -> Iterator[Column]:
    def of(header: str, meaning: str, name: str, unit: float = 1.0) -> Column:
        def entry(row: Row) -> Entry:
            value = getattr(row.cost, name)
            if value is None:
                return Entry("–")
            taken = disturbance(row, name)
            note = f"other work took {taken:.0%} of the processor meanwhile" if taken else ""
            return Entry(f"{amount(value / unit)}{DISTURBED if taken else ''}", value / unit, note)

        return Column(header, f"{meaning}; compare it within one hardware only", entry, "cost")

    def mark(row: Row) -> Entry:
        return Entry(str(hardware.index(row.hardware) + 1) if row.hardware else "–", None, row.hardware)

    if len(hardware) > 1:
        yield Column("hardware", "what the costs were measured on, by number", mark, "cost")
    yield of("fit s", "seconds to build the index or to train", "fit_seconds")
    yield of("p50 ms", "median latency of single queries after warm-up", "p50_ms")
    yield of("p99 ms", "99th percentile of the latency of single queries", "p99_ms")
    yield of("q/s", "queries a second in one batch", "queries_per_second")
    yield of("memory MB", "peak memory beyond the loaded libraries", "memory_mb")
    yield of("disk MB", "size of the saved index", "index_bytes", unit=1e6)


def disturbance(row: Row, cost: str) -> float | None:
    """The share of the processor that other work took while a cost was measured, where it misleads."""
    taken = getattr(row.cost, _SHARES[cost]) if cost in _SHARES else None
    return taken if taken and taken > QUIET else None


def label(row: Row) -> str:
    """The system's name with the mark of shared weights."""
    return row.system + (" *" if row.shares_weights_with else "")


def absence(row: Row) -> str:
    """Why a row has no figures."""
    if not row.problem:
        return "barred: it is the judge itself"
    return row.problem if row.problem == NOT_RUN else f"failed: {row.problem}"


REPORTED_MARK = "‡"


def reported_rows(block: Block, shown: Sequence[Column]) -> Iterator[tuple[str, list[str]]]:
    """Name and texts of each system that was not run here, under the same columns."""
    names = {measure.column: measure.name for measure in block.shown}
    for one in block.reported:
        figures = {header: fraction(one.figures[name]) for header, name in names.items() if name in one.figures}
        texts = {"trained": "imported", **figures}
        yield f"{one.system} {REPORTED_MARK}", [texts.get(column.header, "–") for column in shown]


def _reported_note(block: Block) -> str:
    sources = "; ".join(f"{one.system}: {one.source}" for one in block.reported)
    return f"{REPORTED_MARK} imported, not run here, so without rank, interval and cost: {sources}" if sources else ""


def notes(block: Block, hardware: Sequence[str], shown: Sequence[Column] | None = None) -> list[str]:
    """What stands below a block: definition, test, marks, hardware; of a part of its columns what these need."""
    headers = None if shown is None else {column.header for column in shown}
    found = [block.definition, block.test]
    found += dict.fromkeys(
        f"* shares weights with {row.shares_weights_with}" for row in block.rows if row.shares_weights_with
    )
    if any(row.imported for row in block.rows):
        found.append("imported: a third party's run, scored here by the same rules; its cost is not known")
    found.append(_reported_note(block))
    found += [f"{', '.join(systems)}: {problem}" for problem, systems in _incomplete(block).items()]
    diagnostics = [m for m in block.shown if m.diagnostic and (headers is None or m.column in headers)]
    found += [f"{m.column}: {m.meaning}; a diagnostic, no result" for m in diagnostics]
    found += dict.fromkeys(note for row in block.rows for note in _notes(row))
    costs = shown is None or any(column.kind == "cost" for column in shown)
    return [note for note in found if note] + (_cost_notes(block, hardware) if block.timed and costs else [])


def _incomplete(block: Block) -> dict[str, list[str]]:
    """The systems that have figures of some seeds only, by what became of the others."""
    found: dict[str, list[str]] = {}
    for row in block.rows:
        if row.done and row.problem:
            found.setdefault(row.problem, []).append(row.system)
    return found


def _notes(row: Row) -> Iterator[str]:
    """What a row's counts have to say at the foot: of the table, and in one line of the system with their values."""
    counts = [one for one in row.counts.values() if one.value and one.note]
    yield from (one.note for one in counts if "{value}" not in one.note)
    told = [one.note.replace("{value}", _told(one)) for one in counts if "{value}" in one.note]
    if told:
        yield f"{row.system}: {'; '.join(told)}"


def _told(one: Count) -> str:
    return f"{one.value:.1%}" if one.kind == "share" else count(one.value)


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


def known_costs(cost: RowCost) -> Iterator[tuple[str, float]]:
    """Name and value of every cost that is known."""
    for name, value in vars(cost).items():
        if value is not None:
            yield name, value
