"""What is told of cells at work, who tells it and who is told."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Protocol

from bench.cells.stores import CellStore
from bench.runner.plan import Cell


@dataclass(frozen=True)
class Begun:
    """Somebody takes the cell up."""


@dataclass(frozen=True)
class Progressed:
    """How far it is, as `bench.progress` has it."""

    phase: str
    done: int
    total: int


@dataclass(frozen=True)
class Remarked:
    """What whoever runs it should know, in a line: something was damaged and is made again, a job was submitted."""

    text: str


@dataclass(frozen=True)
class Ended:
    """Whatever it came to is in the store. `problem` says why, if it is not a result."""

    seconds: float
    problem: str


Event = Begun | Progressed | Remarked | Ended


@dataclass(frozen=True)
class Order:
    """What all cells of a run have in common.

    store: where their records go
    fresh: whether finished ones are run again
    argv: the command line's arguments, for the record
    """

    store: CellStore
    fresh: bool = False
    argv: tuple[str, ...] = ()


class Executor(Protocol):
    """Where and when cells are worked on; what becomes of one is the same everywhere: `bench.runner.life`."""

    def run(self, cells: Sequence[Cell], order: Order) -> Generator[tuple[Cell, Event]]:
        """Work on cells and tell how they get on; closing the iterator ends what is at work.

        A failed cell is an `Ended` with its problem and a record in the store. Raises BenchError for what keeps all
        cells from being run.
        """


class Watcher(Protocol):
    """Is told how the cells get on."""

    def started(self, cell: Cell) -> None: ...
    def progressed(self, cell: Cell, phase: str, done: int, total: int) -> None: ...
    def finished(self, cell: Cell, seconds: float, problem: str) -> None: ...


class Unwatched:
    """Nobody is told."""

    def started(self, cell: Cell) -> None: ...
    def progressed(self, cell: Cell, phase: str, done: int, total: int) -> None: ...
    def finished(self, cell: Cell, seconds: float, problem: str) -> None: ...
