"""Runs in the forms in which the field's tools write them."""

import gzip
import json
from pathlib import Path
from typing import Any

import lz4.frame
import pytest

from bench.errors import BenchError
from bench.runfiles import Reading, read_answers

RUN = {"q1": {"d1": 3.5, "d7": 2.25}, "q2": {"d8": 1.0}}
LINES = "q1 Q0 d1 1 3.5 mine\nq1 Q0 d7 2 2.25 mine\nq2 Q0 d8 1 1 mine\n"


def read(path: Path, *asked: str) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {}
    for _, query, document, score in read_answers(path, asked):
        found.setdefault(query, {})[document] = score
    return found


def written(folder: Path, name: str, content: Any) -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("run.trec", LINES),
        ("run.trec.gz", gzip.compress(LINES.encode(), mtime=0)),
        ("run.txt", LINES.replace("mine\n", 'mine # {"doc":"x y"}\n')),
        ("run.txt", LINES.replace("mine\n", "my own run\n")),
        ("run.tsv", "q1\td1\t3.5\nq1\td7\t2.25\nq2\td8\t1\n"),
        ("ranking.tsv", "q1\td1\t1\t3.5\nq1\td7\t2\t2.25\nq2\td8\t1\t1\n"),
        ("run.json", json.dumps(RUN)),
        ("run.json.gz", gzip.compress(json.dumps(RUN).encode(), mtime=0)),
        ("run.lz4", lz4.frame.compress(json.dumps(RUN).encode())),
        ("T_predictions.json", json.dumps({"mteb_model_meta": {"model_name": "m"}, "default": {"test": RUN}})),
    ],
)
def test_every_form_is_read(tmp_path: Path, name: str, content: Any) -> None:
    assert read(written(tmp_path, name, content)) == RUN


def three_columns(folder: Path, content: str) -> tuple[list[Reading], dict[str, dict[str, float]]]:
    """What the third column of `query document number` lines is read as, and the answers, best first."""
    path, told = written(folder, "run.tsv", content.replace("; ", "\n").replace(" ", "\t") + "\n"), []
    found: dict[str, dict[str, float]] = {}
    for answer in sorted(read_answers(path, (), told.append), key=lambda one: -one.score):
        found.setdefault(answer.query, {})[answer.document] = answer.score
    return told, found


@pytest.mark.parametrize(
    "content",
    [
        "q1 d1 1; q1 d7 2; q1 d9 3; q2 d8 1",
        "q1 d1 0; q1 d7 1; q1 d9 2; q2 d8 0",
        "q1 d1 1; q1 d7 4; q1 d9 9; q2 d8 1",
        "q1 d9 3; q2 d8 1; q1 d1 1; q1 d7 2",
        "q1 d9 3; q1 d7 2; q1 d1 1; q2 d8 1; q2 d7 2",
    ],
    ids=["from 1", "from 0", "with gaps", "in any order", "last first in one query"],
)
def test_a_third_column_of_different_whole_numbers_from_1_or_0_is_the_rank(tmp_path: Path, content: str) -> None:
    told, found = three_columns(tmp_path, content)
    assert told == ["ranks"]
    assert list(found["q1"]) == ["d1", "d7", "d9"]


@pytest.mark.parametrize(
    "content",
    [
        "q1 d1 3.5; q1 d7 2; q1 d9 1; q2 d8 1",
        "q1 d7 2; q1 d1 3; q1 d9 -1",
        "q1 d1 40; q1 d7 12; q1 d9 5; q2 d8 1",
        "q1 d1 2; q1 d7 1; q1 d9 1",
    ],
    ids=["a fraction", "a sign", "falling to more than 1", "falling with ties"],
)
def test_a_third_column_that_cannot_be_ranks_is_the_score(tmp_path: Path, content: str) -> None:
    told, found = three_columns(tmp_path, content)
    assert told == ["scores"]
    assert list(found["q1"]) == ["d1", "d7", "d9"]


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("q2 d8 1; q1 d1 3; q1 d7 2; q1 d9 1", r"2: .*query 'q1' has \[3, 2, 1\]"),
        ("q2 d8 1; q2 d9 2; q1 d1 1; q1 d7 1; q1 d9 2", r"3: .*query 'q1' has \[1, 1, 2\]"),
        ("q1 d1 2; q1 d7 3; q1 d9 4", r"1: .*query 'q1' has \[2, 3, 4\]"),
        ("q1 d1 1; q1 d7 2; q2 d8 9; q2 d9 7", r"3: .*query 'q2' has \[9, 7\]"),
    ],
    ids=["falling to 1", "a rank twice", "from 2", "ranks here and scores there"],
)
def test_a_third_column_that_may_be_either_is_refused(tmp_path: Path, content: str, complaint: str) -> None:
    remedy = "; expected six columns, which tell them apart: query Q0 document rank score tag"
    with pytest.raises(BenchError, match=rf"run\.tsv:{complaint}\){remedy}"):
        three_columns(tmp_path, content)


