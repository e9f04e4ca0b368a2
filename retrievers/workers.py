"""Documents encoded by several processes: one for each GPU, or sharing the processor's cores."""

import multiprocessing
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import Field

from bench.errors import BenchError
from bench.models import ModelOptions, pick_device
from retrievers.encoding import Encode

if TYPE_CHECKING:
    from multiprocessing.queues import SimpleQueue

T = TypeVar("T")

Open = Callable[[str], Callable[[list[str]], T]]
"""From a device to what encodes a list of texts there; goes to other processes, so that it has to be picklable."""

_AHEAD = 3
"""Lists of texts that wait or are read, for each worker."""


class WorkerOptions(ModelOptions):
    """Options of a system whose documents several processes may encode."""

    workers: int = Field(
        1, ge=1, le=64, description="processes that encode documents: one for each GPU, or sharing the processor"
    )

    @property
    def worker_devices(self) -> list[str]:
        """The device of each worker: GPUs in turn, unless one is named."""
        import torch

        device = pick_device(self.device)
        gpus = torch.cuda.device_count() if device == "cuda" else 0
        return [f"cuda:{number % gpus}" if gpus else device for number in range(self.workers)]


@contextmanager
def at_work(opened: Open[T], devices: list[str]) -> Iterator[Encode[T]]:
    """While the block runs, a process for each device, which together encode what they are given, in its order.

    They end with the block, and with this process however it ends. The encoder raises what one of them raises, and
    BenchError if one dies.
    """
    context = multiprocessing.get_context("spawn")
    waiting: SimpleQueue[str] = context.SimpleQueue()
    for device in devices:
        waiting.put(device)
    pool = ProcessPoolExecutor(len(devices), context, _begin, (opened, waiting, _threads_of_each(len(devices))))
    try:
        yield partial(_encode, pool, len(devices))
    finally:
        pool.shutdown(cancel_futures=True)


def _encode(pool: ProcessPoolExecutor, workers: int, parts: Iterable[list[str]]) -> Iterator[Any]:
    begun = deque[Future[Any]]()
    try:
        for part in parts:
            begun.append(pool.submit(_read, part))
            if len(begun) > _AHEAD * workers:
                yield begun.popleft().result()
        while begun:
            yield begun.popleft().result()
    except BrokenProcessPool:
        raise BenchError(
            f"one of {workers} workers that encode documents died, perhaps for want of memory (the log may tell); "
            "take fewer workers or a smaller encoding_batch"
        ) from None


def _threads_of_each(workers: int) -> int:
    import torch

    return max(1, torch.get_num_threads() // workers)


_of_worker: dict[str, Callable[[list[str]], Any]] = {}
"""In a worker: what it encodes with."""


def _begin(opened: Open[Any], waiting: "SimpleQueue[str]", threads: int) -> None:
    import torch

    threading.Thread(target=_end_with_parent, daemon=True).start()
    torch.set_num_threads(threads)
    _of_worker["read"] = opened(waiting.get())


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _read(texts: list[str]) -> Any:
    return _of_worker["read"](texts)
