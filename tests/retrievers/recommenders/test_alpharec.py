"""AlphaRec: its graph and its loss against the formulas, and that it answers by texts alone."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from same_answers import check_saved, check_seeded, without_texts

from bench.collections.collection import Collection, Query
from bench.errors import BenchError
from retrievers.recommenders import losses
from retrievers.recommenders.alpharec import AlphaRec
from retrievers.recommenders.losses import sampled_softmax
from retrievers.recommenders.options import InteractionTrainingOptions
from retrievers.recommenders.text_graph import TextGraph, text_graph_plan, text_map

MakeSequences = Callable[..., Collection]

TINY: dict[str, Any] = {
    "dimension": 16,
    "hidden": 32,
    "negatives": 8,
    "training": {"epochs": 30, "learning_rate": 0.01, "training_batch": 64, "patience": 30},
}
FOOD = ["bake some bread", "boil a soup", "fry an egg", "roast a chicken", "steam the rice", "grill a fish"]
FILES = ["open a file", "rename a folder", "list a directory", "copy a file", "delete a folder", "read a file"]
NEW = "write a file"
OWNED = np.array([[0, 0, 1, 2, 2, 2], [0, 1, 1, 0, 2, 3]])
"""Each user with an item; item 4 is nobody's."""
TEXTS = np.random.default_rng(0).normal(size=(5, 6)).astype(np.float32)


def fitted(collection: Collection, **options: Any) -> AlphaRec:
    return AlphaRec(**{**TINY, **options}).fit(collection.training_view())


@pytest.fixture
def tastes(make_sequences: MakeSequences) -> Collection:
    """Half of the users cook, the others work with files; one of these is asked for an item that training lacks."""
    draws = np.random.default_rng(0)
    kinds = [FOOD, FILES]
    users = {f"u{user}": draws.permutation(kinds[user % 2])[:5].tolist() for user in range(40)}
    return make_sequences({**users, "new": [*FILES[:4], NEW]})


def model_of(layers: int = 2) -> TextGraph:
    torch.manual_seed(0)
    return TextGraph(text_map(6, 4, 3), TEXTS, OWNED, 3, layers)


def by_hand(model: TextGraph) -> tuple[np.ndarray, np.ndarray]:
    """Users and items of two steps, by the matrix of the graph."""
    means = np.stack([TEXTS[OWNED[1][OWNED[0] == user]].mean(axis=0) for user in range(3)])
    adjacency = np.zeros((8, 8))
    for user, item in OWNED.T:
        adjacency[user, 3 + item] = adjacency[3 + item, user] = 1
    degrees = np.maximum(adjacency.sum(axis=1), 1)
    smooth = adjacency / np.sqrt(degrees[:, None] * degrees)
    start = model.mapped(torch.from_numpy(np.concatenate([means, TEXTS]))).detach().numpy()
    total = start + smooth @ start + smooth @ smooth @ start
    total /= np.linalg.norm(total, axis=1, keepdims=True)
    return total[:3], total[3:]


def test_users_and_items_are_what_the_graph_makes_of_their_texts() -> None:
    model = model_of()
    found = [vectors.detach().numpy() for vectors in model.final()]
    for vectors, expected in zip(found, by_hand(model), strict=True):
        np.testing.assert_allclose(vectors, expected, atol=1e-6)


def test_a_history_is_asked_as_the_user_who_has_it_would_be() -> None:
    model = model_of()
    system = AlphaRec(hidden=4, dimension=3)
    with system._inside():
        system._rows = dict.fromkeys(map(str, range(5)))
        system._hold(model)
        users = system._users([OWNED[1][OWNED[0] == user] for user in range(3)])
        with_cold, twice = system._users([np.array([0, 4]), np.array([4, 0, 0])])
    np.testing.assert_allclose(users, by_hand(model)[0], atol=1e-6)
    np.testing.assert_allclose(with_cold, twice, atol=1e-6)


