"""The losses of sequence models against their formulas, written out in numpy."""

import numpy as np
import pytest
import torch

from retrievers.recommenders import losses
from retrievers.recommenders.losses import binary_cross_entropy, cross_entropy, loss_of, sampled_softmax

ITEMS, POSITIONS, DIMENSION = 7, 5, 4


@pytest.fixture
def given() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """States, targets and item vectors."""
    generator = torch.Generator().manual_seed(0)
    states = torch.randn(POSITIONS, DIMENSION, generator=generator)
    items = torch.randn(ITEMS, DIMENSION, generator=generator)
    return states, torch.tensor([0, 3, 6, 3, 1]), items


def arrays(*tensors: torch.Tensor) -> list[np.ndarray]:
    return [tensor.numpy().astype(np.float64 if tensor.is_floating_point() else np.int64) for tensor in tensors]


def test_cross_entropy_is_over_all_items(given: tuple[torch.Tensor, ...]) -> None:
    states, targets, items = arrays(*given)
    scores = states @ items.T
    expected = np.mean(np.log(np.exp(scores).sum(axis=1)) - scores[np.arange(POSITIONS), targets])
    assert float(cross_entropy(*given)) == pytest.approx(expected, rel=1e-6)


def test_a_sampled_softmax_is_over_the_target_and_the_items_drawn_but_not_the_target_twice(
    given: tuple[torch.Tensor, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(losses, "_TOGETHER", 2)
    states, targets, items = arrays(*given)
    torch.manual_seed(1)
    drawn = torch.randint(ITEMS, (3, 9)).numpy()  # for two positions, two, and one
    expected = []
    for place, (state, target) in enumerate(zip(states, targets, strict=True)):
        others = [state @ items[item] for item in drawn[place // 2] if item != target]
        expected.append(np.log(np.exp([state @ items[target], *others]).sum()) - state @ items[target])
    torch.manual_seed(1)
    assert float(sampled_softmax(*given, negatives=9)) == pytest.approx(np.mean(expected), rel=1e-6)


def test_a_sampled_softmax_of_a_batch_reaches_most_of_a_catalogue() -> None:
    items = torch.zeros(10_000, DIMENSION, requires_grad=True)
    states, targets = torch.ones(700, DIMENSION), torch.zeros(700, dtype=torch.int64)
    sampled_softmax(states, targets, items, negatives=256).backward()
    assert items.grad is not None
    reached = int((items.grad.abs().sum(dim=1) > 0).sum())
    assert reached > 4_000  # one draw for all positions reaches 256


def test_bce_stands_the_target_against_one_other(given: tuple[torch.Tensor, ...]) -> None:
    states, targets, items = arrays(*given)
    torch.manual_seed(2)
    drawn = torch.randint(ITEMS - 1, (POSITIONS,)).numpy()
    others = np.arange(ITEMS)[drawn + (drawn >= targets)]
    assert (others != targets).all()

    def log_sigmoid(x: np.ndarray) -> np.ndarray:
        return -np.log(1 + np.exp(-x))

    own, other = ((states * items[rows]).sum(axis=1) for rows in (targets, others))
    expected = -np.mean(log_sigmoid(own) + log_sigmoid(-other))
    torch.manual_seed(2)
    assert float(binary_cross_entropy(*given)) == pytest.approx(expected, rel=1e-6)


def test_with_many_draws_a_sampled_softmax_is_a_softmax(given: tuple[torch.Tensor, ...]) -> None:
    torch.manual_seed(0)
    many = 200_000
    sampled = float(sampled_softmax(*given, negatives=many))
    states, targets, items = arrays(*given)
    scores = states @ items.T
    own = scores[np.arange(POSITIONS), targets]
    rest = np.exp(scores).sum(axis=1) - np.exp(own)
    assert sampled == pytest.approx(np.mean(np.log(np.exp(own) + rest * many / ITEMS) - own), rel=1e-2)


def test_losses_are_called_by_their_names(given: tuple[torch.Tensor, ...]) -> None:
    assert float(loss_of("cross-entropy", 1)(*given)) == float(cross_entropy(*given))
    torch.manual_seed(0)
    expected = float(sampled_softmax(*given, negatives=3))
    torch.manual_seed(0)
    assert float(loss_of("sampled-softmax", 3)(*given)) == expected
