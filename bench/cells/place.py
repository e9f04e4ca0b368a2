"""The store at a place: a folder, on this machine or shared by several, or an address of an object store."""

from pathlib import Path

from bench.cells.stores import CellStore, FolderStore
from bench.errors import BenchError


def fetched(out: str | Path) -> Path:
    """The folder with all cells of a store. Raises BenchError, which names it, if one is damaged."""
    store = open_store(out)
    damaged = store.fetch()
    if damaged:
        raise BenchError(damaged[0])
    return store.folder


def open_store(out: str | Path) -> CellStore:
    """The store at a path, or at an address such as s3://bucket/prefix. Raises BenchError for one that cannot be."""
    scheme, mark, _ = str(out).partition("://")
    if not mark:
        return FolderStore(Path(out))
    from bench.cells.remote import RemoteStore

    if not scheme.isalnum():
        raise BenchError(f"'{out}' is no place for cells; give a folder, or an address such as s3://bucket/prefix")
    return RemoteStore(str(out))
