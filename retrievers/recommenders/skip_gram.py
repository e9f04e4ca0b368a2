"""Skip-grams with negative sampling over sequences of items (Mikolov et al. 2013, arXiv 1310.4546)."""

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from bench.errors import BenchError
from retrievers.learning.trainer import Batch, Learner, Plan
from retrievers.recommenders.item_pairs import PairSource
from retrievers.recommenders.options import SkipGramTrainingOptions
from retrievers.recommenders.plans import Validate, validated_plan


class SkipGram(Learner):
    """A vector for each item as the one that is asked, and one as the other of a pair, which starts at zero."""

    def __init__(self, items: int, dimension: int) -> None:
        super().__init__()
        self.input, self.output = nn.Embedding(items, dimension), nn.Embedding(items, dimension)
        nn.init.uniform_(self.input.weight, -0.5 / dimension, 0.5 / dimension)
        nn.init.zeros_(self.output.weight)

    def loss(self, items: Tensor, others: Tensor, negatives: Tensor) -> Tensor:
        """Mean over pairs of -log sigmoid(in . out) - sum over negatives of log sigmoid(-in . out) (equation 4).

        items, others: shape [pairs]; negatives: shape [pairs, negatives]
        """
        asking = self.input(items)
        together = (asking * self.output(others)).sum(dim=1)
        apart = torch.bmm(self.output(negatives), asking[:, :, None])[:, :, 0]
        return (functional.softplus(-together) + functional.softplus(apart).sum(dim=1)).mean()


def skip_gram_plan(
    model: SkipGram,
    pairs: PairSource,
    counts: np.ndarray,
    options: SkipGramTrainingOptions,
    validate: Validate,
    seed: int,
) -> Plan:
    """How the vectors are learned: from pairs, against items drawn by their counts in training, shape [items]."""
    weights = np.where(counts > 0, np.maximum(counts, 1.0) ** options.negative_power, 0)
    chances = weights / weights.sum()
    size, device = options.training_batch, model.input.weight.device

    def batches(generator: np.random.Generator) -> list[Batch]:
        items, others = pairs.drawn(generator)
        if not len(items):
            raise BenchError("no two different items stand together; widen `window`, or lower training.subsampling")
        negatives = generator.choice(len(chances), size=(len(items), options.negatives), p=chances)
        order = generator.permutation(len(items))
        spans = [order[start : start + size] for start in range(0, len(order), size)]
        return [(items[span], others[span], negatives[span]) for span in spans]

    def loss(batch: Batch) -> Tensor:
        return model.loss(*(torch.from_numpy(part).to(device) for part in batch))

    return validated_plan(model, options, seed, validate, examples=pairs.most, batches=batches, loss=loss)
