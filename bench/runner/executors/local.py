"""Runs cells on this machine, in processes of their own, so that one that dies takes nothing with it."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import wait

from bench.machine import usable_cores
from bench.runner.cell import Setting
from bench.runner.events import Event, Order
from bench.runner.life import CellLife, is_neural, none_left_at_work
from bench.runner.plan import Cell
from bench.runner.worker import fork_context

_TICK = 0.2
"""Seconds between two looks at the time limits."""


@dataclass(frozen=True)
class LocalExecutor:
    """`jobs` cells at a time, which share the cores; a cell that needs fewer computes with fewer threads."""

    jobs: int = 1

    def run(self, cells: Sequence[Cell], order: Order) -> Generator[tuple[Cell, Event]]:
        context, share = fork_context(is_neural(cells)), max(1, len(usable_cores()) // self.jobs)
        waiting, lives = list(cells), list[CellLife]()
        with none_left_at_work(lives):
            while waiting or lives:
                while waiting and sum(life.at_work for life in lives) < self.jobs:
                    cell = waiting.pop(0)
                    threads = min(share, cell.needs.cpus or share)
                    life = CellLife(cell, order, Setting(threads, order.argv), context)
                    lives.append(life)
                    yield from ((cell, event) for event in life.begin())
                lives[:] = [life for life in lives if not life.over]
                wait([handle for life in lives for handle in life.handles], timeout=_TICK if lives else 0)
                for life in lives:
                    if life.at_work or sum(other.at_work for other in lives) < self.jobs:
                        yield from ((life.cell, event) for event in life.step())
