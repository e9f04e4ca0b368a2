"""Work in progress: a live line for each piece, and for cells what became of them."""

from types import TracebackType
from typing import TYPE_CHECKING, Self

from rich.console import Console
from rich.text import Text

from bench.terminal.console import text
from bench.visible import visible

if TYPE_CHECKING:
    from rich.progress import TaskID

    from bench.runner.plan import Cell


class LiveLines:
    """A line on the screen for each piece of work, while it is at work."""

    def __init__(self, screen: Console) -> None:
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        self._screen = screen
        self._progress = Progress(
            TextColumn("{task.fields[work]}", markup=False),
            BarColumn(bar_width=24),
            TextColumn("{task.description}", markup=False),
            TimeElapsedColumn(),
            console=screen,
            transient=True,
        )

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def _begin(self, work: str) -> "TaskID":
        return self._progress.add_task("starting", total=None, work=work)

    def _tell(self, line: "TaskID", phase: str, done: int | None, total: int | None) -> None:
        """What the work is at, and how far; a retriever may not know."""
        done, total = done or 0, total or 0
        countable = total > 1
        self._progress.update(
            line,
            description=visible(f"{phase} {done:,}/{total:,}" if countable else phase),
            completed=done if countable else 0,
            total=total if countable else None,
        )


class ProgressDisplay(LiveLines):
    """A live line for each cell at work; where there is no terminal, a line for each cell that ends."""

    def __init__(self, screen: Console) -> None:
        super().__init__(screen)
        self._lines: dict[tuple[str, str, int], TaskID] = {}

    def started(self, cell: "Cell") -> None:
        """A line for the cell; one that was begun on a machine that is lost has no other beside it."""
        if (earlier := self._lines.get(_place(cell))) is not None:
            self._progress.remove_task(earlier)
        self._lines[_place(cell)] = self._begin(_cell_name(cell))

    def progressed(self, cell: "Cell", phase: str, done: int, total: int) -> None:
        """What the cell is at, and how far."""
        self._tell(self._lines[_place(cell)], phase, done, total)

    def finished(self, cell: "Cell", seconds: float, problem: str) -> None:
        """What became of the cell stays on the screen."""
        self._progress.remove_task(self._lines.pop(_place(cell)))
        outcome = text(f"failed: {problem}", style="red") if problem else Text("done", style="green")
        self._screen.print(Text(_cell_name(cell)), outcome, Text(f"{seconds:.1f} s", style="dim"))


def _place(cell: "Cell") -> tuple[str, str, int]:
    return cell.system, cell.collection, cell.seed


def _cell_name(cell: "Cell") -> str:
    return visible(f"{cell.system} on {cell.collection}" + (f", seed {cell.seed}" if cell.seed else ""))
