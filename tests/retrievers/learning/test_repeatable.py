"""Gradients of looked-up rows, which threads would add up as they come."""

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from retrievers.learning.repeatable import repeatable

CPU = torch.device("cpu")


@pytest.fixture
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    yield
    torch.set_num_threads(before)


def gradient_of_looked_up_rows() -> Tensor:
    generator = torch.Generator().manual_seed(0)
    weights = torch.randn(50, 64, generator=generator).requires_grad_(True)
    rows = torch.randint(50, (20_000,), generator=generator)
    (weights[rows] * torch.randn(20_000, 64, generator=generator)).sum().backward()
    assert weights.grad is not None
    return weights.grad


@pytest.mark.usefixtures("threads")
def test_gradients_are_the_same_each_time() -> None:
    with repeatable(CPU):
        first = gradient_of_looked_up_rows()
        assert all(torch.equal(first, gradient_of_looked_up_rows()) for _ in range(20))


@pytest.mark.parametrize("asked", [True, False])
@pytest.mark.parametrize("warns", [True, False])
def test_what_was_set_before_is_set_again(asked: bool, warns: bool) -> None:
    torch.use_deterministic_algorithms(asked, warn_only=warns)
    torch.utils.deterministic.fill_uninitialized_memory = warns
    try:
        with pytest.raises(KeyError), repeatable(CPU):
            raise KeyError
        assert torch.are_deterministic_algorithms_enabled() == asked
        assert torch.is_deterministic_algorithms_warn_only_enabled() == warns
        assert torch.utils.deterministic.fill_uninitialized_memory == warns
    finally:
        torch.use_deterministic_algorithms(False)
        torch.utils.deterministic.fill_uninitialized_memory = True
