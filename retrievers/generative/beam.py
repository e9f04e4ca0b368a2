"""The search for a query's most probable identifiers, with any model that predicts token after token.

The score of an identifier is the sum of its tokens' log-probabilities, which is the logarithm of its probability, or
of their logits. There is no length penalty, because only this sum compares identifiers of different lengths.
"""

from collections.abc import Iterator
from typing import NamedTuple, Protocol

import torch
from torch import Tensor
from torch.nn import functional

from bench.errors import BenchError
from retrievers.generative.options import BeamOptions, Normalise
from retrievers.generative.trie import Children, TrieTables

_AT_ONCE = 2**19
"""Logits that are worked on at a time (2 MB), so that they stay in the processor's cache."""

_SAFE = 1e-20, 1e30
"""Between these a sum of exponentials is exact enough in float32 without taking the largest logit away first, which
takes half as long again."""


class Projection(NamedTuple):
    """Logits as the linear map that gives them, so that they need not all be in memory at a time.

    hidden: shape [..., dimension]
    weight: shape [vocabulary, dimension]
    bias: shape [vocabulary], or none
    """

    hidden: Tensor
    weight: Tensor
    bias: Tensor | None

    def split(self, rows: int) -> Iterator[Tensor]:
        """Logits of shape [rows, vocabulary] of the hidden states in order, so many at a time."""
        for hidden in self.hidden.flatten(0, -2).split(rows):
            yield functional.linear(hidden, self.weight, self.bias)


def whole(logits: Tensor | Projection) -> Tensor:
    """All the logits, of shape [..., vocabulary]."""
    return functional.linear(*logits) if isinstance(logits, Projection) else logits


class Stepper(Protocol):
    """A model in the middle of answering a batch of queries. It gives logits, or log-probabilities."""

    def start(self) -> Tensor:
        """Shape [queries, vocabulary]: for the first token."""

    def step(self, tokens: Tensor, parents: Tensor) -> Tensor | Projection:
        """Shape [queries, beams, vocabulary]: for the token after `tokens`, of shape [queries, beams].

        `parents`, of the same shape, says which beam of the step before each one continues.
        """


class Guide(Protocol):
    """Knows what may lie behind a prefix, for each query of a batch."""

    def best(self, states: Tensor) -> Tensor:
        """Shape [queries, ...], that of the states: the most that lies below; -inf for what is barred."""

    def gain(self, states: Tensor, nexts: Tensor) -> Tensor:
        """Shape [queries, beams, width]: `best` of the next states less that of `states`, [queries, beams]."""


class Beams(NamedTuple):
    """Identifiers found, best first.

    groups: shape [queries, beams], int64; -1 where the sequence is no identifier, which only free decoding gives
    log_probs: shape [queries, beams], float32; -inf where a list has ended. With a guide its gain is in them
    """

    groups: Tensor
    log_probs: Tensor


class Kept(NamedTuple):
    """The prefixes of one length that a search went on with, both of shape [queries, beams].

    states: of the trie
    scores: log-probabilities, with a guide's gain; -inf where there were fewer
    """

    states: Tensor
    scores: Tensor


def search(
    stepper: Stepper,
    tables: TrieTables,
    options: BeamOptions,
    *,
    end_token: int | None = None,
    guide: Guide | None = None,
    kept: list[Kept] | None = None,
) -> Beams:
    """The most probable identifiers as the options ask. `end_token` ends a sequence that is decoded freely.

    With a guide, those of the highest sum of log-probability and gain. `kept` is as in `beam_search`.
    """
    if options.decoding == "exact":
        scores = exact_scores(stepper, tables, normalise=options.normalise)
        if guide:
            finals = torch.from_numpy(tables.trie.final_states).to(tables.device)
            scores = scores + guide.best(finals.expand(len(scores), -1))
        _refuse_nan(scores)
        best, groups = scores.topk(min(options.width, scores.shape[1]), dim=1)
        return Beams(groups.masked_fill(best == -torch.inf, -1), best)
    return beam_search(
        stepper,
        tables,
        options.width,
        normalise=options.normalise,
        free=options.decoding == "free",
        end_token=end_token,
        guide=guide,
        kept=kept,
    )


