"""What is searched: options, each with the values that it may take."""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.errors import BenchError, UnknownName
from bench.options import Options, check_option
from bench.settings import parse_setting

_HOW = "OPTION=LOW..HIGH, OPTION=LOW..HIGH:log or OPTION=ONE,OTHER,..., as in training.learning_rate=1e-4..1e-2:log"
_NUMBER = r"[+-]?\d*\.?\d+(?:[eE][+-]?\d+)?"
_RANGE = re.compile(rf"({_NUMBER})\.\.({_NUMBER})(:log)?")
_MOST_REPEATS = 50
"""Draws for each trial before a space is taken to hold no other options."""


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`, both among them, or whole numbers alone.

    log: each factor is as likely as any other, instead of each difference
    """

    low: float
    high: float
    log: bool
    whole: bool

    def at(self, share: float) -> float | int:
        """The value below which `share` of the draws lie; 0 <= share < 1."""
        low, high = (self.low - 0.5, self.high + 0.5) if self.whole else (self.low, self.high)
        if self.log:
            low = max(low, self.low / 2)
            value = math.exp(math.log(low) + share * (math.log(high) - math.log(low)))
        else:
            value = low + share * (high - low)
        return min(max(round(value), int(self.low)), int(self.high)) if self.whole else float(f"{value:.4g}")

    @property
    def examples(self) -> Sequence[float | int]:
        """Both ends, and what lies between them."""
        return [self.at(share) for share in (0.0, 0.5, math.nextafter(1.0, 0.0))]

    def __str__(self) -> str:
        low, high = (int(end) if end.is_integer() else end for end in (self.low, self.high))
        return f"{low}..{high}{':log' if self.log else ''}"


@dataclass(frozen=True)
class Choice:
    """One of several values, each as likely; as text, which the option's type reads."""

    values: tuple[str, ...]

    def at(self, share: float) -> str:
        """The value below which `share` of the draws lie; 0 <= share < 1."""
        return self.values[int(share * len(self.values))]

    @property
    def examples(self) -> Sequence[str]:
        """All of them."""
        return self.values

    def __str__(self) -> str:
        return ",".join(self.values)


Dimension = Range | Choice
Space = Mapping[str, Dimension]
"""Dimensions by the dotted name of the option."""


def parse_space(kind: type[Options], given: Sequence[str] | Mapping[str, str]) -> dict[str, Dimension]:
    """The space of `OPTION=VALUES`, one for each option. Raises BenchError for what cannot be searched.

    Values are `LOW..HIGH`, `LOW..HIGH:log`, or `ONE,OTHER,...`; an option of whole numbers takes those of a range.
    """
    pairs = list(given.items()) if isinstance(given, Mapping) else [_pair(one) for one in given]
    if not pairs:
        raise BenchError(f"there is nothing to search; give --space {_HOW}")
    known = {option.name: option.kind for option in kind.describe_options()}
    space: dict[str, Dimension] = {}
    for option, values in pairs:
        if option not in known:
            raise UnknownName("option", option, known, "(in --space)")
        if option == "seed":
            raise BenchError("--space seed: a seed is no choice; it is given with --seed")
        if option in space:
            raise BenchError(f"--space {option} is given twice; give it once")
        space[option] = _dimension(option, values, whole=known[option].removesuffix(" or none") == "integer")
        _check(kind, option, space[option])
    return space


def _check(kind: type[Options], option: str, dimension: Dimension) -> None:
    """Raise BenchError for values with which every trial would fail."""
    for value in dimension.examples:
        try:
            check_option(kind, kind.__name__, option, value)
        except BenchError as error:
            raise BenchError(f"--space {option}={dimension}: {error}") from None


def _pair(given: str) -> tuple[str, str]:
    try:
        return parse_setting(given, _HOW)
    except BenchError:
        raise BenchError(f"--space {given}: write {_HOW}") from None


def _dimension(option: str, values: str, whole: bool) -> Dimension:
    found = _RANGE.fullmatch(values.strip())
    if not found:
        named = tuple(value.strip() for value in values.split(","))
        if ".." in values or not all(named) or len(set(named)) < len(named) or len(named) < 2:
            raise BenchError(f"--space {option}={values}: write {_HOW}")
        return Choice(named)
    low, high, log = float(found[1]), float(found[2]), bool(found[3])
    if low >= high or (log and low <= 0):
        wanted = "a lower end above 0 and below the upper one" if log else "a lower end below the upper one"
        raise BenchError(f"--space {option}={values}: a range needs {wanted}")
    if whole and not (low.is_integer() and high.is_integer()):
        raise BenchError(f"--space {option}={values}: the option takes whole numbers; give whole ends")
    return Range(low, high, log, whole)


def points(space: Space, seed: int) -> Iterator[dict[str, Any]]:
    """Different options, evenly spread over the space, without end or until there are no others.

    They are Sobol's sequence, scrambled by the seed: with a few trials each option's values are better covered than
    by independent draws (Bergstra and Bengio 2012, section 5). The first so many are the same however many are taken.
    """
    from scipy.stats.qmc import Sobol

    sequence = Sobol(len(space), seed=seed)
    seen: set[tuple[Any, ...]] = set()
    repeats = 0
    while repeats < _MOST_REPEATS:
        shares = sequence.random(1)[0].tolist()
        point = {name: one.at(share) for (name, one), share in zip(space.items(), shares, strict=True)}
        values = tuple(point.values())
        repeats = repeats + 1 if values in seen else 0
        if not repeats:
            seen.add(values)
            yield point
