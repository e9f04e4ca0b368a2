"""Ids that are written with zeros in front in one file and without them in another: 051 and 51."""

from collections.abc import Iterable

_LONGEST = 18
"""Digits of a number; more are a code."""


class Ids:
    """Known ids, found as they stand or as the same number."""

    def __init__(self, known: Iterable[str]) -> None:
        self._known = set(known)
        self._by_number: dict[int, list[str]] = {}
        for one in filter(_is_number, self._known):
            self._by_number.setdefault(int(one), []).append(one)

    def find(self, given: str) -> str | None:
        """The known id that is meant: the same text, or the only one that is the same number."""
        if given in self._known:
            return given
        same = self._by_number.get(int(given), []) if _is_number(given) else []
        return same[0] if len(same) == 1 else None


def renumbered(given: Iterable[str], wanted: Iterable[str]) -> dict[str, str]:
    """The wanted id for each given one that is not written as wanted; none where two would become the same."""
    listed, known = list(given), Ids(wanted)
    found = {one: other for one in listed if (other := known.find(one)) and other != one}
    kept = [found.get(one, one) for one in listed]
    return found if len(set(kept)) == len(kept) else {}


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= _LONGEST
