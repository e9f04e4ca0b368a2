"""What of this machine is published: names in place of paths, and every other text as it is."""

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from made_cells import cell, task

from bench.leaderboard.paths import (
    collection_name,
    command_without_paths,
    published_id,
    text_without_paths,
    without_paths,
    without_paths_of,
)


def test_an_option_is_cut_only_where_it_is_a_path(tmp_path: Path) -> None:
    (tmp_path / "vectors.txt").write_text("")
    there = str(tmp_path / "vectors.txt")
    options = {
        "vectors": there,
        "several": [there, "all-MiniLM-L6-v2"],
        "known": "/another/machine/model",
        "token_pattern": r"(?u)\b\w+\b",
        "slashes": "/a+/b+/",
        "prefix": "C:",
        "text": f"see {there}",
        "model": "sentence-transformers/all-MiniLM-L6-v2",
        "k1": 1.2,
        "none": None,
    }
    found = without_paths(options, known=["/another/machine/model"])
    assert found == {**options, "vectors": "vectors.txt", "several": ["vectors.txt", "all-MiniLM-L6-v2"],
                     "known": "model"}  # fmt: skip
    assert without_paths(found, known=["/another/machine/model"]) == found


@given(st.text(st.characters(exclude_characters="/"), max_size=20))
def test_a_text_without_a_slash_is_never_changed(text: str) -> None:
    if not (len(text) > 2 and text[1] == ":" and text[2] == "\\"):
        assert without_paths({"x": text}) == {"x": text}
        assert collection_name(text.replace(":", "")) == text.replace(":", "")


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("beir:/home/ada/data/scifact?split=dev", "beir:scifact?split=dev"),
        ("trec:data/cranfield", "trec:cranfield"),
        ("trec:../data/cranfield/", "trec:cranfield"),
        ("trec:/d/x?topics=/d/topics.txt&qrels=/d/q", "trec:x?topics=topics.txt&qrels=q"),
        ("pydoc-1k", "pydoc-1k"),
        ("pydoc?size=1000", "pydoc?size=1000"),
        ("beir:scifact", "beir:scifact"),
    ],
)
def test_a_collection_is_called_by_its_source_and_its_folder_alone(spec: str, expected: str) -> None:
    assert collection_name(spec) == expected
    assert collection_name(expected) == expected


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("python -m bench run --out /tmp/x/runs --jobs 2", "python -m bench run --out runs --jobs 2"),
        ("python -m bench run --plugin=/a/b/c.py", "python -m bench run --plugin=c.py"),
        ("python -m bench run --retriever 'sbert projection'", "python -m bench run --retriever 'sbert projection'"),
        ("python -m bench run --dataset beir:/a/b/scifact", "python -m bench run --dataset beir:scifact"),
        (
            "python -m bench run --set 'bm25.token_pattern=(?u)\\b\\w+\\b'",
            "python -m bench run --set 'bm25.token_pattern=(?u)\\b\\w+\\b'",
        ),
        ("python -m bench 'unfinished", "python -m bench 'unfinished"),
    ],
)
def test_a_command_can_still_be_pasted_back(command: str, expected: str) -> None:
    assert command_without_paths(command) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/home/ada/vectors.txt: No such file", "vectors.txt: No such file"),
        ("see 'C:\\Users\\ada\\log.txt'", "see 'log.txt'"),
        ("~/models/minilm is not there", "minilm is not there"),
        ("https://example.org/a/b", "https://example.org/a/b"),
        ("16/32/64 words, 3 q/s", "16/32/64 words, 3 q/s"),
        (r"the pattern (?u)\b\w+\b matches nothing", r"the pattern (?u)\b\w+\b matches nothing"),
    ],
)
def test_a_reason_is_told_without_the_folders_of_its_paths(text: str, expected: str) -> None:
    assert text_without_paths(text) == expected


@given(st.lists(st.sampled_from(["/", "a", " ", "b.c", ":", "~", "=", "'"]), max_size=12).map("".join))
@example("/a:a")  # a name that begins as a drive does
def test_what_has_no_path_left_does_not_change_again(text: str) -> None:
    spec = f"beir:{text}"
    for cut, given_ in ((text_without_paths, text), (command_without_paths, text), (collection_name, spec)):
        once = cut(given_)
        assert cut(once) == once


def test_nothing_of_a_published_cell_names_a_folder_of_this_machine(tmp_path: Path) -> None:
    model = tmp_path / "model"
    model.mkdir()
    whole = cell(
        "dsi",
        task([0.5, 1.0]),
        problem=f"relevance: {tmp_path}/log.txt is full",
        collection=f"beir:{tmp_path}/data",
        options={"model": str(model)},
        weights={str(model): "abc"},
        key_parts={"options": {"model": str(model)}},
    )
    shown = without_paths_of(whole)
    text = f"{shown.identity} {shown.manifest} {shown.failure} {published_id(shown)}"
    assert str(tmp_path) not in text
    assert shown.identity.weights == {"model": "abc"}
    assert shown.identity.collection == "beir:data"
