"""Folders of RecBole's atomic files (Zhao et al. 2021): interactions and items, tab-separated with typed columns."""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from reprlib import repr as short
from typing import Any, Literal, NamedTuple

import numpy as np
from pydantic import Field

from bench.collections.collection import Document
from bench.collections.sources.packages import stable_hash
from bench.collections.sources.sequences import Item, SequenceSource, core, ties
from bench.collections.writer import CollectionWriter
from bench.errors import BadLine, BenchError
from bench.progress import Progress
from bench.textfiles import Watch, file_state, parse_number, read_lines, unwatched

_LAYOUT = "a folder of RecBole's holds one NAME.inter and one NAME.item, each as it is or as .gz"
_TYPES = ("token", "token_seq", "float", "float_seq")
_COLUMN = re.compile(rf"([^:]+):({'|'.join(_TYPES)})")
_MARK = re.compile(r"\{([^{}]+)\}")

_ORDERS = {
    "file": "as in the file",
    "item": "by item id",
    "random": "at random",
}


class _Interactions(NamedTuple):
    """Columns of equal length: numbers of user and item, and times; with the ids that the numbers stand for."""

    users: np.ndarray
    items: np.ndarray
    times: np.ndarray
    user_ids: Sequence[str]
    item_ids: Sequence[str]

    def take(self, chosen: np.ndarray) -> "_Interactions":
        """Some of them, by mask or by position."""
        return self._replace(users=self.users[chosen], items=self.items[chosen], times=self.times[chosen])


class RecBole(SequenceSource):
    """A folder of RecBole's atomic files, NAME.inter and NAME.item, plain or .gz; each user asks for the next item.

    The header names and types the columns: `user_id:token`, `title:token_seq`. A file of users is not read. Of what
    follows, repeats are dropped first, then what is below the k-core, then users beyond the sample.
    """

    argument = "folder"
    layout = _LAYOUT

    folder: Path = Field(description="folder that holds NAME.inter and NAME.item")
    user: str = Field("user_id", min_length=1, description="column of .inter with the user")
    item: str = Field("item_id", min_length=1, description="column of .inter and .item with the item")
    time: str = Field("timestamp", description="column of .inter with the time, a number; empty: order of the file")
    item_title: str = Field("title", description="column of .item with the item's name; empty: none")
    item_text: str = Field(
        "", description="rest of the item's text, e.g. {brand} {categories}; empty: all other text columns"
    )
    tie_order: Literal["file", "item", "random"] = Field(
        "file", description="order of a user's interactions with equal times: as in the file, by item id, at random"
    )
    tie_seed: int = Field(0, ge=0, description="of tie_order=random")
    repeats: Literal["keep", "drop"] = Field(
        "keep", description="drop: of a user's interactions with one item only the first stays"
    )
    maximum_users: int = Field(0, ge=0, description="number of users, chosen by a hash of their ids; 0 for all")

    @classmethod
    def recognises(cls, folder: Path) -> bool:
        return any(next(folder.glob(f"*.inter{end}"), None) for end in ("", ".gz"))

    def state(self) -> dict[str, Any]:
        return {"files": [file_state(self._find(kind)) for kind in ("inter", "item")]}

    def read(self, writer: CollectionWriter, progress: Progress) -> None:
        interactions = self._read_interactions(progress)
        ordered = self._ordered(interactions)
        filtered = self._filtered(ordered)
        self.write(writer, self._items(progress), _sequences(self._sampled(filtered)))
        if self.maximum_users:
            writer.note("users drawn by a hash of their ids from", len(np.unique(filtered.users)))
        if self.time:
            tied = ties(interactions.users, interactions.times)
            writer.note("order of a user's equal times", f"{_ORDERS[self.tie_order]} ({tied:,} interactions)")
        else:
            writer.note("order of a user's interactions", _ORDERS[self.tie_order])
        writer.note("repeated interactions", {"keep": "kept", "drop": "dropped"}[self.repeats])

    def _find(self, kind: str) -> Path:
        found = sorted([*self.folder.glob(f"*.{kind}"), *self.folder.glob(f"*.{kind}.gz")])
        if len(found) != 1:
            names = ", ".join(path.name for path in found)
            problem = f"holds {names}" if found else f"lacks NAME.{kind}"
            raise BenchError(f"{self.folder} {problem if self.folder.is_dir() else 'is not a folder'}; {_LAYOUT}")
        return found[0]

    def _read_interactions(self, progress: Progress) -> _Interactions:
        path = self._find("inter")
        roles = [self.user, self.item] + ([self.time] if self.time else [])
        users, items, times = _Numbering(), _Numbering(), list[float]()
        for line, fields in _read(path, roles, partial(progress, "reading interactions")):
            user, item = fields[self.user], fields[self.item]
            if not user or not item:
                raise BadLine(path, line, f"no {self.item if user else self.user}", "the id of a user and of an item")
            users.add(user)
            items.add(item)
            times.append(parse_number(fields[self.time], path, line, self.time) if self.time else 0.0)
        return _Interactions(
            np.array(users.column, dtype=np.int64),
            np.array(items.column, dtype=np.int64),
            np.array(times),
            list(users.numbers),
            list(items.numbers),
        )

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
        path = self._find("item")
        columns = _header(path)
        wanted = [self.item, *([self.item_title] if self.item_title else []), *_MARK.findall(self.item_text)]
        template = self.item_text or " ".join(
            f"{{{name}}}"
            for name, kind in columns.items()
            if kind in ("token", "token_seq") and name not in (self.item, self.item_title)
        )
        for line, fields in _read(path, wanted, partial(progress, "reading items")):
            if not fields[self.item]:
                raise BadLine(path, line, f"no {self.item}", "the id of an item")
            title = fields[self.item_title].strip() if self.item_title else ""
            yield Item(Document(fields[self.item], title, _fill(template, fields)), f"{path}:{line}")


