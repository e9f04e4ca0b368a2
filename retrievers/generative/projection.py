"""A teacher made of the encoder itself: its vectors, after a linear map that the training queries teach."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from bench.progress import Progress
from bench.workplace import Workplace
from retrievers.generative.decoder import Encoded
from retrievers.generative.encoders import TextEncoder, kept_states
from retrievers.generative.examples import Example, Tokens
from retrievers.generative.fitting import evaluation
from retrievers.generative.heads import SCALE
from retrievers.generative.training import identifier_plan
from retrievers.learning.options import TrainingOptions
from retrievers.learning.trainer import Batch, Learner, train

TRAINING = TrainingOptions(epochs=3, learning_rate=1e-3, training_batch=32)


class Projection(Learner):
    """The distribution over documents that cosines give, after one linear map of both sides that starts as none.

    documents: shape [documents, dimension]
    """

    documents: Tensor

    def __init__(self, documents: Tensor) -> None:
        super().__init__()
        self.register_buffer("documents", documents)
        self.map = nn.Linear(documents.shape[1], documents.shape[1], bias=False)
        nn.init.eye_(self.map.weight)

    def logits(self, means: Tensor) -> Tensor:
        """Shape [texts, documents], from mean states of shape [texts, dimension]."""
        texts, documents = (functional.normalize(self.map(one), dim=-1) for one in (means, self.documents))
        return SCALE * texts @ documents.T

    @torch.no_grad()
    def vectors(self) -> np.ndarray:
        """Shape [documents, dimension]: the documents after the map, of length 1."""
        return functional.normalize(self.map(self.documents), dim=-1).cpu().numpy()

    @torch.no_grad()
    def distribution(self, _texts: np.ndarray, encoded: Encoded) -> Tensor:
        """As a teacher's `Distribution`."""
        return self.logits(encoded.means()).softmax(dim=-1)


def learn_projection(
    encoder: TextEncoder,
    documents: np.ndarray,
    learned: Sequence[Example],
    kept: Sequence[Example],
    seed: int,
    workplace: Workplace,
    progress: Progress,
) -> Projection:
    """Learn the map from queries with their documents, by cross-entropy over all documents.

    documents: vectors of shape [documents, dimension]
    kept: queries that choose the epoch; without any the last one is kept
    """
    model = Projection(torch.from_numpy(documents)).to(encoder.device)
    if not learned:
        return model.eval()
    states = kept_states(encoder, [one.tokens for one in learned], workplace, progress)
    means = torch.stack([states.of(text).mean(dim=0) for text in range(len(learned))]).to(encoder.device)
    rows = torch.tensor([one.row for one in learned], device=encoder.device)

    def batches(generator: np.random.Generator) -> list[Batch]:
        order = generator.permutation(len(learned))
        return [(part,) for part in np.array_split(order, -(-len(order) // TRAINING.training_batch))]

    @torch.no_grad()
    def answer(asked: Sequence[Tokens]) -> Iterator[np.ndarray]:
        yield from model.logits(encoder(asked).means()).topk(min(10, len(documents))).indices.cpu().numpy()

    with encoder.reading_once([one.tokens for one in kept], workplace, progress), torch.random.fork_rng():
        plan = identifier_plan(
            model,
            TRAINING,
            batches,
            lambda batch: functional.cross_entropy(model.logits(means[batch[0]]), rows[batch[0]]),
            seed=seed,
            evaluate=evaluation(kept, answer) if kept else None,
        )
        train(model, plan, Workplace.temporary(), lambda phase, *steps: progress(f"teacher: {phase}", *steps))
    return model
