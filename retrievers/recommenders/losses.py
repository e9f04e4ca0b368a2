"""What a model of sequences loses by not expecting the next item, against all others or some of them."""

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

_TOGETHER = 32
"""Positions that stand against the same drawn items."""

LossKind = Literal["cross-entropy", "sampled-softmax", "bce"]

Barred = Callable[[Tensor], Tensor]
"""Mask of the items that are drawn for each position, shape [positions, negatives], which are no negatives of it."""

Loss = Callable[[Tensor, Tensor, Tensor], Tensor]
"""The mean loss of states [positions, dimension] whose next items are targets [positions], among item vectors."""


def loss_of(kind: LossKind, negatives: int) -> Loss:
    """The loss of that kind; `negatives` are drawn for a sampled softmax."""
    if kind == "cross-entropy":
        return cross_entropy
    if kind == "bce":
        return binary_cross_entropy
    return lambda states, targets, items: sampled_softmax(states, targets, items, negatives)


def among(loss: Loss, rows: Tensor, catalogue: int) -> Loss:
    """The loss where of a catalogue of so many items those of the rows, and no others, stand against each other."""
    place = torch.zeros(catalogue, dtype=torch.int64, device=rows.device)
    place[rows] = torch.arange(len(rows), device=rows.device)
    return lambda states, targets, items: loss(states, place[targets], items[rows])


def cross_entropy(states: Tensor, targets: Tensor, items: Tensor) -> Tensor:
    """Of the next item among all of them."""
    return functional.cross_entropy(states @ items.T, targets)


def sampled_softmax(
    states: Tensor, targets: Tensor, items: Tensor, negatives: int, barred: Barred | None = None
) -> Tensor:
    """Of the next item among itself and items drawn uniformly, without a correction.

    Klenitskiy and Vasilev (2023, "Turning dross into gold loss") draw for each position. A draw for a few positions
    makes the scores products of matrices; one for a whole batch would leave most of the catalogue out of it, which
    costs accuracy. A position whose next item was drawn does not take it for another; `barred` says of which items
    that holds, if not of the next one alone.
    """
    positions = len(targets)
    groups = -(-positions // _TOGETHER)
    drawn = torch.randint(len(items), (groups, negatives), device=states.device)
    grouped = functional.pad(states, (0, 0, 0, groups * _TOGETHER - positions)).view(groups, _TOGETHER, -1)
    others = (grouped @ items[drawn].transpose(1, 2)).flatten(0, 1)[:positions]
    of_each = drawn.repeat_interleave(_TOGETHER, dim=0)[:positions]
    wrong = of_each == targets[:, None] if barred is None else barred(of_each)
    others = others.masked_fill(wrong, -torch.inf)
    own = (states * items[targets]).sum(dim=1, keepdim=True)
    return (torch.cat([own, others], dim=1).logsumexp(dim=1) - own[:, 0]).mean()


def binary_cross_entropy(states: Tensor, targets: Tensor, items: Tensor) -> Tensor:
    """Of the next item and of one other drawn uniformly for each position (Kang and McAuley 2018, section III-E)."""
    drawn = torch.randint(len(items) - 1, targets.shape, device=states.device)
    others = drawn + (drawn >= targets)
    own, other = ((states * items[rows]).sum(dim=1) for rows in (targets, others))
    return (functional.softplus(-own) + functional.softplus(other)).mean()
