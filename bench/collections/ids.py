"""Document ids by the million: found, and known to be distinct, without a Python object for each."""

import hashlib
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pyarrow as pa

_DIGEST = 16  # bytes: among 10^9 ids, two share a digest with a probability of 10^-21


class Rows(Mapping[str, int]):
    """Row by id, of an Arrow column of distinct ids; sixteen bytes for each, where a dictionary takes some 150.

    An id is found by its hash, and compared with those in the column that have the same.
    """

    def __init__(self, ids: pa.ChunkedArray) -> None:
        self._ids = ids
        hashes = np.fromiter(map(hash, self), dtype=np.int64, count=len(ids))
        self._order = np.argsort(hashes)
        self._hashes = memoryview(hashes[self._order].data)

    def __len__(self) -> int:
        return len(self._ids)

    def __iter__(self) -> Iterator[str]:
        for chunk in self._ids.chunks:
            yield from chunk.to_pylist()

    def __getitem__(self, document_id: str) -> int:
        wanted = hash(document_id)
        place = bisect_left(self._hashes, wanted)
        while place < len(self._hashes) and self._hashes[place] == wanted:
            row = int(self._order[place])
            if self._ids[row].as_py() == document_id:
                return row
            place += 1
        raise KeyError(document_id)


class Repetitions:
    """Finds an id that comes again, in a stream of batches of ids; sixteen bytes for each.

    Digests are kept in sorted runs, each at least twice as long as the next, so that there are few to look into.
    """

    def __init__(self) -> None:
        self._runs: list[np.ndarray] = []

    def first(self, batch: Sequence[str]) -> int | None:
        """The position of the first id of a batch that is in it, or came before it, already; remembers the batch."""
        if not batch:
            return None
        data = b"".join(hashlib.blake2b(one.encode("utf-8"), digest_size=_DIGEST).digest() for one in batch)
        digests = np.frombuffer(data, dtype=f"S{_DIGEST}")
        distinct, firsts = np.unique(digests, return_index=True)
        again = np.ones(len(digests), dtype=bool)
        again[firsts] = False
        for run in self._runs:
            places = np.minimum(np.searchsorted(run, digests), len(run) - 1)
            again |= run[places] == digests
        self._remember(distinct)
        return int(np.argmax(again)) if again.any() else None

    def _remember(self, run: np.ndarray) -> None:
        while self._runs and len(self._runs[-1]) < 2 * len(run):
            run = np.sort(np.concatenate([self._runs.pop(), run]), kind="stable")
        self._runs.append(run)
