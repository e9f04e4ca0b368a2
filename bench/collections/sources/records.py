"""Files of records: JSON lines, CSV, TSV and Parquet, read alike as mappings from column to value."""

import csv
from collections.abc import Iterator, Sequence
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
    lines = (f"{text}\n" for _, text in read_lines(path, watch))
    rows = csv.reader(lines, delimiter=separator)
    try:
        header = next(rows, [])
        for name in header:
            if header.count(name) > 1:
                raise BadLine(path, 1, f"{header.count(name)} columns '{name}'", "columns of different names")
        for row in rows:
            if row and len(row) != len(header):
                problem = f"{len(row)} fields"
                raise BadLine(path, rows.line_num, problem, f"{len(header)} fields: {' '.join(header)}")
            if row:
                yield rows.line_num, {name: value or None for name, value in zip(header, row, strict=True)}
    except csv.Error as error:
        longest = (
            f"fields quoted as in CSV, of at most {csv.field_size_limit():,} characters; .jsonl takes longer ones"
        )
        raise BadLine(path, rows.line_num, str(error), longest) from None


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
    """The columns of the first record in the files, none where there is no record."""
    return next((list(record) for path in paths for _, record in read_records(path)), [])
