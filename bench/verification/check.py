"""One thing that was checked, and how far apart two pieces of data are."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, Literal

Verdict = Literal["OK", "near", "FAIL", "not checked"]

EXACT = 1e-9
"""Numbers that differ by no more are the same, computed in another order."""

NEAR = 1e-6
"""Means that differ by no more were rounded otherwise by other versions of the libraries."""

NEAR_WITH_MODEL = 0.005
"""The same where a model measures, whose scores differ a little from processor to processor."""


@dataclass(frozen=True)
class Check:
    """One thing that was checked."""

    what: str
    verdict: Verdict
    detail: str = ""


def worst(checks: Sequence[Check]) -> Verdict:
    """The gravest verdict of all."""
    verdicts = {check.verdict for check in checks}
    return "FAIL" if "FAIL" in verdicts else "near" if "near" in verdicts else "OK"


def compared(what: str, published: Any, computed: Any, near: float = EXACT) -> Check:
    """JSON-like data as it is published against what the proof gives."""
    largest = distance(published, computed)
    if largest <= EXACT:
        return Check(what, "OK")
    return Check(
        what, "near" if largest <= near else "FAIL", f"published {_short(published)}, computed {_short(computed)}"
    )


def differences(
    where: str, published: Mapping[str, Any], computed: Mapping[str, Any], near: float = EXACT
) -> Iterator[Check]:
    """A check for each part that differs."""
    for name in dict.fromkeys([*published, *computed]):
        check = compared(f"{where}: {name}", published.get(name), computed.get(name), near)
        if check.verdict != "OK":
            yield check


def distance(one: Any, other: Any) -> float:
    """The largest difference of two fractions in the same place; infinite where anything else differs."""
    if isinstance(one, Mapping) and isinstance(other, Mapping) and set(one) == set(other):
        return max((distance(one[name], other[name]) for name in one), default=0.0)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple) and len(one) == len(other):
        return max((distance(a, b) for a, b in zip(one, other, strict=True)), default=0.0)
    if isinstance(one, float) and isinstance(other, float):
        return abs(one - other) / max(1.0, abs(one))
    return 0.0 if one == other and isinstance(one, type(other)) else float("inf")


def _short(data: Any) -> str:
    if isinstance(data, Mapping) and {"value", "low", "high", "n"} <= set(data):
        value, low, high = (_short(data[name]) for name in ("value", "low", "high"))
        return f"{value} ({low} to {high}, n = {data['n']})"
    text = f"{data:.6f}" if isinstance(data, float) else json.dumps(data, ensure_ascii=False, default=str)
    return text if len(text) <= 80 else f"{text[:77]}..."


def first_difference(given: str, expected: str) -> str:
    """Where two texts begin to differ."""
    pairs = enumerate(zip_longest(given.splitlines(), expected.splitlines(), fillvalue="(the end)"), start=1)
    number, line = next(((number, one) for number, (one, other) in pairs if one != other), (0, "the line ends"))
    return f"line {number} is not what leaderboard.json gives: {line[:120]}"
