"""The network of SASRec, and how it is trained: each item of a sequence predicts the next among all items."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from retrievers.learning.trainer import Learner, Plan, steady
from retrievers.recommenders.options import AttentionTrainingOptions

_INITIAL = 0.1
"""Standard deviation of the vectors of items and positions at the start; a smaller one learns more slowly."""


class Shape(NamedTuple):
    """Sizes of the network."""

    items: int
    dimension: int
    layers: int
    heads: int
    longest: int
    dropout: float


class Transformer(Learner):
    """Self-attention over a sequence of items, each seeing itself and those before it (Kang and McAuley 2018).

    Items have one vector as input and output: the score of an item is the inner product with the last state. Row
    `items` stands for no item.
    """

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.items = nn.Embedding(shape.items + 1, shape.dimension, padding_idx=shape.items)
        self.positions = nn.Embedding(shape.longest, shape.dimension)
        self.dropout = nn.Dropout(shape.dropout)
        layer = nn.TransformerEncoderLayer(
            shape.dimension,
            shape.heads,
            dim_feedforward=4 * shape.dimension,
            dropout=shape.dropout,
            activation="gelu",
            batch_first=True,
            norm_first=True,
        )
        norm = nn.LayerNorm(shape.dimension)
        self.layers = nn.TransformerEncoder(layer, shape.layers, norm, enable_nested_tensor=False)
        for embedding in (self.items, self.positions):
            nn.init.normal_(embedding.weight, std=_INITIAL)

    def forward(self, rows: Tensor) -> Tensor:
        """States of shape [sequences, length, dimension] after each item of `rows`, shape [sequences, length]."""
        length = rows.shape[1]
        inputs = self.items(rows) + self.positions.weight[:length]
        mask = nn.Transformer.generate_square_subsequent_mask(length, device=rows.device)
        return self.layers(self.dropout(inputs), mask=mask, is_causal=True)

    def item_scores(self, states: Tensor) -> Tensor:
        """Shape [states, items]."""
        return states @ self.items.weight[:-1].T

    def last_states(self, histories: Sequence[np.ndarray]) -> Tensor:
        """The state after each history, which has an item at least; of a long one the latest items count."""
        rows = self.padded([history[-self.shape.longest :] for history in histories])
        lengths = torch.tensor([min(len(history), self.shape.longest) for history in histories])
        return self(rows)[torch.arange(len(histories)), lengths - 1]

    def padded(self, sequences: Sequence[np.ndarray]) -> Tensor:
        """Shape [sequences, longest]: rows, with no item after the end."""
        rows = np.full((len(sequences), max(map(len, sequences))), self.shape.items, dtype=np.int64)
        for line, sequence in zip(rows, sequences, strict=True):
            line[: len(sequence)] = sequence
        return torch.from_numpy(rows).to(self.items.weight.device)


def next_item_plan(
    model: Transformer,
    sequences: Sequence[np.ndarray],
    options: AttentionTrainingOptions,
    validate: Callable[[], float],
    seed: int,
) -> Plan:
    """How the model learns sequences of two items or more, with the weights of the highest `validate`, an nDCG@10.

    Adam at one rate (Kang and McAuley 2018, section IV-D); gradients are as long as they are.
    """
    size = options.training_batch
    return Plan(
        batches=lambda _number, generator: [(places,) for places in _batches(sequences, size, generator)],
        steps=-(-len(sequences) // size),
        loss=lambda batch: _loss(model, [sequences[place] for place in batch[0]]),
        optimizer=torch.optim.Adam(model.parameters(), lr=options.learning_rate),
        rate=steady,
        epochs=options.epochs,
        seed=seed,
        reseeds=False,
        evaluate=lambda: {"nDCG@10": validate()},
        decided_by="nDCG@10",
        patience=options.patience,
        largest_gradient=None,
    )


def _loss(model: Transformer, sequences: Sequence[np.ndarray]) -> Tensor:
    """Cross-entropy over all items, mean over every item that has one before it."""
    window = model.shape.longest + 1
    rows = model.padded([sequence[-window:] for sequence in sequences])
    targets = rows[:, 1:]
    real = targets != model.shape.items
    return cross_entropy(model.item_scores(model(rows[:, :-1])[real]), targets[real])


def _batches(sequences: Sequence[np.ndarray], size: int, generator: np.random.Generator) -> Iterator[np.ndarray]:
    """Positions in batches of sequences of like length, in random order."""
    shuffled = generator.permutation(len(sequences))
    by_length = shuffled[np.argsort([len(sequences[place]) for place in shuffled], kind="stable")]
    starts = range(0, len(by_length), size)
    for start in generator.permutation(starts):
        yield by_length[start : start + size]
