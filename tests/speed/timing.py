"""Timing that stays fair on a busy machine."""

from collections.abc import Callable
from time import perf_counter
from typing import Any


def seconds(rounds: int, **calls: Callable[[], Any]) -> dict[str, float]:
    """Shortest time of each call; the calls take turns, so that a busy machine slows all of them."""
    best = dict.fromkeys(calls, float("inf"))
    for _ in range(rounds):
        for name, call in calls.items():
            start = perf_counter()
            call()
            best[name] = min(best[name], perf_counter() - start)
    return best
