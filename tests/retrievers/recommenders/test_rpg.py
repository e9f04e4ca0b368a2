"""RPG: its network against its equations, that it learns an order, what it keeps and refuses."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from merging import merged
from next_items import next_item_figures
from same_answers import without_texts

from bench.collections.collection import Collection, Query
from bench.errors import BenchError
from retrievers.recommenders.digits import DigitTransformer
from retrievers.recommenders.rpg import RPG
from retrievers.recommenders.transformer import Shape

MakeSequences = Callable[..., Collection]

TINY: dict[str, Any] = {
    "dimension": 16,
    "heads": 2,
    "dropout": 0.1,
    "tokenizer": {"digits": 4, "bits": 3, "components": 8},
    "training": {"training_batch": 16, "epochs": 30, "learning_rate": 0.02},
}
CODES = torch.tensor([[0, 1, 2], [3, 1, 0], [2, 2, 2], [0, 1, 2]])
"""Of four items, three digits each; the last item has the codes of the first."""


def fitted(collection: Collection, **options: Any) -> RPG:
    return RPG(**merged(TINY, options)).fit(collection.training_view())


@pytest.fixture
def network() -> DigitTransformer:
    torch.manual_seed(0)
    return DigitTransformer(Shape(4, 8, 1, 2, 6, 0.0), CODES, 4, 0.03).eval()


def moved(network: DigitTransformer) -> DigitTransformer:
    """As after some training."""
    with torch.no_grad():
        network.heads += torch.randn_like(network.heads)
    return network


def by_hand(network: DigitTransformer, state: np.ndarray) -> np.ndarray:
    """Log-probabilities of shape [digits, codes], digit by digit and code by code."""
    books = network.items.weight.detach().numpy()[:-1].reshape(3, 4, -1)
    found = np.zeros((3, 4))
    for digit, head in enumerate(network.heads.detach().numpy()):
        turned = state @ head
        of_digit = state + turned / (1 + np.exp(-turned))
        for code, vector in enumerate(books[digit]):
            found[digit, code] = of_digit @ vector / np.linalg.norm(of_digit) / np.linalg.norm(vector) / 0.03
    return found - np.log(np.exp(found).sum(axis=1, keepdims=True))


def test_an_item_is_read_as_the_mean_of_its_codes(network: DigitTransformer) -> None:
    books = network.items.weight[:-1].unflatten(0, (3, 4))
    vectors = network.items(torch.tensor([[1, 4]]))[0]
    torch.testing.assert_close(vectors[0], (books[0, 3] + books[1, 1] + books[2, 0]) / 3)
    assert not vectors[1].any(), "no item"


def test_an_item_is_worth_the_mean_over_its_digits(network: DigitTransformer) -> None:
    moved(network)
    states = torch.randn(3, 8)
    scores = network.item_scores(states).detach().numpy()
    for state, of_state in zip(states.numpy(), scores, strict=True):
        log_probs = by_hand(network, state)
        expected = [np.mean([log_probs[digit, code] for digit, code in enumerate(item)]) for item in CODES.tolist()]
        np.testing.assert_allclose(of_state, expected, rtol=1e-3)


def test_the_loss_is_what_the_next_items_are_worth(network: DigitTransformer) -> None:
    moved(network)
    states, targets = torch.randn(3, 8), torch.tensor([1, 1, 2])
    worth = network.item_scores(states)[torch.arange(3), targets]
    torch.testing.assert_close(network.digit_loss(states, targets), -worth.mean())


@pytest.mark.parametrize("together", [1, 2, 3])
def test_it_does_not_matter_how_many_digits_are_read_at_once(
    network: DigitTransformer, together: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved(network)
    states, targets = torch.randn(3, 8), torch.tensor([1, 1, 2])
    loss, log_probs = network.digit_loss(states, targets), network.log_probs(states)
    monkeypatch.setattr(network, "_digits_together", lambda device: together)
    torch.testing.assert_close(network.digit_loss(states, targets), loss)
    torch.testing.assert_close(network.log_probs(states), log_probs)


@pytest.mark.parametrize("states", [1, 5, 16])
def test_an_item_is_worth_as_much_alone_as_among_others(network: DigitTransformer, states: int) -> None:
    moved(network)
    asked = torch.randn(states, 8)
    together = network.item_scores(asked)
    for state, scores in zip(asked, together, strict=True):
        torch.testing.assert_close(network.item_scores(state[None])[0], scores)


def test_at_the_start_every_digit_sees_the_state_itself(network: DigitTransformer) -> None:
    states = torch.randn(2, 8)
    books = network.items.weight[:-1].unflatten(0, (3, 4))
    cosines = torch.cosine_similarity(states[:, None, None], books[None], dim=-1)
    torch.testing.assert_close(network.log_probs(states), (cosines / 0.03).log_softmax(dim=-1))


@pytest.mark.parametrize("digits", [2, 32])
def test_items_are_as_long_at_the_start_however_many_codes_they_have(digits: int) -> None:
    torch.manual_seed(0)
    codes = torch.randint(16, (200, digits))
    vectors = DigitTransformer(Shape(200, 64, 1, 2, 6, 0.0), codes, 16, 0.03).items(torch.arange(200))
    assert float(vectors.detach().std()) == pytest.approx(0.1, rel=0.1)


def test_no_item_has_no_vector_after_training_either(months: Collection) -> None:
    weight = fitted(months, training={"epochs": 2})._model.items.weight
    assert not weight[-1].any()


@pytest.mark.parametrize("block", ["transformer", "ligr"])
def test_it_learns_what_comes_next(months: Collection, block: str) -> None:
    assert next_item_figures(fitted(months, block=block), months)["MRR@10"] > 0.9


def test_items_with_equal_text_are_told_apart_by_nothing(make_sequences: MakeSequences) -> None:
    items = ["-", "--", "join two paths", "open a file", "close a file", "sort a list"]
    walks = {f"u{n}": [items[(n + step) % 6] for step in range(5 + n % 5)] for n in range(24)}
    system = fitted(make_sequences(walks))
    groups = system.identifier_groups()
    assert groups[0] == groups[1]
    assert len(set(system.docids())) == len(set(groups.tolist())) == system.facts()["distinct_identifiers"] == 5
    _, scores = system.retrieve([Query("u", "", ("open-a-file", items[2]))], 6).of(0)
    assert len(set(scores.tolist())) == 5


def test_a_saved_system_answers_as_before(months: Collection, tmp_path: Path) -> None:
    system = fitted(months, training={"epochs": 2})
    system.save(tmp_path)
    again = RPG(**TINY)
    again.load(tmp_path)
    before, after = (one.retrieve(months.queries(), 5) for one in (system, again))
    np.testing.assert_array_equal(before.rows, after.rows)
    np.testing.assert_array_equal(before.scores, after.scores)
    assert list(again.docids()) == list(system.docids())
    assert again.vocabularies() == system.vocabularies()


def test_few_items_have_few_codes(months: Collection) -> None:
    """What no item can have is neither written nor told as dead."""
    system = fitted(months, tokenizer={"bits": 8}, training={"epochs": 1})
    assert system.vocabularies() == (8, 8, 8, 8)
    assert system._model.log_probs(torch.zeros(1, 16)).shape == (1, 4, 8)


def test_the_seed_decides(months: Collection) -> None:
    first, same, other = (
        fitted(months, training={"epochs": 2}, seed=seed).retrieve(months.queries(), 5) for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first.scores, same.scores)
    assert not np.array_equal(first.scores, other.scores)


def test_a_history_without_a_known_item_gets_no_answer(months: Collection) -> None:
    system = fitted(months, training={"epochs": 1})
    answers = system.retrieve([Query("a", "", ("elsewhere",)), Query("b", "", ("elsewhere", "month-03"))], 5)
    assert answers.lengths.tolist() == [0, 5]


def test_a_catalogue_without_text_is_refused(make_sequences: MakeSequences) -> None:
    with pytest.raises(BenchError, match="text"):
        fitted(without_texts(make_sequences))
