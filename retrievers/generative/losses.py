"""What a wrong token costs: cross-entropy, and how far the model is from a teacher at each prefix."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from retrievers.generative.trie import TrieTables


class Wanted(NamedTuple):
    """A teacher's distribution over the next token of some rows.

    tokens: as `Children.tokens`
    probabilities: shape [rows, width]
    share: of the loss that follows it
    """

    tokens: Tensor
    probabilities: Tensor
    share: float


class SoftTargets(NamedTuple):
    """A teacher's distribution over documents, seen from every prefix of their identifiers.

    masses: shape [queries, states]: the probability of all documents below each state
    share: of the loss that follows it, 0 to 1
    """

    masses: Tensor
    share: float

    def after(self, tables: TrieTables, level: int, rows: Tensor, states: Tensor) -> Wanted:
        """What the teacher wants after prefixes that end in `states`, of shape [rows], of the queries in `rows`.

        The probability of a token is the mass of the documents below it, as a share of those below the prefix.
        """
        children = tables.children(level, states)
        masses = self.masses[rows[:, None], children.states.clamp(min=0)].masked_fill(children.states < 0, 0.0)
        total = masses.sum(dim=-1, keepdim=True).clamp(min=torch.finfo(masses.dtype).tiny)
        return Wanted(children.tokens, masses / total, self.share)


class Masses:
    """Sums probabilities of documents over the states of a trie."""

    def __init__(self, tables: TrieTables) -> None:
        trie = tables.trie
        self._offsets = trie.level_offsets.tolist()
        degrees = np.diff(trie.indptr)
        parents = np.concatenate([[0], np.repeat(np.arange(trie.states), degrees)])
        ends = np.zeros(len(trie.items), dtype=np.int64)
        ends[trie.items] = np.repeat(trie.final_states, np.diff(trie.group_indptr))
        self._parents, self._ends = (torch.from_numpy(one).to(tables.device) for one in (parents, ends))

    def __call__(self, probabilities: Tensor) -> Tensor:
        """Shape [queries, states], from probabilities of shape [queries, documents]."""
        masses = probabilities.new_zeros(len(probabilities), self._offsets[-1])
        masses.index_add_(1, self._ends, probabilities)
        for first, last in reversed(list(zip(self._offsets[1:-1], self._offsets[2:], strict=True))):
            masses.index_add_(1, self._parents[first:last], masses[:, first:last].clone())
        return masses


def token_losses(logits: Tensor, targets: Tensor, smoothing: float, wanted: Wanted | None = None) -> Tensor:
    """Shape [rows]: what `logits`, of shape [rows, vocabulary], cost where the tokens should be `targets`.

    The smoothing spares tokens whose logit is -inf.
    """
    log_probs = logits.log_softmax(dim=-1)
    losses = -log_probs.gather(-1, targets[:, None])[:, 0]
    if smoothing:
        possible = logits > -torch.inf
        uniform = -log_probs.masked_fill(~possible, 0.0).sum(dim=-1) / possible.sum(dim=-1)
        losses = torch.lerp(losses, uniform, smoothing)
    if wanted is None:
        return losses
    tokens = wanted.tokens.expand_as(wanted.probabilities)
    chosen = log_probs.gather(-1, tokens).masked_fill(wanted.probabilities == 0, 0.0)
    return torch.lerp(losses, -(wanted.probabilities * chosen).sum(dim=-1), wanted.share)


def prefix_lengths(levels: int) -> list[int]:
    """The lengths of prefixes whose margins are learned: all levels, half of them, a quarter and an eighth."""
    return sorted({max(1, levels // part) for part in (1, 2, 4, 8)} - ({1} if levels > 1 else set()))


def prefix_margin_losses(scores: Tensor, margins: Tensor) -> Tensor:
    """Shape [queries]: squared distance of margins between prefixes from a teacher's between documents.

    RIPOR's prefix-oriented ranking optimisation (Zeng et al. 2024, arXiv 2311.09134, section 3.3): the longest of the
    prefixes should have the teacher's margin, the others 1/2, 3/4, 7/8, ... of it, from the shortest on.

    scores: shape [queries, 1 + negatives, levels]: what each token adds to a document's score; the relevant one first
    margins: shape [queries, negatives]: the teacher's score of the relevant document less that of the other
    """
    prefixes = scores.cumsum(dim=-1)
    lengths = prefix_lengths(scores.shape[-1])
    losses = scores.new_zeros(len(scores))
    for place, length in enumerate(lengths, start=1):
        wanted = margins * (1 - 2.0**-place if place < len(lengths) else 1.0)
        found = prefixes[:, :1, length - 1] - prefixes[:, 1:, length - 1]
        losses = losses + (found - wanted).square().mean(dim=1)
    return losses / len(lengths)
