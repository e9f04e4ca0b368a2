"""Runs in the forms in which the field's tools write them."""

import gzip
import json
from pathlib import Path
from typing import Any

import lz4.frame
import pytest

from bench.errors import BenchError
from bench.runfiles import read_answers

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


@pytest.mark.parametrize("first", [0, 1])
def test_the_third_of_three_columns_may_be_the_rank(tmp_path: Path, first: int) -> None:
    rows = [("q1", "d1", first), ("q1", "d7", first + 1), ("q2", "d8", first)]
    path = written(tmp_path, "run.tsv", "".join(f"{q}\t{d}\t{rank}\n" for q, d, rank in rows))
    found = read(path)["q1"]
    assert found["d1"] > found["d7"]


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
