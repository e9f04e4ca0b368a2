"""Line formats: what is read is what was written, and a bad line is named."""

import gzip
import os
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.errors import BadLine, BenchError
from bench.textfiles import file_state, new_text_file, parse_grade, read_json_lines, read_lines, read_rows, read_toml

LINES = ["A wing in a slipstream.", "", "Grüße: naïve café — 検索", "two parts\u2028of one line"]


@pytest.fixture(params=["plain.txt", "packed.txt.gz"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return tmp_path / request.param


def test_lines_come_back_with_their_numbers(path: Path) -> None:
    with new_text_file(path) as file:
        file.write("\n".join(LINES))
    assert list(read_lines(path)) == list(enumerate(LINES, start=1))


def test_windows_line_ends_and_byte_order_mark_are_no_part_of_the_text(tmp_path: Path) -> None:
    path = tmp_path / "notepad.txt"
    path.write_bytes(b"\xef\xbb\xbfquery\r\nanswer\r\n")
    assert list(read_lines(path)) == [(1, "query"), (2, "answer")]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\r\n\ufeff"))))
def test_any_lines_survive_both_ways_of_storing(tmp_path: Path, lines: list[str]) -> None:
    for name in ("any.txt", "any.txt.gz"):
        with new_text_file(tmp_path / name) as file:
            file.writelines(f"{line}\n" for line in lines)
        assert [line for _, line in read_lines(tmp_path / name)] == lines


def test_progress_ends_at_the_size_of_the_file(path: Path) -> None:
    with new_text_file(path) as file:
        file.writelines(f"line {number}\n" for number in range(10_000))
    seen: list[tuple[int, int]] = []
    assert sum(1 for _ in read_lines(path, lambda done, total: seen.append((done, total)))) == 10_000
    size = path.stat().st_size
    assert len(seen) == 3
    assert seen[-1] == (size, size)
    assert all(0 < done <= total == size for done, total in seen)


def test_bytes_that_are_not_utf8_are_refused_with_their_line(tmp_path: Path) -> None:
    path = tmp_path / "latin1.txt"
    path.write_bytes("first\ncafé\n".encode("latin-1"))
    with pytest.raises(BadLine, match=r"latin1\.txt:2: byte 4 of the line is not UTF-8; expected text in UTF-8"):
        list(read_lines(path))


@pytest.mark.parametrize(
    "damage", [lambda data: data[:-10], lambda data: b"plain text", lambda data: data[:12] + b"x" * 99]
)
def test_a_damaged_gzip_file_is_refused(tmp_path: Path, damage: object) -> None:
    path = tmp_path / "broken.gz"
    path.write_bytes(damage(gzip.compress(b"one\ntwo\n" * 1000)))  # type: ignore[operator]
    with pytest.raises(BenchError, match="not a whole gzip file"):
        list(read_lines(path))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match=r"absent\.txt cannot be read: No such file"):
        list(read_lines(tmp_path / "absent.txt"))
    with pytest.raises(BenchError, match=r"absent\.txt cannot be read: No such file"):
        file_state(tmp_path / "absent.txt")


def test_state_changes_when_the_file_does(tmp_path: Path) -> None:
    path = tmp_path / "corpus.jsonl"
    path.write_text("one")
    before = file_state(path)
    assert file_state(path) == before
    os.utime(path, ns=(1, 1))
    assert file_state(path) != before


def test_state_changes_even_when_size_and_time_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "corpus.jsonl"
    path.write_text("one")
    before, times = file_state(path), path.stat()
    time.sleep(0.02)
    path.write_text("two")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert file_state(path)["mtime_ns"] == before["mtime_ns"]
    assert file_state(path) != before


@pytest.mark.parametrize("line", ["{", "[1, 2]", '"text"', "1" * 5000, "[" * 100_000])
def test_a_line_that_is_no_json_object_is_refused(tmp_path: Path, line: str) -> None:
    path = tmp_path / "corpus.jsonl"
    path.write_text('{"_id": "1"}\n\n' + line)
    with pytest.raises(BadLine, match=r"corpus\.jsonl:3: .*; expected one JSON object on each line"):
        list(read_json_lines(path))


def test_a_key_twice_in_an_object_is_refused_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "corpus.jsonl"
    path.write_text('{"_id": "d0"}\n{"_id": "d1", "about": {"by": 1, "by": 2}}\n')
    with pytest.raises(BadLine, match=r"jsonl:2: the key 'by' occurs twice in an object; expected each key once"):
        list(read_json_lines(path))


def test_rows_keep_quotes_and_blanks_between_tabs(tmp_path: Path) -> None:
    path = tmp_path / "qrels.tsv"
    path.write_text('"q 1\t d"2 \t1\n')
    assert list(read_rows(path, ["q", "d", "grade"], "\t")) == [(1, ['"q 1', ' d"2 ', "1"])]


def test_rows_are_separated_by_any_run_of_blanks(tmp_path: Path) -> None:
    path = tmp_path / "qrels.txt"
    path.write_text("1  0\t\td1   2\n\n")
    assert list(read_rows(path, ["q", "0", "d", "grade"])) == [(1, ["1", "0", "d1", "2"])]
    with pytest.raises(BadLine, match=r"qrels\.txt:1: 4 fields .*; expected 3 blank-separated fields: q d grade"):
        list(read_rows(path, ["q", "d", "grade"]))


@pytest.mark.parametrize(("text", "grade"), [("0", 0), ("-2", -2), ("+1", 1), ("03", 3)])
def test_integers_are_grades(text: str, grade: int) -> None:
    assert parse_grade(text, Path("qrels"), 1) == grade


@pytest.mark.parametrize("text", ["1.0", "", "one", "1_0", "٣", "9" * 30, "nan"])
def test_anything_else_is_no_grade(text: str) -> None:
    with pytest.raises(BadLine, match=r"qrels:7: the grade is .*; expected an integer"):
        parse_grade(text, Path("qrels"), 7)


def test_equal_text_gives_equal_bytes_under_any_name(tmp_path: Path) -> None:
    for name in ("first.gz", "second.gz"):
        with new_text_file(tmp_path / name) as file:
            file.write("the same\n" * 1000)
        os.utime(tmp_path / name, ns=(1, 1))
    assert (tmp_path / "first.gz").read_bytes() == (tmp_path / "second.gz").read_bytes()


def test_a_failure_leaves_the_old_file_and_nothing_else(path: Path) -> None:
    with new_text_file(path) as file:
        file.write("old")
    with pytest.raises(UnicodeEncodeError), new_text_file(path) as file:
        file.writelines(["new", "\ud800"])
    assert list(read_lines(path)) == [(1, "old")]
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"a = ", "not TOML"),
        (b"a = '\xe9'", "not TOML: byte 6 is not UTF-8"),
        (b"a = " + b"[" * 5000, "brackets within brackets"),
        (b"a = " + b"9" * 5000, "not TOML: .*digits"),
    ],
)
def test_toml_that_cannot_be_read_is_one_line(tmp_path: Path, content: bytes, complaint: str) -> None:
    path = tmp_path / "a.toml"
    path.write_bytes(content)
    with pytest.raises(BenchError, match=rf"a\.toml: .*{complaint}|a\.toml: {complaint}") as caught:
        read_toml(path)
    assert "\n" not in str(caught.value)
    with pytest.raises(BenchError, match=r"b\.toml cannot be read"):
        read_toml(tmp_path / "b.toml")
