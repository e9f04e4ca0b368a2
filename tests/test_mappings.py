"""Identifiers of items as files: every form gives back what was written, and says what is wrong in one line."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.errors import BenchError
from bench.mappings import read_mapping, write_mapping

TOOLS = {"saw": (3, 17, 0), "glue 2": (3, 17, 1), "clämp": (0, 2)}

an_id = st.text(st.characters(codec="utf-8"), max_size=6)
codes = st.lists(st.integers(0, 2**31 - 1), min_size=1, max_size=6).map(tuple)
FORMS = (".jsonl", ".npy", ".json")


@pytest.mark.parametrize("form", FORMS)
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(an_id, codes, min_size=1, max_size=6))
def test_any_mapping_comes_back_in_its_order(tmp_path: Path, form: str, mapping: dict[str, tuple[int, ...]]) -> None:
    path = tmp_path / f"codes{form}"
    write_mapping(path, mapping)
    assert list(read_mapping(path).items()) == list(mapping.items())


def test_the_forms_are_those_that_others_read(tmp_path: Path) -> None:
    for form in FORMS:
        write_mapping(tmp_path / f"tools{form}", TOOLS)
    lines = (tmp_path / "tools.jsonl").read_text(encoding="utf-8").splitlines()
    assert json.loads(lines[2]) == {"item": "clämp", "codes": [0, 2]}
    assert np.load(tmp_path / "tools.npy").tolist() == [[3, 17, 0], [3, 17, 1], [0, 2, -1]]
    assert json.loads((tmp_path / "tools.ids.json").read_text(encoding="utf-8")) == list(TOOLS)
    assert json.loads((tmp_path / "tools.json").read_text(encoding="utf-8"))["saw"] == ["<a_3>", "<b_17>", "<c_0>"]


@pytest.mark.parametrize(
    ("name", "text", "complaint"),
    [
        (
            "a.jsonl",
            '{"item": "saw", "codes": [1]}\n{"item": "saw", "codes": [2]}',
            r"a\.jsonl:2: item 'saw' occurs tw",
        ),
        ("a.jsonl", '{"item": "saw"}', r"a\.jsonl:1: the codes are None; give a list of whole numbers from 0"),
        ("a.jsonl", '{"item": "saw", "codes": []}', r"a\.jsonl:1: the codes are \[\]"),
        ("a.jsonl", '{"item": "saw", "codes": [1, -2]}', r"the codes are \[1, -2\]"),
        ("a.jsonl", '{"item": "saw", "codes": [1.5]}', r"the codes are \[1\.5\]"),
        ("a.jsonl", '{"item": "saw", "codes": [true]}', r"the codes are \[True\]"),
        ("a.jsonl", '{"item": "saw", "codes": [3000000000]}', r"the codes are \[3000000000\]"),
        ("a.jsonl", '{"codes": [1]}', r"a\.jsonl:1: no 'item'"),
        ("a.json", '["<a_1>"]', r"a\.json: \['<a_1>'\] is not an object"),
        ("a.json", '{"saw": ["<b_1>"]}', r"item 'saw': the tokens are \['<b_1>'\]; give <a_N>, <b_N>"),
        ("a.json", '{"saw": ["<a_1>", 2]}', r"item 'saw': the tokens are"),
        ("a.json", '{"saw": "<a_1>"}', r"item 'saw': the tokens are '<a_1>'"),
        (
            "a.json",
            '{"saw": ["<a_1>"], "saw": ["<a_2>"]}',
            r"a\.json: the key 'saw' occurs twice in an object",
        ),
        ("a.csv", "saw,1", r"unknown form of a mapping 'a\.csv': known: \.json, \.jsonl, \.npy"),
    ],
)
def test_bad_files_are_refused_with_the_item(tmp_path: Path, name: str, text: str, complaint: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(BenchError, match=complaint):
        read_mapping(tmp_path / name)


def test_arrays_need_the_ids_of_their_items(tmp_path: Path) -> None:
    path = tmp_path / "tools.npy"
    np.save(path, np.array([[1, 2], [3, -1]]))
    with pytest.raises(BenchError, match=r"tools\.ids\.json cannot be read"):
        read_mapping(path)
    ids = tmp_path / "tools.ids.json"
    for text, complaint in (
        ('["saw"]', "has 1 ids, and tools.npy 2 rows"),
        ('["saw", "saw"]', "each once"),
        ("[1, 2]", "as text"),
    ):
        ids.write_text(text)
        with pytest.raises(BenchError, match=complaint):
            read_mapping(path)
    ids.write_text('["saw", "glue"]')
    assert read_mapping(path) == {"saw": (1, 2), "glue": (3,)}
    np.save(path, np.array([[-1, 2], [3, 1]]))
    with pytest.raises(BenchError, match=r"item 'saw': the codes are \[-1, 2\]"):
        read_mapping(path)
    np.save(path, np.array([[0.5], [1.0]]))
    with pytest.raises(BenchError, match="whole numbers of shape"):
        read_mapping(path)
    path.write_bytes(b"PK")
    with pytest.raises(BenchError, match=r"is not a whole \.npy file"):
        read_mapping(path)


def test_letters_are_not_enough_for_many_levels(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="27 levels, and letters for 26"):
        write_mapping(tmp_path / "a.json", {"saw": tuple(range(27))})
