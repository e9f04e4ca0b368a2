"""What lies in the cache, parsed collections and work that systems share: listed, checked, pruned by age and size."""

import json
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.collections.catalogue import SOURCE
from bench.errors import BenchError
from bench.seals import damage
from bench.store import cache_root, folder_bytes, remove_drafts, remove_unused
from bench.workplace import KEY

_JUDGE, _COPY = "judge's vectors", "copy of a cell"
_PLACES = {
    "collections/*": "collection",
    "archives/*": "unpacked archive",
    "shared/*/*": "shared work",
    "judges/*/*": _JUDGE,
    "stores/*/cells/*": _COPY,
}
"""Where entries lie below the cache, and what they are unless they say so themselves."""

_DAYS = {"h": 1 / 24, "d": 1.0, "w": 7.0}
_BYTES = {"": 1.0, "K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}


@dataclass(frozen=True)
class Entry:
    """A folder of the cache.

    kind: collection, states, vectors, queries, ... as whoever made it calls it
    of: what it was made from, as far as it says
    bytes: of all its files
    used: when it was last opened, in seconds since the epoch
    """

    folder: Path
    kind: str
    of: str
    bytes: int
    used: float

    @property
    def days(self) -> float:
        """Since it was last opened."""
        return max(0.0, time.time() - self.used) / 86_400

    def damage(self) -> str:
        """Which of its files is not as it was written, if any; reads them all.

        A copy of a cell is not looked at: its records have the digests, which are checked wherever one is read.
        """
        if self.kind == _COPY:
            return ""
        parts = sorted(self.folder.glob("part-*")) if self.kind == _JUDGE else [self.folder]
        return next((problem for part in parts if (problem := damage(part))), "")


def entries() -> list[Entry]:
    """All that is in the cache, last used first."""
    return sorted(_entries(), key=lambda entry: (-entry.used, entry.folder))


def _entries() -> Iterator[Entry]:
    for pattern, kind in _PLACES.items():
        for folder in cache_root().glob(pattern):
            if folder.is_dir() and not folder.is_symlink() and not folder.name.startswith("."):
                found, of = _origin(folder)
                yield Entry(folder, found or kind, of, folder_bytes(folder), folder.stat().st_mtime)


def _origin(folder: Path) -> tuple[str, str]:
    """What the folder is and what of, from what was written down beside it; empty for what says nothing."""
    try:
        if (folder / SOURCE).is_file():
            made_from = json.loads((folder / SOURCE).read_bytes())
            given = ", ".join(f"{name}={value}" for name, value in made_from["options"].items() if value)
            return "", f"{made_from['source']}: {given}"
        if (folder / KEY).is_file():
            key = json.loads((folder / KEY).read_bytes())
            return next(iter(key)), str(key.get("of", ""))[:7]
    except (OSError, ValueError, LookupError, AttributeError, TypeError, StopIteration):
        return "", "what it is of cannot be read"
    return "", folder.name if folder.parent.name in ("collections", "cells") else folder.parent.name[:7]


def to_prune(found: Sequence[Entry], older: float | None, above: float | None) -> list[Entry]:
    """Those not opened for more than `older` days, then the least recently used until `above` bytes are left."""
    chosen = [entry for entry in found if older is not None and entry.days > older]
    left = sum(entry.bytes for entry in found) - sum(entry.bytes for entry in chosen)
    for entry in sorted(found, key=lambda entry: entry.used):
        if above is None or left <= above:
            break
        if entry not in chosen:
            chosen.append(entry)
            left -= entry.bytes
    return sorted(chosen, key=lambda entry: entry.used)


def prune(chosen: Sequence[Entry]) -> Iterator[tuple[Entry, bool]]:
    """Remove entries, each with whether it is gone: what some process uses stays. What dead runs left goes too."""
    for folder in {entry.folder.parent for entry in chosen}:
        remove_drafts(folder)
    for entry in chosen:
        yield entry, remove_unused(entry.folder)


def parse_days(text: str) -> float:
    """Days from `12h`, `30d` or `2w`. Raises BenchError."""
    return _parsed(text, r"(\d+(?:\.\d+)?)([hdw])", _DAYS, "an age is a number with h, d or w, as in 30d")


def parse_bytes(text: str) -> float:
    """Bytes from `5GB`, `500MB` or `0`. Raises BenchError."""
    return _parsed(text, r"(\d+(?:\.\d+)?)\s*([KMGT]?)B?", _BYTES, "a size is a number with its unit, as in 5GB")


def _parsed(text: str, pattern: str, units: dict[str, float], remedy: str) -> float:
    found = re.fullmatch(pattern, text.strip(), re.ASCII | re.IGNORECASE)
    if not found:
        raise BenchError(f"'{text}' is none: {remedy}")
    number, unit = found.groups()
    return float(number) * units[unit.lower() if unit.lower() in units else unit.upper()]
