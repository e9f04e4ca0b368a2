"""COBRA: its network against a plain reading of its equations, that it learns an order, what it keeps and refuses."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from merging import merged
from next_items import next_item_figures
from same_answers import check_saved, check_seeded, check_unknown, without_texts
from torch import Tensor
from torch.nn import functional

from bench.collections.collection import Collection, Query
from bench.errors import BenchError
from retrievers.recommenders import cascade
from retrievers.recommenders.cascade import Cascade, CascadedItems
from retrievers.recommenders.cobra import COBRA
from retrievers.recommenders.transformer import Shape

MakeSequences = Callable[..., Collection]

TINY: dict[str, Any] = {
    "dimension": 16,
    "heads": 2,
    "dropout": 0.1,
    "tokenizer": {"codes": 4},
    "training": {"training_batch": 16, "epochs": 60, "learning_rate": 0.02},
}
CODES = torch.tensor([0, 1, 1, 2, 0])
"""Of five items."""

HISTORIES = [np.array(rows) for rows in ([3], [0, 1, 4], [2, 2, 0, 3, 1, 4, 0, 2])]
"""The last one is longer than what is read."""


def fitted(collection: Collection, **options: Any) -> COBRA:
    return COBRA(**merged(TINY, options)).fit(collection.training_view())


@pytest.fixture(params=["transformer", "ligr"])
def network(request: pytest.FixtureRequest) -> Cascade:
    """As after some training; of a history five items are read."""
    torch.manual_seed(0)
    items = CascadedItems(CODES, 3, torch.randn(5, 7), 8)
    made = Cascade(Shape(5, 8, 2, 2, 6, 0.0, request.param, 2), items, 0.05).eval()
    with torch.no_grad():
        for weight in made.parameters():
            weight += 0.3 * torch.randn_like(weight)
        made.items.weight[-1] = 0
    return made


def by_hand(network: Cascade, history: np.ndarray) -> Tensor:
    """Log-probabilities of the five items, each code read behind the history in a pass of its own."""
    known = history[-5:]
    rows = torch.tensor([[*known, row] for row in (0, 1, 3)])  # an item of each code
    states = network(rows)
    of_codes = (states[0, len(known) - 1, 1] @ network.items.weight[:-1].T).log_softmax(dim=0)
    told = network.items.told(torch.arange(5))
    found = torch.zeros(5)
    for code in range(3):
        members = (code == CODES).nonzero()[:, 0]
        cosines = functional.cosine_similarity(states[code, -1, 0][None], told[members])
        found[members] = of_codes[code] + (cosines / 0.05).log_softmax(dim=0)
    return found


@torch.no_grad()
def test_an_item_is_worth_its_code_and_its_text_among_those_of_the_code(network: Cascade) -> None:
    scores = network.scores(HISTORIES)
    for line, history in zip(scores, HISTORIES, strict=True):
        torch.testing.assert_close(line, by_hand(network, history), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(scores.exp().sum(dim=1), torch.ones(3))


@torch.no_grad()
def test_a_history_is_worth_as_much_alone_as_among_others(network: Cascade) -> None:
    together = network.scores(HISTORIES)
    for line, history in zip(together, HISTORIES, strict=True):
        torch.testing.assert_close(network.scores([history])[0], line, atol=1e-4, rtol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize("together", [1, 2])
def test_it_does_not_matter_how_many_codes_stand_behind_a_history(
    network: Cascade, together: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = network.scores(HISTORIES)
    monkeypatch.setattr(cascade, "_CODES_TOGETHER", together)
    torch.testing.assert_close(network.scores(HISTORIES), expected, atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_the_loss_is_that_of_the_codes_and_of_the_texts_among_the_batch(network: Cascade) -> None:
    sequences = [np.array([0, 3]), np.array([1, 0, 4])]
    states, targets = network.steps(sequences)
    assert targets.tolist() == [[3, network.none], [0, 4]]
    real = targets != network.none
    losses = []
    for sequence, end in ((sequences[0], 1), (sequences[1], 1), (sequences[1], 2)):
        whole = network(torch.tensor(sequence[None]))[0]
        of_codes = (whole[end - 1, 1] @ network.items.weight[:-1].T).log_softmax(dim=0)
        among = torch.tensor([0, 3, 4])  # what comes next anywhere in the batch
        cosines = functional.cosine_similarity(whole[end, 0][None], network.items.told(among)) / 0.05
        of_texts = cosines.log_softmax(dim=0)[among.tolist().index(sequence[end])]
        losses.append(-of_codes[CODES[sequence[end]]] - of_texts)
    torch.testing.assert_close(network.loss(states[real], targets[real]), torch.stack(losses).mean())


def test_the_longest_history_is_read_whole_in_training_and_no_more(network: Cascade) -> None:
    long = np.array([3, 1, 4, 1, 0, 2, 3, 0])
    _, targets = network.steps([long])
    assert targets.tolist() == [long[-5:].tolist()]


@pytest.mark.parametrize("options", [{}, {"block": "ligr"}, {"tokenizer": {"levels": 2, "codes": 3}}])
def test_it_learns_what_comes_next(months: Collection, options: dict[str, Any]) -> None:
    assert next_item_figures(fitted(months, **options), months)["MRR@10"] > 0.9


def test_items_of_equal_text_are_told_apart_by_nothing(make_sequences: MakeSequences) -> None:
    items = ["-", "--", "join two paths", "open a file", "close a file", "sort a list"]
    walks = {f"u{n}": [items[(n + step) % 6] for step in range(5 + n % 5)] for n in range(24)}
    system = fitted(make_sequences(walks), training={"epochs": 2})
    groups = system.identifier_groups()
    assert groups[0] == groups[1]
    assert len(set(groups.tolist())) == 5
    _, scores = system.retrieve([Query("u", "", ("open-a-file", items[2]))], 6).of(0)
    assert len(set(scores.tolist())) == 5


def test_a_saved_system_answers_as_before(months: Collection, tmp_path: Path) -> None:
    system, again = fitted(months, training={"epochs": 2}), COBRA(**TINY)
    check_saved(system, again, months.queries(), tmp_path)
    assert list(again.docids()) == list(system.docids())
    assert again.vocabularies() == system.vocabularies() == (4,)


def test_the_seed_decides(months: Collection) -> None:
    check_seeded(lambda seed: fitted(months, training={"epochs": 2}, seed=seed), months.queries())


def test_a_history_without_a_known_item_gets_no_answer(months: Collection) -> None:
    check_unknown(fitted(months, training={"epochs": 1}))


def test_a_catalogue_without_text_is_refused(make_sequences: MakeSequences) -> None:
    with pytest.raises(BenchError, match="text"):
        fitted(without_texts(make_sequences))
