"""What the loss and the scores of long unordered identifiers cost beside a plain reading of their equations."""

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture
from timing import seconds
from torch import Tensor
from torch.nn import functional

from retrievers.recommenders.digits import DigitTransformer
from retrievers.recommenders.transformer import Shape

ITEMS, DIGITS, CODES, TEMPERATURE, POSITIONS, USERS = 12_101, 32, 256, 0.03, 1_792, 128


def plain_log_probs(network: DigitTransformer, states: Tensor) -> Tensor:
    """Of all digits at once, shape [states, digits, codes]."""
    of_digits = states[:, None] + functional.silu(torch.einsum("se,def->sdf", states, network.heads))
    books = network.items.weight[:-1].unflatten(0, (DIGITS, -1))
    units = functional.normalize(of_digits, dim=-1), functional.normalize(books, dim=-1)
    return (torch.einsum("sde,dce->sdc", *units) / TEMPERATURE).log_softmax(dim=-1)


@pytest.mark.parametrize("dimension", [64, 256])
def test_a_training_step_is_quicker_digit_by_digit(benchmark: BenchmarkFixture, dimension: int) -> None:
    torch.manual_seed(0)
    codes = torch.randint(CODES, (ITEMS, DIGITS))
    network = DigitTransformer(Shape(ITEMS, dimension, 1, 1, 50, 0.0), codes, CODES, TEMPERATURE)
    states = torch.randn(POSITIONS, dimension, requires_grad=True)
    targets = torch.randint(ITEMS, (POSITIONS,))

    def plain() -> None:
        wanted = network.items.codes[targets]
        (-plain_log_probs(network, states).flatten(1).gather(1, wanted).mean()).backward()

    def ours() -> None:
        network.digit_loss(states, targets).backward()

    best = seconds(3, plain=plain, ours=ours)
    benchmark.extra_info.update(best)
    benchmark.pedantic(ours, rounds=1)
    assert best["ours"] < best["plain"], best


@pytest.mark.parametrize("users", [1, USERS])
def test_items_are_scored_quicker_than_by_columns(benchmark: BenchmarkFixture, users: int) -> None:
    torch.manual_seed(0)
    codes = torch.randint(CODES, (ITEMS, DIGITS))
    network = DigitTransformer(Shape(ITEMS, 64, 1, 1, 50, 0.0), codes, CODES, TEMPERATURE).eval()
    states = torch.randn(users, 64)

    @torch.no_grad()
    def columns() -> Tensor:
        values = plain_log_probs(network, states).flatten(1).T
        return functional.embedding_bag(network.items.codes[:-1], values, mode="mean").T

    @torch.no_grad()
    def ours() -> Tensor:
        return network.item_scores(states)

    torch.testing.assert_close(ours(), columns())
    best = seconds(5, columns=columns, ours=ours)
    benchmark.extra_info.update(best, users=users)
    benchmark.pedantic(ours, rounds=1)
    assert best["ours"] < best["columns"], best
