"""LIGER: what it may answer, by what it orders, and what its loss is."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from merging import merged
from next_items import next_item_figures
from torch.nn import functional

from bench.collections.collection import Collection, Query
from bench.errors import BenchError
from retrievers.recommenders.liger import LIGER
from retrievers.recommenders.semantic_ids.decoder_only import DecoderOnly

MakeSequences = Callable[..., Collection]

TINY: dict[str, Any] = {
    "tokenizer": {"codes": 4, "levels": 2},
    "decoder": {"dimension": 16, "layers": 1, "heads": 2, "feed_forward": 32, "dropout": 0.0},
    "training": {"training_batch": 16, "epochs": 20, "learning_rate": 0.02},
    "beams": {"width": 12},
    "generated": 3,
}
NAMES = ["join two paths", "split a path", "open a file", "close a file", "sort a list", "reverse a list"]


def fitted(collection: Collection, **options: Any) -> LIGER:
    return LIGER(**merged(TINY, options)).fit(collection.training_view())


@pytest.fixture
def partly_new(make_sequences: MakeSequences) -> Collection:
    """Six items in a circle; what is asked of one user is an item that training lacks."""
    walks = {f"u{n}": [NAMES[(n + step) % 6] for step in range(5 + n % 5)] for n in range(24)}
    walks["new"] = [*NAMES[:4], "sort a tuple"]
    return make_sequences(walks)


def test_it_learns_what_comes_next(partly_new: Collection) -> None:
    system = fitted(partly_new, training={"epochs": 30})
    assert next_item_figures(system, partly_new, mask_history="no")["MRR@10"] > 0.8


def test_an_answer_has_what_was_written_and_all_that_training_lacks(partly_new: Collection) -> None:
    system = fitted(partly_new, training={"epochs": 3})
    new = partly_new.documents.rows["sort a tuple"]
    assert system.facts()["items_that_training_lacks"] == 1
    answers = system.retrieve(partly_new.queries(), 7)
    for place in range(len(partly_new.queries())):
        rows, _ = answers.of(place)
        assert len(rows) == 4
        assert new in rows.tolist()


def test_where_histories_are_hidden_as_much_is_written_beyond_them(make_sequences: MakeSequences) -> None:
    names = [f"item {number}" for number in range(12)]
    collection = make_sequences({f"u{n}": [names[(n + step) % 12] for step in range(8)] for n in range(24)})
    system = fitted(collection, training={"epochs": 3})
    assert system.facts()["histories_hidden"]
    answers = system.retrieve(collection.queries(), 12)
    for place, query in enumerate(collection.queries()):
        rows, _ = answers.of(place)
        assert len(rows) == 3
        assert not {collection.documents.rows[item] for item in query.history} & set(rows.tolist())


def test_what_training_lacks_and_has_no_text_is_no_answer(make_sequences: MakeSequences) -> None:
    """Its cosine with every direction would be 0, which is more than that of texts that point elsewhere."""
    walks = {f"u{n}": [NAMES[(n + step) % 6] for step in range(5 + n % 5)] for n in range(24)}
    collection = make_sequences({**walks, "new": [*NAMES[:4], "--"]})
    assert "--" in collection.documents.rows
    for generated in (3, 7):
        system = fitted(collection, generated=generated, training={"epochs": 1})
        assert collection.documents.rows["--"] not in system.retrieve(collection.queries(), 7).rows


def test_an_answer_is_ordered_by_the_cosines_of_the_texts(partly_new: Collection) -> None:
    system = fitted(partly_new, training={"epochs": 3})
    (query,) = [one for one in partly_new.queries() if one.id == "new"]
    rows, scores = system.retrieve([query], 7).of(0)
    model = system._model
    with torch.no_grad():
        history = system._history(
            [np.array([partly_new.documents.rows[item] for item in query.history])], np.zeros(1, int)
        )
        hidden, _, _ = model.run(history)
        state = model.pointer(hidden[0, -1])
    vectors = torch.from_numpy(system.item_vectors(partly_new))
    expected = functional.cosine_similarity(vectors[torch.from_numpy(rows.astype(np.int64))], state[None])
    np.testing.assert_allclose(scores, expected.numpy(), rtol=1e-4)


def test_the_loss_is_that_of_the_codes_plus_that_of_the_texts(partly_new: Collection) -> None:
    system = fitted(partly_new, training={"epochs": 1})
    model, new = system._model, partly_new.documents.rows["sort a tuple"]
    history = system._history([np.array([0, 2, 1])], np.zeros(1, int))
    with torch.no_grad():
        hidden, _, _ = model.run(history)
        vectors, losses = torch.from_numpy(system._vectors), []
        for place, target in ((1, 2), (2, 1)):
            state = hidden[0, model.last_positions(history.rows)[0, place - 1]]
            logits = functional.normalize(model.pointer(state), dim=0) @ vectors.T / 0.07
            logits[new] = -torch.inf  # no negative, because training lacks it
            losses.append(-logits.log_softmax(dim=0)[target])
        expected = DecoderOnly.loss(model, history, 0.0) + torch.stack(losses).mean()
        torch.testing.assert_close(model.loss(history, 0.0), expected)


def test_a_saved_system_answers_as_before(partly_new: Collection, tmp_path: Path) -> None:
    system = fitted(partly_new, training={"epochs": 2})
    system.save(tmp_path)
    again = LIGER(**TINY)
    again.load(tmp_path)
    before, after = (one.retrieve(partly_new.queries(), 5) for one in (system, again))
    np.testing.assert_array_equal(before.rows, after.rows)
    np.testing.assert_array_equal(before.scores, after.scores)
    assert again.facts() == system.facts()


def test_a_history_without_a_known_item_gets_no_answer(partly_new: Collection) -> None:
    system = fitted(partly_new, training={"epochs": 1})
    assert system.retrieve([Query("a", "", ("elsewhere",))], 5).lengths.tolist() == [0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"generated": 20}, "generated 20 is more than beams.width 12"),
        ({"architecture": "encoder-decoder"}, "liger is decoder-only"),
    ],
)
def test_options_that_do_not_fit_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(BenchError, match=message):
        LIGER(**merged(TINY, options))
