import gzip
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.errors import BadLine, BenchError
from retrievers.dense.word_files import read_counts, read_vectors

FOREST = "oak 1 0.5\nelm -2e-1 3\nash 0 1\n"


def written(folder: Path, text: str, name: str = "words.txt") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("text", [FOREST, "3 2\n" + FOREST, FOREST.replace("\n", " \n"), FOREST + "\noak 7 7\n"])
def test_a_file_reads_alike_with_head_trailing_blanks_or_a_repeated_word(text: str, tmp_path: Path) -> None:
    words, vectors = read_vectors(written(tmp_path, text), 10)
    assert words == ["oak", "elm", "ash"]
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(vectors, [[1, 0.5], [-0.2, 3], [0, 1]])


def test_only_the_first_words_are_read(tmp_path: Path) -> None:
    words, vectors = read_vectors(written(tmp_path, FOREST + "broken\n"), 2)
    assert (words, vectors.shape) == (["oak", "elm"], (2, 2))


def test_a_compressed_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "words.txt.gz"
    path.write_bytes(gzip.compress(FOREST.encode()))
    assert read_vectors(path, 10)[0] == ["oak", "elm", "ash"]


def test_a_word_may_hold_blanks_after_the_first_line(tmp_path: Path) -> None:
    assert read_vectors(written(tmp_path, "3 2\noak 1 1\nsilver fir 2 2\n"), 10)[0] == ["oak", "silver fir"]


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        (FOREST + "fir 1\n", 4, "1 numbers in 'fir 1'"),
        (FOREST + "fir 1 two\n", 4, "not a number"),
        (FOREST + "fir 1 nan\n", 4, "not finite"),
        ("3 2\noak\n", 2, "0 numbers in 'oak'"),
    ],
)
def test_a_malformed_vector_is_refused_with_its_line(text: str, line: int, problem: str, tmp_path: Path) -> None:
    path = written(tmp_path, text)
    with pytest.raises(BadLine, match=f"words.txt:{line}: .*{problem}"):
        read_vectors(path, 10)


@pytest.mark.parametrize("text", ["", "3 2\n", "\n\n"])
def test_a_file_without_vectors_is_refused(text: str, tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="holds no word vectors"):
        read_vectors(written(tmp_path, text), 10)


@given(
    st.dictionaries(
        st.text(st.characters(categories=["L", "Nd", "P"]), min_size=1),
        st.lists(st.floats(-10, 10, width=32), min_size=3, max_size=3),
        min_size=1,
    )
)
def test_what_is_written_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, vectors: dict[str, list[float]]
) -> None:
    text = "".join(f"{word} {' '.join(map(repr, vector))}\n" for word, vector in vectors.items())
    words, found = read_vectors(written(tmp_path_factory.mktemp("vectors"), text), 1000)
    assert dict(zip(words, found.tolist(), strict=True)) == vectors


def test_counts_are_read_and_summed_by_word(tmp_path: Path) -> None:
    assert read_counts(written(tmp_path, "oak 3\nelm\t2\noak 4\n")) == {"oak": 7, "elm": 2}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("oak 3\nelm\n", "words.txt:2: 1 fields"),
        ("oak three\n", "words.txt:1: the count is 'three'; expected a whole number"),
        ("oak -3\n", "words.txt:1: the count is '-3'"),
        ("oak 0\n", "words.txt counts no word"),
    ],
)
def test_malformed_counts_are_refused(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(BenchError, match=message):
        read_counts(written(tmp_path, text))


def test_an_absent_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="cannot be read"):
        read_vectors(tmp_path / "absent.txt", 10)
