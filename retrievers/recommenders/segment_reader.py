"""The network of M6-Rec's late interaction (Cui et al. 2022): segments that were read alone meet."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from retrievers.generative.training import batches_by_length
from retrievers.learning.trainer import Batch, Learner, Plan
from retrievers.recommenders.losses import Loss
from retrievers.recommenders.options import NextItemTrainingOptions
from retrievers.recommenders.plans import Validate, validated_plan
from retrievers.recommenders.segment_cache import Segments

SegmentsOf = Callable[[Tensor], Segments]
"""The token states of the items in rows of shape [users, segments], wherever they come from."""

_SCALE = 20.0
"""Of cosines at the start, as sentence encoders are trained with it."""


class Block(nn.Module):
    """A layer of BERT's form, in which fewer positions than are seen may ask."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer: Any = layer

    def forward(self, asking: Tensor, seen: Tensor, mask: Tensor) -> Tensor:
        """States of the shape of `asking`, [users, asking, dimension].

        seen: shape [users, seen, dimension]
        mask: shape [users, asking, seen], true where one sees the other
        """
        attention = self.layer.attention.self
        split = (attention.num_attention_heads, -1)
        queries = attention.query(asking).unflatten(-1, split).transpose(1, 2)
        keys, values = (part(seen).unflatten(-1, split).transpose(1, 2) for part in (attention.key, attention.value))
        logits = queries @ keys.transpose(-1, -2) * queries.shape[-1] ** -0.5
        weights = attention.dropout(logits.masked_fill(~mask[:, None], -torch.inf).softmax(dim=-1))
        found = self.layer.attention.output((weights @ values).transpose(1, 2).flatten(2), asking)
        return self.layer.output(self.layer.intermediate(found), found)


class SegmentReader(Learner):
    """Joins segments whose tokens know nothing of each other yet.

    Segments of a history see themselves and those before them, so that one pass gives the state after each. A
    candidate sees the history and itself, and no other candidate. The last layer is asked at each segment's first
    mark alone, since nothing else of it is read.

    blocks: the encoder's last layers
    items: float32 of shape [items, dimension]: the encoder's vectors of the items, of length 1
    """

    items: Tensor

    def __init__(self, blocks: nn.ModuleList, items: Tensor, longest: int, segments: SegmentsOf) -> None:
        super().__init__()
        dimension = items.shape[1]
        self.blocks = nn.ModuleList(Block(layer) for layer in blocks).requires_grad_()
        self.places = nn.Embedding(longest + 1, dimension)
        self.direction = nn.Linear(dimension, dimension)
        self.scale = nn.Parameter(torch.tensor(_SCALE).log())
        self.plausible = nn.Linear(dimension, 1)
        self.segments, self.longest = segments, longest
        self.register_buffer("items", items, persistent=False)
        with torch.no_grad():
            self.direction.weight.copy_(torch.eye(dimension))
            for weight in (self.places.weight, self.direction.bias, *self.plausible.parameters()):
                weight.zero_()

    @property
    def none(self) -> int:
        """The row that stands for no item."""
        return len(self.items)

    def forward(self, rows: Tensor, places: Tensor, sees: Tensor) -> Tensor:
        """A state of each segment, shape [users, segments, dimension].

        rows, places: int64 of shape [users, segments]: the items, and what number each has in its history
        sees: shape [users, segments, segments], true where one sees the other
        """
        states, there = self.segments(rows)
        width = there.shape[2]
        tokens = (states + self.places(places)[:, :, None]).flatten(1, 2)
        seen = sees.repeat_interleave(width, dim=2) & there.flatten(1)[:, None]
        for block in self.blocks[:-1]:
            tokens = block(tokens, tokens, seen.repeat_interleave(width, dim=1))
        marks = tokens.unflatten(1, (-1, width))[:, :, 0]
        return self.blocks[-1](marks, tokens, seen)

    def directions(self, rows: Tensor) -> Tensor:
        """Where the next item is expected after each of the items in `rows`, shape [users, length, dimension].

        Its products with the items' vectors are their likeness.
        """
        users, length = rows.shape
        places = torch.arange(length, device=rows.device).expand(users, -1)
        sees = torch.ones(length, length, dtype=torch.bool, device=rows.device).tril().expand(users, -1, -1)
        return self.scale.exp() * functional.normalize(self.direction(self(rows, places, sees)), dim=-1)

    def plausibility(self, rows: Tensor, lengths: Tensor, candidates: Tensor) -> Tensor:
        """What each candidate gains by being read behind its history, of the candidates' shape [users, candidates].

        rows: shape [users, length], of which the first `lengths`, shape [users], are the history
        """
        (users, length), number = rows.shape, candidates.shape[1]
        counted = torch.arange(length, device=rows.device).expand(users, -1)
        sees = torch.eye(length + number, dtype=torch.bool, device=rows.device).expand(users, -1, -1).clone()
        sees[:, :length, :length] = counted[0, :, None] >= counted[0]
        sees[:, length:, :length] = (counted < lengths[:, None])[:, None]
        places = torch.cat([counted, lengths[:, None].expand(-1, number)], dim=1)
        states = self(torch.cat([rows, candidates], dim=1), places, sees)
        return self.plausible(states[:, length:])[..., 0]

    def padded(self, sequences: Sequence[np.ndarray]) -> Tensor:
        """Shape [sequences, length]: rows, with no item after the end."""
        rows = np.full((len(sequences), max(map(len, sequences))), self.none, dtype=np.int64)
        for line, sequence in zip(rows, sequences, strict=True):
            line[: len(sequence)] = sequence
        return torch.from_numpy(rows).to(self.items.device)


