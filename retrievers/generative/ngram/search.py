"""Beam search for n-grams that the collection holds (Bevilacqua et al. 2022, section 3.1)."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Self

import numpy as np
import torch
from torch import Tensor

from retrievers.generative.ngram.index import ViewIndex
from retrievers.generative.ngram.options import NgramBeamOptions
from retrievers.generative.ngram.suffix_array import END, Continuations
from retrievers.generative.word_writer import Question, Stepper, WordWriter


class Ngrams(NamedTuple):
    """N-grams of one question.

    tokens: int64, shape [n-grams, longest], END behind the last token
    starts, stops: shape [n-grams]: their ranges in the suffix array
    log_probs: float64, shape [n-grams]
    """

    tokens: np.ndarray
    starts: np.ndarray
    stops: np.ndarray
    log_probs: np.ndarray

    def of(self, places: np.ndarray) -> Self:
        """Some of them."""
        return type(self)(*(one[places] for one in self))

    @classmethod
    def joined(cls, parts: "Sequence[Ngrams]") -> "Ngrams":
        """Several, one after the other."""
        longest = max(part.tokens.shape[1] for part in parts)
        tokens = [
            np.pad(part.tokens, ((0, 0), (0, longest - part.tokens.shape[1])), constant_values=END) for part in parts
        ]
        rest = zip(*(part[1:] for part in parts), strict=True)
        return cls(np.concatenate(tokens), *map(np.concatenate, rest))

    @property
    def lengths(self) -> np.ndarray:
        """Tokens of each."""
        return (self.tokens != END).sum(axis=1)

    @property
    def counts(self) -> np.ndarray:
        """How often each occurs."""
        return self.stops - self.starts


class Found(NamedTuple):
    """What a search found for one question.

    ngrams: all that stood in a beam at any step
    unigrams: every token of the view, with its probability as a first one
    """

    ngrams: Ngrams
    unigrams: Ngrams


class _Beams(NamedTuple):
    """The n-grams of a step; all of shape [questions, width], tokens [questions, width, length].

    A beam without an n-gram has an empty range.
    """

    tokens: np.ndarray
    parents: np.ndarray
    starts: np.ndarray
    stops: np.ndarray
    log_probs: np.ndarray

    @classmethod
    def empty(cls, questions: int, width: int, length: int) -> Self:
        """Without an n-gram."""
        tokens = np.zeros((questions, width, length), dtype=np.int64)
        parents, starts, stops = (np.zeros((questions, width), dtype=np.int64) for _ in range(3))
        return cls(tokens, parents, starts, stops, np.full((questions, width), -np.inf))


@torch.no_grad()
def search(
    writer: WordWriter, question: Question, index: ViewIndex, view: int, options: NgramBeamOptions
) -> list[Found]:
    """The likeliest n-grams of each text, of one token, of two, and so on, each step's from those of the step before.

    Probabilities are over all words, whatever may follow in the collection. Call `eval()` first.
    """
    device = question.states.device
    stepper = Stepper(writer, question, view)
    first = stepper.start().cpu().numpy()
    tokens, (starts, stops) = index.spans
    log_probs = first[:, 0, tokens].astype(np.float64)
    unigrams = [Ngrams(tokens[:, np.newaxis], starts, stops, line) for line in log_probs]
    steps = [_first_beams(unigrams, options.width)]
    while len(steps) < options.longest and (steps[-1].stops > steps[-1].starts).any():
        last = steps[-1]
        found = index.array.follow(last.starts.ravel(), last.stops.ravel(), last.tokens.shape[-1])
        log_probs_of = stepper.step(*_on(device, last.tokens[..., -1], last.parents))
        following = log_probs_of(*_on(device, found.parents, found.tokens)).cpu().numpy()
        steps.append(_next_beams(last, found, following, options.width))
    return [
        Found(Ngrams.joined([_alive(step, number) for step in steps]), unigrams[number])
        for number in range(len(unigrams))
    ]


def _first_beams(unigrams: Sequence[Ngrams], width: int) -> _Beams:
    best = [one.of(np.argsort(-one.log_probs, kind="stable")[:width]) for one in unigrams]
    tokens, starts, stops, log_probs = map(np.stack, zip(*best, strict=True))
    return _Beams(tokens, np.zeros_like(starts), starts, stops, log_probs)


def _on(device: torch.device, *arrays: np.ndarray) -> Iterator[Tensor]:
    return (torch.from_numpy(one).to(device) for one in arrays)


def _next_beams(last: _Beams, found: Continuations, following: np.ndarray, width: int) -> _Beams:
    """The best of what was found to follow the beams of all questions, each with its log-probability there."""
    questions, beams, length = last.tokens.shape
    owners = found.parents // beams
    values = last.log_probs.ravel()[found.parents] + following
    order = np.lexsort((-values, owners))
    ranks = np.arange(len(order)) - np.searchsorted(owners, owners)[order]
    order, ranks = order[ranks < width], ranks[ranks < width]
    made = _Beams.empty(questions, width, length + 1)
    places = owners[order], ranks
    parents = found.parents[order]
    made.tokens[places] = np.column_stack([last.tokens.reshape(-1, length)[parents], found.tokens[order]])
    made.parents[places] = parents % beams
    made.starts[places] = found.starts[order]
    made.stops[places] = found.stops[order]
    made.log_probs[places] = values[order]
    return made


def _alive(beams: _Beams, question: int) -> Ngrams:
    there = beams.stops[question] > beams.starts[question]
    return Ngrams(*(one[question][there] for one in (beams.tokens, beams.starts, beams.stops, beams.log_probs)))
