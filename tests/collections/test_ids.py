"""Ids by the million: found, and known to be distinct, as a dictionary would."""

from collections.abc import Callable
from unittest.mock import patch

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.collections.collection import Collection, Documents
from bench.collections.ids import Repetitions, Rows

IDS = st.lists(st.text(st.characters(codec="utf-8"), max_size=4), unique=True)


@settings(deadline=None)
@given(IDS, st.integers(1, 5), st.text(max_size=4))
def test_rows_are_those_of_a_dictionary(ids: list[str], chunk: int, other: str) -> None:
    chunks = [ids[start : start + chunk] for start in range(0, len(ids), chunk)]
    rows = Rows(pa.chunked_array(chunks, type=pa.string()))
    expected = {document_id: row for row, document_id in enumerate(ids)}
    assert dict(rows) == expected
    assert list(rows) == ids
    assert (other in rows) == (other in expected)
    assert rows.get(other, -1) == expected.get(other, -1)


def test_ids_of_one_hash_are_told_apart() -> None:
    with patch("bench.collections.ids.hash", lambda _: 7, create=True):
        rows = Rows(pa.chunked_array([["ash", "birch"], ["cedar"]]))
        assert [rows["ash"], rows["birch"], rows["cedar"]] == [0, 1, 2]
        with pytest.raises(KeyError):
            rows["elm"]


@settings(deadline=None)
@given(st.lists(st.lists(st.text(st.characters(codec="utf-8"), max_size=1), max_size=6), max_size=12))
def test_the_first_id_that_comes_again_is_found(batches: list[list[str]]) -> None:
    repetitions, seen = Repetitions(), set[str]()
    for batch in batches:
        expected = next((n for n, one in enumerate(batch) if one in seen or one in batch[:n]), None)
        assert repetitions.first(batch) == expected
        seen.update(batch)


def test_runs_stay_few() -> None:
    repetitions = Repetitions()
    for number in range(300):
        assert repetitions.first([str(number)]) is None
    assert len(repetitions._runs) <= 9
    assert repetitions.first(["301", "17"]) == 1


def test_many_documents_are_found_without_a_dictionary(
    make_collection: Callable[..., Collection], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Documents, "_MOST_IN_A_DICTIONARY", 2)
    collection = make_collection(
        {"ash": "wood", "birch": "bark", "cedar": "smell"}, {"q": "bark"}, {"q": {"birch": 1, "cedar": 0}}
    )
    assert isinstance(collection.documents.rows, Rows)
    assert dict(collection.documents.rows) == {"ash": 0, "birch": 1, "cedar": 2}
    assert collection.qrels().rows.tolist() == [1, 2]
