"""Lists of different lengths as two arrays."""

from array import array
from collections.abc import Iterable, Sequence
from typing import overload

import numpy as np


class Ragged(Sequence[list[int]]):
    """Lists of numbers that grow one after the other; four bytes a number, where a list takes eight."""

    def __init__(self, rows: Iterable[Sequence[int]] = ()) -> None:
        self._numbers, self._ends = array("i"), array("q", [0])
        for row in rows:
            self.append(row)

    def append(self, row: Sequence[int]) -> None:
        """Add a list to the end."""
        self._numbers.extend(row)
        self._ends.append(len(self._numbers))

    def __len__(self) -> int:
        return len(self._ends) - 1

    @overload
    def __getitem__(self, key: int) -> list[int]: ...
    @overload
    def __getitem__(self, key: slice) -> list[list[int]]: ...
    def __getitem__(self, key: int | slice) -> list[int] | list[list[int]]:
        if isinstance(key, slice):
            return [self[row] for row in range(*key.indices(len(self)))]
        row = range(len(self))[key]
        return self._numbers[self._ends[row] : self._ends[row + 1]].tolist()


def flatten(rows: Sequence[Sequence[int]]) -> tuple[np.ndarray, np.ndarray]:
    """All numbers one after the other (int32), and the offsets: row i is `numbers[offsets[i]:offsets[i + 1]]`."""
    offsets = np.cumsum([0, *map(len, rows)])
    return np.fromiter((number for row in rows for number in row), np.int32, count=offsets[-1]), offsets
