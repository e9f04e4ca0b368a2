"""A decoder of identifiers that also points at the next item's text (Yang et al. 2024, LIGER, arXiv 2411.18814)."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from retrievers.recommenders.semantic_ids.decoder_only import DecoderOnly
from retrievers.recommenders.semantic_ids.sequence_model import History, Shape


class DenseDecoderOnly(DecoderOnly):
    """Before each item a state is both what writes its codes and, by a linear map, near the vector of its text.

    vectors: float32 of shape [items, dimension of the text], of length 1
    seen: rows of the items that the text's loss tells apart; others are no negatives
    """

    vectors_of_seen: Tensor
    places_of_seen: Tensor

    def __init__(
        self, shape: Shape, vectors: Tensor, seen: Tensor, temperature: float, *, last_only: bool, seed: int
    ) -> None:
        super().__init__(shape, last_only=last_only, seed=seed)
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.pointer = nn.Linear(shape.options.dimension, vectors.shape[1])
        places = torch.full((len(vectors),), -1)
        places[seen] = torch.arange(len(seen))
        self.register_buffer("places_of_seen", places, persistent=False)
        self.register_buffer("vectors_of_seen", vectors[seen], persistent=False)
        self._temperature = temperature

    def loss(self, history: History, label_smoothing: float) -> Tensor:
        """The cross-entropy of the codes, plus that of the items by the cosines of their texts."""
        rows, (users, items) = history.rows, self.learned_places(history.rows)
        hidden, _, _ = self.run(history)
        before = hidden[users, self.last_positions(rows)[users, items - 1]]
        cosines = self.pointed(before) @ self.vectors_of_seen.T
        text_loss = functional.cross_entropy(cosines / self._temperature, self.places_of_seen[rows[users, items]])
        return self.code_loss(hidden, rows, (users, items), label_smoothing) + text_loss

    def pointed(self, states: Tensor) -> Tensor:
        """Shape [states, dimension of the text], of length 1."""
        return functional.normalize(self.pointer(states), dim=-1)

    def directions(self, history: History) -> Tensor:
        """Where the next item's text should be, shape [users, dimension of the text]."""
        hidden, _, _ = self.run(history)
        users = torch.arange(len(history.rows), device=hidden.device)
        lengths = (history.rows >= 0).sum(dim=1)
        return self.pointed(hidden[users, self.last_positions(history.rows)[users, lengths - 1]])
