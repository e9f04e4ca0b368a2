"""Cells on an object store (s3://, gs://, anything that fsspec opens), with a copy on each machine that reads them.

A cell is a list of its files with their digests, `cells/NAME/files.json`, which is written last and so makes the cell
whole, and the files, each under its path and the beginning of its digest. A file is never changed, so that whoever
read an older list finds what it names.
"""

import json
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, suppress
from functools import cached_property
from pathlib import Path
from typing import Any

from bench.cells.lease import leased
from bench.cells.stores import CELLS, claimed_here
from bench.digests import digest_data, digest_file
from bench.errors import BenchError, Busy, MissingExtra
from bench.seals import differs
from bench.store import cache_root, new_folder, write_text

_LIST = "files.json"
_HERE = "stored.json"
"""The list as it was when the copy was made, beside the files."""

_LEFT_OUT = (_HERE, "checkpoints/")
_INDEX = "index/"
_OF_DIGEST = 16
_AT_ONCE = 8
"""Cells that are brought together; most of the time is spent waiting."""

Files = Mapping[str, str]
"""Digest of each file by its path below the cell's folder."""


class RemoteStore:
    """Cells below an address; those that are at work or were read lie in a folder of the user's cache."""

    def __init__(self, address: str) -> None:
        self.address = address.rstrip("/")
        self.folder = cache_root() / "stores" / digest_data(self.address)[:16]
        self._mine: set[Path] = set()

    def claim(self, cell: Path) -> AbstractContextManager[None]:
        return self._claimed(cell)

    @contextmanager
    def _claimed(self, cell: Path) -> Iterator[None]:
        with claimed_here(cell), ExitStack() as held:
            with self._told():
                held.enter_context(leased(self._files, f"{self._root}/leases/{cell.name}"))
            self._mine.add(cell)
            held.callback(self._mine.discard, cell)
            yield

    def holds(self, cell: Path) -> bool:
        """By the records, which have the digests of all other files in them."""
        known = _read(cell / _HERE)
        if known is None:
            return False
        records = {path.relative_to(cell).as_posix() for path in _records(cell)}
        return records == {name for name in known if _is_record(name)} and not any(
            differs(cell / name, known[name]) for name in records
        )

    def fetch(self, names: Sequence[str] = (), whole: bool = False) -> list[str]:
        with self._told():
            lists = self._lists(names)
            with ThreadPoolExecutor(_AT_ONCE) as pool:
                damaged = list(pool.map(lambda name: self._brought(name, lists[name], whole), lists))
        return [line for line in damaged if line]

    def put(self, cell: Path) -> None:
        with self._told():
            before = _parsed(self._lists([cell.name]).get(cell.name, b"")) or {}
            kept = {name: digest for name, digest in before.items() if name.startswith(_INDEX)}
            index = {} if (cell / _INDEX).is_dir() else kept  # a copy without it is of a cell that still has it
            files = {name: digest_file(cell / name) for name in _names(cell)} | index
            sound = before.items() & (_read(cell / _HERE) or {}).items()  # seen here as they were written
            new = [name for name, digest in files.items() if (name, digest) not in sound and name not in index]
            if new:
                here = [str(cell / name) for name in new]
                self._files.put(here, [self._object(cell.name, name, files[name]) for name in new])
            text = _listed(files)
            self._files.pipe_file(self._list(cell.name), text.encode())
            write_text(cell / _HERE, text)
            self._remove(cell.name, before.items() - files.items())

    @cached_property
    def _files(self) -> Any:
        try:
            import fsspec

            return fsspec.url_to_fs(self.address, use_listings_cache=False)[0]
        except ImportError as error:
            raise MissingExtra(f"{self.address} ({error})", "remote") from None
        except ValueError as error:
            raise BenchError(f"{self.address}: {error}; give a folder or s3://, gs://") from None

    @property
    def _root(self) -> str:
        return str(self._files._strip_protocol(self.address))

    def _list(self, name: str) -> str:
        return f"{self._root}/{CELLS}/{name}/{_LIST}"

    def _object(self, name: str, path: str, digest: str) -> str:
        return f"{self._root}/{CELLS}/{name}/{path}.{digest[:_OF_DIGEST]}"

    def _lists(self, names: Sequence[str]) -> dict[str, bytes]:
        """The lists of cells that are there."""
        if not names:
            with suppress(FileNotFoundError):
                found = self._files.ls(f"{self._root}/{CELLS}", detail=False, refresh=True)
                names = [path.rstrip("/").rpartition("/")[2] for path in found]
        paths = {self._list(name): name for name in names}
        texts = self._files.cat(list(paths), on_error="return") if paths else {}
        found = {}
        for path, text in texts.items():
            if isinstance(text, FileNotFoundError):
                continue
            if isinstance(text, Exception):
                raise text
            found[paths[path]] = text
        return found

    def _brought(self, name: str, text: bytes, whole: bool) -> str:
        """Make the copy of a cell what the list says; what is damaged, if anything is."""
        cell, files = self.folder / CELLS / name, _parsed(text)
        if files is None:
            return f"{self.address}/{CELLS}/{name}/{_LIST} is not as it was written; run the cell again"
        wanted = {path: digest for path, digest in files.items() if whole or not path.startswith(_INDEX)}
        if _read(cell / _HERE) == files and all((cell / path).is_file() for path in wanted):
            return ""
        try:
            with nullcontext() if cell in self._mine else claimed_here(cell), new_folder(cell) as draft:
                self._download(name, wanted, cell, draft)
                (draft / _HERE).write_bytes(text)
                for path, digest in wanted.items():
                    if differs(draft / path, digest):
                        raise BenchError(
                            f"{self.address}/{CELLS}/{name}/{path} is not as it was written; run the cell again"
                        )
        except Busy:  # it is at work here and will be newer
            return ""
        except BenchError as error:
            return str(error)
        return ""

    def _download(self, name: str, wanted: Files, cell: Path, draft: Path) -> None:
        """Fill a draft with files: from the older copy what it has, from the store the rest."""
        missing = []
        for path, digest in wanted.items():
            (draft / path).parent.mkdir(parents=True, exist_ok=True)
            if differs(cell / path, digest):
                missing.append(path)
            else:
                shutil.copy2(cell / path, draft / path)
        with suppress(FileNotFoundError):  # found by its digest
            if missing:
                remote = [self._object(name, path, wanted[path]) for path in missing]
                self._files.get(remote, [str(draft / path) for path in missing])

    def _remove(self, name: str, gone: Any) -> None:
        for path, digest in gone:
            with suppress(FileNotFoundError):
                self._files.rm_file(self._object(name, path, digest))

    @contextmanager
    def _told(self) -> Iterator[None]:
        """What goes wrong with a store is a line with its address; libraries raise errors of many kinds."""
        try:
            yield
        except (BenchError, KeyboardInterrupt):
            raise
        except Exception as error:
            reason = " ".join(str(error).split()) or type(error).__name__
            raise BenchError(f"{self.address} cannot be used: {reason}; check the address and the rights") from error