def test_negatives_are_items_that_others_have_and_the_user_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(losses, "_TOGETHER", 2)
    model = model_of()
    plan = text_graph_plan(model, OWNED, InteractionTrainingOptions(), 0.5, 50, dict, 0)
    torch.manual_seed(3)
    found = float(plan.loss((OWNED[0][:3], OWNED[1][:3])).detach())
    torch.manual_seed(3)
    drawn = torch.randint(5, (2, 50)).numpy()
    users, items = by_hand(model)
    expected = []
    for place, (user, item) in enumerate(OWNED.T[:3]):
        lacking = [other for other in drawn[place // 2] if other not in {4, *OWNED[1][OWNED[0] == user]}]
        cosines = np.exp(items @ users[user] / 0.5)
        expected.append(-np.log(cosines[item] / (cosines[item] + cosines[lacking].sum())))
    assert found == pytest.approx(np.mean(expected), rel=1e-5)


def test_without_a_bar_the_target_alone_is_no_negative() -> None:
    states, items, targets = torch.randn(3, 4), torch.randn(6, 4), torch.tensor([0, 5, 2])
    found = []
    for barred in (None, lambda drawn: drawn == targets[:, None]):
        torch.manual_seed(0)
        found.append(sampled_softmax(states, targets, items, 20, barred))
    torch.testing.assert_close(*found)


def test_every_interaction_is_once_in_an_epoch() -> None:
    plan = text_graph_plan(model_of(), OWNED, InteractionTrainingOptions(training_batch=4), 0.5, 5, dict, 0)
    batches = plan.batches(1, np.random.default_rng(0))
    assert len(batches) == plan.steps == 2
    pairs = np.concatenate([np.stack(batch) for batch in batches], axis=1)
    assert sorted(map(tuple, pairs.T)) == sorted(map(tuple, OWNED.T))


@pytest.mark.parametrize("hidden", [0, 32])
def test_it_learns_what_kind_a_history_is_of(tastes: Collection, hidden: int) -> None:
    answers = fitted(tastes, hidden=hidden).retrieve(tastes.queries(), 5)
    kind = [item in FOOD for item in tastes.documents.ids()]
    for place, query in enumerate(tastes.queries()):
        assert {kind[row] for row in answers.of(place)[0]} == {query.history[0] in FOOD}


def test_an_item_that_training_lacks_is_found_by_its_text(tastes: Collection) -> None:
    system = fitted(tastes)
    (query,) = [query for query in tastes.queries() if query.id == "new"]
    assert set(tastes.documents.ids(system.rankings([query], 7).of(0)[0])) == {*FILES, NEW}


def test_the_order_of_a_history_is_not_read(tastes: Collection) -> None:
    system = fitted(tastes, training={**TINY["training"], "epochs": 1})
    first, second = system.scores([np.array([1, 2, 3]), np.array([3, 1, 2, 2])])
    np.testing.assert_allclose(first, second, rtol=1e-5)


def test_the_seed_decides(tastes: Collection) -> None:
    check_seeded(lambda seed: fitted(tastes, training={**TINY["training"], "epochs": 1}, seed=seed), tastes.queries())


def test_a_saved_system_answers_as_before(tastes: Collection, tmp_path: Path) -> None:
    check_saved(
        fitted(tastes, training={**TINY["training"], "epochs": 1}), AlphaRec(**TINY), tastes.queries(), tmp_path
    )


def test_a_history_without_a_known_item_gets_no_answer(tastes: Collection) -> None:
    system = fitted(tastes, training={**TINY["training"], "epochs": 1})
    answers = system.retrieve([Query("a", "", ("elsewhere",)), Query("b", "", (FOOD[0],))], 3)
    assert answers.lengths.tolist() == [0, 3]


def test_a_catalogue_without_text_is_refused(make_sequences: MakeSequences) -> None:
    with pytest.raises(BenchError, match="text"):
        fitted(without_texts(make_sequences))
