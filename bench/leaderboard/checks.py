"""What `bench verify` prints."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from bench.collections.catalogue import Dataset, open_dataset
from bench.errors import BenchError, UnknownName
from bench.leaderboard.references import Held, hold, read_references
from bench.leaderboard.verify import Check, Published, read_published, verify, worst
from bench.terminal import ProgressDisplay, console

_STYLES = {"OK": "green", "near": "yellow", "FAIL": "red", "failed": "red", "not run": "dim"}


def print_checks(folder: Path, places: Sequence[str], everything: bool) -> bool:
    """Verify a published leaderboard; True if anything fails."""
    screen = console()
    published = read_published(folder)
    with screen.status("opening the collections ..."):
        datasets = _open(published, places)
    checks = []
    with screen.status("computing every figure again ..."):
        for check in verify(published, datasets):
            checks.append(check)
            if everything or check.verdict != "OK":
                screen.print(_line(check))
    counts = Counter(check.verdict for check in checks)
    summary = ", ".join(f"{counts[verdict]:,} {verdict}" for verdict in ("OK", "near", "FAIL"))
    screen.print(Text(f"{folder}: {summary}", style=_STYLES[worst(checks)]))
    return counts["FAIL"] > 0


def _line(check: Check) -> Text:
    line = Text.assemble((f"{check.verdict:<5}", _STYLES[check.verdict]), check.what)
    return line.append(f": {check.detail}" if check.detail else "")


def _open(published: Published, places: Sequence[str]) -> dict[str, Dataset | BenchError]:
    """The published collections, opened under their own name or where `places` (NAME=SOURCE) says."""
    given = dict(_place(place, published.collections()) for place in places)
    opened: dict[str, Dataset | BenchError] = {}
    for name in published.collections():
        try:
            opened[name] = open_dataset(given.get(name, name))
        except BenchError as error:
            opened[name] = error
    return opened


def _place(text: str, known: Sequence[str]) -> tuple[str, str]:
    for name in known:
        if text.startswith(f"{name}="):
            return name, text.removeprefix(f"{name}=")
    raise UnknownName("collection", text.partition("=")[0], known, "(write --dataset NAME=SOURCE)")


def print_references(path: Path | None, data: Path, out: Path) -> bool:
    """Hold published figures against ours; True if one is out of its tolerance, or its system failed.

    What was held before an interruption is printed too.
    """
    screen = console()
    references = read_references(path) if path else read_references()
    found: list[Held] = []
    try:
        with ProgressDisplay(screen) as display:
            for held in hold(references, data, out, display):
                found.append(held)
    finally:
        screen.print(_references_table(found))
        _print_absent(found, screen)
    return any(one.verdict in ("FAIL", "failed") for one in found)


def _references_table(found: Sequence[Held]) -> Table:
    table = Table(box=None, pad_edge=False)
    for header in ("system", "dataset", "measure"):
        table.add_column(header)
    for header in ("published", "ours", "difference", "tolerance"):
        table.add_column(header, justify="right", no_wrap=True)
    table.add_column("verdict")
    table.add_column("source", style="dim")
    for one in found:
        reference = one.reference
        ours = ("-", "-") if one.ours is None else (f"{one.ours:.4f}", f"{one.difference:+.4f}")
        verdict = Text(one.verdict, style=_STYLES[one.verdict])
        named = escape(reference.name), escape(one.where), reference.measure
        figures = f"{reference.value:.4f}", *ours, f"{reference.tolerance:g}"
        table.add_row(*named, *figures, verdict, escape(reference.source))
    return table


def _print_absent(found: Sequence[Held], screen: Console) -> None:
    for (verdict, problem), names in _by_problem(found).items():
        screen.print(Text(f"{verdict}: {', '.join(names)}: {problem}", style=_STYLES[verdict]))


def _by_problem(found: Sequence[Held]) -> dict[tuple[str, str], list[str]]:
    grouped: dict[tuple[str, str], list[str]] = {}
    for one in found:
        if one.problem:
            grouped.setdefault((one.verdict, one.problem), []).append(f"{one.reference.name} on {one.where}")
    return grouped
