"""What `bench check` prints: a line for each clause, and under a broken one how to mend it."""

from collections import Counter
from collections.abc import Iterable

from bench.conformance.kit import Outcome
from bench.terminal.console import console, text

_STYLES = {"kept": "green", "broken": "red", "skipped": "dim"}


def print_outcomes(name: str, outcomes: Iterable[Outcome]) -> bool:
    """Print each outcome as it comes; True if a clause is broken."""
    screen = console()
    counts: Counter[str] = Counter()
    with screen.status(f"checking {name} ..."):
        for outcome in outcomes:
            counts[outcome.verdict] += 1
            line = f"{outcome.verdict:<8}{outcome.check.name}: {outcome.check.clause}"
            seen = f" ({outcome.seen})" if outcome.verdict == "skipped" else ""
            screen.print(text(line + seen, style=_STYLES[outcome.verdict]))
            if outcome.verdict == "broken":
                screen.print(text(f"        {outcome.seen}\n        to mend it: {outcome.check.remedy}"))
    told = ", ".join(f"{counts[verdict]} {verdict}" for verdict in _STYLES)
    screen.print(text(f"{name}: {told}", style=_STYLES["broken" if counts["broken"] else "kept"]))
    return bool(counts["broken"])
