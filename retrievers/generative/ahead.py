"""Scores of whole documents that steer the search for identifiers (PAG, Zeng et al. 2024, arXiv 2404.14600).

A prefix is worth its log-probability and the best score of a candidate below it, so that it is not dropped before
the tokens that speak for that candidate are written.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from bench.protocols import Scored
from retrievers.generative.beam import Beams
from retrievers.generative.beam_items import items_of
from retrievers.generative.trie import TrieTables


class Ahead:
    """For each query of a batch, the best score of the candidates below each state of the trie.

    identifiers: integers of shape [documents, levels], with -1 after the end of a shorter one; those of the trie
    candidates: of each query the documents that may answer it, in any order
    """

    def __init__(self, tables: TrieTables, identifiers: np.ndarray, candidates: Sequence[Scored]) -> None:
        self._tables, self._candidates = tables, candidates
        size = max((len(rows) for rows, _ in candidates), default=0)
        paths = np.full((len(candidates), size, identifiers.shape[1]), -1, dtype=np.int64)
        scores = np.full((len(candidates), size), -np.inf, dtype=np.float32)
        for query, (rows, values) in enumerate(candidates):
            paths[query, : len(rows)], scores[query, : len(rows)] = identifiers[rows], values
        states = tables.paths(torch.from_numpy(paths).to(tables.device).flatten(0, 1)) + 1
        of_each = torch.from_numpy(scores).to(tables.device).repeat_interleave(states.shape[1], dim=1)
        self._best = torch.full((len(candidates), tables.trie.states + 1), -torch.inf, device=tables.device)
        self._best.scatter_reduce_(1, states.view(len(candidates), -1), of_each, "amax")
        self._best[:, 0] = -torch.inf  # what lies after an identifier's end is state -1

    def best(self, states: Tensor) -> Tensor:
        """Float32 of the states' shape, [queries, ...]; -inf where no candidate is below."""
        return self._best.gather(1, states.flatten(1) + 1).view_as(states)

    def gain(self, states: Tensor, nexts: Tensor) -> Tensor:
        """What a step adds, of shape [queries, beams, width]: never more than 0, so that bounds stay bounds.

        `nexts` are the states that `states`, of shape [queries, beams], lead to.
        """
        return self.best(nexts) - self.best(states)[..., None]

    def items_of(self, beams: Beams) -> Iterator[Scored]:
        """For each query its candidates and their sums of log-probability and score, best first.

        A beam's own sum has the best score of the documents that share its identifier; here each has its own.
        """
        finals = torch.from_numpy(self._tables.trie.final_states).to(self._tables.device)
        shared = self.best(finals[beams.groups.clamp(min=0)])
        alone = Beams(beams.groups, beams.log_probs - shared)
        for (rows, log_probs), (allowed, scores) in zip(
            items_of(alone, self._tables.trie), self._candidates, strict=True
        ):
            order = np.argsort(allowed)
            places = np.searchsorted(allowed, rows, sorter=order)
            found = np.flatnonzero(np.append(allowed[order], -1)[places] == rows)
            sums = log_probs[found] + scores[order[places[found]]]
            best = np.argsort(-sums, kind="stable")
            yield rows[found][best], sums[best]