@torch.no_grad()
def beam_search(
    stepper: Stepper,
    tables: TrieTables,
    beams: int,
    *,
    normalise: Normalise = "vocabulary",
    free: bool = False,
    end_token: int | None = None,
    guide: Guide | None = None,
    kept: list[Kept] | None = None,
) -> Beams:
    """The best identifiers that a search with so many beams finds, at most as many.

    Each step keeps the best `beams` prefixes that go on. A complete identifier takes none of their places: it joins
    the results if it is among the best `beams` of its step, complete or not, and stays unless as many better ones
    follow. The search ends when no prefix can still enter the results. Hugging Face's `generate` does the same with
    length_penalty=0 and early_stopping=False or "never" (they differ in how far a length penalty could raise a
    score, which is not at all); early_stopping=True ends at the first `beams` complete ones, which may not be the
    best.

    normalise: over the level's whole vocabulary, before tokens that the trie forbids are left out (as Hugging Face
        does), or over the allowed tokens alone, so that an only child is certain; none: logits are added as they are
        (Zeng et al. 2024, RIPOR); the rankings differ
    free: allow every token; a sequence that is no identifier ends with `end_token`, or when it is as long as the
        longest identifier, and has group -1
    guide: what a prefix may gain below counts as much as its log-probability, and what it bars is not searched
    kept: gets the prefixes of 1, 2, ... tokens that the search goes on with

    Raises BenchError if the model's outputs are not numbers.
    """
    if free and normalise == "children":
        raise BenchError("decoding=free has no allowed tokens to normalise over; take normalise=vocabulary")
    if free and guide:
        raise BenchError("decoding=free keeps to no candidates; take constrained or exact")
    beams = beams if free else min(beams, tables.trie.groups)
    children_of = tables.vocabulary if free else tables.children
    first = stepper.start()[:, None]
    states = torch.zeros(len(first), 1, device=tables.device, dtype=torch.long)
    live = guide.best(states) if guide else torch.zeros(states.shape, device=tables.device)
    children = children_of(0, states)
    log_probs = _log_probs(first, children, normalise, free)
    found = Beams(states[:, :0], live[:, :0])
    for level in range(tables.levels):
        if guide:
            log_probs = log_probs + guide.gain(states, children.states)
        scores = (live[..., None] + log_probs).masked_fill(live[..., None] == -torch.inf, -torch.inf).flatten(1)
        nexts = children.states.flatten(1)
        if level + 1 == tables.levels:
            found = _add(found, tables.groups_of(nexts), scores, beams)
            break
        if tables.has_complete(level + 1) or (free and end_token is not None):
            groups = tables.groups_of(nexts)
            goes_on = groups < 0
            if free and end_token is not None:
                goes_on &= children.tokens.expand_as(children.states).flatten(1) != end_token
            found = _add(found, groups, scores, beams, goes_on)
            scores = scores.masked_fill(goes_on.logical_not(), -torch.inf)
            if normalise != "none" and not _can_improve(found, scores, beams):
                break
        width = min(beams, scores.shape[1] if free else tables.inner[level + 1])
        live, picked = scores.topk(width, dim=1)
        parents = picked // children.states.shape[-1]
        tokens = children.tokens.expand_as(children.states).flatten(1).gather(1, picked)
        states = nexts.gather(1, picked)
        if kept is not None:
            kept.append(Kept(states, live))
        children = children_of(level + 1, states)
        log_probs = _log_probs(stepper.step(tokens, parents), children, normalise, free)
    _refuse_nan(found.log_probs)
    return found


def _refuse_nan(scores: Tensor) -> None:
    if scores.isnan().any():
        raise BenchError("the model's outputs are not numbers; train it with a lower learning rate")


