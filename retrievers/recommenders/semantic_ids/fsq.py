"""Finite scalar quantisation: a grid in place of a codebook (Mentzer et al. 2023, arXiv 2309.15505).

A vector is cut into one slice for each level, as in RecGPT (arXiv 2506.06270). A linear map makes a few numbers of
each slice, each number is bounded and rounded to one of a few values, and their place in the grid is the code.
"""

from collections.abc import Sequence
from itertools import combinations_with_replacement
from math import prod
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from bench.errors import BenchError
from retrievers.recommenders.semantic_ids.descent import Training, train

_MOST_VALUES = 8
_MARGIN = 1e-3
"""Numbers are bounded so far beyond the outermost values, as a share, that these are reached."""


def grid_for(codes: int) -> tuple[int, ...]:
    """How many values each number may take: 2 to 8, for as many codes as possible but no more than `codes`.

    Of the grids of so many codes and the fewest numbers, the most even one: 15,360 codes are 8, 8, 8, 6, 5.
    """
    numbers = 1
    while _MOST_VALUES**numbers < codes:
        numbers += 1
    grids = combinations_with_replacement(range(_MOST_VALUES, 1, -1), numbers)
    return max((grid for grid in grids if prod(grid) <= codes), key=lambda grid: (prod(grid), min(grid)))


class Grid(nn.Module):
    """Rounds numbers to the values that their place allows: of L values, the whole numbers from -(L // 2) on."""

    counts: Tensor
    bounds: Tensor
    middles: Tensor
    weights: Tensor

    def __init__(self, counts: Sequence[int]) -> None:
        super().__init__()
        self.register_buffer("counts", torch.tensor(counts))
        self.register_buffer("bounds", (self.counts - 1) * (1 + _MARGIN) / 2)
        self.register_buffer("middles", torch.where(self.counts % 2 == 0, -0.5, 0.0))
        self.register_buffer("weights", torch.tensor([prod(counts[place + 1 :]) for place in range(len(counts))]))

    def forward(self, numbers: Tensor) -> Tensor:
        """The values of numbers of shape [batch, numbers]; gradients pass straight through the rounding."""
        bounded = torch.tanh(numbers) * self.bounds + self.middles
        return bounded + (bounded.round() - bounded).detach()

    def index(self, values: Tensor) -> Tensor:
        """The codes of values, int64 of shape [batch]: their digits, in mixed radix."""
        return ((values.round().long() + self.counts // 2) * self.weights).sum(dim=-1)

    def values(self, index: Tensor) -> Tensor:
        """The values of codes, the inverse of `index`."""
        return (index[:, None] // self.weights % self.counts - self.counts // 2).float()

    def spread(self, values: Tensor) -> Tensor:
        """Values moved and scaled to lie between -1 and 1, around 0."""
        return (values - self.middles) / self.bounds


class Slice(nn.Module):
    """A grid between two linear maps, which start as the slice's principal directions.

    `vectors` is of shape [items, width], with means of 0.
    """

    def __init__(self, vectors: np.ndarray, counts: Sequence[int]) -> None:
        super().__init__()
        self.grid = Grid(counts)
        self.into = nn.Linear(vectors.shape[1], len(counts))
        self.out = nn.Linear(len(counts), vectors.shape[1])
        variances, directions = np.linalg.eigh(vectors.T.astype(np.float64) @ vectors / len(vectors))
        used = min(len(counts), vectors.shape[1])
        scales = np.sqrt(np.maximum(variances[::-1][:used], 0))
        steep = np.divide(1, scales, out=np.zeros_like(scales), where=scales > 0)
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.zero_()
            self.into.weight[:used] = torch.from_numpy((directions[:, ::-1][:, :used] * steep).T)
            self.out.weight[:, :used] = torch.from_numpy(directions[:, ::-1][:, :used] * scales)

    def forward(self, vectors: Tensor) -> tuple[Tensor, Tensor]:
        """The slices as the grid describes them, and their codes."""
        values = self.grid(self.into(vectors))
        return self.out(self.grid.spread(values)), self.grid.index(values)


class Slices(nn.Module):
    """A grid for each of `levels` slices, trained by the mean absolute error of the vectors that they describe."""

    def __init__(self, vectors: np.ndarray, levels: int, counts: Sequence[int]) -> None:
        super().__init__()
        self.slices = nn.ModuleList(Slice(part, counts) for part in np.array_split(vectors, levels, axis=1))

    def forward(self, vectors: Tensor) -> tuple[Tensor, Tensor]:
        """The described vectors, and their codes of shape [batch, levels]."""
        parts = vectors.tensor_split(len(self.slices), dim=1)
        described, codes = zip(*(one(part) for one, part in zip(self.slices, parts, strict=True)), strict=True)
        return torch.cat(described, dim=1), torch.stack(codes, dim=1)

    def loss(self, vectors: Tensor) -> Tensor:
        return functional.l1_loss(self(vectors)[0], vectors)

    def pass_ended(self) -> None:
        """There is nothing to do: a grid has no codes to move."""


class Coded(NamedTuple):
    """tokens: int64 of shape [items, levels]; codes: of each level; described: the vectors that tokens stand for."""

    tokens: np.ndarray
    codes: int
    described: np.ndarray


def fsq(vectors: np.ndarray, levels: int, codes: int, training: Training) -> Coded:
    """Codes of vectors, float32 of shape [items, dimension] with means of 0.

    Raises BenchError if the vectors have fewer dimensions than levels.
    """
    if vectors.shape[1] < levels:
        raise BenchError(
            f"fsq: vectors of {vectors.shape[1]} dimensions cannot be cut into {levels} slices; lower levels"
        )
    counts = grid_for(codes)
    model = Slices(vectors, levels, counts)
    items = torch.from_numpy(vectors)
    train(model, items, training)
    with torch.no_grad():
        described, tokens = model(items)
    return Coded(tokens.numpy(), prod(counts), described.numpy())
