"""Where a search for identifiers left the documents that it should have found, and by how much."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from bench.protocols import Trace
from retrievers.generative.ahead import Ahead
from retrievers.generative.beam import Beams, Guide, Kept
from retrievers.generative.options import BeamOptions
from retrievers.generative.trie import TrieTables


class Answer(Protocol):
    """A search for the identifiers of a batch of queries, as `search`; asked twice it answers the same."""

    def __call__(
        self, options: BeamOptions, *, guide: Guide | None = None, kept: list[Kept] | None = None
    ) -> Beams: ...


def traces(
    answer: Answer, options: BeamOptions, tables: TrieTables, identifiers: np.ndarray, rows: Sequence[np.ndarray]
) -> Iterator[list[Trace]]:
    """For each query and each of its documents, how the search went past it.

    A second search, of these documents alone, gives the log-probability of each of their prefixes.

    identifiers: integers of shape [documents, levels], with -1 after the end of a shorter one; those of the trie
    rows: for each query an array of documents
    """
    kept: list[Kept] = []
    found = answer(options, kept=kept)
    alone: list[Kept] = []
    most = max([1, *map(len, rows)])
    only = Ahead(tables, identifiers, [(some, np.zeros(len(some))) for some in rows])
    whole = answer(BeamOptions(width=most, normalise=options.normalise), guide=only, kept=alone)
    for query, some in enumerate(rows):
        steps = None if options.decoding == "exact" else [_scores(*one, query) for one in kept]
        own, answers = _answers(whole, tables, query), _answers(found, tables, query)
        for one in alone:
            own |= _scores(*one, query)
        paths = tables.paths(torch.from_numpy(identifiers[some].astype(np.int64)).to(tables.device))[:, 1:].tolist()
        yield [
            _trace(int(row), [state for state in path if state >= 0], own, steps, answers)
            for row, path in zip(some, paths, strict=True)
        ]


def _answers(beams: Beams, tables: TrieTables, query: int) -> dict[int, float]:
    """The score of each final state that a search found."""
    finals = torch.from_numpy(tables.trie.final_states).to(tables.device)[beams.groups.clamp(min=0)]
    return _scores(finals, beams.log_probs.masked_fill(beams.groups < 0, -torch.inf), query)


def _scores(states: Tensor, scores: Tensor, query: int) -> dict[int, float]:
    """The score of each state that a query has reached."""
    reached = scores[query] > -torch.inf
    return dict(zip(states[query][reached].tolist(), scores[query][reached].tolist(), strict=True))


def _trace(
    row: int,
    path: Sequence[int],
    own: Mapping[int, float],
    steps: Sequence[Mapping[int, float]] | None,
    answers: Mapping[int, float],
) -> Trace:
    """Of one document, whose identifier passes the states in `path`.

    own: scores of these states
    steps: the scores that a search kept after 1, 2, ... tokens, fewer where it ended early; None: it left no prefix
    answers: those of the identifiers that it found
    """
    if path[-1] in answers:
        return Trace(row, answers[path[-1]], 0, 0.0)
    step, last = len(path), answers
    for length, state in enumerate(path[:-1] if steps is not None else [], start=1):
        kept = steps[length - 1] if steps and length <= len(steps) else {}
        if state not in kept:
            step, last = length, kept or answers
            break
    return Trace(row, own[path[-1]], step, min(last.values(), default=-np.inf) - own[path[step - 1]])