def segment_plan(
    model: SegmentReader,
    sequences: Sequence[np.ndarray],
    loss: Loss,
    hard: int,
    negatives: int,
    options: NextItemTrainingOptions,
    validate: Validate,
    seed: int,
) -> Plan:
    """How sequences of two items or more are learned: the likeness of each next item, and the score of some.

    At one place of each sequence, drawn anew, the next item's score, its likeness and plausibility together, stands
    against those of `negatives` items drawn from the `hard` others of the highest likeness.
    """
    windows = [sequence[-model.longest - 1 :] for sequence in sequences]
    lengths = np.array([len(window) for window in windows])

    def batches(generator: np.random.Generator) -> list[Batch]:
        cuts, order = generator.integers(1, lengths), generator.permutation(len(windows))
        parts = batches_by_length(lengths[order], options.training_batch)
        return [(order[part], cuts[order[part]]) for part in parts]

    def of_batch(batch: Batch) -> Tensor:
        some, cuts = [windows[place] for place in batch[0]], torch.from_numpy(batch[1]).to(model.items.device)
        rows, targets = (model.padded([window[part] for window in some]) for part in (slice(-1), slice(1, None)))
        directions, real = model.directions(rows), targets != model.none
        expected = loss(directions[real], targets[real], model.items)
        users = torch.arange(len(some), device=rows.device)
        asked, wanted = directions[users, cuts - 1], targets[users, cuts - 1]
        candidates = torch.cat([wanted[:, None], _others(asked, wanted, model.items, hard, negatives)], dim=1)
        likeness = (asked[:, None] * model.items[candidates]).sum(dim=-1)
        scores = likeness + model.plausibility(rows, cuts, candidates)
        return expected + functional.cross_entropy(scores, torch.zeros_like(wanted))

    return validated_plan(model, options, seed, validate, examples=len(windows), batches=batches, loss=of_batch)


@torch.no_grad()
def _others(asked: Tensor, wanted: Tensor, items: Tensor, hard: int, negatives: int) -> Tensor:
    """Rows of shape [users, negatives], drawn from the `hard` items of the highest likeness but the wanted one."""
    likeness = (asked @ items.T).scatter(1, wanted[:, None], -torch.inf)
    near = likeness.topk(min(hard, len(items) - 1), dim=1).indices
    drawn = torch.rand(near.shape, device=near.device).topk(min(negatives, near.shape[1]), dim=1).indices
    return near.gather(1, drawn)


@torch.no_grad()
def operations(run: Callable[[], object]) -> int:
    """Additions and multiplications of all matrix products of a run."""
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        run()
    return counter.get_total_flops()
