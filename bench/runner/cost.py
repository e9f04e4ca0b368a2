"""What a system costs: seconds, memory, latency."""

import ctypes
import gc
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil

from bench.collections.collection import Query
from bench.protocols import TimesParts

_STATUS = Path("/proc/self/status")


class PeakMemory:
    """Peak resident memory of this process from the construction on, in megabytes (10^6 bytes).

    `start` is what the process held at that moment: the interpreter and its loaded libraries.
    """

    def __init__(self) -> None:
        _give_back_freed_memory()
        reset = Path("/proc/self/clear_refs")
        if reset.exists():
            reset.write_text("5")
        self.start = psutil.Process().memory_info().rss / 1e6

    @property
    def peak(self) -> float:
        """Megabytes at the highest point so far."""
        if _STATUS.exists():
            for line in _STATUS.read_text().splitlines():
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) * 1024 / 1e6
        import resource

        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6

    @property
    def added(self) -> float:
        """Megabytes that the system needed on top of the loaded libraries."""
        return max(self.peak - self.start, 0.0)


def _give_back_freed_memory() -> None:
    """What other work has freed would be taken again unseen, and a system would seem to need less."""
    gc.collect()
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim:
            trim(0)


class Stopwatch:
    """Seconds since the construction."""

    def __init__(self) -> None:
        self._start = time.perf_counter()

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self._start


@dataclass(frozen=True)
class Latency:
    """Milliseconds that a single query takes; `n` of them were asked, one at a time."""

    p50: float
    p95: float
    p99: float
    n: int


class PartTimes:
    """What single queries take in each part of a composed system; of another system, nothing."""

    def __init__(self, retriever: object) -> None:
        self._retriever = retriever
        self._seconds: dict[str, list[float]] = {}

    def watch(self, _: object) -> None:
        """Note how long the last query took."""
        if isinstance(self._retriever, TimesParts):
            for name, seconds in self._retriever.answer_seconds().items():
                self._seconds.setdefault(name, []).append(seconds)

    def p50_ms(self, counted: int) -> dict[str, float]:
        """Medians over the last `counted` queries, in milliseconds, by the name of the part."""
        return {name: 1000 * float(np.median(seconds[-counted:])) for name, seconds in self._seconds.items()}


def measure_latency(
    answer: Callable[[Sequence[Query]], object],
    queries: Sequence[Query],
    most: int = 200,
    seconds: float = 3.0,
    warm_up: int = 5,
) -> Latency:
    """Ask queries one at a time, after `warm_up` that are not counted.

    Stops after `most` queries or, once 20 are counted, after `seconds`. The percentiles are those of
    single queries, not of batches divided by their size.
    """
    times: list[float] = []
    whole = Stopwatch()
    for position in range(warm_up + most):
        one = [queries[position % len(queries)]]
        watch = Stopwatch()
        answer(one)
        if position >= warm_up:
            times.append(watch.seconds * 1000)
        if len(times) >= 20 and whole.seconds > seconds:
            break
    p50, p95, p99 = np.percentile(times, [50, 95, 99])
    return Latency(float(p50), float(p95), float(p99), len(times))
