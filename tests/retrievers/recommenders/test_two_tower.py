"""Two towers: the views of items and the user tower against their formulas, and what they learn."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from merging import merged
from next_items import next_item_figures
from same_answers import check_saved, check_seeded, check_unknown, without_texts
from sklearn.metrics import mutual_info_score
from torch.nn import functional

from bench.collections.collection import Collection
from bench.errors import BenchError
from retrievers.recommenders.feature_masking import (
    correlated_halves,
    most_correlated,
    mutual_information,
    random_halves,
)
from retrievers.recommenders.losses import among, cross_entropy
from retrievers.recommenders.towers import FeaturedItems, Towers
from retrievers.recommenders.two_tower import TwoTower

MakeSequences = Callable[..., Collection]

TINY: dict[str, Any] = {
    "dimension": 16,
    "hidden": 32,
    "dropout": 0.1,
    "features": {"digits": 4, "bits": 3, "components": 8},
    "training": {"training_batch": 16, "epochs": 30, "learning_rate": 0.01},
}
FEATURES = torch.tensor([[0, 1, 0], [1, 0, 0], [2, 1, 1], [3, 1, 1]])


def fitted(collection: Collection, **options: Any) -> TwoTower:
    return TwoTower(**merged(TINY, options)).fit(collection.training_view())


@pytest.fixture
def network() -> Towers:
    torch.manual_seed(0)
    return Towers(FeaturedItems(FEATURES, 5, 6, 0.0, 0.0), longest=4, decay=0.5, hidden=7, dropout=0.0).eval()


def values(items: FeaturedItems, row: int) -> list[torch.Tensor]:
    """The vectors of an item's features: four values, then two, then two."""
    first, second, third = FEATURES[row].tolist()
    return [items.weight[first], items.weight[4 + second], items.weight[6 + third]]


def test_an_item_is_what_the_tower_makes_of_its_features(network: Towers) -> None:
    items = network.items
    expected = torch.stack([items.tower(torch.cat(values(items, row))) for row in range(4)])
    torch.testing.assert_close(
        items(torch.tensor([2, 4, 0])), torch.stack([expected[2], torch.zeros(5), expected[0]])
    )
    torch.testing.assert_close(items.compared, expected)
    states = torch.randn(2, 5)
    torch.testing.assert_close(network.item_scores(states), states @ expected.T)


def test_two_views_of_an_item_stand_against_those_of_others(network: Towers) -> None:
    items, rows = network.items, torch.tensor([3, 0])
    hidden = torch.tensor([[True, False, False], [False, True, True]])
    views = []
    for mask in (hidden, ~hidden):
        seen = [
            torch.cat(
                [
                    items.masks[place] if hides else value
                    for place, (hides, value) in enumerate(zip(line, own, strict=True))
                ]
            )
            for line, own in zip(mask.tolist(), [values(items, row) for row in rows.tolist()], strict=True)
        ]
        views.append(functional.normalize(items.tower(torch.stack(seen)), dim=1))
    logits = views[0] @ views[1].T / 0.1
    expected = (logits.logsumexp(dim=1) - logits.diagonal()).mean()
    torch.testing.assert_close(items.contrasted(rows, hidden, 0.1), expected)


def test_a_user_is_the_last_item_and_a_mean_of_all_the_latest_weighing_most(network: Towers) -> None:
    rows = torch.tensor([[1, 3, 0, 4]])
    vectors = network.items(rows)[0]
    mean = (vectors[0] / 4 + vectors[1] / 2 + vectors[2]) / 1.75
    torch.testing.assert_close(network(rows)[0, 2], network.tower(torch.cat([vectors[2], mean])))
    torch.testing.assert_close(network(rows)[0, 0], network.tower(torch.cat([vectors[0], vectors[0]])))


def test_mutual_information_is_that_of_another_library() -> None:
    draws = np.random.default_rng(0)
    first = draws.integers(5, size=200)
    second = np.where(draws.random(200) < 0.5, first, draws.integers(3, size=200))
    assert mutual_information(first, second) == pytest.approx(mutual_info_score(first, second))


def test_a_feature_is_hidden_with_what_tells_most_of_it() -> None:
    draws = np.random.default_rng(0)
    one, other = draws.integers(6, size=(2, 400))
    features = np.stack([one, other, one // 2, other // 2], axis=1)
    order = most_correlated(features)
    assert order[:, :2].tolist() == [[0, 2], [1, 3], [2, 0], [3, 1]]
    torch.manual_seed(0)
    masks = correlated_halves(300, torch.from_numpy(order))
    assert {tuple(line) for line in masks.tolist()} == {(True, False, True, False), (False, True, False, True)}


def test_halves_at_random_are_all_there_are() -> None:
    torch.manual_seed(0)
    masks = random_halves(500, 4, torch.device("cpu"))
    assert (masks.sum(dim=1) == 2).all()
    assert len({tuple(line) for line in masks.tolist()}) == 6


def test_a_loss_among_some_items_leaves_the_others_out() -> None:
    states, items, rows = torch.randn(3, 4), torch.randn(6, 4), torch.tensor([1, 2, 5])
    logits = states @ items[rows].T
    expected = functional.cross_entropy(logits, torch.tensor([2, 0, 1]))
    torch.testing.assert_close(among(cross_entropy, rows, 6)(states, torch.tensor([5, 1, 2]), items), expected)


@pytest.mark.parametrize(
    "options", [{}, {"self_supervision": {"weight": 0}}, {"self_supervision": {"masking": "random"}}]
)
def test_it_learns_what_comes_next(months: Collection, options: dict[str, Any]) -> None:
    assert next_item_figures(fitted(months, **options), months)["MRR@10"] > 0.9


def test_the_views_are_a_part_of_the_loss(months: Collection) -> None:
    system = fitted(months, training={"epochs": 1}, dropout=0.0, loss="cross-entropy")
    states, targets = torch.randn(3, 16), torch.tensor([1, 3, 5])
    found = {}
    for weight in (0.0, 0.3, 0.6):
        system.self_supervision = system.self_supervision.model_copy(update={"weight": weight})
        torch.manual_seed(0)
        found[weight] = float(system.loss_of(system._model)(states, targets).detach())
    assert found[0.6] - found[0.0] == pytest.approx(2 * (found[0.3] - found[0.0]), rel=1e-4)
    assert found[0.3] > found[0.0]


def test_without_numbers_like_texts_are_like_items(make_sequences: MakeSequences) -> None:
    items = ["-", "--", "join two paths", "open a file", "close a file", "sort a list"]
    walks = {f"u{n}": [items[(n + step) % 6] for step in range(5 + n % 5)] for n in range(24)}
    collection = make_sequences(walks)
    for numbered, alike in ((False, True), (True, False)):
        (scores,) = fitted(collection, numbered=numbered, training={"epochs": 2}).scores([np.array([2, 3])])
        assert (scores[0] == scores[1]) == alike


def test_the_seed_decides(months: Collection) -> None:
    check_seeded(lambda seed: fitted(months, training={"epochs": 2}, seed=seed), months.queries())


def test_a_saved_system_answers_as_before(months: Collection, tmp_path: Path) -> None:
    check_saved(fitted(months, training={"epochs": 2}), TwoTower(**TINY), months.queries(), tmp_path)


def test_a_history_without_a_known_item_gets_no_answer(months: Collection) -> None:
    system = fitted(months, training={"epochs": 1})
    check_unknown(system)


def test_a_catalogue_without_text_is_refused(make_sequences: MakeSequences) -> None:
    with pytest.raises(BenchError, match="text"):
        fitted(without_texts(make_sequences))
