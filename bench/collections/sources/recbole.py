"""Folders of RecBole's atomic files: interactions with their times, items and users."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from pydantic import Field

from bench.collections.collection import Document
from bench.collections.sources.atomic_files import (
    LAYOUT,
    PARTS,
    fill,
    find,
    header,
    marks,
    needed,
    parse_time,
    rows,
)
from bench.collections.sources.packages import stable_hash
from bench.collections.sources.protocols import (
    Asked,
    CutOffs,
    Time,
    are_positions,
    dated,
    leaks,
    leave_one_out,
    split_by_time,
)
from bench.collections.sources.ready_splits import read_parts
from bench.collections.sources.sequences import Item, SequenceSource, core, ties
from bench.collections.writer import CollectionWriter
from bench.errors import BadLine, BenchError
from bench.progress import Progress
from bench.textfiles import file_state

_ORDERS = {
    "file": "as in the file",
    "item": "by item id",
    "random": "at random",
}
_UNREAD = ("kg", "link", "net")


class _Interactions(NamedTuple):
    """Columns of equal length: numbers of user, item and time; with the ids and times that the numbers stand for."""

    users: np.ndarray
    items: np.ndarray
    times: np.ndarray
    user_ids: Sequence[str]
    item_ids: Sequence[str]
    clock: Sequence[Time]
    """From the first on: a later time has a higher number."""

    def take(self, chosen: np.ndarray) -> "_Interactions":
        """Some of them, by mask or by position."""
        return self._replace(users=self.users[chosen], items=self.items[chosen], times=self.times[chosen])


class RecBole(SequenceSource):
    """A folder of RecBole's atomic files, plain or .gz: NAME.inter, and where items have texts NAME.item.

    The header names and types the columns: `user_id:token`, `title:token_seq`. Of what follows, repeats are dropped
    first, then what is below the k-core, then users beyond the sample. Files that hold the splits already
    (NAME.train.inter, NAME.valid.inter and NAME.test.inter, RecBole's benchmark_filename) are taken as they are.
    """

    argument = "folder"
    layout = LAYOUT

    folder: Path = Field(description="folder that holds NAME.inter, and NAME.item where items have texts")
    user: str = Field("user_id", min_length=1, description="column of .inter and .user with the user")
    item: str = Field("item_id", min_length=1, description="column of .inter and .item with the item")
    time: str = Field("timestamp", description="column of .inter with the time, a number; empty: order of the file")
    item_title: str = Field("title", description="column of .item with the item's name; empty: none")
    item_text: str = Field(
        "", description="rest of the item's text, e.g. {brand} {categories}; empty: all other text columns"
    )
    user_text: str = Field(
        "", description="what a question in words says of the user, of columns of .user, e.g. {age} {gender}"
    )
    protocol: Literal["leave-one-out", "time"] = Field(
        "leave-one-out",
        description="what is asked: each user's last item, or the first from a point in time on, the same for all",
    )
    valid_from: int | float | None = Field(
        None, description="protocol=time: from when on nothing is fitted; none: a tenth of all lies up to test_from"
    )
    test_from: int | float | None = Field(
        None, description="protocol=time: from when on it is asked; none: when the last tenth of all begins"
    )
    tie_order: Literal["file", "item", "random"] = Field(
        "file", description="order of a user's interactions with equal times: as in the file, by item id, at random"
    )
    tie_seed: int = Field(0, ge=0, description="of tie_order=random")
    repeats: Literal["keep", "drop"] = Field(
        "keep", description="drop: of a user's interactions with one item only the first stays"
    )
    incomplete: Literal["refuse", "drop"] = Field(
        "refuse", description="interactions without user, item or time (or NaN as the time): an error, or left out"
    )
    maximum_users: int = Field(0, ge=0, description="number of users, chosen by a hash of their ids; 0 for all")

    @classmethod
    def recognises(cls, folder: Path) -> bool:
        return any(next(folder.glob(f"*.inter{end}"), None) for end in ("", ".gz"))

    def state(self) -> dict[str, Any]:
        """Of every file that is read. Raises BenchError where there are no interactions."""
        kinds = [f"{part}.inter" for part in PARTS] if self._in_parts() else ["inter"]
        paths = [needed(self.folder, kind) for kind in kinds]
        paths += [path for kind in ("item", "user") if (path := find(self.folder, kind))]
        return {"files": [file_state(path) for path in paths]}

    def _in_parts(self) -> bool:
        return find(self.folder, "inter") is None and find(self.folder, "train.inter") is not None

    def read(self, writer: CollectionWriter, progress: Progress) -> None:
        in_parts = self._in_parts()
        if in_parts:
            self._refuse_filters()
            asked = read_parts(self.folder, self.user, self.item, self.time)
        else:
            asked = self._asked(progress)
        self.ask(writer, self._items(progress), asked, self._users(asked, writer, progress))
        kinds = _UNREAD if in_parts else (*_UNREAD, *(f"{part}.inter" for part in PARTS))
        unread = [path.name for kind in kinds if (path := find(self.folder, kind))]
        if unread:
            writer.note("files that are not read", ", ".join(unread))

    def _refuse_filters(self) -> None:
        filters = ("minimum_interactions", "repeats", "maximum_users", "protocol", "incomplete")
        for name in (*filters, "valid_from", "test_from"):
            if getattr(self, name) != type(self).model_fields[name].default:
                raise BenchError(
                    f"{self.folder} holds splits that somebody made, which are taken as they are; leave out ?{name}="
                )

    def _asked(self, progress: Progress) -> Asked:
        interactions, incomplete = self._read_interactions(progress)
        ordered = self._ordered(interactions)
        shared_clock = bool(self.time) and not are_positions(_by_user(ordered)[1].values())
        filtered = self._filtered(ordered)
        sequences, times = _by_user(self._sampled(filtered))
        asked = self._by_protocol(sequences, times, shared_clock)
        if shared_clock:
            asked = dated(asked, times)
        notes = dict(asked.notes)
        if self.maximum_users:
            notes["users drawn by a hash of their ids from"] = len(np.unique(filtered.users))
        if incomplete:
            notes["interactions left out (no user, item or time)"] = incomplete
        if self.time:
            tied = ties(interactions.users, interactions.times)
            notes["order of a user's equal times"] = f"{_ORDERS[self.tie_order]} ({tied:,} interactions)"
        else:
            notes["order of a user's interactions"] = _ORDERS[self.tie_order]
        notes["repeated interactions"] = {"keep": "kept", "drop": "dropped"}[self.repeats]
        return Asked(asked.questions, notes)

    def _by_protocol(
        self, sequences: Mapping[str, Sequence[str]], times: Mapping[str, Sequence[Time]], shared_clock: bool
    ) -> Asked:
        if self.protocol == "time":
            if not shared_clock:
                problem = "positions in each user's own sequence" if self.time else "not read (?time= is empty)"
                raise BenchError(
                    f"{self.folder}: a split by time needs times that all users share, and they are {problem}; take "
                    "?protocol=leave-one-out"
                )
            return split_by_time(sequences, times, CutOffs.of(times.values(), self.valid_from, self.test_from))
        for name in ("valid_from", "test_from"):
            if getattr(self, name) is not None:
                raise BenchError(f"?{name}= is for ?protocol=time; give both, or neither")
        asked = leave_one_out(sequences)
        told = leaks(list(times.values())) if shared_clock else "not known, times are positions in each sequence"
        later = {"later than the question": told} if self.time else {}
        return Asked(asked.questions, {**asked.notes, **later})

    def _read_interactions(self, progress: Progress) -> tuple[_Interactions, int]:
        """The interactions as they are in the file, and how many were left out."""
        path = needed(self.folder, "inter")
        roles = [self.user, self.item] + ([self.time] if self.time else [])
        users, items, times = _Numbering(), _Numbering(), list[Time]()
        left_out = 0
        for line, fields in rows(path, roles, partial(progress, "reading interactions")):
            lacking = self._lacking(roles, fields)
            if lacking and self.incomplete == "refuse":
                complete = "the id of a user and of an item" + (", and a time" if self.time else "")
                raise BadLine(
                    path, line, lacking, f"{complete}; ?incomplete=drop leaves such lines out and counts them"
                )
            if lacking:
                left_out += 1
                continue
            users.add(fields[self.user])
            items.add(fields[self.item])
            times.append(parse_time(fields[self.time], path, line, self.time) if self.time else 0)
        clock = sorted(set(times))
        numbers = {time: number for number, time in enumerate(clock)}
        read = _Interactions(
            users=np.array(users.column, dtype=np.int64),
            items=np.array(items.column, dtype=np.int64),
            times=np.array([numbers[time] for time in times], dtype=np.int64),
            user_ids=list(users.numbers),
            item_ids=list(items.numbers),
            clock=clock,
        )
        return read, left_out

    def _lacking(self, roles: Sequence[str], fields: Mapping[str, str]) -> str:
        """Which value an interaction has not, in words; an id may be any text, also NaN."""
        empty = [f"no {role}" for role in roles if not fields[role]]
        if not empty and self.time and fields[self.time].lower() == "nan":
            empty = [f"the {self.time} is '{fields[self.time]}'"]
        return empty[0] if empty else ""

    def _ordered(self, interactions: _Interactions) -> _Interactions:
        """By user, then by time, then as `tie_order` says."""
        size = len(interactions.users)
        tie_keys = np.arange(size)
        if self.tie_order == "item":
            tie_keys = np.argsort(np.argsort(np.array(interactions.item_ids, dtype=object)))[interactions.items]
        elif self.tie_order == "random":
            tie_keys = np.random.default_rng(self.tie_seed).permutation(size)
        return interactions.take(np.lexsort((tie_keys, interactions.times, interactions.users)))

    def _filtered(self, interactions: _Interactions) -> _Interactions:
        if self.repeats == "drop":
            pairs = interactions.users * len(interactions.item_ids) + interactions.items
            interactions = interactions.take(np.sort(np.unique(pairs, return_index=True)[1]))
        return interactions.take(core(interactions.users, interactions.items, self.minimum_interactions))

    def _sampled(self, interactions: _Interactions) -> _Interactions:
        users = np.unique(interactions.users)
        if not self.maximum_users or self.maximum_users >= len(users):
            return interactions
        hashes = [stable_hash(interactions.user_ids[user]) for user in users]
        chosen = users[np.argsort(hashes)[: self.maximum_users]]
        return interactions.take(np.isin(interactions.users, chosen))

    def _items(self, progress: Progress) -> Iterator[Item]:
        path = find(self.folder, "item")
        if path is None:
            return
        columns = header(path)
        wanted = [self.item, *([self.item_title] if self.item_title else []), *marks(self.item_text)]
        template = self.item_text or " ".join(
            f"{{{name}}}"
            for name, kind in columns.items()
            if kind in ("token", "token_seq") and name not in (self.item, self.item_title)
        )
        for line, fields in rows(path, wanted, partial(progress, "reading items")):
            if not fields[self.item]:
                raise BadLine(path, line, f"no {self.item}", "the id of an item")
            title = fields[self.item_title].strip() if self.item_title else ""
            yield Item(Document(fields[self.item], title, fill(template, fields)), f"{path}:{line}")

    def _users(self, asked: Asked, writer: CollectionWriter, progress: Progress) -> dict[str, str]:
        """What a question says of its user, by user; nothing where that was not asked for."""
        if not self.user_text:
            return {}
        path = needed(self.folder, "user")
        wanted = [self.user, *marks(self.user_text)]
        texts = {
            fields[self.user]: fill(self.user_text, fields)
            for _, fields in rows(path, wanted, partial(progress, "reading users"))
        }
        writer.note("users that .user does not describe", len({one.user for one in asked.questions} - texts.keys()))
        return texts


class _Numbering:
    """A column of names as numbers, counted from 0 in the order in which the names are first seen."""

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {}
        self.column: list[int] = []

    def add(self, name: str) -> None:
        self.column.append(self.numbers.setdefault(name, len(self.numbers)))


def _by_user(interactions: _Interactions) -> tuple[dict[str, list[str]], dict[str, list[Time]]]:
    """Item ids and times of each user, in the order of the interactions."""
    sequences: dict[str, list[str]] = {}
    times: dict[str, list[Time]] = {}
    columns = (interactions.users.tolist(), interactions.items.tolist(), interactions.times.tolist())
    for user, item, time in zip(*columns, strict=True):
        sequences.setdefault(interactions.user_ids[user], []).append(interactions.item_ids[item])
        times.setdefault(interactions.user_ids[user], []).append(interactions.clock[time])
    return sequences, times
