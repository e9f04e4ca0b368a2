"""Sequences of library calls: on a small package written here, and on the real libraries."""

import platform
from itertools import pairwise
from pathlib import Path

import pytest
from made_calls import only

from bench.collections.catalogue import open_dataset
from bench.collections.collection import Collection
from bench.collections.sources.pycalls import Pycalls
from bench.errors import BenchError

SHOP = {
    "numpy/__init__.py": "from .core import ones\n",
    "numpy/core.py": 'def ones():\n    """An array of ones."""\nlog = None\n',
    "numpy/testing.py": 'def assert_equal():\n    """Raise unless equal."""\n',
    "numpy/tests/test_core.py": """
import json, math, pytest, warnings
import numpy as np
import numpy.testing as npt
from numpy.core import ones as fresh, log
def helper(): pass
def test_ones():
    helper(); math.floor(1.5); math.floor(2.5)
    fresh()
    with warnings.catch_warnings(): pytest.raises(ValueError)
    npt.assert_equal(np.ones(), json.dumps(1))
def test_log(): math.floor(1); log.info(); json.dumps(2)
def test_short(): np.ones()
""",
}


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the files of SHOP, as if they were numpy."""
    only(SHOP, tmp_path, monkeypatch)


def read(options: str) -> Collection:
    return open_dataset(f"pycalls?minimum_interactions=1&{options}").collection


def sequences(collection: Collection) -> dict[str, list[str]]:
    qrels = collection.qrels("test")
    return {
        query.id.rpartition(":")[2]: [*query.history, *collection.documents.ids(qrels.of(position)[0])]
        for position, query in enumerate(collection.queries("test"))
    }


def test_a_session_is_what_a_function_calls_of_the_libraries(small: None) -> None:
    found = sequences(read("runs=keep"))
    assert found == {
        "test_ones": ["math:floor", "math:floor", "numpy.core:ones", "numpy.core:ones", "json:dumps"],
        "test_log": ["math:floor", "numpy.core:log.info", "json:dumps"],
    }


def test_a_call_that_follows_itself_counts_once(small: None) -> None:
    collection = read("runs=once")
    assert sequences(collection)["test_ones"] == ["math:floor", "numpy.core:ones", "json:dumps"]
    assert collection.notes["a call that follows itself"] == "counts once"


def test_an_item_is_titled_by_its_usual_name_and_has_the_docstring(small: None) -> None:
    documents = {document.id: document for document in read("runs=once").documents}
    assert documents["numpy.core:ones"].title == "numpy.ones"
    assert documents["numpy.core:ones"].body == "An array of ones."
    assert (documents["math:floor"].title, documents["math:floor"].body) == ("math.floor", "")


def test_a_sample_larger_than_the_collection_is_refused(small: None) -> None:
    assert len(sequences(read("sample=1"))) == 1
    with pytest.raises(
        BenchError, match="pycalls has 2 functions here, fewer than the sample of 3; choose a smaller"
    ):
        read("sample=3")


def test_the_state_tells_the_versions_of_what_is_read() -> None:
    state = Pycalls().state()
    assert state.keys() == {"python", "numpy", "scipy", "sklearn", "pandas"}
    assert platform.python_version() in state["python"]


@pytest.mark.slow
def test_the_real_libraries_give_thousands_of_sessions() -> None:
    collection = open_dataset("pycalls").collection
    assert len(collection.queries()) > 4000
    assert len(collection) > 1000
    found = sequences(collection)
    assert min(map(len, found.values())) >= 5
    calls = [place for sequence in found.values() for place in sequence]
    assert not [place for place in calls if place.startswith(("pytest", "unittest", "numpy.testing", "warnings"))]
    assert "numpy.array" in {document.title for document in collection.documents}
    described = sum(bool(document.body) for document in collection.documents)
    assert described > 0.6 * len(collection)
    repeated = sum(first == second for sequence in found.values() for first, second in pairwise(sequence))
    assert repeated < 0.05 * len(calls)
