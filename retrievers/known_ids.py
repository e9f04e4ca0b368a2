"""The ids of a collection's documents, kept in an index: by them answers of others are read and ties are broken."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from bench.collections.collection import Documents

IDS_FILE = "ids.parquet"


def save_ids(folder: Path, documents: Documents) -> None:
    """Write the ids, in the collection's order."""
    pq.write_table(_ids(documents), folder / IDS_FILE)


def load_ids(folder: Path) -> Documents:
    """Documents of which nothing but the id is known."""
    return Documents(pq.read_table(folder / IDS_FILE, memory_map=True))


def known_by_id(first: Documents, others: Documents) -> Documents:
    """The first and after them the others, of which nothing but the id is known any more."""
    return Documents(pa.concat_tables([_ids(first), _ids(others)]))


def _ids(documents: Documents) -> pa.Table:
    return pa.table({"id": pa.array(documents.ids(), pa.string())})