def _log_probs(logits: Tensor | Projection, children: Children, normalise: Normalise, free: bool = False) -> Tensor:
    """Log-probabilities of the children, of their states' shape; -inf for what leads nowhere, unless free."""
    if isinstance(logits, Projection):
        shape, rows = logits.hidden.shape[:-1], max(1, _AT_ONCE // len(logits.weight))
        parts = zip(logits.split(rows), children.split(shape, rows), strict=True)
        return torch.cat([_log_probs(*part, normalise, free) for part in parts]).unflatten(0, shape)
    chosen = children.pick(logits).float()
    if not free:
        chosen = chosen.masked_fill(children.states < 0, -torch.inf)
    if normalise == "none":
        return chosen
    total = _totals(logits) if normalise == "vocabulary" else chosen.logsumexp(dim=-1, keepdim=True)
    # Where every logit is -inf nothing is possible, which is not the same as not a number.
    return (chosen - total).masked_fill(total == -torch.inf, -torch.inf)


def _totals(logits: Tensor) -> Tensor:
    """Shape [..., 1], float32: log-sum-exp over the last dimension, a part of the rows at a time to spare memory.

    The logits of a single query are so few that the calls cost more than the work.
    """
    if logits.numel() <= _AT_ONCE // 8:
        return logits.float().logsumexp(dim=-1, keepdim=True)
    rows = max(1, _AT_ONCE // logits[0].numel())
    parts = logits.split(rows)
    sums = torch.cat([part.float().exp().sum(dim=-1, keepdim=True) for part in parts])
    if bool(((sums > _SAFE[0]) & (sums < _SAFE[1])).all()):
        return sums.log()
    return torch.cat([part.float().logsumexp(dim=-1, keepdim=True) for part in parts])


def _add(found: Beams, groups: Tensor, scores: Tensor, beams: int, goes_on: Tensor | None = None) -> Beams:
    """The best of what was found before and of the complete ones among the best candidates of this step."""
    best, picked = scores.topk(min(beams, scores.shape[1]), dim=1)
    if goes_on is not None:
        best = best.masked_fill(goes_on.gather(1, picked), -torch.inf)
    candidates = torch.cat([found.log_probs, best], dim=1)
    log_probs, order = candidates.topk(min(beams, candidates.shape[1]), dim=1)
    groups = torch.cat([found.groups, groups.gather(1, picked)], dim=1).gather(1, order)
    return Beams(groups.masked_fill(log_probs == -torch.inf, -1), log_probs)


def _can_improve(found: Beams, scores: Tensor, beams: int) -> bool:
    """Whether some query lacks results, or has a prefix that is still more probable than its last result."""
    if found.log_probs.shape[1] < beams:
        return True
    return not bool((scores.amax(dim=1) <= found.log_probs[:, -1]).all())


@torch.no_grad()
def path_scores(stepper: Stepper, tables: TrieTables, paths: Tensor, normalise: Normalise) -> Tensor:
    """What each token of an identifier adds to its score, float32 of the shape of `paths`; 0 behind its end.

    paths: int64 of shape [queries, levels], one identifier for each query, -1 behind its end
    """
    states = tables.paths(paths)
    added = torch.zeros(paths.shape, device=tables.device)
    logits: Tensor | Projection = stepper.start()[:, None]
    for level in range(paths.shape[1]):
        children = tables.children(level, states[:, level, None])
        wanted = states[:, level + 1, None, None]
        others = (children.states != wanted) | (wanted < 0)
        added[:, level] = _log_probs(logits, children, normalise).masked_fill(others, 0.0).sum(dim=(1, 2))
        if level + 1 < paths.shape[1]:
            tokens = paths[:, level, None].clamp(min=0)
            logits = stepper.step(tokens, torch.zeros_like(tokens))
    return added


@torch.no_grad()
def exact_scores(stepper: Stepper, tables: TrieTables, *, normalise: Normalise = "vocabulary") -> Tensor:
    """The log-probability of every identifier, float32 of shape [queries, groups].

    The model sees each prefix of the catalogue once, all those of a level together: memory grows with the number of
    queries times that of the widest level's states.
    """
    first = stepper.start()
    queries = len(first)
    logits: Tensor | Projection = first[:, None]
    reached = torch.zeros(queries, 1, device=tables.device)
    states = torch.zeros(1, dtype=torch.long, device=tables.device)
    scores = torch.full((queries, tables.trie.groups), -torch.inf, device=tables.device)
    for level in range(tables.levels):
        children = tables.children(level, states)
        there = children.states >= 0
        reached = (reached[..., None] + _log_probs(logits, children, normalise))[:, there]
        states, tokens, parents = (
            children.states[there],
            children.tokens.expand_as(there)[there],
            there.nonzero()[:, 0],
        )
        groups = tables.groups_of(states)
        goes_on = groups < 0
        scores[:, groups[~goes_on]] = reached[:, ~goes_on]
        if level + 1 < tables.levels:
            states, reached = states[goes_on], reached[:, goes_on]
            logits = stepper.step(tokens[goes_on].expand(queries, -1), parents[goes_on].expand(queries, -1))
    return scores
