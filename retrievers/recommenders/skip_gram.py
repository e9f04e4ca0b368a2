"""Skip-grams with negative sampling over sequences of items (Mikolov et al. 2013, arXiv 1310.4546)."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from bench.errors import BenchError
from retrievers.learning.trainer import Batch, Learner, Plan
from retrievers.recommenders.options import SkipGramTrainingOptions
from retrievers.recommenders.plans import Validate, validated_plan
from retrievers.recommenders.popularity import popularity


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
    sequences: Sequence[np.ndarray],
    options: SkipGramTrainingOptions,
    window: int,
    only_after: bool,
    validate: Validate,
    seed: int,
) -> Plan:
    """How the vectors are learned: from pairs of items of a sequence, against items drawn by their counts."""
    pairs = Pairs(sequences, window, only_after, options.pairs)
    counts = popularity(sequences, model.input.num_embeddings).astype(np.float64)
    weights = np.where(counts > 0, np.maximum(counts, 1) ** options.negative_power, 0)
    chances, kept = weights / weights.sum(), keeping(counts, options.subsampling)
    size, device = options.training_batch, model.input.weight.device

    def batches(generator: np.random.Generator) -> list[Batch]:
        items, others = pairs.drawn(kept, generator)
        if not len(items):
            raise BenchError("no two different items stand together; widen `window`, or lower training.subsampling")
        negatives = generator.choice(len(chances), size=(len(items), options.negatives), p=chances)
        order = generator.permutation(len(items))
        spans = [order[start : start + size] for start in range(0, len(order), size)]
        return [(items[span], others[span], negatives[span]) for span in spans]

    def loss(batch: Batch) -> Tensor:
        return model.loss(*(torch.from_numpy(part).to(device) for part in batch))

    return validated_plan(model, options, seed, validate, examples=pairs.most, batches=batches, loss=loss)


class Pairs:
    """Draws, for each place of each sequence, so many others of its window; an item is no pair with itself.

    most: pairs of an epoch, at most
    """

    def __init__(self, sequences: Sequence[np.ndarray], window: int, only_after: bool, each: int) -> None:
        lengths = np.array([len(sequence) for sequence in sequences])
        starts = np.repeat(np.cumsum(lengths) - lengths, lengths)
        self._items = np.concatenate(sequences)
        self._places = np.arange(len(self._items))
        reach = window or int(lengths.max())
        ends = np.repeat(np.cumsum(lengths), lengths)
        self._first = self._places + 1 if only_after else np.maximum(starts, self._places - reach)
        self._behind = np.minimum(ends, self._places + reach + 1)
        self._each, self.most = each, each * len(self._items)

    def drawn(self, kept: np.ndarray, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """The items and the others of an epoch; of an item's places a share `kept`, shape [items], is looked at."""
        looked_at = generator.random(len(self._items)) < kept[self._items]
        places = np.repeat(self._places[looked_at & (self._behind > self._first)], self._each)
        spans = (self._behind - self._first)[places]
        others = self._first[places] + generator.integers(spans)
        pairs = looked_at[others] & (self._items[places] != self._items[others])
        return self._items[places[pairs]], self._items[others[pairs]]


def keeping(counts: np.ndarray, threshold: float) -> np.ndarray:
    """Shape of `counts`: the share of an item's places that is kept, min(1, sqrt(t / f)) for a share f of all.

    A threshold t of 0 keeps all (Mikolov et al. 2013, equation 5).
    """
    if not threshold:
        return np.ones(len(counts))
    shares = counts / counts.sum()
    return np.minimum(1, np.sqrt(np.divide(threshold, shares, out=np.ones(len(counts)), where=shares > 0)))
