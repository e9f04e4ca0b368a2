"""Sequences as papers with identifiers of items publish them: a list of item ids for each user, oldest first.

S3-Rec (Zhou et al. 2020) writes a line for each user; TIGER's reimplementations, LC-Rec (Zheng et al. 2024) and
LETTER (Wang et al. 2024) write NAME.inter.json, with what the items say in NAME.item.json.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from reprlib import repr as short
from typing import Any

from pydantic import Field

from bench.collections.collection import Document
from bench.collections.sources.sequences import Item, SequenceSource, core_of
from bench.collections.writer import CollectionWriter
from bench.errors import BadLine, BenchError
from bench.progress import Progress
from bench.textfiles import file_state, read_json, read_lines

_TITLE = "title"


class S3Rec(SequenceSource):
    """A text file of S3-Rec's: on each line a user and that user's items, oldest first, separated by blanks."""

    argument = "file"

    file: Path = Field(description="text file with a line for each user, plain or .gz")
    texts: Path | None = Field(
        None, description="JSON object with an object of text fields for each item, as LETTER's NAME.item.json"
    )

    def state(self) -> dict[str, Any]:
        return {"files": [file_state(path) for path in (self.file, self.texts) if path]}

    def read(self, writer: CollectionWriter, progress: Progress) -> None:
        sequences: dict[str, list[str]] = {}
        for line, text in read_lines(self.file, partial(progress, "reading sequences")):
            user, *items = text.split() or [""]
            if user in sequences:
                raise BadLine(self.file, line, f"user {short(user)} occurs twice", "one line for each user")
            if user:
                sequences[user] = items
        self.write(writer, _described(self.texts), core_of(sequences, self.minimum_interactions))


class Letter(SequenceSource):
    """A folder with NAME.inter.json, items by user, and where items have texts NAME.item.json."""

    argument = "folder"
    layout = "a folder of LETTER's holds one NAME.inter.json, and where items have texts NAME.item.json"

    folder: Path = Field(description="folder that holds NAME.inter.json")

    @classmethod
    def recognises(cls, folder: Path) -> bool:
        return any(folder.glob("*.inter.json"))

    def state(self) -> dict[str, Any]:
        return {"files": [file_state(path) for path in (self._interactions(), self._texts()) if path]}

    def read(self, writer: CollectionWriter, progress: Progress) -> None:  # noqa: ARG002
        path = self._interactions()
        sequences = {user: _ids(items, path, user) for user, items in _object(path).items()}
        self.write(writer, _described(self._texts()), core_of(sequences, self.minimum_interactions))

    def _interactions(self) -> Path:
        found = self._only("inter")
        if found is None:
            problem = "lacks NAME.inter.json" if self.folder.is_dir() else "is not a folder"
            raise BenchError(f"{self.folder} {problem}; {self.layout}")
        return found

    def _texts(self) -> Path | None:
        return self._only("item")

    def _only(self, kind: str) -> Path | None:
        found = sorted(self.folder.glob(f"*.{kind}.json"))
        if len(found) > 1:
            raise BenchError(f"{self.folder} holds {', '.join(path.name for path in found)}; {self.layout}")
        return found[0] if found else None


def _object(path: Path) -> dict[str, Any]:
    data = read_json(path)
    if not isinstance(data, dict):
        raise BenchError(f"{path}: {short(data)} is not an object; give one with an entry for each user or item")
    return data


def _ids(items: Any, path: Path, user: str) -> list[str]:
    """Item ids as text: the files number items, and objects of JSON have only text for keys."""
    if not isinstance(items, list) or not all(isinstance(item, str | int) and item != "" for item in items):
        raise BenchError(f"{path}: user '{user}' has {short(items)}; give a list of item ids, oldest first")
    return list(map(str, items))


def _described(path: Path | None) -> Iterator[Item]:
    """What the file says of each item: its title, and the rest of its text."""
    if path is None:
        return
    for item, fields in _object(path).items():
        if not isinstance(fields, dict):
            raise BenchError(f"{path}: item '{item}' has {short(fields)}; give an object of text fields")
        rest = [text for name, value in fields.items() if name != _TITLE and (text := _text(value))]
        yield Item(Document(item, _text(fields.get(_TITLE, "")), " ".join(rest)), f"{path}: item '{item}'")


def _text(value: Any) -> str:
    """Text, or a list of texts joined; nothing for what is neither."""
    if isinstance(value, list):
        return " ".join(filter(None, map(_text, value)))
    return value.strip() if isinstance(value, str) else ""
