"""RecBole's atomic files (Zhao et al. 2021): tab-separated, with a header that names and types the columns."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from reprlib import repr as short

from bench.collections.sources.protocols import Time
from bench.errors import BadLine, BenchError
from bench.textfiles import Watch, parse_number, read_lines, unwatched

LAYOUT = (
    "a folder of RecBole's holds one NAME.inter, or NAME.train.inter, NAME.valid.inter and NAME.test.inter, and "
    "where items have texts NAME.item, each as it is or as .gz"
)
PARTS = ("train", "valid", "test")
"""Splits that somebody made lie in NAME.train.inter and so on, RecBole's benchmark_filename."""

_TYPES = ("token", "token_seq", "float", "float_seq")
_COLUMN = re.compile(rf"([^:]+):({'|'.join(_TYPES)})")
_MARK = re.compile(r"\{([^{}]+)\}")
_WHOLE = re.compile(r"([+-]?[0-9]{1,30})(\.0*)?")


def find(folder: Path, kind: str) -> Path | None:
    """The one file NAME.`kind` of a folder, if there is any. Raises BenchError for several, or no such folder."""
    if not folder.is_dir():
        raise BenchError(f"{folder} is not a folder; {LAYOUT}")
    parts = tuple(f".{part}.inter{end}" for part in PARTS for end in ("", ".gz")) if kind == "inter" else ()
    named = sorted([*folder.glob(f"*.{kind}"), *folder.glob(f"*.{kind}.gz")])
    fitting = [path for path in named if not path.name.endswith(parts)]
    if len(fitting) > 1:
        raise BenchError(f"{folder} holds {', '.join(path.name for path in fitting)}; {LAYOUT}")
    return fitting[0] if fitting else None


def needed(folder: Path, kind: str) -> Path:
    """The same, where it has to be there. Raises BenchError if it is not."""
    path = find(folder, kind)
    if path is None:
        raise BenchError(f"{folder} lacks NAME.{kind}; {LAYOUT}")
    return path


def header(path: Path) -> dict[str, str]:
    """Type by name of the columns that the first line declares."""
    line, text = next(read_lines(path), (1, ""))
    cells = [_COLUMN.fullmatch(cell) for cell in text.split("\t")]
    columns = {match[1]: match[2] for match in cells if match}
    if None in cells or len(columns) != len(cells):
        expected = (
            f"a tab-separated header of different names, each with its type ({', '.join(_TYPES)}): user_id:token"
        )
        raise BadLine(path, line, f"the header is {short(text)}", expected)
    return columns


def rows(path: Path, wanted: Sequence[str], watch: Watch = unwatched) -> Iterator[tuple[int, Mapping[str, str]]]:
    """The fields below the header by column, with the line's number; blank lines are left out.

    Raises BadLine for a line that does not fit the header, and BenchError for a wanted column that is not there.
    """
    columns = header(path)
    for name in wanted:
        if name not in columns:
            raise BenchError(
                f"{path} has no column '{name}': it has {', '.join(columns)}; say which one it is with "
                "?user=, ?item=, ?time= (?time= alone where no column has the time), ?item_title= or ?item_text="
            )
    for line, text in read_lines(path, watch):
        if line == 1 or not text.strip():
            continue
        fields = text.split("\t")
        if len(fields) != len(columns):
            expected = f"{len(columns)} tab-separated fields: {' '.join(columns)}"
            raise BadLine(path, line, f"{len(fields)} fields in {short(text)}", expected)
        yield line, dict(zip(columns, fields, strict=True))


def parse_time(text: str, path: Path, line: int, column: str) -> Time:
    """A time without rounding: nanoseconds since 1970 have more digits than a float. Raises BadLine for no number."""
    whole = _WHOLE.fullmatch(text)
    return int(whole[1]) if whole else parse_number(text, path, line, column)


def marks(template: str) -> list[str]:
    """The columns that a template names, as `{brand} {categories}`."""
    return _MARK.findall(template)


def fill(template: str, fields: Mapping[str, str]) -> str:
    """The template with each {column} replaced by its field."""
    return _MARK.sub(lambda mark: fields[mark[1]], template).strip()
