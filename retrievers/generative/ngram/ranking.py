"""Learning to rank documents by the n-grams that they hold: LTRGR (Li et al. 2023, arXiv 2306.15222, section 3.3).

A document's score is a sum of the weights of n-grams, and these follow from the writer's probabilities: so a document
that answers a query can be made to score above others that the system itself finds. How much of an n-gram counts for
a document is taken as the search left it, and every step searches anew: what a search has left behind can be raised
without end while new n-grams take its place unseen.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from bench.progress import Progress
from bench.workplace import Workplace
from retrievers.generative.encoders import TextEncoder
from retrievers.generative.examples import Example, Tokens
from retrievers.generative.ngram.options import RankingOptions, View
from retrievers.generative.ngram.scoring import Answer, Scorer, Weighed, prior_odds
from retrievers.generative.ngram.search import Ngrams
from retrievers.generative.ngram.suffix_array import END
from retrievers.generative.ngram.training import Lesson
from retrievers.generative.word_writer import Question, Reading, WordWriter, asked, read
from retrievers.learning.course import Course
from retrievers.learning.trainer import Batch, Plan, rise_and_fall, train

_SUREST = -1e-4
"""The highest log-probability that is learned from; above it the odds grow without end."""


class Held(NamedTuple):
    """N-grams of one view that count for some documents.

    tokens: shape [n-grams, longest], END behind the last token
    prior_odds: shape [n-grams]: the logarithm of the odds that they have without a question
    shares: shape [documents, n-grams]: how much of its weight each one gives to each document
    """

    tokens: np.ndarray
    prior_odds: np.ndarray
    shares: np.ndarray

    def of(self, chosen: np.ndarray) -> "Held":
        """Some of the n-grams."""
        return Held(self.tokens[chosen], self.prior_odds[chosen], self.shares[:, chosen])


class Contest(NamedTuple):
    """A query with a document that answers it and two that do not: the best of them, and one drawn at random.

    held: by view, what counts for the three in this order
    scale: the score of the system's best answer
    view, ngram: what the writer should write
    """

    tokens: Tokens
    held: Mapping[View, Held]
    scale: float
    view: int
    ngram: np.ndarray


def held(weighed: Weighed, rows: Sequence[int], scorer: Scorer) -> Held:
    """What of a question's n-grams counts for some documents."""
    ngrams = Ngrams.joined([weighed.ngrams, weighed.unigrams])
    given = np.concatenate([weighed.weights, weighed.unigram_weights])
    different, places = np.unique(rows, return_inverse=True)
    shares = np.zeros((len(different), len(given)))
    for line, (numbers, added) in zip(shares, scorer.evidence(weighed, different), strict=True):
        line[numbers] = added / given[numbers]
    shares = shares[places]
    counting = np.flatnonzero(shares.any(axis=0))
    odds = prior_odds(ngrams.counts[counting], scorer.size, scorer.options)
    return Held(ngrams.tokens[counting], odds, shares[:, counting])


def scores(writer: WordWriter, question: Question, views: Sequence[Sequence[Held]], alpha: float) -> Tensor:
    """Shape [texts, documents]: what the documents of each text score by the n-grams that they hold.

    views: for each view of the writer, what is held of each text
    alpha: as in `ScoringOptions`
    """
    reading = writer.look_at(question)
    total = torch.zeros(len(question.states), len(views[0][0].shares), device=question.states.device)
    for number, texts in enumerate(views):
        view = torch.full((len(texts),), number, device=total.device)
        single = [(part.tokens != END).sum(axis=1) == 1 for part in texts]
        for chosen in (single, [~one for one in single]):
            parts = [part.of(one) for part, one in zip(texts, chosen, strict=True)]
            if any(len(part.tokens) for part in parts):
                tokens, prior, shares = _together(parts, total.device)
                found = _weights(_log_probs(writer, reading, view, tokens), prior, alpha)
                total = total + (shares * found[:, None]).sum(dim=-1)
    return total


def _log_probs(writer: WordWriter, reading: Reading, view: Tensor, tokens: Tensor) -> Tensor:
    """Shape [texts, n-grams]; where all are single words, one step of the decoder is enough."""
    if (tokens[..., 1:] == END).all():
        return writer.first_log_probs(reading, view).gather(1, tokens[..., 0].clamp(min=0))
    return -writer.losses(reading, view, tokens).sum(dim=-1)


