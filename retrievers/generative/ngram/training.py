"""How the writer learns: from a text, an n-gram of the document that the text is of, or that answers it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from bench.errors import BenchError
from bench.progress import Progress
from bench.workplace import Workplace
from retrievers.generative.encoders import TextEncoder, kept_states
from retrievers.generative.examples import Examples, Tokens
from retrievers.generative.fitting import Evaluate
from retrievers.generative.ngram.index import ViewIndex
from retrievers.generative.ngram.options import NgramTrainingOptions, View
from retrievers.generative.ngram.suffix_array import END
from retrievers.generative.training import batches_by_length, identifier_plan
from retrievers.generative.word_writer import WordWriter, asked, read
from retrievers.generative.words import Words
from retrievers.learning.course import Course
from retrievers.learning.trainer import Batch, train

_SHARES: dict[View, float] = {"title": 3, "span": 10, "pseudo-query": 5}
"""How many n-grams of each view MINDER learns for one question (Li et al. 2023, section 4.3)."""


class Drawer:
    """Draws n-grams of a document, those that share rare words with a text likelier than others.

    A word of the text counts by its rarity, and the less the further behind the n-gram's beginning it stands, because
    a search has to find the first token first. An n-gram begins at the beginning of a word; that of a title or a
    pseudo-query where the text begins.

    beginnings: shape [words]: whether a word-piece begins a word
    longest: tokens of an n-gram
    """

    def __init__(
        self, index: ViewIndex, beginnings: np.ndarray, longest: int, sharpness: float, whole: bool = False
    ) -> None:
        self._index = index
        self._longest = longest
        tokens = np.asarray(index.array.tokens)
        behind_an_end = np.append(END, tokens[:-1]) == END
        self._may_begin = (tokens != END) & (behind_an_end if whole else (behind_an_end | beginnings[tokens]))
        self._rarity = sharpness * _rarity(index, len(beginnings))

    def has(self, document: int) -> bool:
        """Whether there is anything to draw."""
        text = self._index.text(document)
        return bool(self._may_begin[text].any())

    def draw(self, text: np.ndarray, document: int, generator: np.random.Generator) -> np.ndarray:
        """Shape [longest]: an n-gram, END behind its last token."""
        place = self._index.text(document)
        tokens = self._index.array.tokens[place]
        gain = np.where(np.isin(tokens, text), self._rarity[tokens], 0.0)
        fading = np.arange(1, self._longest + 1) / self._longest
        likely = np.convolve(gain, fading)[self._longest - 1 :]
        likely = np.where(self._may_begin[place], likely + generator.gumbel(size=len(tokens)), -np.inf)
        start = int(np.argmax(likely))
        ngram = np.full(self._longest, END, dtype=np.int64)
        found = tokens[start : start + self._longest]
        stop = int(np.argmin(found)) if found.min() == END else len(found)
        ngram[:stop] = found[:stop]
        return ngram


def _rarity(index: ViewIndex, words: int) -> np.ndarray:
    """Shape [words + 1]: minus the log of the share of units that hold each word; 0 for END, which is the last."""
    tokens = np.asarray(index.array.tokens)
    there = tokens != END
    pairs = np.unique(tokens[there].astype(np.int64) * len(index.owners) + index.unit_of[there])
    holding = np.bincount(pairs // max(1, len(index.owners)), minlength=words)
    return np.append(np.log(len(index.owners) / np.maximum(holding, 1)), 0.0)


@dataclass(frozen=True)
class Lesson:
    """What is learned.

    examples: texts and their documents; of those without a word on either side nothing is learned
    drawers: of each view, by its number
    words: numbers of word-pieces
    ratio: as `Examples.epoch` takes it
    evaluate: figures that choose the epoch; None: the last one is kept
    """

    examples: Examples
    drawers: Mapping[View, Drawer]
    words: Words
    ratio: float
    evaluate: Evaluate | None

    def epoch(self, options: NgramTrainingOptions, generator: np.random.Generator) -> list[Batch]:
        """Batches of texts, where they start and stop, the views and the n-grams to be written."""
        drawn = self.examples.epoch(self.ratio, generator)
        useful = np.array([self.can_draw(row) for row in drawn.rows.tolist()])
        drawn = drawn.of(np.flatnonzero(useful & (drawn.stops > drawn.starts)))
        times = np.where(drawn.texts < self.examples.queries, options.spans_of_a_query, 1)
        drawn = drawn.of(generator.permutation(np.repeat(np.arange(len(times)), times)))
        read = (self.examples.tokens[text][start:stop] for text, start, stop in zip(*drawn[:3], strict=True))
        if not len(drawn.texts):
            raise BenchError(
                "no text that is learned from belongs to a document with an n-gram to write; add `span` to "
                "ngram.views, or give parts of documents in ngram.reading.parts"
            )
        targets = (self.draw(*one, generator) for one in zip(read, drawn.rows.tolist(), strict=True))
        views, ngrams = zip(*targets, strict=True)
        columns = (*drawn[:3], np.array(views), np.stack(ngrams))
        parts = batches_by_length(drawn.stops - drawn.starts, options.training_batch)
        return [tuple(column[part] for column in columns) for part in parts]

    def can_draw(self, row: int) -> bool:
        """Whether a document has anything to write."""
        return any(drawer.has(row) for drawer in self.drawers.values())

    def draw(self, tokens: Tokens, row: int, generator: np.random.Generator) -> tuple[int, np.ndarray]:
        """A view's number, and an n-gram of it to write from a text that a document belongs to."""
        names = list(self.drawers)
        shares = np.array([_SHARES[name] * self.drawers[name].has(row) for name in names])
        view = int(generator.choice(len(names), p=shares / shares.sum()))
        return view, self.drawers[names[view]].draw(np.array(self.words.numbers(tokens)), row, generator)


