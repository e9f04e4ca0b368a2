"""The record of a search: which options were tried and what each came to, a line of JSON for each."""

import json
from collections.abc import Sequence
from math import isfinite
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from bench.errors import BadLine
from bench.options import plain
from bench.store import write_text
from bench.textfiles import read_lines

Outcome = Literal["done", "failed", "stopped"]


class Trial(BaseModel):
    """One system with chosen options, judged.

    number: from 0, the system as it stands
    options: what was chosen, by dotted name
    figures: means of the task's measures, the one that decides first; empty unless it is done
    seconds: of fit and answers together; of one that was stopped and went on, of all its parts
    outcome: "stopped" when the budget ended it, so that more time would let it go on
    problem: why it failed
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    number: int
    options: dict[str, Any]
    figures: dict[str, float]
    seconds: float
    outcome: Outcome
    problem: str = ""


def read_trials(path: Path) -> list[Trial]:
    """The trials of a file, by number; none where there is no file. Raises BadLine for a line that is none."""
    if not path.is_file():
        return []
    return sorted((_trial(path, number, line) for number, line in read_lines(path)), key=lambda one: one.number)


def _trial(path: Path, number: int, line: str) -> Trial:
    try:
        return Trial.model_validate_json(line)
    except ValidationError as error:
        problem = f"the trial's {plain(error.errors()[0])}"
        raise BadLine(path, number, problem, "a trial as `bench tune` writes it; --fresh begins anew") from None


def write_trials(path: Path, trials: Sequence[Trial]) -> None:
    """Replace the file in one step."""
    write_text(path, "".join(json.dumps(trial.model_dump()) + "\n" for trial in trials))


def ranked(trials: Sequence[Trial], measure: str, higher_is_better: bool) -> list[Trial]:
    """The trials that are done, the best first, of equals the earlier."""
    done = [trial for trial in trials if trial.outcome == "done" and isfinite(trial.figures[measure])]
    sign = -1 if higher_is_better else 1
    return sorted(done, key=lambda trial: (sign * trial.figures[measure], trial.number))
