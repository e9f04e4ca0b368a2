"""What networks share that read a sequence of items and expect the next, and how they are trained."""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from retrievers.learning.trainer import Learner, Plan
from retrievers.recommenders.options import NextItemTrainingOptions
from retrievers.recommenders.plans import Validate, of_like_length, validated_plan

NextItemLoss = Callable[[Tensor, Tensor], Tensor]
"""The mean loss of states [positions, dimension] whose next items are targets [positions]."""

_BETAS = (0.9, 0.98)
"""Of Adam, as in SASRec's public implementations."""


class ItemVectors(Protocol):
    """A module that gives items their vectors: of shape [*rows, dimension] from rows, zeros for no item."""

    @property
    def weight(self) -> Tensor:
        """What the vectors are made of, shape [vectors, dimension]; the last one is that of no item."""

    def __call__(self, rows: Tensor) -> Tensor:
        """The vectors of items."""


class ItemTable(nn.Embedding):
    """A vector of its own for each item, and one, of zeros, for no item.

    While training, a share `dropout` of the numbers of all vectors is dropped, the same wherever an item is read and
    compared in a step.

    compared: shape [items, dimension], what states are compared with: what was left of the vectors when last read
    """

    def __init__(self, catalogue: int, dimension: int, dropout: float = 0.0) -> None:
        super().__init__(catalogue + 1, dimension, padding_idx=catalogue)
        self._dropout = dropout
        self.compared = self.weight[:-1].detach()

    def forward(self, rows: Tensor) -> Tensor:
        """Shape [*rows, dimension]."""
        left = functional.dropout(self.weight, self._dropout, self.training)
        self.compared = left[:-1]
        return functional.embedding(rows, left, self.padding_idx)


class MadeItems(nn.Module):
    """Items whose vectors are made of something that is learned; the row after the last item stands for none.

    compared: shape [items, dimension], what states are compared with: the items as they were last made
    """

    compared: Tensor

    def __init__(self) -> None:
        super().__init__()
        self._kept = False

    @abstractmethod
    def make(self) -> Tensor:
        """All items, shape [items, dimension]; while training, with what is dropped."""

    def keep(self) -> None:
        """Make the items for the last time, where nothing is learned any more."""
        self.compared, self._kept = self.make(), True

    def forward(self, rows: Tensor) -> Tensor:
        """Shape [*rows, dimension]; zeros for no item."""
        if not self._kept:
            self.compared = self.make()
        return functional.embedding(rows, functional.pad(self.compared, (0, 0, 0, 1)))


class NextItemModel(Learner):
    """A network over the vectors of a sequence's items.

    catalogue: how many items there are; the row of that number stands for no item
    vectors: of the items, from their rows; the last of its weights is that of no item
    longest: latest items of a sequence that are read
    """

    def __init__(self, catalogue: int, vectors: ItemVectors, longest: int) -> None:
        super().__init__()
        self.none = catalogue
        self.longest = longest
        self.items = vectors

    def forward(self, rows: Tensor) -> Tensor:
        """States of shape [sequences, length, dimension] after each item of `rows`, shape [sequences, length].

        Sequences begin at the left; no state depends on items to its right.
        """
        return self.read(self.items(rows), rows)

    @abstractmethod
    def read(self, vectors: Tensor, rows: Tensor) -> Tensor:
        """As `forward`, of the items' vectors, shape [sequences, length, dimension], or of others in their place."""

    def start_at_random(self) -> None:
        """Draw all matrices so that they keep the variance of what they read (Glorot and Bengio 2010)."""
        for weight in self.parameters():
            if weight.dim() > 1:
                nn.init.xavier_normal_(weight)
        with torch.no_grad():
            self.items.weight[-1] = 0

    def places(self, rows: Tensor) -> Tensor:
        """Shape of `rows`: the place of each item counted from the end, where the latest is at `longest` - 1.

        A model that counts from the beginning meets places in a history that no training sequence is long enough for.
        """
        lengths = (rows != self.none).sum(dim=1, keepdim=True)
        counted = torch.arange(rows.shape[1], device=rows.device) + self.longest - lengths
        return counted.clamp(max=self.longest - 1)

    def item_scores(self, states: Tensor) -> Tensor:
        """Shape [states, items]: inner products, where items have one vector as input and output.

        Items that are made of something are compared as they were last made.
        """
        items = self.items
        return states @ (items.compared if isinstance(items, MadeItems) else items.weight[:-1]).T

    def keep_items(self) -> None:
        """Have items that are made of something be made once for all questions: nothing is learned any more."""
        if isinstance(self.items, MadeItems):
            self.eval()
            with torch.no_grad():
                self.items.keep()

    def scores(self, histories: Sequence[np.ndarray]) -> Tensor:
        """Shape [histories, items]: what each item is worth after histories that have an item at least."""
        return self.item_scores(self.last_states(histories))

    def steps(self, sequences: Sequence[np.ndarray]) -> tuple[Tensor, Tensor]:
        """What is learned from sequences of two items or more, of long ones the latest part.

        States after items, shape [sequences, length, width], and the items that came next, rows of shape
        [sequences, length].
        """
        windows = [sequence[-self.longest - 1 :] for sequence in sequences]
        return self(self.padded([window[:-1] for window in windows])), self.padded([window[1:] for window in windows])

    def last_states(self, histories: Sequence[np.ndarray]) -> Tensor:
        """The state after each history, which has an item at least; of a long one the latest items count."""
        rows = self.padded([history[-self.longest :] for history in histories])
        lengths = torch.tensor([min(len(history), self.longest) for history in histories])
        return self(rows)[torch.arange(len(histories)), lengths - 1]

    def padded(self, sequences: Sequence[np.ndarray]) -> Tensor:
        """Shape [sequences, longest]: rows, with no item after the end."""
        rows = np.full((len(sequences), max(map(len, sequences))), self.none, dtype=np.int64)
        for line, sequence in zip(rows, sequences, strict=True):
            line[: len(sequence)] = sequence
        return torch.from_numpy(rows).to(self.items.weight.device)


def next_item_plan(
    model: NextItemModel,
    sequences: Sequence[np.ndarray],
    loss: NextItemLoss,
    options: NextItemTrainingOptions,
    validate: Validate,
    seed: int,
) -> Plan:
    """How the model learns sequences of two items or more, with the weights of the highest of what `validate` gives.

    As Kang and McAuley 2018, section IV-D.
    """
    size, lengths = options.training_batch, np.array([len(sequence) for sequence in sequences])
    usual = float(np.mean([min(len(sequence) - 1, model.longest) for sequence in sequences]))
    return validated_plan(
        model,
        options,
        seed,
        validate,
        examples=len(sequences),
        batches=lambda generator: [(places,) for places in of_like_length(lengths, size, generator)],
        loss=lambda batch: _loss(model, loss, [sequences[place] for place in batch[0]], usual),
        betas=_BETAS,
    )


def _loss(model: NextItemModel, loss: NextItemLoss, sequences: Sequence[np.ndarray], usual: float) -> Tensor:
    """Mean over every item that has one before it, of which `usual` are in a sequence on average.

    A batch holds sequences of like length, so that its mean counts for as many items as it has: otherwise an item
    would count less, the longer the history that it is in.
    """
    states, targets = model.steps(sequences)
    real = targets != model.none
    share = real.sum() / (usual * len(sequences))
    return loss(states[real], targets[real]) * share
