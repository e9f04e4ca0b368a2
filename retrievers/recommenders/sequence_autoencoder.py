"""A recurrent network that reads a sequence into one vector, from which it writes the sequence again."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import pack_padded_sequence

from retrievers.generative.training import batches_by_length
from retrievers.learning.trainer import Batch, Learner, Plan
from retrievers.recommenders.options import NextItemTrainingOptions
from retrievers.recommenders.plans import Validate, validated_plan


class SequenceAutoencoder(Learner):
    """A bidirectional GRU reads, and a GRU that begins with what it has read writes item by item.

    vectors: float32 of shape [items, width]: what is read of the items, which stays as it is
    """

    vectors: Tensor

    def __init__(self, vectors: Tensor, hidden: int, dropout: float) -> None:
        super().__init__()
        items, width = vectors.shape
        self.none = items
        self.register_buffer("vectors", functional.pad(vectors, (0, 0, 0, 1)), persistent=False)
        self.encoder = nn.GRU(width, hidden, batch_first=True, bidirectional=True)
        self.bridge = nn.Linear(2 * hidden, hidden)
        self.decoder = nn.GRU(width, hidden, batch_first=True)
        self.outputs = nn.Linear(hidden, items)
        self.dropout = nn.Dropout(dropout)

    def forward(self, rows: Tensor, lengths: Tensor) -> Tensor:
        """The last states of both directions, shape [sequences, 2 * hidden].

        rows: int64 of shape [sequences, longest], of which the first `lengths`, shape [sequences], are read
        """
        packed = pack_padded_sequence(self.vectors[rows], lengths.cpu(), batch_first=True, enforce_sorted=False)
        _, last = self.encoder(packed)
        return torch.cat([last[0], last[1]], dim=1)

    def loss(self, rows: Tensor, lengths: Tensor) -> Tensor:
        """Mean cross-entropy of every item, given the sequence's vector and the items before it."""
        start = torch.tanh(self.bridge(self.dropout(self(rows, lengths))))
        before = functional.pad(rows[:, :-1], (1, 0), value=self.none)  # the first is written from the vector alone
        states, _ = self.decoder(self.vectors[before], start[None])
        real = rows != self.none
        return functional.cross_entropy(self.outputs(self.dropout(states[real])), rows[real])

    def padded(self, sequences: Sequence[np.ndarray]) -> tuple[Tensor, Tensor]:
        """Rows of shape [sequences, longest], with no item after the end, and lengths."""
        rows = np.full((len(sequences), max(map(len, sequences))), self.none, dtype=np.int64)
        for line, sequence in zip(rows, sequences, strict=True):
            line[: len(sequence)] = sequence
        lengths = torch.tensor([len(sequence) for sequence in sequences])
        device = self.vectors.device
        return torch.from_numpy(rows).to(device), lengths.to(device)


def autoencoder_plan(
    model: SequenceAutoencoder,
    sequences: Sequence[np.ndarray],
    options: NextItemTrainingOptions,
    validate: Validate,
    seed: int,
) -> Plan:
    """How the network learns to write the sequences that it reads."""
    lengths = np.array([len(sequence) for sequence in sequences])

    def batches(generator: np.random.Generator) -> list[Batch]:
        order = generator.permutation(len(sequences))
        return [(order[part],) for part in batches_by_length(lengths[order], options.training_batch)]

    def loss(batch: Batch) -> Tensor:
        return model.loss(*model.padded([sequences[place] for place in batch[0]]))

    return validated_plan(model, options, seed, validate, examples=len(sequences), batches=batches, loss=loss)
