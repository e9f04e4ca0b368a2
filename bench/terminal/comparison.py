"""Systems side by side, for the screen."""

from math import isfinite
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.text import Text

from bench.leaderboard.text import bounds
from bench.terminal.console import add, table, text
from bench.terminal.hits import paragraph
from bench.visible import plural

if TYPE_CHECKING:
    from bench.leaderboard.compare import Comparisons
    from bench.leaderboard.compare_many import Pairs

_NUMBERS = ("difference", "95 % interval", "d_z", "p", "wins", "losses", "ties")


def comparison_view(found: "Comparisons") -> RenderableType:
    """Means, how far they differ and how surely, and the queries that moved most."""
    first, second = found.sides
    headers = ("measure", first.name, second.name, *_NUMBERS)
    made = table(headers, right=headers[1:])
    made.columns[0].no_wrap = True
    for side in made.columns[1:3]:  # a long name takes several lines, a figure never does
        side.no_wrap, side.min_width = False, len("0.0000")
    for one in found.measures:
        test = one.test
        add(
            made,
            one.column,
            *(f"{mean:.4f}" for mean in one.means),
            f"{test.difference:+.4f}",
            bounds(test.low, test.high, "+.4f"),
            f"{test.effect:+.2f}" if isfinite(test.effect) else "-",
            f"{test.p:.4f}",
            *(f"{count:,}" for count in (one.wins, one.losses, one.ties)),
        )
    return Group(made, text(_note(found), style="dim"), *_moved(found))


def pairs_view(found: "Pairs") -> RenderableType:
    """Means with the ranks that remain open to them, and every pair."""
    means = table(("system", found.measure, "95 % interval", "rank"), right=(found.measure, "95 % interval", "rank"))
    for one in found.systems:
        rank = f"{one.rank.best}" if one.rank.best == one.rank.worst else f"{one.rank.best} to {one.rank.worst}"
        add(means, one.name, f"{one.figure.value:.4f}", bounds(one.figure.low, one.figure.high), rank)
    headers = ("pair", "difference", "95 % interval", "d_z", "p", "corrected p")
    pairs = table(headers, right=headers[1:])
    for test in found.tests:
        names = f"{found.systems[test.first].name} - {found.systems[test.second].name}"
        effect = f"{test.effect:+.2f}" if isfinite(test.effect) else "-"
        interval = bounds(test.low, test.high, "+.4f")
        add(pairs, names, f"{test.difference:+.4f}", interval, effect, f"{test.p:.4f}", f"{test.corrected:.4f}")
    note = (
        f"{found.task}, {plural(found.queries, 'query')}, fingerprint {found.fingerprint[:6]}; p: paired "
        f"randomisation test, {found.flips:,} sign flips, corrected over {plural(len(found.tests), 'pair')} (Holm); "
        "rank: those that remain open at level .05"
    )
    return Group(means, Text(), pairs, text(note, style="dim"))


def _note(found: "Comparisons") -> str:
    first, second = found.sides
    primary = found.measures[0]
    way = "" if all(one.higher_is_better for one in found.measures) else "; ↓ lower is better"
    return (
        f"{first.task_name}, {plural(primary.queries, 'query')}, fingerprint {first.fingerprint[:6]}; {first.name} "
        f"minus {second.name}; p: paired randomisation test, {primary.flips:,} sign flips; d_z: mean over deviation "
        f"of the differences; {primary.measure} is tested, the other p are not corrected and only describe"
        f"{way}"
    )


def _moved(found: "Comparisons") -> list[RenderableType]:
    parts: list[RenderableType] = []
    if found.moved:
        parts += [Text(), text(f"queries that moved most by {found.measures[0].measure}", style="bold")]
    for moved in found.moved:
        parts.append(text(f"{moved.first:.3f} against {moved.second:.3f}  {moved.query.id}", style="bold", keep=""))
        parts.append(Text("    ") + paragraph(moved.query.text))
    return parts
