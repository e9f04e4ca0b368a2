"""How users' sequences become questions of the splits test, valid and train: leave-one-out, or cut at points in time.

The split `train` is what may be fitted: its histories, each with its target. `valid` only selects.
"""

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from bench.errors import BenchError

Time = int | float
"""A point in time in whatever unit the data have; whole numbers are exact, however large."""

SPLITS = ("test", "valid", "train")
"""Of leave-one-out. Each asks for one item of a user's sequence: the last, the last but one, the one before that."""

_UNITS = (1, 10**3, 10**6, 10**9)
"""Of a second: seconds, milliseconds, microseconds, nanoseconds."""

_EARLIEST = 10**8
"""Seconds since 1970, in the year 1973."""

_HELD_BACK = 0.1
"""Share of all interactions that lie in the time of `test`, and in that of `valid`, where no cut-off is given."""


class Question(NamedTuple):
    """What a user had, oldest first, and the item that comes next. `name` is unique in its split.

    `times` has when each item of the history was had, and last the target: seconds since 1970, or none if unknown.
    `of` is the user where the question has not the user's name, since a user has several.
    """

    split: str
    name: str
    history: Sequence[str]
    target: str
    times: Sequence[float] = ()
    of: str = ""

    @property
    def user(self) -> str:
        """Whose question it is."""
        return self.of or self.name


@dataclass(frozen=True)
class Asked:
    """Questions, and how they were made, for the foot of a table. Notes have `protocol` and `fitted on`."""

    questions: Sequence[Question]
    notes: Mapping[str, Any]


def dated(asked: Asked, times: Mapping[str, Sequence[Time]]) -> Asked:
    """The questions with their times, if these are dates; else as they are.

    `times` has those of each user's interactions; a question is named by its user, and asks for what comes after the
    beginning of the user's sequence. The unit is a second, or that fraction of one by which the latest time lies
    between 1973 and 5138: there is never more than one.
    """
    latest = max(time for of_user in times.values() for time in of_user)
    units = [unit for unit in _UNITS if _EARLIEST <= latest / unit < _EARLIEST * 1000]
    if not units:
        return asked
    questions = [
        one._replace(times=[time / units[0] for time in times[one.name][: len(one.history) + 1]])
        for one in asked.questions
    ]
    return Asked(questions, asked.notes)


def leave_one_out(sequences: Mapping[str, Sequence[str]]) -> Asked:
    """Of each user with three items or more the last, the last but one, and the one before that.

    `sequences` has every user's items, oldest first. Raises BenchError when no user has three.
    """
    kept = {user: ids for user, ids in sequences.items() if len(ids) >= len(SPLITS)}
    if not kept:
        remedy = "give longer sequences" if sequences else "lower ?minimum_interactions=, which leaves out all users"
        raise BenchError(
            f"none of {len(sequences)} users has {len(SPLITS)} interactions or more, which leave-one-out needs; "
            f"{remedy}"
        )
    questions = [
        Question(split, user, ids[:-place], ids[-place])
        for user, ids in kept.items()
        for place, split in enumerate(SPLITS, start=1)
    ]
    notes = {
        "protocol": "leave-one-out",
        "fitted on": "sequences without their last two items",
        "users": len(kept),
        f"users left out (fewer than {len(SPLITS)} interactions)": len(sequences) - len(kept),
        "interactions": sum(map(len, kept.values())),
    }
    return Asked(questions, notes)


def leaks(times: Sequence[Sequence[Time]]) -> str:
    """What leave-one-out lets a system see of the future, in words.

    `times` has those of each user's interactions, in their order; a user with fewer than three is not asked.
    """
    kept = [of_user for of_user in times if len(of_user) >= len(SPLITS)]
    clock = sorted({time for of_user in kept for time in of_user})
    fitted = np.sort([bisect_left(clock, time) for of_user in kept for time in of_user[: -len(SPLITS) + 1]])
    asked = np.array([bisect_left(clock, of_user[-1]) for of_user in kept])
    later = len(fitted) - np.searchsorted(fitted, asked, side="right")
    return (
        f"on average {(later / len(fitted)).mean():.1%} of the interactions that are fitted come after the one asked "
        f"for; {int((later > 0).sum()):,} of {len(kept):,} questions have such"
    )


def are_positions(times: Iterable[Sequence[Time]]) -> bool:
    """Whether times only count each user's interactions, from 0 or from 1, so that users share no clock."""
    return all(list(of_user) in (list(range(len(of_user))), list(range(1, len(of_user) + 1))) for of_user in times)


@dataclass(frozen=True)
class CutOffs:
    """From when on interactions are of the time of `valid`, and of `test`."""

    valid: Time
    test: Time

    @classmethod
    def of(cls, times: Iterable[Sequence[Time]], valid: Time | None, test: Time | None) -> "CutOffs":
        """Those given; else so that a tenth of all interactions lies in each.

        Raises BenchError for cut-offs that leave nothing before, between or after them.
        """
        ordered = sorted(time for of_user in times for time in of_user)
        test = ordered[int(len(ordered) * (1 - _HELD_BACK))] if test is None else test
        before = ordered[: bisect_left(ordered, test)]
        held = min(len(before) - 1, int(len(before) - len(ordered) * _HELD_BACK))
        valid = (before[max(held, 0)] if before else test) if valid is None else valid
        if not ordered[0] < valid < test <= ordered[-1]:
            raise BenchError(
                f"cut-offs {valid} (valid) and {test} (test) leave one part empty: times go from {ordered[0]} to "
                f"{ordered[-1]}; give ?valid_from= and ?test_from= between them, the first below the second"
            )
        return cls(valid, test)


def split_by_time(
    sequences: Mapping[str, Sequence[str]], times: Mapping[str, Sequence[Time]], cuts: CutOffs
) -> Asked:
    """Of each user the first item in the time of `test`, after all before that time; likewise `valid`.

    `times` has those of each user's items, which are in their order. What is fitted lies before the time of `valid`,
    so nothing that is fitted comes after anything that is asked. Raises BenchError when nobody is left to ask.
    """
    questions, strangers = list[Question](), 0
    for user, ids in sequences.items():
        early, late = (bisect_left(times[user], cut) for cut in (cuts.valid, cuts.test))
        if late < len(ids) and late:
            questions.append(Question("test", user, ids[:late], ids[late]))
        strangers += late == 0
        if 0 < early < late:
            questions.append(Question("valid", user, ids[:early], ids[early]))
        if early:
            questions.append(Question("train", user, ids[: early - 1], ids[early - 1]))
    asked = sum(question.split == "test" for question in questions)
    if not asked:
        raise BenchError(f"no user has interactions before and after {cuts.test}; lower ?test_from=")
    after = sum(len(of_user) - bisect_left(of_user, cuts.test) for of_user in times.values())
    notes = {
        "protocol": f"split at the times {cuts.valid} and {cuts.test}",
        "fitted on": f"interactions before {cuts.valid}",
        "users": asked,
        "users left out (no history before the time that is asked about)": strangers,
        "interactions": sum(map(len, sequences.values())),
        "interactions from then on that nobody is asked about": after - asked,
    }
    return Asked(questions, notes)


def named_by_user(split: str, found: Sequence[tuple[str, Sequence[str], str]]) -> list[Question]:
    """Questions of (user, history, target); those of one user beyond the first are told apart by a number."""
    counts: dict[str, int] = {}
    questions = []
    for user, history, target in found:
        counts[user] = number = counts.get(user, 0) + 1
        name, of = (user, "") if number == 1 else (f"{user}#{number}", user)
        questions.append(Question(split, name, history, target, of=of))
    return questions