def _together(parts: Sequence[Held], device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Tokens, odds and shares of texts as one, with n-grams that count nothing where a text has fewer."""
    most = max(len(part.tokens) for part in parts)
    longest = max(part.tokens.shape[1] for part in parts)
    tokens = np.full((len(parts), most, longest), END)
    prior = np.zeros((len(parts), most), dtype=np.float32)
    shares = np.zeros((len(parts), len(parts[0].shares), most), dtype=np.float32)
    for place, part in enumerate(parts):
        tokens[place, : len(part.tokens), : part.tokens.shape[1]] = part.tokens
        prior[place, : len(part.tokens)] = part.prior_odds
        shares[place, :, : len(part.tokens)] = part.shares
    made = (torch.from_numpy(one).to(device) for one in (tokens, prior, shares))
    return tuple(made)  # type: ignore[return-value]


def _weights(log_probs: Tensor, prior: Tensor, alpha: float) -> Tensor:
    """As `retrievers.generative.ngram.scoring.weights`."""
    given = log_probs.clamp(max=_SUREST)
    odds = given - torch.log1p(-given.exp()) - prior
    return odds.clamp(min=1e-6) ** alpha


class Trainee(NamedTuple):
    """A training query: what it says, documents to learn, and all that answer it."""

    tokens: Tokens
    rows: Sequence[int]
    relevant: frozenset[int]


def trainees(learned: Sequence[Example], every: Sequence[Example]) -> list[Trainee]:
    """Each query of `learned` once; `every` has all that is known to answer it."""
    rows, relevant = (defaultdict[tuple[int, ...], list[int]](list) for _ in range(2))
    for known, examples in ((rows, learned), (relevant, every)):
        for example in examples:
            known[tuple(example.tokens)].append(example.row)
    return [Trainee(list(tokens), own, frozenset(relevant[tokens])) for tokens, own in rows.items() if tokens]


@dataclass(frozen=True)
class Contests:
    """Draws contests from the system's answers to training queries.

    answer: the system as it stands, asked all queries
    scorers: of each view, by its number
    """

    queries: Sequence[Trainee]
    answer: Callable[[Sequence[Tokens]], Iterator[Answer]]
    scorers: Mapping[View, Scorer]
    lesson: Lesson

    def draw(self, places: Sequence[int], depth: int, generator: np.random.Generator) -> list[Contest]:
        """One of each of these queries that the system finds other documents for."""
        found = []
        queries = [self.queries[place] for place in places]
        answers = self.answer([query.tokens for query in queries])
        for query, answer in zip(queries, answers, strict=True):
            own = int(generator.choice(query.rows))
            others = [row for row in answer.rows[:depth].tolist() if row not in query.relevant]
            if others and self.lesson.can_draw(own):
                rows = [own, others[0], int(generator.choice(others[1:] or others))]
                view, ngram = self.lesson.draw(query.tokens, own, generator)
                found.append(Contest(query.tokens, self._held(answer, rows), float(answer.scores[0]), view, ngram))
        return found

    def _held(self, answer: Answer, rows: Sequence[int]) -> dict[View, Held]:
        return {view: held(weighed, rows, self.scorers[view]) for view, weighed in answer.weighed.items()}


def learn_to_rank(
    writer: WordWriter,
    encoder: TextEncoder,
    contests: Contests,
    options: RankingOptions,
    *,
    seed: int,
    workplace: Workplace,
    progress: Progress,
) -> Course:
    """Train a writer that writes n-grams already, so that they bring the documents that answer a query."""
    weights = [weight for weight in writer.parameters() if weight.requires_grad]

    def batches(_number: int, generator: np.random.Generator) -> list[Batch]:
        order = generator.permutation(len(contests.queries))
        seeds = generator.integers(2**32, size=len(order))
        size = options.training_batch
        return [(order[start : start + size], seeds[start : start + size]) for start in range(0, len(order), size)]

    def loss(batch: Batch) -> Tensor:
        places, seeds = batch
        writer.eval()
        drawn = contests.draw(places.tolist(), options.depth, np.random.default_rng(seeds.tolist()))
        writer.train()
        if not drawn:  # every answer is right
            return torch.stack([weight.sum() for weight in weights]).sum() * 0.0
        return _loss(writer, encoder, drawn, contests, options)

    with torch.random.fork_rng():
        plan = Plan(
            batches=batches,
            steps=-(-len(contests.queries) // options.training_batch),
            loss=loss,
            optimizer=torch.optim.AdamW(weights, lr=options.learning_rate, weight_decay=0.0, fused=True),
            rate=rise_and_fall(0.1),
            epochs=options.epochs,
            seed=seed,
            reseeds=True,
            evaluate=contests.lesson.evaluate,
            patience=options.patience or None,
            rate_option="ranking.learning_rate",
        )
        return train(writer, plan, workplace, lambda phase, *steps: progress(f"ranking: {phase}", *steps))


def _loss(
    writer: WordWriter, encoder: TextEncoder, chosen: Sequence[Contest], contests: Contests, options: RankingOptions
) -> Tensor:
    """How far the other documents are from being behind by their margins, and what writing an n-gram costs.

    Scores are shares of the system's best one, so that a margin means the same for every query; in the paper margins
    are of the scores themselves.
    """
    device, tokens = encoder.device, [contest.tokens for contest in chosen]
    question = asked(read(encoder, tokens), tokens, contests.lesson.words, device)
    views = [[contest.held[view] for contest in chosen] for view in contests.scorers]
    alpha = next(iter(contests.scorers.values())).options.alpha
    best = torch.tensor([[contest.scale] for contest in chosen], device=device)
    found = scores(writer, question, views, alpha) / best
    margins = torch.tensor([options.hardest_margin, options.random_margin], device=device)
    ranked = functional.relu(found[:, 1:] - found[:, :1] + margins).mean()
    numbers = torch.tensor([contest.view for contest in chosen], device=device)
    targets = torch.from_numpy(np.stack([contest.ngram for contest in chosen])).to(device)[:, None]
    return ranked + options.writing * writer(question, numbers, targets).sum() / (targets >= 0).sum()
