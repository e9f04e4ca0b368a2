"""Items that are sets of codes: what they are as input and what they are worth as output."""

import torch
from torch import Tensor, nn
from torch.nn import functional

_ALIGNED = 8
"""Narrow values are padded to a multiple of this width: embedding_bag takes single columns one by one."""


class CodedItems(nn.Module):
    """Items that share their vectors: each is the mean of those of its codes.

    codes: int64 of shape [items, digits], each below `vocabulary`; each digit has codes of its own
    """

    codes: Tensor

    def __init__(self, codes: Tensor, vocabulary: int, dimension: int) -> None:
        super().__init__()
        digits = codes.shape[1]
        self.weight = nn.Parameter(torch.zeros(digits * vocabulary + 1, dimension))
        numbered = codes + vocabulary * torch.arange(digits)
        nothing = torch.full((1, digits), digits * vocabulary)
        self.register_buffer("codes", torch.cat([numbered, nothing]), persistent=False)

    def forward(self, rows: Tensor) -> Tensor:
        """Shape [*rows, dimension]; zeros for the row after the last item, which stands for none."""
        means = functional.embedding_bag(self.codes[rows.flatten()], self.weight, mode="mean", padding_idx=-1)
        return means.unflatten(0, rows.shape)

    def means(self, values: Tensor) -> Tensor:
        """For each item the mean of its codes' values, shape [items, width], of values of shape [codes, width]."""
        width = values.shape[1]
        aligned = functional.pad(values, (0, -width % _ALIGNED)).contiguous()
        return functional.embedding_bag(self.codes[:-1], aligned, mode="mean")[:, :width]
