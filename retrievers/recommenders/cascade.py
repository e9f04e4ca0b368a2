"""The network of COBRA (Yang et al. 2025, arXiv 2503.02446): an item's code first, then where its text is."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from retrievers.recommenders.transformer import Shape, Transformer

_CODES_TOGETHER = 512
"""Codes that stand behind a history at a time: what each sees of all is in memory."""


class CascadedItems(nn.Module):
    """Items as pairs: the vector of a code that some share, and what a linear map makes of the text's vector.

    codes: int64 of shape [items], each below `size`
    texts: shape [items, width]
    weight: of the codes, and one, of zeros, for no item
    """

    codes: Tensor
    texts: Tensor

    def __init__(self, codes: Tensor, size: int, texts: Tensor, dimension: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(size + 1, dimension))
        self.map = nn.Linear(texts.shape[1], dimension)
        self.register_buffer("codes", functional.pad(codes, (0, 1), value=size), persistent=False)
        self.register_buffer("texts", functional.pad(texts, (0, 0, 0, 1)), persistent=False)

    def forward(self, rows: Tensor) -> Tensor:
        """The vectors of items' codes, shape [*rows, dimension]; zeros for no item."""
        return functional.embedding(self.codes[rows], self.weight)

    def told(self, rows: Tensor) -> Tensor:
        """What the map makes of items' texts, shape [*rows, dimension]."""
        return self.map(self.texts[rows])


class Cascade(Transformer):
    """Self-attention over codes and texts in turn: after a text it expects the next code, after a code its text.

    shape: its `longest` counts the item that is expected too
    temperature: cosines of expected texts and items' are divided by it
    """

    items: CascadedItems

    def __init__(self, shape: Shape, items: CascadedItems, temperature: float) -> None:
        super().__init__(shape, items)
        self.kinds = nn.Parameter(torch.zeros(2, shape.dimension))
        self._temperature = temperature

    def forward(self, rows: Tensor) -> Tensor:
        """States of shape [sequences, length, 2, dimension]: after each item's code, and after its text."""
        return self.through(self._interleaved(rows)).unflatten(1, (-1, 2))

    def steps(self, sequences: Sequence[np.ndarray]) -> tuple[Tensor, Tensor]:
        """As `NextItemModel.steps`; a state is that before the next item beside that after its code."""
        rows = self.padded([sequence[-self.longest :] for sequence in sequences])
        states = self(rows)
        return torch.cat([states[:, :-1, 1], states[:, 1:, 0]], dim=-1), rows[:, 1:]

    def loss(self, states: Tensor, targets: Tensor) -> Tensor:
        """Mean cross-entropy of the code among all, and of the text among those of the batch's items."""
        before, after = states.chunk(2, dim=-1)
        among, places = targets.unique(return_inverse=True)
        cosines = functional.normalize(after, dim=-1) @ functional.normalize(self.items.told(among), dim=-1).T
        of_code = functional.cross_entropy(self._code_logits(before), self.items.codes[targets])
        return of_code + functional.cross_entropy(cosines / self._temperature, places)

    def scores(self, histories: Sequence[np.ndarray]) -> Tensor:
        """Shape [histories, items]: log-probability of the item's code, and of the item among those of the code.

        Every code is gone on with, so that nothing is lost to a beam.
        """
        before, after = self._states_of([history[1 - self.longest :] for history in histories])
        of_codes = self._code_logits(before).log_softmax(dim=-1)
        towards = functional.normalize(after, dim=-1)
        told = functional.normalize(self.items.map(self.items.texts[:-1]), dim=-1)
        codes, found = self.items.codes[:-1], of_codes.new_empty(len(histories), self.none)
        for code in codes.unique().tolist():
            members = (codes == code).nonzero()[:, 0]
            cosines = towards[:, code] @ told[members].T
            within = (cosines / self._temperature).log_softmax(dim=-1)
            found[:, members] = of_codes[:, code, None] + within
        return found

    def _states_of(self, histories: Sequence[np.ndarray]) -> tuple[Tensor, Tensor]:
        """After histories, shape [histories, dimension], and each code behind them, [histories, codes, dimension].

        Codes stand behind a history side by side, where each sees the history and itself alone.
        """
        rows = self.padded([np.append(history, history[:1]) for history in histories])  # one more, for what comes
        read, lengths = self._interleaved(rows), 2 * (rows != self.none).sum(dim=1) - 2
        candidates = self.items.weight[:-1] + self.kinds[0] + self.positions.weight[-1]
        after = []
        for part in candidates.split(_CODES_TOGETHER):
            behind = part.expand(len(rows), -1, -1)
            states = self.through(torch.cat([read, behind], dim=1), _side_by_side(lengths, read.shape[1], len(part)))
            after.append(states[:, read.shape[1] :])
        return states[torch.arange(len(rows), device=rows.device), lengths - 1], torch.cat(after, dim=1)

    def _interleaved(self, rows: Tensor) -> Tensor:
        """What is read of items, code and text in turn, shape [sequences, 2 * length, dimension]."""
        parts = torch.stack([self.items(rows), self.items.told(rows)], dim=2) + self.kinds
        return (parts + self.positions(self.places(rows))[:, :, None]).flatten(1, 2)

    def _code_logits(self, states: Tensor) -> Tensor:
        return states @ self.items.weight[:-1].T


def _side_by_side(lengths: Tensor, longest: int, behind: int) -> Tensor:
    """What is seen where so many stand behind sequences; both lengths of a mask are longest + behind.

    A place of a sequence sees itself and those before it, one behind it sees the whole sequence and itself.
    """
    place = torch.arange(longest + behind, device=lengths.device)
    before = place[:, None] >= place
    in_sequence = (place < lengths[:, None]) & (place < longest)
    is_behind = (place >= longest)[:, None]
    return torch.where(is_behind, in_sequence[:, None] | (place[:, None] == place), before & (place < longest))