def _names(cell: Path) -> list[str]:
    """Files of a cell that others need, by their path below it."""
    found = (path.relative_to(cell).as_posix() for path in cell.rglob("*") if path.is_file())
    return sorted(name for name in found if not name.startswith(_LEFT_OUT) and "/." not in f"/{name}")


def _is_record(name: str) -> bool:
    return bool(re.fullmatch(r"[^/]+\.json|tasks/[^/]+/result\.json", name))


def _records(cell: Path) -> Iterator[Path]:
    yield from (path for path in cell.glob("*.json") if path.name != _HERE)
    yield from (path for path in cell.glob("tasks/*/result.json") if not path.parent.name.startswith("."))


def _listed(files: Files) -> str:
    return json.dumps({"files": dict(files), "digest": digest_data(dict(files))}, indent=1) + "\n"


def _read(path: Path) -> Files | None:
    return _parsed(path.read_bytes()) if path.is_file() else None


def _parsed(text: bytes) -> Files | None:
    """The files of a list; None for one that was changed."""
    try:
        content = json.loads(text)
        files = {str(name): str(digest) for name, digest in content["files"].items()}
        whole = content["digest"] == digest_data(files)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None
    return files if whole and all(map(_is_below, files)) else None


def _is_below(name: str) -> bool:
    return not Path(name).is_absolute() and ".." not in Path(name).parts
