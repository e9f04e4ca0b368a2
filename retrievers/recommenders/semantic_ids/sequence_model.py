"""What models that write the identifier of the next item share: histories, and how items and users are read."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from retrievers.generative.beam import Stepper
from retrievers.generative.heads import AnyHead
from retrievers.generative.options import DecoderOptions
from retrievers.generative.trie import TrieTables
from retrievers.learning.trainer import Learner

INITIAL = 0.1
"""Standard deviation of the vectors of users and ages at the start."""


class History(NamedTuple):
    """Items of some users, oldest first.

    rows: int64 of shape [users, items]; -1 after the last one
    users: int64 of shape [users]: the bin of each user; 0 where users have none
    questions: float32 of shape [users, dimension]: what is asked in words, zeros where nothing is; None for all
    """

    rows: Tensor
    users: Tensor
    questions: Tensor | None = None

    @classmethod
    def of(cls, items: Sequence[np.ndarray], users: np.ndarray, device: torch.device) -> "History":
        """From the item rows of each user."""
        rows = np.full((len(items), max(1, *map(len, items)) if items else 1), -1, dtype=np.int64)
        for line, some in zip(rows, items, strict=True):
            line[: len(some)] = some
        return cls(torch.from_numpy(rows).to(device), torch.from_numpy(users).to(device))


class Shape(NamedTuple):
    """What a model is built for.

    codes: int64 of shape [items, levels], -1 after the end: the identifiers that `tables` hold
    longest: items of a history that are read
    bins: kinds of users that have a vector of their own; 0: none has
    """

    options: DecoderOptions
    tables: TrieTables
    codes: Tensor
    longest: int
    bins: int


class SequenceModel(Learner):
    """What the two kinds share: the catalogue's identifiers and how items and users are read."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.tables = shape.tables
        self.longest = shape.longest
        self.codes = shape.codes.clamp(min=0)
        self.there = shape.codes >= 0
        self.states = shape.tables.paths(shape.codes)[:, 1:].clamp(min=0)
        self.users = nn.Embedding(max(1, shape.bins), shape.options.dimension)
        nn.init.normal_(self.users.weight, std=INITIAL)

    @abstractmethod
    def loss(self, history: History, label_smoothing: float) -> Tensor:
        """The mean cross-entropy of the tokens of windows, each of two items or more."""

    @abstractmethod
    def stepper(self, history: History) -> Stepper:
        """The model on a batch of histories, each of an item or more, for the beam search. Call `eval()` first."""

    def embedded(self, head: AnyHead, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Vectors of shape [users, items, levels, dimension], and which of them are tokens of an identifier."""
        there = self.there[rows.clamp(min=0)] & (rows >= 0)[..., None]
        codes, states = self.codes[rows.clamp(min=0)], self.states[rows.clamp(min=0)]
        levels = range(codes.shape[-1])
        vectors = [head.embed(codes[..., level], level, states[..., level]) for level in levels]
        return torch.stack(vectors, dim=-2) * there[..., None], there
