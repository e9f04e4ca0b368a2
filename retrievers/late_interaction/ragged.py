"""Lists of different lengths as two arrays."""

from collections.abc import Sequence

import numpy as np


def flatten(rows: Sequence[Sequence[int]]) -> tuple[np.ndarray, np.ndarray]:
    """All numbers one after the other (int32), and the offsets: row i is `numbers[offsets[i]:offsets[i + 1]]`."""
    offsets = np.cumsum([0, *map(len, rows)])
    return np.fromiter((number for row in rows for number in row), np.int32, count=offsets[-1]), offsets
