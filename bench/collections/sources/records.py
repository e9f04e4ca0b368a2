"""Files of records: JSON lines, CSV, TSV and Parquet, read alike as mappings from column to value."""

import csv
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from bench.errors import BadLine, BenchError
from bench.textfiles import Watch, read_json_lines, read_lines, unwatched

FORMATS = (".jsonl", ".csv", ".tsv", ".parquet")
_BATCH = 4096


def read_records(path: Path, watch: Watch = unwatched) -> Iterator[tuple[int, dict[str, Any]]]:
    """Each record with its line, or its number in a Parquet file; all but Parquet may be .gz.

    CSV and TSV begin with the names of their columns, and quote as CSV does; an empty field is null. Raises BadLine,
    and BenchError for a file of another kind.
    """
    kind = next((end for end in FORMATS if path.name.removesuffix(".gz").endswith(end)), "")
    if kind == ".jsonl":
        return read_json_lines(path, watch)
    if kind == ".parquet":
        return _parquet(path, watch)
    if kind:
        return _separated(path, "," if kind == ".csv" else "\t", watch)
    raise BenchError(f"{path} is no file of records; give one that ends in {', '.join(FORMATS)}")


def _separated(path: Path, separator: str, watch: Watch) -> Iterator[tuple[int, dict[str, Any]]]:
    rows = _rows(path, separator, watch)
    _, header = next(rows, (1, []))
    for name in header:
        if header.count(name) > 1:
            raise BadLine(path, 1, f"{header.count(name)} columns '{name}'", "columns of different names")
    for line, row in rows:
        if row and len(row) != len(header):
            raise BadLine(path, line, f"{len(row)} fields", f"{len(header)} fields: {' '.join(header)}")
        if row:
            yield line, {name: value or None for name, value in zip(header, row, strict=True)}


def _rows(path: Path, separator: str, watch: Watch) -> Iterator[tuple[int, list[str]]]:
    """Each row with the line that it begins on. Raises BadLine where a quote ends otherwise than CSV's do."""
    lines = (f"{text}\n" for _, text in read_lines(path, watch))
    rows = csv.reader(lines, delimiter=separator, strict=True)
    began = 1
    try:
        for row in rows:
            yield began, row
            began = rows.line_num + 1
    except csv.Error as error:
        end = f" on line {rows.line_num}, in the row that begins here" if rows.line_num > began else ""
        quoted = (
            'a quote around a whole field, closed, and "" for one within it; '
            f"fields have at most {csv.field_size_limit():,} characters; .jsonl takes any text"
        )
        raise BadLine(path, began, f"{error}{end}", quoted) from None


def _parquet(path: Path, watch: Watch) -> Iterator[tuple[int, dict[str, Any]]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            done, total = 0, file.metadata.num_rows
            for batch in file.iter_batches(_BATCH):
                yield from enumerate(batch.to_pylist(), start=done + 1)
                done += len(batch)
                watch(done, total)
    except (OSError, pa.ArrowException) as error:
        reason = str(error).partition("\n")[0]
        raise BenchError(f"{path} cannot be read as Parquet ({reason}); fetch it again") from None


def columns_of(paths: Sequence[Path]) -> list[str]:
    """The columns of the files, none where there is no record. JSON lines are all read: each may lack some."""
    found: dict[str, None] = {}
    for path in paths:
        records = read_records(path)
        whole = path.name.removesuffix(".gz").endswith(".jsonl")
        for _, record in records if whole else islice(records, 1):
            found |= dict.fromkeys(record)
    return list(found)
