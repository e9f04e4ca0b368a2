"""What `bench cache` prints."""

from collections.abc import Sequence

from bench.caching import Entry, prune
from bench.store import cache_root
from bench.terminal.console import add, console, table, text
from bench.visible import plural


def print_entries(found: Sequence[Entry], check: bool = False) -> bool:
    """Where the cache is and what lies in it; True if some of it was checked and is damaged."""
    screen = console()
    made = table(
        ("kind", "of", "size", "days unused", "folder", *(["state"] if check else [])), ("size", "days unused")
    )
    damaged = False
    with screen.status("looking ..."):
        for entry in found:
            problem = entry.damage() if check else ""
            damaged = damaged or bool(problem)
            state = [f"damaged: {problem}" if problem else "whole"] if check else []
            place = entry.folder.relative_to(cache_root())
            add(made, entry.kind, entry.of, _size(entry.bytes), f"{entry.days:.1f}", place, *state)
    screen.print(text(f"{cache_root()}: {_total(found)}"))
    if found:
        screen.print(made)
    if damaged:
        screen.print(text("what is damaged is made again when it is used next"))
    return damaged


def print_pruned(chosen: Sequence[Entry], dry_run: bool) -> None:
    """Remove the entries, or say which would be, with a line each."""
    screen = console()
    gone = []
    for entry, removed in ((entry, True) for entry in chosen) if dry_run else prune(chosen):
        what = f"{entry.kind} {entry.of} ({_size(entry.bytes)}, unused for {entry.days:.1f} days)"
        verdict = "would be removed" if dry_run else "removed" if removed else "stays, because it is in use"
        screen.print(text(f"{what} {verdict}"))
        gone += [entry] if removed else []
    screen.print(text(f"{_total(gone)} {'would be ' if dry_run else ''}removed from {cache_root()}"))


def _total(found: Sequence[Entry]) -> str:
    return f"{plural(len(found), 'entry')}, {_size(sum(entry.bytes for entry in found))}"


def _size(count: float) -> str:
    return f"{count / 1e9:.2f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"
