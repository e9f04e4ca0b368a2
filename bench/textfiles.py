"""Text files of the field's line formats, plain or gzip: read line by line, written whole or not at all."""

import codecs
import gzip
import io
import json
import math
import os
import re
import tomllib
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from reprlib import repr as short
from typing import Any, TextIO

from bench.errors import BadLine, BenchError

Watch = Callable[[int, int], None]
"""Called now and then with the bytes that were read and the bytes that there are."""

_WATCH_EVERY = 4096  # lines
_LONGEST_LINE = 64 * 2**20
"""Bytes; what is longer is no line of text, and a small gzip file may hold one that fills the memory."""

_OTHERS = {
    b"\x1f\x8b": ("gzip", "give it the ending .gz"),
    b"BZh": ("bzip2", "unpack it with bunzip2"),
    b"\xfd7zXZ\0": ("xz", "unpack it with unxz"),
    b"\x28\xb5\x2f\xfd": ("Zstandard", "unpack it with unzstd"),
    b"PK\x03\x04": ("zip", "unpack it with unzip"),
    b"\xff\xfe": ("text in UTF-16", "save it as UTF-8"),
    b"\xfe\xff": ("text in UTF-16", "save it as UTF-8"),
}
"""By how they begin: formats that are taken for UTF-8, what to call them, and the remedy."""

_LARGEST_ID = 10**40
_INTEGER = re.compile(r"[+-]?[0-9]{1,9}")


def unwatched(done: int, total: int) -> None:
    """Nobody watches."""


def read_lines(path: Path, watch: Watch = unwatched, encoding: str = "utf-8") -> Iterator[tuple[int, str]]:
    """Every line of a text file with its number from 1, without its end.

    A path that ends in .gz is decompressed on the way; one line is in memory at a time. Raises BadLine for bytes that
    are not of the encoding and for a line of more than 64 MB, and BenchError for a file that cannot be read.
    """
    try:
        with path.open("rb") as raw, gzip.open(raw) if path.suffix == ".gz" else raw as file:
            size = os.fstat(raw.fileno()).st_size
            for number, data in enumerate(iter(partial(file.readline, _LONGEST_LINE), b""), start=1):
                if len(data) == _LONGEST_LINE and not data.endswith(b"\n"):
                    longest = f"lines of at most {_LONGEST_LINE / 2**20:g} MB"
                    raise BadLine(path, number, "a line without end", longest)
                if number % _WATCH_EVERY == 0:
                    watch(raw.tell(), size)
                data = data.removeprefix(codecs.BOM_UTF8) if number == 1 else data
                yield number, _decoded(data, path, number, encoding)
            watch(size, size)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise BenchError(f"{path} is not a whole gzip file ({error}); fetch it again") from None
    except OSError as error:
        raise BenchError(f"{path} cannot be read: {error.strerror}; check the path") from None


def _decoded(data: bytes, path: Path, number: int, encoding: str) -> str:
    if number == 1:
        _refuse_other(path, data)
    try:
        return data.decode(encoding).rstrip("\r\n")
    except UnicodeDecodeError as error:
        expected = "text in UTF-8; convert it, or name its encoding to a source that takes one, as ?encoding=latin-1"
        problem = f"byte {error.start + 1} of the line is not {encoding.upper()}"
        raise BadLine(path, number, problem, expected) from None


def known_encoding(name: str) -> str:
    """The name of an encoding whose lines end in a line feed. Raises ValueError for another."""
    try:
        line_feed = "\n".encode(name)
    except LookupError:
        line_feed = b""
    if line_feed != b"\n":
        raise ValueError("no encoding whose lines can be read; give utf-8, latin-1, cp1252, gb18030, shift_jis, ...")
    return name


def _refuse_other(path: Path, data: bytes) -> None:
    """Raise BenchError for a file in a known format that is not UTF-8."""
    for beginning, (name, remedy) in _OTHERS.items():
        if data.startswith(beginning):
            raise BenchError(f"{path} is {name}, not text in UTF-8; {remedy}")


def read_json_lines(path: Path, watch: Watch = unwatched) -> Iterator[tuple[int, dict[str, Any]]]:
    """The object on each line, with the line's number; blank lines are left out. Raises BadLine."""
    expected = "one JSON object on each line"
    for number, line in read_lines(path, watch):
        if not line.strip():
            continue
        try:
            record = parse_json(line, path, number)
        except (ValueError, RecursionError) as error:
            raise BadLine(path, number, f"not JSON ({error})", expected) from None
        if not isinstance(record, dict):
            raise BadLine(path, number, f"{short(record)} is not an object", expected)
        yield number, record


def text_of(record: Mapping[str, Any], key: str, path: Path, number: int, default: str | None = None) -> str:
    """A text value of a record. `default` stands for one that is absent or null; without it, raises BadLine."""
    value = record.get(key)
    if value is None and default is not None:
        return default
    if not isinstance(value, str):
        problem = f"'{key}' is {short(value)}" if key in record else f"no '{key}'"
        raise BadLine(path, number, problem, f"text as '{key}'")
    return value


def id_of(record: Mapping[str, Any], key: str, path: Path, number: int) -> str:
    """An id of a record: a text, or a whole number as text. Raises BadLine."""
    value = record.get(key)
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < _LARGEST_ID:
        return str(value)
    if isinstance(value, float):  # as pandas makes of a column of numbers with a gap
        remedy = "text or a whole number; write ids as text, in pandas with dtype=str"
        raise BadLine(path, number, f"'{key}' is {value}", remedy)
    return text_of(record, key, path, number)


