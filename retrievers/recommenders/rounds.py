"""The network of Ada-Retrieval (Li et al. 2024): another network, asked again with what it has answered."""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from retrievers.learning.trainer import Batch, Learner, Plan
from retrievers.recommenders.next_item import NextItemLoss, NextItemModel
from retrievers.recommenders.options import NextItemTrainingOptions
from retrievers.recommenders.plans import Validate, validated_plan

_FILTER = 0.02
"""Deviation of a filter's weights at the start, as in FMLP-Rec's released code."""


class Round(NamedTuple):
    """What a round asks with and finds.

    users: shape [histories, dimension]
    scores: shape [histories, items], without gradients
    left: mask of that shape, the items that no round before has answered, and that may be answers
    """

    users: Tensor
    scores: Tensor
    left: Tensor


class Rounds(Learner):
    """A network of sequences and, from the second round on, what adapts it to what the rounds before have answered.

    Adapters begin without effect: at the start every round asks as the network does.
    """

    def __init__(self, base: NextItemModel, rounds: int, page: int, dropout: float) -> None:
        super().__init__()
        dimension = base.items.weight.shape[1]
        self.base, self.rounds, self.page = base, rounds, min(page, base.none)
        self.filter = nn.Parameter(_FILTER * torch.randn(self.page // 2 + 1, dimension, 2))
        self.gain = nn.Parameter(torch.zeros(dimension))
        self.earlier = nn.GRU(dimension, dimension, batch_first=True)
        self.inner = nn.Linear(2 * dimension, 2 * dimension)
        self.outer = nn.Linear(2 * dimension, dimension)
        self.dropout = nn.Dropout(dropout)
        nn.init.zeros_(self.outer.weight)
        nn.init.zeros_(self.outer.bias)

    def forward(self, histories: Sequence[np.ndarray], may: Tensor) -> list[Round]:
        """All rounds of histories that have an item at least; `may`, shape [histories, items], masks their answers.

        Each round but the last answers with the `page` best of what is left.
        """
        base = self.base
        rows = base.padded([history[-base.longest :] for history in histories])
        ends = torch.arange(len(histories), device=rows.device), (rows != base.none).sum(dim=1) - 1
        items = base.items(torch.arange(base.none + 1, device=rows.device))  # once: each reading drops other numbers
        vectors, answered, found = items[rows], list[Tensor](), list[Round]()
        for number in range(self.rounds):
            read = self._in_context(vectors, answered) if answered else vectors
            users = self._moved(base.read(read, rows)[ends], [one.users for one in found])
            with torch.no_grad():
                scores = base.item_scores(users)
            found.append(Round(users, scores, may))
            if number + 1 < self.rounds:
                best = scores.masked_fill(~may, -torch.inf).topk(self.page, dim=1).indices
                answered.append(items[best])
                may = may.scatter(1, best, value=False)
        return found

    def _in_context(self, vectors: Tensor, answered: Sequence[Tensor]) -> Tensor:
        """Each item's vector, moved by what it attends to among the filtered vectors of the answers."""
        context = torch.cat([self._filtered(page) for page in answered], dim=1)
        weights = (vectors @ context.transpose(1, 2) / vectors.shape[-1] ** 0.5).softmax(dim=-1)
        return vectors + self.gain * self.dropout(weights @ context)

    def _filtered(self, page: Tensor) -> Tensor:
        """A page's vectors and what a learned filter leaves of them, by their frequencies along the page."""
        frequencies = torch.fft.rfft(page, dim=1, norm="ortho") * torch.view_as_complex(self.filter)
        return page + self.dropout(torch.fft.irfft(frequencies, n=page.shape[1], dim=1, norm="ortho"))

    def _moved(self, users: Tensor, before: Sequence[Tensor]) -> Tensor:
        """The users' vectors, moved by those of the rounds before."""
        if not before:
            return users
        states, _ = self.earlier(torch.stack(list(before), dim=1))
        hidden = torch.relu(self.inner(torch.cat([users, states[:, -1]], dim=1)))
        return users + self.dropout(self.outer(hidden))


def ordered(rounds: Sequence[Round]) -> np.ndarray:
    """Scores of shape [histories, items] in the order of the answers: page by page, then all that is left.

    A page is ordered by its round, what may be no answer stands last, and within each part scores keep their order.
    """
    values = [_between_0_and_1(one.scores) for one in rounds]
    order = torch.where(rounds[0].left, values[-1], values[-1] - 1)
    for place, (one, after) in enumerate(pairwise(rounds)):
        answered = one.left & ~after.left
        order = torch.where(answered, values[place] + len(rounds) - 1 - place, order)
    return order.cpu().numpy()


def _between_0_and_1(scores: Tensor) -> Tensor:
    wide = scores.double()
    return (1 + wide / (1 + wide.abs())) / 2


def rounds_plan(
    model: Rounds,
    loss: NextItemLoss,
    sequences: Sequence[np.ndarray],
    hides: bool,
    decay: float,
    options: NextItemTrainingOptions,
    validate: Validate,
    seed: int,
) -> Plan:
    """How all rounds are learned together, from one place of each sequence of two items or more, drawn anew.

    The loss of a round counts `decay` times as much as that of the one before. With `hides` items of a history are no
    answers to it.
    """
    size, lengths = options.training_batch, np.array([len(sequence) for sequence in sequences])

    def batches(generator: np.random.Generator) -> list[Batch]:
        cuts, order = generator.integers(1, lengths), generator.permutation(len(sequences))
        return [(part, cuts[part]) for part in np.split(order, range(size, len(order), size))]

    def of_batch(batch: Batch) -> Tensor:
        histories = [sequences[place][:cut] for place, cut in zip(*batch, strict=True)]
        targets = torch.tensor([int(sequences[place][cut]) for place, cut in zip(*batch, strict=True)])
        found = model(histories, allowed(histories, model.base.none, hides).to(model.gain.device))
        losses = [loss(one.users, targets.to(model.gain.device)) * decay**place for place, one in enumerate(found)]
        return sum(losses[1:], losses[0])

    return validated_plan(model, options, seed, validate, examples=len(sequences), batches=batches, loss=of_batch)


def allowed(histories: Sequence[np.ndarray], items: int, hides: bool) -> Tensor:
    """Mask of shape [histories, items]: all, or with `hides` those that the history lacks."""
    may = np.ones((len(histories), items), dtype=bool)
    if hides:
        for line, history in zip(may, histories, strict=True):
            line[history] = False
    return torch.from_numpy(may)
