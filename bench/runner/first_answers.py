"""Holds first answers against others: `load` has to give what `fit` gave, and a question asked again the same."""

from pathlib import Path

import numpy as np

from bench.cells.folder import first_answers_file
from bench.errors import InvalidOutput, LoadsOtherwise
from bench.rankings import Rankings
from bench.store import new_file

_TOLERANCE = 1e-3
"""Of the span of an answer's scores; the same sums in another order differ by less."""

_LOOSE = 0.1
"""As much, where what is read beside a text may change its numbers, as it does in bfloat16."""


def keep_first_answers(folder: Path, task: str, answers: Rankings) -> None:
    """Keep the fitted system's answers to the first questions of a task."""
    with new_file(first_answers_file(folder)) as draft, draft.open("wb") as file:
        np.savez(file, task=np.array(task), offsets=answers.offsets, rows=answers.rows, scores=answers.scores)


def check_first_answers(folder: Path, task: str, answers: Rankings) -> None:
    """Raise LoadsOtherwise if the loaded system answers otherwise to the questions that were kept."""
    if not first_answers_file(folder).is_file():
        return
    with np.load(first_answers_file(folder), allow_pickle=False) as kept:
        if str(kept["task"]) != task or len(kept["offsets"]) != len(answers.offsets):
            return
        before = Rankings(answers.query_ids, kept["offsets"], kept["rows"], kept["scores"])
    for position, query_id in enumerate(answers.query_ids):
        if not alike(before.of(position), answers.of(position)):
            raise LoadsOtherwise(
                f"query '{query_id}': the index that was loaded answers otherwise than the system that was fitted; "
                "mend its save() or load(), or draw no random number that its seed does not decide"
            )


def check_asked_again(first: Rankings, among_all: Rankings) -> None:
    """Raise InvalidOutput if questions that were asked first have other answers among all the questions."""
    for position, query_id in enumerate(first.query_ids):
        if not alike(first.of(position), among_all.of(position), _LOOSE):
            raise InvalidOutput(
                f"query '{query_id}' has another answer when it is asked again among all queries; draw no random "
                "number that the seed does not decide, and let no query's answer depend on the others"
            )


def alike(
    first: tuple[np.ndarray, np.ndarray], second: tuple[np.ndarray, np.ndarray], tolerance: float = _TOLERANCE
) -> bool:
    """Whether two answers hold the same documents with the same scores, but for what nearly ties at the end."""
    (rows, scores), (others, other_scores) = first, second
    if not (len(rows) and len(others)):
        return len(rows) == len(others)
    if not (np.isfinite(scores).all() and np.isfinite(other_scores).all()):
        return True  # refused by its own name later
    slack = tolerance * float(np.ptp(scores)) + 1e-5 * float(np.abs(scores).max())
    known = dict(zip(rows.tolist(), scores.tolist(), strict=True))
    found = dict(zip(others.tolist(), other_scores.tolist(), strict=True))
    lowest = min(known.values())
    return all(abs(known.get(row, lowest) - found.get(row, lowest)) <= slack for row in {*known, *found})