def read_rows(
    path: Path, columns: Sequence[str], separator: str | None = None, encoding: str = "utf-8"
) -> Iterator[tuple[int, list[str]]]:
    """The fields of each line, with the line's number; blank lines are left out.

    Fields are separated by `separator`, or by any run of white space; no character quotes another.
    Raises BadLine unless there are as many fields as `columns`.
    """
    kind = "tab-separated" if separator == "\t" else "blank-separated"
    expected = f"{len(columns)} {kind} fields: {' '.join(columns)}"
    for number, line in read_lines(path, encoding=encoding):
        if not line.strip():
            continue
        fields = line.split(separator)
        if len(fields) != len(columns):
            raise BadLine(path, number, f"{len(fields)} fields in {short(line)}", expected)
        yield number, fields


def parse_grade(text: str, path: Path, number: int) -> int:
    """A grade of relevance. Raises BadLine unless it is an integer, such as 2 or -1."""
    if not _INTEGER.fullmatch(text):
        raise BadLine(path, number, f"the grade is {short(text)}", "an integer, such as 0, 1 or 2")
    return int(text)


def parse_number(text: str, path: Path, number: int, what: str) -> float:
    """A finite number. Raises BadLine for anything else, calling it `what`."""
    try:
        value = float(text) if is_plain(text) else math.nan
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise BadLine(path, number, f"the {what} is {short(text)}", "a finite number")
    return value


def is_plain(number: str) -> bool:
    """Whether it has none of what Python alone reads in a number: digits of other scripts, and 1_0 for 10."""
    return number.isascii() and "_" not in number


def find_file(folder: Path, name: str, layout: str) -> Path:
    """`folder/name`, or the same with .gz. Raises BenchError with the `layout` that such a folder has."""
    for path in (folder / name, folder / f"{name}.gz"):
        if path.is_file():
            return path
    problem = f"lacks {name}" if folder.is_dir() else "is not a folder"
    raise BenchError(f"{folder} {problem}; {layout}")


def file_state(path: Path) -> dict[str, Any]:
    """What tells a changed file from the same one: path, size in bytes, times of change in nanoseconds.

    The second is the system's own, which no program sets back as it may the first.
    """
    try:
        status = path.stat()
    except OSError as error:
        raise BenchError(f"{path} cannot be read: {error.strerror}; check the path") from None
    return {
        "path": str(path.resolve()),
        "size": status.st_size,
        "mtime_ns": status.st_mtime_ns,
        "ctime_ns": status.st_ctime_ns,
    }


@contextmanager
def new_text_file(path: Path) -> Iterator[TextIO]:
    """A UTF-8 file that takes `path`'s place when the block ends well and vanishes when it does not.

    A path that ends in .gz is compressed; equal text gives equal bytes, whenever and under whatever name.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}-{os.getpid()}")
    try:
        with (
            draft.open("wb") as raw,
            _compressed(raw) if path.suffix == ".gz" else raw as file,
            io.TextIOWrapper(file, encoding="utf-8", newline="\n") as text,
        ):
            yield text
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def _compressed(raw: io.BufferedWriter) -> gzip.GzipFile:
    return gzip.GzipFile(filename="", mode="wb", compresslevel=6, fileobj=raw, mtime=0)


def read_json(path: Path) -> Any:
    """The content of a JSON file. Raises BenchError with the file and what is wrong in it, a key given twice too."""
    text = "\n".join(line for _, line in read_lines(path))
    try:
        return parse_json(text, path)
    except (ValueError, RecursionError) as error:
        raise BenchError(f"{path}: not JSON: {error}; write it anew") from None


class _RepeatedKey(Exception):
    """A key that an object of JSON has more than once."""


def parse_json(data: str | bytes, path: Path, number: int = 0) -> Any:
    """What JSON says, of a whole file or of one of its lines.

    Raises BadLine for an object with a key twice, of which the last alone would be kept, and ValueError or
    RecursionError for what is no JSON.
    """
    try:
        return json.loads(data, object_pairs_hook=_once)
    except _RepeatedKey as error:
        problem = f"the key {short(error.args[0])} occurs twice in an object"
        raise BadLine(path, number, problem, "each key once; keep one") from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise _RepeatedKey(Counter(key for key, _ in pairs).most_common(1)[0][0])
    return found


def read_toml(path: Path) -> dict[str, Any]:
    """The content of a TOML file. Raises BenchError with the file and what is wrong in it."""
    try:
        data = path.read_bytes()
        return tomllib.loads(data.decode("utf-8-sig").replace("\r\n", "\n"))
    except OSError as error:
        raise BenchError(f"{path} cannot be read: {error.strerror}; check the path") from None
    except UnicodeDecodeError as error:
        _refuse_other(path, data)
        raise BenchError(f"{path}: not TOML: byte {error.start + 1} is not UTF-8; save it as UTF-8") from None
    except RecursionError:
        raise BenchError(f"{path}: not TOML that can be read: brackets within brackets without end") from None
    except ValueError as error:  # TOMLDecodeError, and numbers of thousands of digits
        raise BenchError(f"{path}: not TOML: {str(error).partition(';')[0]}") from None
