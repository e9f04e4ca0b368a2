"""The network of RPG (Hou et al. 2025, arXiv 2506.05781, section 3): all digits of the next item at once."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from retrievers.recommenders.coded_items import CodedItems
from retrievers.recommenders.transformer import Shape, Transformer


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
        self._digits, self._temperature = digits, temperature

    def log_probs(self, states: Tensor) -> Tensor:
        """Shape [states, digits, vocabulary]: of each code of each digit of the next item.

        A digit's state is x + SiLU(W x), with W = 0 at the start; its logits are cosines with the vectors by which
        items are read.
        """
        heads = self.heads.permute(1, 0, 2).flatten(1)
        of_digits = states[:, None] + functional.silu((states @ heads).unflatten(1, (self._digits, -1)))
        books = self.items.weight[:-1].unflatten(0, (self._digits, -1))
        cosines = torch.einsum(
            "sde,dce->sdc", functional.normalize(of_digits, dim=-1), functional.normalize(books, dim=-1)
        )
        return (cosines / self._temperature).log_softmax(dim=-1)

    def digit_loss(self, states: Tensor, targets: Tensor) -> Tensor:
        """The mean cross-entropy of the digits of the next items."""
        wanted = self.items.codes[targets]
        return -self.log_probs(states).flatten(1).gather(1, wanted).mean()

    def item_scores(self, states: Tensor) -> Tensor:
        """Shape [states, items]: the mean log-probability of an item's digits, of every item."""
        return self.items.means(self.log_probs(states).flatten(1).T).T
