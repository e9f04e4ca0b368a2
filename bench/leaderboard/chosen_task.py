"""Which of a cell's tasks is meant, of which several may have one name."""

from collections.abc import Mapping
from typing import Any, cast

from bench.cells.record import CellRecord, TaskRecord
from bench.errors import BenchError, UnknownName
from bench.leaderboard.board import spelled, told_apart
from bench.leaderboard.build import record_of
from bench.runner.plan import open_task


def chosen_task(cell: CellRecord, name: str, options: Mapping[str, Any], remedy: str = "") -> TaskRecord:
    """The cell's task of that name with these options; of several, the one whose other options are the defaults.

    Raises BenchError where there is none, which may end in a remedy, or it is left open which one is meant.
    """
    named = {repr(one.result.options): one.result.options for one in cell.tasks if one.result.task == name}
    if not named:
        reason = f" ({cell.problem})" if cell.problem else ""
        there = [one.result.task for one in cell.tasks]
        raise UnknownName("task", name, there, f"in {cell.folder}{reason}{remedy}")
    wanted = open_task(name, options).options()
    given = {option: wanted[option] for option in {key.partition(".")[0] for key in options}}
    found = [one for one in named.values() if given.items() <= one.items()]
    if wanted in found:
        found = [wanted]
    if len(found) == 1:
        return cast("TaskRecord", record_of(cell, name, found[0]))
    problem = f"{len(found)} tasks are" if found else "no task is"
    apart = ", ".join(told_apart([(name, one) for one in named.values()]))
    raise BenchError(f"{cell.folder}: {problem} {spelled(name, given)}; give one of {apart}")
