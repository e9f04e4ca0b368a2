"""How long something may take, as people write it."""

import math
import re
from typing import Annotated

from pydantic import BeforeValidator

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}

DAY = 86400.0


def seconds_of(given: object) -> float:
    """Seconds of `90s`, `15m`, `2h`, `1d` or a bare number of seconds. Raises ValueError for anything else."""
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([smhd]?)\s*", str(given), re.ASCII)
    seconds = float(found[1]) * _SECONDS[found[2] or "s"] if found and not isinstance(given, bool) else 0.0
    if not 0 < seconds < math.inf:
        raise ValueError(f"'{given}' is no time; write 90s, 15m, 2h, 1d or a number of seconds above 0")
    return seconds


def duration(seconds: float) -> str:
    """As people say it, in the largest unit that leaves no rest: 90 s, 15 min, 2 h."""
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds % size == 0:
            return f"{seconds / size:,.0f} {unit}"
    return f"{seconds:g} s"


TimeLimit = Annotated[float, BeforeValidator(seconds_of)]
"""A field of seconds that takes what `seconds_of` takes."""
