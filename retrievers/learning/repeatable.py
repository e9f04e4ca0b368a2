"""Sums of gradients that come out alike each time, however many threads add them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

_SETTINGS: Any = torch.utils.deterministic


@contextmanager
def repeatable(device: torch.device) -> Iterator[None]:
    """Within the block torch adds up in one order on a processor.

    Without it threads add the gradient of `weights[rows]` as they come, and two trainings with one seed differ from
    the fifth digit on. Other devices are left as they are: some of what they compute has no such order.
    """
    asked, warns = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    fills = _SETTINGS.fill_uninitialized_memory
    if device.type == "cpu":
        torch.use_deterministic_algorithms(True)
        _SETTINGS.fill_uninitialized_memory = False  # a guard against other faults, and slow
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(asked, warn_only=warns)
        _SETTINGS.fill_uninitialized_memory = fills