def learn(
    writer: WordWriter,
    encoder: TextEncoder,
    lesson: Lesson,
    options: NgramTrainingOptions,
    *,
    seed: int,
    workplace: Workplace,
    progress: Progress,
) -> Course:
    """Train the writer on what a frozen encoder says of the texts."""
    examples, device = lesson.examples, encoder.device
    states_of = _reader(encoder, examples, workplace, progress)

    def loss(batch: Batch) -> Tensor:
        texts, starts, stops, views, ngrams = batch
        spans = list(zip(texts.tolist(), starts.tolist(), stops.tolist(), strict=True))
        tokens = [examples.tokens[text][start:stop] for text, start, stop in spans]
        question = asked(states_of(spans), tokens, lesson.words, device, options.token_dropout)
        targets = torch.from_numpy(ngrams).to(device)[:, None]
        losses = writer(question, torch.from_numpy(views).to(device), targets, options.label_smoothing)
        return losses.sum() / (targets >= 0).sum()

    def batches(generator: np.random.Generator) -> list[Batch]:
        return lesson.epoch(options, generator)

    with torch.random.fork_rng():
        plan = identifier_plan(
            writer, options, batches, loss, seed=seed, evaluate=lesson.evaluate, uphill=options.uphill
        )
        return train(writer, plan, workplace, progress)


Span = tuple[int, int, int]
"""A text's number, and where what is read of it starts and stops."""


def _reader(
    encoder: TextEncoder, examples: Examples, workplace: Workplace, progress: Progress
) -> Callable[[list[Span]], list[Tensor]]:
    """Gives the kept states of texts; those of a span are cut from the whole document's, where these can be kept."""
    whole = kept_states(encoder, examples.tokens[: examples.whole], workplace, progress)
    documents = encoder.kept(examples.tokens[examples.whole :], workplace, progress) if examples.spans else None

    def kept(text: int) -> Tensor:
        return whole.of(text) if documents is None or text < examples.whole else documents(text - examples.whole)

    def states_of(spans: list[Span]) -> list[Tensor]:
        if examples.spans and documents is None:
            return read(encoder, [examples.tokens[text][start:stop] for text, start, stop in spans])
        return [encoder.without_marks(kept(text))[start:stop] for text, start, stop in spans]

    return states_of
