"""Sequences as S3-Rec and LETTER publish them: the same questions as the same sequences in RecBole's files."""

import gzip
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.collections.catalogue import open_dataset
from bench.collections.collection import Collection, Document
from bench.errors import BenchError

SEQUENCES = {"1": ["3", "1", "2"], "2": ["2", "3", "1", "3"], "3": ["1", "2"]}
TEXTS = {
    "1": {"title": "Hand saw", "description": ["for wood", "and bone"], "brand": "Bahco", "price": 19.5},
    "2": {"title": "Wood glue"},
}


def s3rec(folder: Path, sequences: Mapping[str, Sequence[str]], options: str = "") -> Collection:
    path = folder / "tools.txt"
    path.write_text("".join(f"{user} {' '.join(items)}\n" for user, items in sequences.items()), encoding="utf-8")
    return open_dataset(f"s3rec:{path}{options}").collection


def letter(folder: Path, sequences: Mapping[str, Sequence[str | int]], source: str = "letter:") -> Collection:
    folder.mkdir(exist_ok=True)
    (folder / "tools.inter.json").write_text(json.dumps(sequences), encoding="utf-8")
    (folder / "tools.item.json").write_text(json.dumps(TEXTS), encoding="utf-8")
    return open_dataset(f"{source}{folder}").collection


def test_a_line_of_s3rec_is_a_user_with_its_items(tmp_path: Path) -> None:
    collection = s3rec(tmp_path, SEQUENCES)
    assert [(query.id, query.history) for query in collection.queries("test")] == [
        ("1", ("3", "1")),
        ("2", ("2", "3", "1")),
    ]
    assert collection.notes["users left out (fewer than 3 interactions)"] == 1
    assert collection.notes["items without text"] == 3


def test_letter_has_the_same_questions_with_the_items_texts(tmp_path: Path) -> None:
    collection = letter(tmp_path / "tools", {user: list(map(int, items)) for user, items in SEQUENCES.items()})
    assert list(collection.documents) == [
        Document("1", "Hand saw", "for wood and bone Bahco"),
        Document("2", "Wood glue", ""),
        Document("3", "", ""),
    ]
    (tmp_path / "texts.json").write_text(json.dumps(TEXTS))
    texts = f"?texts={tmp_path / 'texts.json'}"
    assert s3rec(tmp_path, SEQUENCES, texts).fingerprint == collection.fingerprint


def test_a_folder_of_letters_is_recognised(tmp_path: Path) -> None:
    assert letter(tmp_path / "tools", SEQUENCES, source="").documents[1].title == "Wood glue"


def test_a_text_file_may_be_compressed(tmp_path: Path) -> None:
    plain = s3rec(tmp_path, SEQUENCES)
    path = tmp_path / "tools.txt.gz"
    path.write_bytes(gzip.compress((tmp_path / "tools.txt").read_bytes()))
    assert open_dataset(f"s3rec:{path}").collection.fingerprint == plain.fingerprint


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("1 2 3 4\n1 4 5 6\n", r"tools\.txt:2: user '1' occurs twice; expected one line for each user"),
        ("1 2\n", "none of 1 users has 3 interactions"),
    ],
)
def test_bad_text_files_are_refused(tmp_path: Path, text: str, complaint: str) -> None:
    (tmp_path / "tools.txt").write_text(text)
    with pytest.raises(BenchError, match=complaint):
        open_dataset(f"s3rec:{tmp_path / 'tools.txt'}")


@pytest.mark.parametrize(
    ("inter", "item", "complaint"),
    [
        ("{", "{}", r"tools\.inter\.json: not JSON"),
        ("[1]", "{}", r"\[1\] is not an object"),
        ('{"1": "2 3 4"}', "{}", r"user '1' has '2 3 4'; give a list of item ids"),
        ('{"1": [2, null, 4]}', "{}", r"user '1' has \[2, None, 4\]"),
        ('{"1": [2, 3, 4]}', '{"2": "saw"}', r"item '2' has 'saw'; give an object of text fields"),
    ],
)
def test_bad_folders_are_refused(tmp_path: Path, inter: str, item: str, complaint: str) -> None:
    (tmp_path / "tools.inter.json").write_text(inter)
    (tmp_path / "tools.item.json").write_text(item)
    with pytest.raises(BenchError, match=complaint):
        open_dataset(f"letter:{tmp_path}")


def test_a_folder_without_sequences_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match=r"lacks NAME\.inter\.json; a folder of LETTER's holds"):
        open_dataset(f"letter:{tmp_path}")
    with pytest.raises(BenchError, match=r"is not a folder"):
        open_dataset(f"letter:{tmp_path / 'nowhere'}")


an_id = st.text(st.characters(codec="utf-8", exclude_categories=["Z", "C"]), min_size=1, max_size=4)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(an_id, st.lists(an_id, min_size=3, max_size=6), min_size=1, max_size=5))
def test_any_sequences_come_back_from_both(tmp_path: Path, sequences: dict[str, list[str]]) -> None:
    for collection in (s3rec(tmp_path, sequences), letter(tmp_path / "any", sequences)):
        targets = collection.documents.ids(collection.qrels("test").rows)
        found = {
            query.id: [*query.history, target]
            for query, target in zip(collection.queries("test"), targets, strict=True)
        }
        assert found == sequences
