"""How a model learns the identifiers of documents, and how it is held against queries that it has not learned."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from bench.progress import Progress
from bench.workplace import Workplace
from retrievers.generative.decoder import Encoded
from retrievers.generative.encoders import kept_states, padded
from retrievers.generative.examples import Drawn, Example, Examples, Tokens
from retrievers.generative.losses import Masses, SoftTargets
from retrievers.generative.model import IdentifierModel
from retrievers.generative.options import DocumentTrainingOptions
from retrievers.generative.teacher import Distribution, TeacherOptions
from retrievers.generative.training import batches_by_length, held_out_figures, identifier_plan
from retrievers.learning.course import Course
from retrievers.learning.trainer import Batch, train

Evaluate = Callable[[], dict[str, float]]


@dataclass(frozen=True)
class Lesson:
    """What is learned.

    identifiers: shape [documents, levels], those that should be written
    ratio: as `Examples.epoch` takes it
    teacher, distilling: a distribution over documents, and how much of the loss follows it how
    evaluate: figures that choose the epoch; None: the last one is kept
    """

    examples: Examples
    identifiers: np.ndarray
    ratio: float
    teacher: Distribution | None
    distilling: TeacherOptions
    evaluate: Evaluate | None


def learn(
    model: IdentifierModel,
    lesson: Lesson,
    options: DocumentTrainingOptions,
    *,
    seed: int,
    bfloat16: bool,
    workplace: Workplace,
    progress: Progress,
) -> Course:
    """Train the model to write the identifiers of the examples' documents."""
    examples, device = lesson.examples, model.encoder.device
    read = _reader(model, examples, workplace, progress)
    targets = torch.from_numpy(lesson.identifiers.astype(np.int64)).to(device)
    masses = Masses(model.tables)

    def batches(generator: np.random.Generator) -> list[Batch]:
        drawn = examples.epoch(lesson.ratio, generator)
        parts = batches_by_length(drawn.stops - drawn.starts, options.training_batch)
        return [drawn.of(part) for part in parts]

    def loss(batch: Batch) -> Tensor:
        drawn = Drawn(*batch)
        encoded = read(drawn)
        kept = without_some(encoded, options.token_dropout)
        own, smoothing = targets[drawn.rows], options.label_smoothing
        if lesson.teacher is None:
            return model.loss(kept, own, smoothing)
        wanted, by = lesson.teacher(drawn.texts, encoded), lesson.distilling
        if by.distil_by == "probabilities":
            return model.loss(kept, own, smoothing, SoftTargets(masses(wanted), by.distil))
        rows = torch.from_numpy(drawn.rows).to(device)
        others, margins = negatives(wanted, rows, by)
        followed = model.margin_loss(kept, torch.cat([own[:, None], targets[others]], dim=1), margins)
        return followed if by.distil == 1 else torch.lerp(model.loss(kept, own, smoothing), followed, by.distil)

    with torch.random.fork_rng():
        plan = identifier_plan(
            model,
            options,
            batches,
            loss,
            seed=seed,
            evaluate=lesson.evaluate,
            uphill=options.uphill,
            bfloat16=bfloat16,
        )
        return train(model, plan, workplace, progress)


def negatives(probabilities: Tensor, rows: Tensor, options: TeacherOptions) -> tuple[Tensor, Tensor]:
    """Other documents of each text, drawn among the teacher's first, and by how much its own one leads them.

    Both of shape [texts, negatives]; leads are differences of log-probabilities, so of the teacher's scores.

    probabilities: the teacher's, shape [texts, documents]
    rows: shape [texts]: the texts' own documents
    """
    logs = probabilities.clamp(min=torch.finfo(probabilities.dtype).tiny).log()
    others = logs.scatter(1, rows[:, None], -torch.inf)
    first = others.topk(min(options.distil_depth, max(1, others.shape[1] - 1)), dim=1).indices
    places = torch.randint(first.shape[1], (len(rows), options.negatives), device=rows.device)
    drawn = first.gather(1, places)
    return drawn, logs.gather(1, rows[:, None]) - logs.gather(1, drawn)


def _reader(
    model: IdentifierModel, examples: Examples, workplace: Workplace, progress: Progress
) -> Callable[[Drawn], Encoded]:
    """Gives the states of texts: those kept of a frozen encoder, else new ones.

    Those of a span are cut from the whole document's, where these can be kept.
    """
    encoder, tokens = model.encoder, examples.tokens

    def fresh(drawn: Drawn) -> Encoded:
        return encoder([tokens[text][start:stop] for text, start, stop in zip(*drawn[:3], strict=True)])

    if model.tuned:
        return fresh
    whole = kept_states(encoder, tokens[: examples.whole], workplace, progress)
    documents = encoder.kept(tokens[examples.whole :], workplace, progress) if examples.spans else None
    if examples.spans and documents is None:
        return fresh

    def states_of(text: int, start: int, stop: int) -> Tensor:
        if text < examples.whole or documents is None:
            return whole.of(text)
        return encoder.without_marks(documents(text - examples.whole))[start:stop]

    return lambda drawn: padded([states_of(*one) for one in zip(*drawn[:3], strict=True)], encoder.device)


def without_some(encoded: Encoded, share: float) -> Encoded:
    """The same without a share of each text's states, drawn at random; one that would lose all keeps them."""
    if not share:
        return encoded
    kept = encoded.mask & (torch.rand(encoded.mask.shape, device=encoded.mask.device) >= share)
    lost = ~kept.any(dim=1, keepdim=True)
    return Encoded(encoded.states, kept | (encoded.mask & lost))


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
