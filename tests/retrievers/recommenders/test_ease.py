"""EASE: against the closed form in numpy, and what it may see."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bench.collections.collection import Collection, Query
from bench.errors import BenchError
from retrievers.recommenders.ease import EASE

MakeSequences = Callable[..., Collection]

BASKETS = {
    "ada": ["emma", "persuasion", "middlemarch", "villette", "shirley"],
    "bo": ["emma", "persuasion", "emma", "persuasion", "villette", "shirley"],
    "cy": ["persuasion", "middlemarch", "emma", "shirley"],
    "di": ["villette", "emma", "persuasion", "middlemarch"],
}


def test_it_is_the_closed_form(make_sequences: MakeSequences) -> None:
    collection = make_sequences(BASKETS)
    ids = collection.documents.ids()
    has = np.array([[item in items[:-2] for item in ids] for items in BASKETS.values()], dtype=float)
    inverse = np.linalg.inv(has.T @ has + 2.5 * np.eye(len(ids)))
    weights = -inverse / np.diag(inverse)
    np.fill_diagonal(weights, 0)
    system = EASE(regularisation=2.5).fit(collection.training_view())
    history = ("emma", "villette", "emma")
    rows, scores = system.retrieve([Query("q", "", history)], len(ids)).of(0)
    found = dict(zip(collection.documents.ids(rows), scores, strict=True))
    expected = np.array([item in history for item in ids], dtype=float) @ weights
    np.testing.assert_allclose([found[item] for item in ids], expected, atol=1e-6)


def test_the_latest_items_alone_may_count(make_sequences: MakeSequences) -> None:
    collection = make_sequences(BASKETS)
    system = EASE(latest=1).fit(collection.training_view())
    asked = [Query("q", "", ("emma", "villette")), Query("r", "", ("villette",))]
    answers = system.retrieve(asked, 5)
    np.testing.assert_array_equal(answers.of(0)[1], answers.of(1)[1])


def test_a_history_without_a_known_item_has_no_answer(make_sequences: MakeSequences) -> None:
    system = EASE().fit(make_sequences(BASKETS).training_view())
    answers = system.retrieve([Query("a", "", ("ulysses",)), Query("b", "", ("emma",))], 5)
    assert answers.lengths.tolist() == [0, 5]


def test_a_saved_model_answers_the_same(make_sequences: MakeSequences, tmp_path: Path) -> None:
    collection = make_sequences(BASKETS)
    system = EASE().fit(collection.training_view())
    system.save(tmp_path)
    loaded = EASE()
    loaded.load(tmp_path)
    asked = collection.queries()
    np.testing.assert_array_equal(loaded.retrieve(asked, 5).scores, system.retrieve(asked, 5).scores)
    for one in (system, loaded):  # a sparse product copies a matrix that lies by columns, for every question
        assert one._learned["weights"].flags.c_contiguous


@pytest.mark.parametrize("regularisation", [1e-30, 1e-9, 1e-8])
def test_a_matrix_that_cannot_be_inverted_is_refused(make_sequences: MakeSequences, regularisation: float) -> None:
    """Fewer users than items, so that the diagonal alone makes it one that can be."""
    with pytest.raises(BenchError, match=r"cannot be inverted in single precision; raise regularisation \(1e-"):
        EASE(regularisation=regularisation).fit(make_sequences(BASKETS).training_view())
