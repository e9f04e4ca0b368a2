"""How a model learns the identifiers of documents, and how it is held against queries that it has not learned."""

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import torch
from torch import Tensor

from bench.progress import Progress
from bench.workplace import Workplace
from retrievers.generative.decoder import Encoded
from retrievers.generative.encoders import kept_states
from retrievers.generative.examples import Example, Examples, Tokens
from retrievers.generative.model import IdentifierModel
from retrievers.generative.options import DocumentTrainingOptions
from retrievers.generative.training import batches_by_length, held_out_figures, identifier_plan
from retrievers.learning.course import Course
from retrievers.learning.trainer import Batch, train

Evaluate = Callable[[], dict[str, float]]


def learn(
    model: IdentifierModel,
    examples: Examples,
    identifiers: np.ndarray,
    options: DocumentTrainingOptions,
    *,
    ratio: float,
    distil: float,
    evaluate: Evaluate | None,
    seed: int,
    bfloat16: bool,
    workplace: Workplace,
    progress: Progress,
) -> Course:
    """Train the model to write `identifiers`, of shape [documents, levels], of the examples' documents.

    ratio, distil: as `Examples.epoch` takes them
    evaluate: figures that choose the epoch; None: the last one is kept
    """
    lengths = np.array(list(map(len, examples.tokens)))
    read = _reader(model, examples.tokens, workplace, progress)
    targets = torch.from_numpy(identifiers.astype(np.int64)).to(model.encoder.device)

    def batches(generator: np.random.Generator) -> list[Batch]:
        texts, rows = examples.epoch(ratio, distil, generator)
        return [(texts[part], rows[part]) for part in batches_by_length(lengths[texts], options.training_batch)]

    def loss(batch: Batch) -> Tensor:
        texts, rows = batch
        return model.loss(read(texts), targets[rows], options.label_smoothing)

    with torch.random.fork_rng():
        plan = identifier_plan(model, options, batches, loss, seed=seed, evaluate=evaluate, bfloat16=bfloat16)
        return train(model, plan, workplace, progress)


def _reader(
    model: IdentifierModel, tokens: Sequence[Tokens], workplace: Workplace, progress: Progress
) -> Callable[[np.ndarray], Encoded]:
    """Gives the states of some of the texts: those kept of a frozen encoder, else new ones."""
    if model.tuned:
        return lambda numbers: model.encoder([tokens[number] for number in numbers])
    return kept_states(model.encoder, tokens, workplace, progress)


def evaluation(kept: Sequence[Example], answer: Callable[[list[Tokens]], Iterable[np.ndarray]]) -> Evaluate:
    """Measures how held-out queries are answered: `answer` gives document rows for each, best first."""
    relevant: dict[tuple[int, ...], set[int]] = {}
    for tokens, row in kept:
        relevant.setdefault(tuple(tokens), set()).add(row)
    asked = list(map(list, relevant))

    def evaluate() -> dict[str, float]:
        ranks = [
            next((rank for rank, row in enumerate(rows[:10], start=1) if row in wanted), np.inf)
            for rows, wanted in zip(answer(asked), relevant.values(), strict=True)
        ]
        return held_out_figures(ranks)

    return evaluate
