"""A task's answers as a small Parquet file: who found what, in which order, and which scores are equal.

Scores keep as many digits as tell them from their neighbours: two that are equal stay equal, and two that differ
stay apart in the same direction. So every measure and every count of ties can be computed again.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bench.collections.collection import Documents, Query
from bench.errors import BenchError
from bench.rankings import Rankings

if TYPE_CHECKING:
    import pyarrow as pa

_BITS = (6, 8, 10, 12, 14, 16, 18, 20, 23)
"""Digits of a score's mantissa after its first, tried in this order."""

_LEVEL = 19
_REMEDY = "get the published folder again"


def publish_answers(full: Path, target: Path) -> None:
    """Write the rankings that a cell kept in full, `rankings.parquet`, as they are published.

    Columns: query, document (ids, dictionary-encoded), rank (from 1), score. The same rankings give the same bytes.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    found = pq.read_table(full, columns=["query", "document", "rank", "score"])
    queries, documents = (_encoded(found.column(name)) for name in ("query", "document"))
    scores = short_scores(found.column("score").to_numpy(), queries.indices.to_numpy())
    table = pa.table(
        {
            "query": queries,
            "document": documents,
            "rank": found.column("rank").cast(pa.int32()),
            "score": _narrow(scores),
        }
    )
    pq.write_table(
        table,
        target,
        compression="zstd",
        compression_level=_LEVEL,
        use_dictionary=["query", "document"],
        column_encoding={"rank": "DELTA_BINARY_PACKED", "score": "BYTE_STREAM_SPLIT"},
    )


def _encoded(column: "pa.ChunkedArray") -> "pa.DictionaryArray":
    return column.combine_chunks().dictionary_encode()


def _narrow(scores: np.ndarray) -> np.ndarray:
    """As float32 where that loses nothing."""
    with np.errstate(over="ignore"):
        narrow = scores.astype(np.float32)
    return narrow if (narrow == scores).all() else scores


def short_scores(scores: np.ndarray, owners: np.ndarray) -> np.ndarray:
    """Scores of shape [hits], each with as few binary digits as tell it from its neighbours.

    `owners` has the query of each hit; a query's hits stand together, from the best score on. Digits are cut off, not
    rounded: so none ever passes another, and scores that are short already stay as they are.
    """
    same_query = owners[1:] == owners[:-1]
    apart = same_query & (scores[1:] != scores[:-1])
    of_equal = np.concatenate([[0], np.cumsum(apart | ~same_query)])[: len(scores)]
    short = _cut(scores, _BITS[0])
    for bits in (*_BITS[1:], None):
        clash = np.flatnonzero(apart & (short[1:] == short[:-1]))
        open_ = np.isin(of_equal, of_equal[[*clash, *(clash + 1)]])
        short[open_] = scores[open_] if bits is None else _cut(scores[open_], bits)
    return short


def _cut(scores: np.ndarray, bits: int) -> np.ndarray:
    fractions, exponents = np.frexp(scores)
    return np.ldexp(np.trunc(np.ldexp(fractions, bits + 1)), exponents - bits - 1)


def read_answers(path: Path, queries: Sequence[Query], documents: Documents) -> Rankings:
    """Published answers to `queries`, in the file's order.

    Raises BenchError for a file that is damaged, or that answers other queries or with other documents.
    """
    asked, named, scores = _read(path)
    places = {query.id: place for place, query in enumerate(queries)}
    owners = _looked_up(path, "query", asked, places)
    rows = _looked_up(path, "document", named, documents.rows)
    order = np.argsort(owners, kind="stable")
    bounds = np.searchsorted(owners[order], np.arange(1, len(queries)))
    return Rankings.from_hits(
        queries, zip(np.split(rows[order], bounds), np.split(scores[order], bounds), strict=True)
    )


def _read(path: Path) -> "tuple[pa.DictionaryArray, pa.DictionaryArray, np.ndarray]":
    """Query and document of each hit, and its score."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        found = pq.read_table(path, columns=["query", "document", "rank", "score"])
        asked, named = (_encoded(found.column(name).cast(pa.string())) for name in ("query", "document"))
        scores = found.column("score").cast(pa.float64()).to_numpy()
    except (OSError, pa.ArrowException, KeyError) as error:
        raise BenchError(f"{path} cannot be read: {' '.join(str(error).split())}; {_REMEDY}") from None
    if any(column.null_count for column in (asked, named)):
        raise BenchError(f"{path} has answers without a query or a document; {_REMEDY}")
    return asked, named, scores


def _looked_up(path: Path, kind: str, ids: "pa.DictionaryArray", places: Mapping[str, int]) -> np.ndarray:
    """Shape [hits]: the place of each id."""
    names = ids.dictionary.to_pylist()
    for name in names:
        if name not in places:
            raise BenchError(f"{path}: the unknown {kind} '{name}'; {_REMEDY}")
    table = np.array([places[name] for name in names], dtype=np.int64)
    return table[ids.indices.to_numpy()]


def publish_values(query_ids: Sequence[str], values: Mapping[str, np.ndarray], target: Path) -> None:
    """Write values of shape [queries] by their measure, for measures that depend on more than the answers."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table({"query": list(query_ids), **values})
    pq.write_table(table, target, compression="zstd", compression_level=_LEVEL)


def read_values(path: Path, query_ids: Sequence[str]) -> dict[str, np.ndarray]:
    """What `publish_values` wrote. Raises BenchError for a damaged file, or one of other queries."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path)
        values = {name: table.column(name).cast(pa.float64()).to_numpy() for name in table.column_names[1:]}
        asked = table.column("query").to_pylist()
    except (OSError, pa.ArrowException, KeyError) as error:
        raise BenchError(f"{path} cannot be read: {' '.join(str(error).split())}; {_REMEDY}") from None
    if asked != list(query_ids):
        raise BenchError(f"{path} has the values of other queries; {_REMEDY}")
    return values


def answers_by_query(path: Path) -> Iterator[tuple[str, list[str], np.ndarray]]:
    """Query, document ids and scores of each published answer, without the collection. Raises BenchError."""
    asked, named, scores = _read(path)
    owners = asked.indices.to_numpy()
    names = named.to_pylist()
    starts = np.flatnonzero(np.diff(owners, prepend=-1))
    for start, stop in pairwise([*starts.tolist(), len(owners)]):
        yield asked[start].as_py(), names[start:stop], scores[start:stop]


def first_hits(path: Path, query_ids: Sequence[str], k: int) -> dict[str, list[str]]:
    """The first k document ids of each of some queries, of published answers or of those that a cell kept.

    Raises BenchError for a file that cannot be read.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    found: dict[str, list[str]] = {name: [] for name in query_ids}
    try:
        table = pq.read_table(path, columns=["query", "document", "rank"], filters=[("rank", "<=", k)])
        columns = [table.column(name).to_pylist() for name in ("query", "document")]
    except (OSError, pa.ArrowException, KeyError) as error:
        raise BenchError(f"{path} cannot be read: {' '.join(str(error).split())}; {_REMEDY}") from None
    for query, document in zip(*columns, strict=True):
        if query in found:
            found[query].append(document)
    return found
