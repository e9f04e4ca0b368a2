"""Items that queries read, aligned with their texts: the losses against their formulas, and what is learned."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from merging import merged
from next_items import next_item_figures
from same_answers import check_saved, check_seeded, check_unknown, without_texts
from torch.nn import functional

from bench.collections.collection import Collection
from bench.errors import BenchError
from retrievers.recommenders.ilm import ILM
from retrievers.recommenders.item_queries import QueriedItems, contrast
from retrievers.recommenders.transformer import Shape, Transformer

MakeSequences = Callable[..., Collection]

TINY: dict[str, Any] = {
    "dimension": 16,
    "dropout": 0.1,
    "training": {"training_batch": 16, "epochs": 30, "learning_rate": 0.01},
}
ALONE = {"alignment": {"weight": 0}, "item_item": {"weight": 0}}
WORDS = [
    "add two numbers",
    "compress a file",
    "draw a random number",
    "join two paths",
    "open a socket",
    "parse a date",
    "read a line of a file",
    "sort a list",
    "split a text into words",
    "start a thread",
    "wait for a process",
    "write a log message",
]


def fitted(collection: Collection, **options: Any) -> ILM:
    return ILM(**merged(TINY, options)).fit(collection.training_view())


def circle(make_sequences: MakeSequences, names: list[str]) -> Collection:
    """Walks along the circle of items of these names, which have their places in alphabetical order."""
    walks = {f"u{s}-{n}": [names[(s + step) % len(names)] for step in range(n)] for s in range(12) for n in (5, 6, 8)}
    return make_sequences(walks)


@pytest.fixture
def network() -> Transformer:
    torch.manual_seed(0)
    shape = Shape(items=5, dimension=6, layers=2, heads=2, longest=4, dropout=0.0)
    factors = torch.cat([torch.randn(4, 3), torch.zeros(1, 3)])
    return Transformer(shape, QueriedItems(factors, 7, shape, queries=3, keys=2, item_dropout=0.0)).eval()


def test_an_item_is_the_mean_of_what_queries_read_of_its_tokens_alone(network: Transformer) -> None:
    items = network.items
    for row in range(5):
        tokens = items.norm(items.keys(items.factors[row]).view(1, 2, 6))
        states = items.weight[None, :3]
        for layer in items.layers:
            states = layer(states, tokens)
        torch.testing.assert_close(
            items(torch.tensor([row, 5])), torch.stack([states[0].mean(dim=0), torch.zeros(6)])
        )
    states = torch.randn(2, 6)
    torch.testing.assert_close(network.item_scores(states), states @ items.compared.T)


def test_pairs_stand_against_others_in_both_directions_but_for_related_ones() -> None:
    torch.manual_seed(0)
    first, second = functional.normalize(torch.randn(2, 3, 4), dim=2)
    related = torch.tensor([[True, False, True], [False, True, False], [False, False, True]])
    weights = torch.exp(first @ second.T / 0.2)
    weights[0, 2] = 0
    share = weights.diagonal()
    expected = -(torch.log(share / weights.sum(dim=1)) + torch.log(share / weights.sum(dim=0))).mean() / 2
    torch.testing.assert_close(contrast(3 * first, 2 * second, related, 0.2), expected)


def test_equal_texts_are_no_negatives(network: Transformer) -> None:
    items = network.items
    items(torch.tensor([0]))
    texts = functional.normalize(torch.randn(2, 7), dim=1)[[0, 0, 1]]
    related = torch.tensor([[True, True, False], [True, True, False], [False, False, True]])
    expected = contrast(items.compared[[3, 1, 2]], items.of_text(texts), related, 0.1)
    torch.testing.assert_close(items.text_loss(torch.tensor([3, 1, 2]), texts, 0.1), expected)


def test_an_item_that_comes_next_elsewhere_is_no_negative(network: Transformer) -> None:
    items = network.items
    items(torch.tensor([0]))
    pairs = torch.tensor([[0, 1], [1, 2], [0, 3], [3, 2]])
    related = torch.eye(4, dtype=torch.bool)
    related[0, 2] = related[2, 0] = True  # 0 has both 1 and 3 next
    related[1, 3] = related[3, 1] = True  # both come before 2
    related[1, 0] = related[3, 2] = True  # 1 itself, and 3
    expected = contrast(items.compared[[0, 1, 0, 3]], items.compared[[1, 2, 3, 2]], related, 0.1)
    torch.testing.assert_close(items.item_loss(pairs, 0.1), expected)


@pytest.mark.parametrize("options", [{}, ALONE, {"encoder": {"queries": 2, "keys": 1, "layers": 2}}])
def test_it_learns_what_comes_next(months: Collection, options: dict[str, Any]) -> None:
    assert next_item_figures(fitted(months, **options), months)["MRR@10"] > 0.9


def nearest_to_own_text(system: ILM) -> float:
    """Share of the items whose vector is nearer to their own text than to that of any other."""
    items = system._model.items
    assert isinstance(items, QueriedItems)
    with torch.no_grad():
        texts = functional.normalize(items.of_text(torch.from_numpy(system._texts)), dim=1)
        cosines = functional.normalize(items.make(), dim=1) @ texts.T
    return float((cosines.argmax(dim=1) == torch.arange(len(texts))).float().mean())


def test_items_come_nearest_to_their_own_texts(make_sequences: MakeSequences) -> None:
    collection = circle(make_sequences, WORDS)
    assert nearest_to_own_text(fitted(collection, alignment={"weight": 1})) == 1
    assert nearest_to_own_text(fitted(collection, alignment={"weight": 0})) < 0.5


def test_without_weight_texts_change_nothing(make_sequences: MakeSequences) -> None:
    """Two circles alike but for the texts of their items."""
    walks = [circle(make_sequences, names) for names in (WORDS, [f"month-{number:02}" for number in range(12)])]
    history = [np.array([2, 3])]
    for weight, alike in ((0.0, True), (0.5, False)):
        options: dict[str, Any] = {"alignment": {"weight": weight}, "training": {"epochs": 2}}
        first, second = (fitted(collection, **options).scores(history) for collection in walks)
        assert np.array_equal(first, second) == alike


@pytest.mark.parametrize("group", ["alignment", "item_item"])
def test_each_contrast_is_a_part_of_the_loss(months: Collection, group: str) -> None:
    system = fitted(months, **ALONE, training={"epochs": 1}, dropout=0.0, loss="cross-entropy")
    states, targets = torch.randn(3, 16), torch.tensor([1, 3, 5])
    found = {}
    for weight in (0.0, 0.3, 0.6):
        setattr(system, group, getattr(system, group).model_copy(update={"weight": weight}))
        torch.manual_seed(0)
        found[weight] = float(system.loss_of(system._model)(states, targets).detach())
    assert found[0.6] - found[0.0] == pytest.approx(2 * (found[0.3] - found[0.0]), rel=1e-3)
    assert found[0.3] > found[0.0]


def test_an_item_without_text_is_known_by_who_has_it(make_sequences: MakeSequences) -> None:
    collection = circle(make_sequences, ["-", *WORDS[1:]])
    system = fitted(collection)
    assert not system._texts[0].any()
    assert next_item_figures(system, collection)["MRR@10"] > 0.9


def test_the_seed_decides(months: Collection) -> None:
    check_seeded(lambda seed: fitted(months, training={"epochs": 2}, seed=seed), months.queries())


def test_a_saved_system_answers_as_before(months: Collection, tmp_path: Path) -> None:
    check_saved(fitted(months, training={"epochs": 2}), ILM(**TINY), months.queries(), tmp_path)


def test_a_history_without_a_known_item_gets_no_answer(months: Collection) -> None:
    check_unknown(fitted(months, training={"epochs": 1}))


def test_a_catalogue_without_text_is_refused(make_sequences: MakeSequences) -> None:
    with pytest.raises(BenchError, match="text"):
        fitted(without_texts(make_sequences))
