"""Text files that word vectors and word counts are published in."""

import re
from array import array
from collections.abc import Iterator
from pathlib import Path
from reprlib import repr as short

import numpy as np

from bench.errors import BadLine, BenchError
from bench.textfiles import is_plain, read_lines, read_rows

_COUNT = re.compile("[0-9]{1,18}")
_LARGEST = float(np.finfo(np.float32).max)


def read_vectors(path: Path, limit: int) -> tuple[list[str], np.ndarray]:
    """The first `limit` words of a GloVe or word2vec text file and their vectors, shape [words, dimension], float32.

    A line holds a word and its numbers, separated by single blanks; a first line of two integers is word2vec's head.
    Of a word that occurs twice the first vector is kept. Raises BadLine for a line with another number of numbers or
    with one that is not finite in float32.
    """
    words: dict[str, None] = {}
    numbers = array("f")
    dimension = 0
    for line_number, line in _vector_lines(path):
        dimension = dimension or line.count(" ")
        word, vector = _parse_vector(path, line_number, line, dimension)
        if word not in words:
            words[word] = None
            numbers.extend(vector)
        if len(words) == limit:
            break
    if not words:
        raise BenchError(f"{path} holds no word vectors; a line is a word and its numbers, separated by blanks")
    return list(words), np.array(numbers, dtype=np.float32).reshape(len(words), dimension)


def _vector_lines(path: Path) -> Iterator[tuple[int, str]]:
    for number, line in read_lines(path):
        fields = line.split()
        head = number == 1 and len(fields) == 2 and all(field.isdecimal() for field in fields)
        if fields and not head:
            yield number, line.rstrip(" ")


def _parse_vector(path: Path, number: int, line: str, dimension: int) -> tuple[str, list[float]]:
    expected = f"a word and {dimension or 'its'} finite numbers, separated by single blanks"
    word, *fields = line.rsplit(" ", dimension)
    try:
        vector = [float(field) for field in fields] if is_plain(line[len(word) :]) else None
    except ValueError:
        vector = None
    if vector is None:
        raise BadLine(path, number, f"{short(line)} holds something that is not a number", expected)
    if len(vector) != dimension or not dimension:
        raise BadLine(path, number, f"{len(vector)} numbers in {short(line)}", expected)
    if not (np.abs(vector) <= _LARGEST).all():
        raise BadLine(path, number, f"a number of {short(line)} is not finite in float32", expected)
    return word, vector


def read_counts(path: Path) -> dict[str, int]:
    """How often words occur, from lines of a word and its count. Raises BadLine for any other line."""
    counts: dict[str, int] = {}
    for number, (word, count) in read_rows(path, ["word", "count"]):
        if not _COUNT.fullmatch(count):
            raise BadLine(path, number, f"the count is {short(count)}", "a whole number")
        counts[word] = counts.get(word, 0) + int(count)
    if not any(counts.values()):
        raise BenchError(f"{path} counts no word; a line is a word and how often it occurs")
    return counts
