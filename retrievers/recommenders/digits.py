"""The network of RPG (Hou et al. 2025, arXiv 2506.05781, section 3): all digits of the next item at once."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional

from retrievers.recommenders.coded_items import CodedItems
from retrievers.recommenders.transformer import Shape, Transformer

_INITIAL = 0.1
"""Standard deviation of items' vectors at the start."""


class DigitTransformer(Transformer):
    """Self-attention over items that are sets of codes, with an output for each digit of the next one.

    codes: int64 of shape [items, digits], each below `vocabulary`
    temperature: cosines are divided by it
    """

    items: CodedItems

    def __init__(self, shape: Shape, codes: Tensor, vocabulary: int, temperature: float) -> None:
        super().__init__(shape, CodedItems(codes, vocabulary, shape.dimension))
        digits = codes.shape[1]
        self.heads = nn.Parameter(torch.zeros(digits, shape.dimension, shape.dimension))
        self._vocabulary, self._temperature = vocabulary, temperature

    def start_at_random(self) -> None:
        """As `NextItemModel.start_at_random`, but for the codes: items, the means of many, are not shorter for it."""
        super().start_at_random()
        digits = self.items.codes.shape[1]
        with torch.no_grad():
            self.items.weight[:-1].normal_(std=_INITIAL * digits**0.5)

    def log_probs(self, states: Tensor) -> Tensor:
        """Shape [states, digits, vocabulary]: of each code of each digit of the next item."""
        return torch.cat([logits.log_softmax(dim=-1) for logits in self._logits(states)]).transpose(0, 1)

    def digit_loss(self, states: Tensor, targets: Tensor) -> Tensor:
        """The mean cross-entropy of the digits of the next items."""
        together = self._digits_together(states.device)
        wanted = (self.items.codes[targets] % self._vocabulary).T.split(together)
        losses = [
            functional.cross_entropy(logits.flatten(0, 1), codes.flatten(), reduction="sum")
            for logits, codes in zip(self._logits(states), wanted, strict=True)
        ]
        return sum(losses[1:], losses[0]) / (len(self.heads) * len(states))

    def _logits(self, states: Tensor) -> Iterator[Tensor]:
        """For some digits at a time, all in order, the logits of their codes, shape [digits, states, vocabulary].

        A digit's state is x + SiLU(W x), with W = 0 at the start; its logits are cosines with the vectors by which
        items are read.
        """
        together = self._digits_together(states.device)
        books = self.items.weight[:-1].unflatten(0, (len(self.heads), -1))
        compared = functional.normalize(books, dim=-1) / self._temperature
        for heads, vectors in zip(self.heads.split(together), compared.split(together), strict=True):
            of_digits = states + functional.silu(states @ heads)
            yield functional.normalize(of_digits, dim=-1) @ vectors.transpose(1, 2)

    def _digits_together(self, device: torch.device) -> int:
        """One on a processor, whose cache does not hold what all digits need: in half the time of all at once."""
        return 1 if device.type == "cpu" else len(self.heads)

    def item_scores(self, states: Tensor) -> Tensor:
        """Shape [states, items]: the mean log-probability of an item's digits, of every item."""
        return self.items.means(self.log_probs(states).flatten(1).T).T
