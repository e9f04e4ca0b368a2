"""What `bench verify` prints, line by line as it is found."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from bench.cells.stores import CellStore
from bench.collections.catalogue import Dataset, open_dataset
from bench.errors import BenchError, UnknownName
from bench.leaderboard.published import Published, read_published
from bench.terminal.console import add, console, table, text
from bench.terminal.progress import ProgressDisplay
from bench.verification.check import Check, worst
from bench.verification.references import Held, hold, read_references
from bench.verification.restore import restore
from bench.verification.verify import verify
from bench.visible import plural

_STYLES = {"OK": "green", "near": "yellow", "FAIL": "red", "failed": "red", "not run": "dim", "not checked": "dim"}


def print_checks(folder: Path, places: Sequence[str], everything: bool) -> bool:
    """Verify a published leaderboard; True if anything fails."""
    screen = console()
    published = read_published(folder)
    with screen.status("opening the collections ..."):
        datasets = open_published(published, places)
    checks = []
    with screen.status("computing every figure again ..."):
        for check in verify(published, datasets):
            checks.append(check)
            if everything or check.verdict != "OK":
                screen.print(check_line(check))
    screen.print(summary(folder, checks))
    return worst(checks) == "FAIL"


def print_restored(folder: Path, places: Sequence[str], out: Path) -> None:
    """Restore the cells of a published leaderboard whose collections can be opened, and tell of the others.

    Raises the BenchError of the first that cannot be opened if none can.
    """
    screen = console()
    published = read_published(folder)
    with screen.status("opening the collections ..."):
        found = open_published(published, places)
    problems = {name: one for name, one in found.items() if isinstance(one, BenchError)}
    datasets = {name: one for name, one in found.items() if isinstance(one, Dataset)}
    if not datasets:
        raise next(iter(problems.values()))
    for name, problem in problems.items():
        screen.print(
            text(f"{name} is left out: {problem}; name it with --dataset '{name}=SOURCE:FOLDER'", style="red")
        )
    with screen.status("computing every figure again ..."):
        restored = restore(published, datasets, out)
    for one in restored:
        there = f", {plural(one.present, 'other')} left as they were there" if one.present else ""
        screen.print(text(f"{one.collection}: {plural(one.written, 'cell')} restored{there}"))
    screen.print(text(f"in {out}; `run --out {out}` adds to them, `publish --from {out}` shows them", style="dim"))


def check_line(check: Check) -> Text:
    """One check."""
    line = text(f"{check.verdict:<4} ", style=_STYLES[check.verdict])
    return line + text(check.what + (f": {check.detail}" if check.detail else ""))


def summary(folder: Path, checks: Sequence[Check]) -> Text:
    """How many of each verdict."""
    counts = Counter(check.verdict for check in checks)
    told = ", ".join(f"{counts[verdict]:,} {verdict}" for verdict in ("OK", "near", "FAIL"))
    return text(f"{folder}: {told}", style=_STYLES[worst(checks)])


def open_published(published: Published, places: Sequence[str]) -> dict[str, Dataset | BenchError]:
    """The published collections, opened under their own name or where `places` (NAME=SOURCE) says."""
    given = dict(_place(place, published.collections()) for place in places)
    opened: dict[str, Dataset | BenchError] = {}
    for name in published.collections():
        try:
            opened[name] = open_dataset(given.get(name, name))
        except BenchError as error:
            opened[name] = error
    return opened


def _place(place: str, known: Sequence[str]) -> tuple[str, str]:
    for name in known:
        if place.startswith(f"{name}="):
            return name, place.removeprefix(f"{name}=")
    raise UnknownName("collection", place.partition("=")[0], known, "(write --dataset NAME=SOURCE)")


def print_references(path: Path | None, data: Path, store: CellStore) -> bool:
    """Hold published figures against ours; True if one is out of its tolerance, or its system failed.

    What was held before an interruption is printed too.
    """
    screen = console()
    references = read_references(path) if path else read_references()
    found: list[Held] = []
    try:
        with ProgressDisplay(screen) as display:
            for held in hold(references, data, store, display):
                found.append(held)
    finally:
        screen.print(references_table(found))
        _print_absent(found, screen)
    return any(one.verdict in ("FAIL", "failed") for one in found)


def references_table(found: Sequence[Held]) -> Table:
    """Others' figures beside ours."""
    numbers = ("published", "ours", "difference", "tolerance")
    made = table(("system", "dataset", "measure", *numbers, "verdict", "source"), right=numbers)
    for one in found:
        reference = one.reference
        ours = ("-", "-") if one.ours is None else (f"{one.ours:.4f}", f"{one.difference:+.4f}")
        figures = f"{reference.value:.4f}", *ours, f"{reference.tolerance:g}"
        verdict = text(one.verdict, style=_STYLES[one.verdict])
        add(
            made, reference.name, one.where, reference.measure, *figures, verdict, text(reference.source, style="dim")
        )
    return made


def _print_absent(found: Sequence[Held], screen: Console) -> None:
    for (verdict, problem), names in _by_problem(found).items():
        screen.print(text(f"{verdict}: {', '.join(names)}: {problem}", style=_STYLES[verdict]))


def _by_problem(found: Sequence[Held]) -> dict[tuple[str, str], list[str]]:
    grouped: dict[tuple[str, str], list[str]] = {}
    for one in found:
        if one.problem:
            grouped.setdefault((one.verdict, one.problem), []).append(f"{one.reference.name} on {one.where}")
    return grouped