def test_only_a_third_column_is_told_of_and_nothing_depends_on_it_in_answers_of_one(tmp_path: Path) -> None:
    assert three_columns(tmp_path, "q1 d1 7; q2 d8 1")[0] == ["scores"]
    told: list[Reading] = []
    list(read_answers(written(tmp_path, "run.trec", LINES), (), told.append))
    assert told == []


def test_of_mtebs_predictions_the_split_that_is_asked_is_read(tmp_path: Path) -> None:
    data = {"default": {"dev": {"x": {"d9": 1.0}}, "test": RUN}, "other": {"test": {"y": {"d9": 1.0}}}}
    assert read(written(tmp_path, "run.json", json.dumps(data)), "q1", "q2") == RUN
    assert read(tmp_path / "run.json", "x") == {"x": {"d9": 1.0}}


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("run.txt", "q1 d1\n", "1: 2 fields .*; expected 6 blank-separated fields: query Q0 document rank score tag"),
        ("run.txt", "q1 Q0 d1 1 0.5\n", "1: 5 fields"),
        ("run.txt", LINES + "q1 d1 3\n", "4: 3 fields"),
        (
            "run.txt",
            "q1 Q0 the coot 1 0.5 x\n",
            "1: 7 fields .* the rank is coot; .*write a blank within an id as %20",
        ),
        ("run.txt", LINES.replace("3.5", "1_0"), "1: the score is '1_0'; expected a finite number"),
        ("run.tsv", "q1 d1 1\nq1 d2 2 0.5\n", "2: 4 fields .*; expected 3 blank-separated fields"),
        ("run.json", "{", "is not JSON, packed as its ending says"),
        ("run.json.gz", LINES, "is not JSON, packed as its ending says|cannot be read"),
        ("run.lz4", LINES, "is not JSON, packed as its ending says"),
        ("run.json", "[1]", r"list \[1\]; expected {query: {document: score}}, as ranx"),
        ("run.json", '{"q1": ["d1"]}', r"the answer to query 'q1' is \['d1'\]; expected"),
        ("run.json", '{"q1": {"d1": "1"}}', "the score of 'd1' for query 'q1' is '1'; expected a finite number"),
        ("run.json", '{"q1": {"d1": NaN}}', "the score of 'd1' for query 'q1' is nan"),
        (
            "run.json",
            f'{{"q1": {{"d1": 1{"0" * 400}}}}}',
            "the score of 'd1' for query 'q1' is 10+.*a finite number",
        ),
        ("run.json", '{"q1": {"d1": 1, "d1": 2}}', "the key 'd1' occurs twice in an object; expected each key once"),
        ("run.json", '{"q1": {"d1": 1}, "q1": {"d2": 2}}', "the key 'q1' occurs twice in an object"),
        ("run.lz4", lz4.frame.compress(b'{"q1": {"d1": 1, "d1": 2}}'), r"run\.lz4: the key 'd1' occurs twice"),
        ("run.json", '{"mteb_model_meta": {}, "default": {}}', "no run in any subset and split"),
    ],
)
def test_what_is_no_run_is_refused_in_one_line(tmp_path: Path, name: str, content: Any, complaint: str) -> None:
    with pytest.raises(BenchError, match=complaint):
        read(written(tmp_path, name, content))


@pytest.mark.slow
def test_what_ranx_writes_is_read(tmp_path: Path) -> None:
    import ranx

    for name in ("run.lz4", "run.json", "run.trec"):
        ranx.Run.from_dict(RUN, name="mine").save(str(tmp_path / name))
        assert read(tmp_path / name) == RUN
