"""One catalogue for search and recommendation: what is asked of it, and that nothing tells the answers."""

from pathlib import Path

import pytest
from made_calls import only

from bench.collections.catalogue import open_dataset
from bench.collections.collection import Collection
from bench.collections.histories import training_sequences
from bench.collections.sources.pydoc import plainly, split_of

_REST = (
    "The numbers are read from left to right, and whatever is no number is left out of what is given back, "
    "without a warning of any kind. More is said of {name} in its own chapter of the handbook of this library."
)


def _function(name: str, summary: str) -> str:
    return f'def {name}():\n    """{summary}\n\n    {_REST.format(name=name)}\n    """\n'


SHOP = {
    "numpy/__init__.py": "from .core import mean, median, total, largest, twice\n",
    "numpy/core.py": "".join(
        [
            _function("mean", "Give the average of some numbers."),
            _function("median", "Find what lies in the middle of numbers."),
            _function("total", "Add up whatever numbers are given."),
            _function("largest", "Pick the largest of many numbers."),
            'def twice():\n    """As `largest`: pick the largest of many numbers, two times."""\n',
        ]
    ),
    "numpy/tests/test_core.py": "import numpy as np\n"
    + "".join(
        f"def test_{number}():\n    np.mean(); np.median(); np.total(); np.largest(); np.twice()\n"
        for number in range(5)
    ),
}


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Collection:
    """Only the files of SHOP, as if they were numpy."""
    only(SHOP, tmp_path, monkeypatch)
    return open_dataset("pycalls-joint").collection


def asked(collection: Collection) -> dict[str, str]:
    """The question of each item that is asked for in words, in whatever split."""
    found = {}
    for split in collection.splits:
        for query, rows in collection.relevant(split):
            if not query.history:
                found[collection.documents.ids(rows)[0]] = query.text
    return found


def test_a_summary_asks_for_the_item_that_it_describes(shop: Collection) -> None:
    assert asked(shop)["numpy.core:median"] == "Find what lies in the middle of numbers."
    text = {document.id: document for document in shop.documents}["numpy.core:median"]
    assert text.title == "numpy.median"
    assert text.body == _REST.format(name="median")


def test_a_summary_that_an_item_tells_is_no_question(shop: Collection) -> None:
    """`twice` has the summary of `largest` in its text."""
    assert asked(shop).keys() == {f"numpy.core:{name}" for name in ("mean", "median", "total")}
    assert shop.notes["summaries left out (they stand in the text of an item)"] == 1
    assert shop.notes["questions in words"] == 3


def test_users_and_questions_are_told_apart(shop: Collection) -> None:
    users, questions = shop.asking("users"), shop.asking("questions")
    assert [len(query.history) for query in users.queries("test")] == [4] * 5
    assert "dev" not in users.splits
    assert "valid" not in questions.splits
    found = [query for split in questions.splits for query in questions.queries(split)]
    assert len(found) == 3
    assert not any(query.history for query in found)
    assert [len(sequence) for sequence in training_sequences(shop.training_view())] == [3] * 5


def leaks(collection: Collection) -> list[str]:
    """Test questions that a training question or a text tells, and test items that a training sequence goes on to."""
    view = collection.training_view()
    told = [
        plainly(query.text)
        for split in view.splits
        for query in view.asking("questions").split_queries.get(split, ())
    ]
    texts = "\n".join(plainly(text) for text in collection.texts())
    found = [
        query.text
        for query in collection.asking("questions").split_queries.get("test", ())
        if plainly(query.text) in told or plainly(query.text) in texts
    ]
    ends = {query.id: query.history[:-1] for query in collection.asking("users").queries("test")}
    ids = collection.documents.ids()
    learned = zip(view.asking("users").queries("train"), training_sequences(view), strict=True)
    return found + [query.id for query, rows in learned if tuple(ids[row] for row in rows) != ends[query.id]]


def test_nothing_that_is_asked_in_test_is_there_to_learn(shop: Collection) -> None:
    """A user's training sequence ends before the items of `valid` and `test`; no question of `test` is elsewhere."""
    assert "test" not in shop.training_view().splits
    assert leaks(shop) == []


@pytest.mark.slow
def test_the_real_libraries_tell_no_answers() -> None:
    collection = open_dataset("pycalls-joint").collection
    questions = collection.asking("questions")
    assert {split: len(questions.queries(split)) > 50 for split in questions.splits} == {
        "dev": True,
        "test": True,
        "train": True,
    }
    assert leaks(collection) == []
    relevant = [
        (split, collection.documents.ids(rows)[0])
        for split in questions.splits
        for _, rows in questions.relevant(split)
    ]
    assert all(split_of(item) == split for split, item in relevant)
