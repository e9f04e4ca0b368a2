"""How much of the processor a system took, and how much other work took meanwhile."""

import time
from typing import Any, NamedTuple

import psutil

from bench.machine import usable_cores

_SHORTEST = 0.25
"""Seconds; the system counts in hundredths, too coarse to tell the share of anything shorter."""


class _Reading(NamedTuple):
    """Seconds so far: by the clock, of this process and its children, and of anyone on the cores it may use."""

    clock: float
    own: float
    busy: float


class ProcessorWatch:
    """Watches the processor from the construction on."""

    def __init__(self) -> None:
        self._cores = usable_cores()
        self._start = _read(self._cores)

    @property
    def cores(self) -> int:
        """How many this process may use."""
        return len(self._cores)

    @property
    def seconds(self) -> float:
        """Processor time of this process and its children, of all threads together."""
        return _own_seconds() - self._start.own

    @property
    def others_share(self) -> float | None:
        """Share of the cores, 0 to 1, that other processes (and other machines on the same host) took.

        None where the time is too short to tell, or the system does not say.
        """
        now = _read(self._cores)
        clock, own, busy = (new - old for new, old in zip(now, self._start, strict=True))
        if clock < _SHORTEST or not busy:
            return None
        return min(max((busy - own) / (clock * self.cores), 0.0), 1.0)


def _read(cores: list[int]) -> _Reading:
    times = psutil.cpu_times(percpu=True)
    busy = sum(_busy(times[core]) for core in cores if core < len(times))
    return _Reading(time.perf_counter(), _own_seconds(), busy)


def _busy(core: Any) -> float:
    """Seconds in which a core was not free for us; a virtual one is not while its host works for another."""
    return float(sum(getattr(core, name, 0.0) for name in ("user", "nice", "system", "irq", "softirq", "steal")))


def _own_seconds() -> float:
    """Of this process, the children at work and those that ended and were waited for."""
    total = 0.0
    own = psutil.Process()
    for process in (own, *own.children(recursive=True)):
        try:
            times = process.cpu_times()
        except psutil.Error:  # ended meanwhile; its parent counts it
            continue
        total += times.user + times.system + times.children_user + times.children_system
    return total