def _fill(template: str, fields: Mapping[str, str]) -> str:
    """The template with each {column} replaced by its field."""
    return _MARK.sub(lambda mark: fields[mark[1]], template).strip()


class _Numbering:
    """A column of names as numbers, counted from 0 in the order in which the names are first seen."""

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {}
        self.column: list[int] = []

    def add(self, name: str) -> None:
        self.column.append(self.numbers.setdefault(name, len(self.numbers)))


def _sequences(interactions: _Interactions) -> dict[str, list[str]]:
    """Item ids of each user, in the order of the interactions."""
    sequences: dict[str, list[str]] = {}
    for user, item in zip(interactions.users.tolist(), interactions.items.tolist(), strict=True):
        sequences.setdefault(interactions.user_ids[user], []).append(interactions.item_ids[item])
    return sequences


def _header(path: Path) -> dict[str, str]:
    """Type by name of the columns that the first line declares."""
    line, text = next(read_lines(path), (1, ""))
    found = [_COLUMN.fullmatch(cell) for cell in text.split("\t")]
    columns = {match[1]: match[2] for match in found if match}
    if None in found or len(columns) != len(found):
        expected = (
            f"a tab-separated header of different names, each with its type ({', '.join(_TYPES)}): user_id:token"
        )
        raise BadLine(path, line, f"the header is {short(text)}", expected)
    return columns


def _read(path: Path, wanted: Sequence[str], watch: Watch = unwatched) -> Iterator[tuple[int, Mapping[str, str]]]:
    """The fields below the header by column, with the line's number; blank lines are left out.

    Raises BadLine for a line that does not fit the header, and BenchError for a wanted column that is not there.
    """
    columns = _header(path)
    for name in wanted:
        if name not in columns:
            raise BenchError(
                f"{path} has no column '{name}': it has {', '.join(columns)}; say which one it is with "
                "?user=, ?item=, ?time=, ?item_title= or ?item_text="
            )
    for line, text in read_lines(path, watch):
        if line == 1 or not text.strip():
            continue
        fields = text.split("\t")
        if len(fields) != len(columns):
            expected = f"{len(columns)} tab-separated fields: {' '.join(columns)}"
            raise BadLine(path, line, f"{len(fields)} fields in {short(text)}", expected)
        yield line, dict(zip(columns, fields, strict=True))
