"""Interactions that lie in a file for each split, RecBole's benchmark_filename: taken as they are."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from bench.collections.sources.atomic_files import PARTS, header, needed, parse_time, rows
from bench.collections.sources.protocols import Asked, Question, Time, named_by_user
from bench.errors import BadLine, BenchError

History = tuple[str, Sequence[str], str]
"""A user, what the user had, oldest first, and what comes next."""


def read_parts(folder: Path, user: str, item: str, time: str) -> Asked:
    """The questions of NAME.train.inter, NAME.valid.inter and NAME.test.inter.

    A row that lists its history (`item_id_list`) is a question. Without such lists the first row of each user in a
    split, by time, is asked for after all rows of the splits before it, and the last row of `train` after the others.
    Raises BenchError where a file is missing or nobody with a history is asked.
    """
    paths = {part: needed(folder, f"{part}.inter") for part in PARTS}
    lists = f"{item}_list"
    listed = [lists in header(path) for path in paths.values()]
    if any(listed) != all(listed):
        raise BenchError(
            f"{folder}: only some of the three files have the column {lists}; give it to all, or to none"
        )
    if all(listed):
        found_rows = {part: list(_listed(path, user, item, lists)) for part, path in paths.items()}
        found_rows["train"] = _longest(found_rows["train"])
    else:
        found_rows = _sequential({part: _in_order(path, user, item, time) for part, path in paths.items()})
    asked: list[Question] = []
    strangers = 0
    for part in reversed(PARTS):
        known = [row for row in found_rows[part] if row[1] or part == "train"]
        strangers += len(found_rows[part]) - len(known)
        asked += named_by_user(part, known)
    if not any(question.split == "test" for question in asked):
        raise BenchError(f"{paths['test']} asks nobody who has a history; look at the columns {user} and {lists}")
    notes = {
        "protocol": "splits as they were given",
        "fitted on": paths["train"].name,
        "users": len({row[0] for row in found_rows["test"]}),
        "questions left out (no history)": strangers,
    }
    return Asked(asked, notes)


def _listed(path: Path, user: str, item: str, lists: str) -> Iterator[History]:
    for line, fields in rows(path, [user, item, lists]):
        if not fields[user] or not fields[item]:
            raise BadLine(path, line, f"no {item if fields[user] else user}", "the id of a user and of an item")
        yield fields[user], tuple(fields[lists].split()), fields[item]


def _longest(questions: Sequence[History]) -> list[History]:
    """Without those whose whole sequence is the beginning of another one of the same user.

    RecBole writes every beginning of a sequence as a row of its own; counting each would count early items often.
    """
    beginnings = {(user, history[:end]) for user, history, _ in questions for end in range(1, len(history) + 1)}
    whole = dict.fromkeys((user, (*history, target)) for user, history, target in questions)
    return [(user, items[:-1], items[-1]) for user, items in whole if (user, items) not in beginnings]


def _in_order(path: Path, user: str, item: str, time: str) -> dict[str, list[str]]:
    """Items of each user by time; those of equal times as in the file."""
    timed: dict[str, list[tuple[Time, str]]] = {}
    for line, fields in rows(path, [user, item, *([time] if time else [])]):
        if not fields[user] or not fields[item]:
            raise BadLine(path, line, f"no {item if fields[user] else user}", "the id of a user and of an item")
        when = parse_time(fields[time], path, line, time) if time else 0
        timed.setdefault(fields[user], []).append((when, fields[item]))
    return {name: [one for _, one in sorted(found, key=lambda pair: pair[0])] for name, found in timed.items()}


def _sequential(parts: dict[str, dict[str, list[str]]]) -> dict[str, list[History]]:
    train, valid, test = (parts[part] for part in PARTS)
    return {
        "train": [(user, items[:-1], items[-1]) for user, items in train.items()],
        "valid": [(user, train.get(user, []), items[0]) for user, items in valid.items()],
        "test": [(user, train.get(user, []) + valid.get(user, []), items[0]) for user, items in test.items()],
    }
