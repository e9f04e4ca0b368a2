"""A search for options at work, and what it found."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from bench.terminal.console import add, table, text
from bench.terminal.progress import LiveLines
from bench.tuning.trials import Trial
from bench.visible import visible

if TYPE_CHECKING:
    from rich.progress import TaskID


class TrialsDisplay(LiveLines):
    """A live line for each trial at work; what became of a trial stays on the screen."""

    def __init__(self, screen: Console, system: str, trials: int) -> None:
        super().__init__(screen)
        self._system, self._trials = system, trials
        self._lines: dict[int, TaskID] = {}

    def started(self, number: int, options: Mapping[str, Any]) -> None:
        """A line for the trial."""
        self._lines[number] = self._begin(self._name(number, options))

    def progressed(self, number: int, phase: str, done: int, total: int) -> None:
        """What the trial is at, and how far."""
        self._tell(self._lines[number], phase, done, total)

    def finished(self, trial: Trial) -> None:
        """What became of the trial stays on the screen."""
        self._progress.remove_task(self._lines.pop(trial.number))
        name = Text(self._name(trial.number, trial.options))
        self._screen.print(name, outcome(trial), Text(f"{trial.seconds:.1f} s", style="dim"))

    def _name(self, number: int, options: Mapping[str, Any]) -> str:
        return visible(f"{self._system} {number + 1}/{self._trials}: {chosen(options)}")


def chosen(options: Mapping[str, Any]) -> str:
    """A trial's options in words."""
    return ", ".join(f"{name}={value}" for name, value in options.items()) or "as it stands"


def outcome(trial: Trial) -> Text:
    """What a trial came to."""
    if trial.outcome == "done":
        measure, value = next(iter(trial.figures.items()))
        return text(f"{measure} {value:.4f}", style="green")
    if trial.outcome == "stopped":
        return text("stopped: the time is up", style="yellow")
    return text(f"failed: {trial.problem}", style="red")


def trials_table(ranked: Sequence[Trial], measure: str, most: int = 10) -> Table:
    """The best trials."""
    made = table(("trial", "options", measure, "seconds"), right=("trial", measure, "seconds"))
    for trial in ranked[:most]:
        figure, seconds = f"{trial.figures[measure]:.4f}", f"{trial.seconds:.1f}"
        add(made, trial.number, chosen(trial.options), figure, seconds)
    return made
