"""From identifiers that were found to items, where several items may share one."""

from collections.abc import Iterator, Sequence
from typing import Literal
from zlib import crc32

import numpy as np

from retrievers.generative.beam import Beams
from retrievers.generative.trie import Trie

Collisions = Literal["extra-token", "nearest-unused", "recursive", "random-pick", "expected"]

_APART = 2.0**-45
"""Scores of a group's items differ by this part, far less than any two log-probabilities in float32 do."""


def answers_of(
    beams: Beams, trie: Trie, collisions: Collisions, query_ids: Sequence[str], seed: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """For each query its items and their scores, best first.

    random-pick: one item of each identifier, drawn for the query; the others are no answer (Ju et al. 2025, table 7)
    expected: all items of an identifier in an order drawn for the query, so that over many queries a figure is the
        expectation over these orders
    """
    sizes = np.diff(trie.group_indptr)
    groups_of_all, scores_of_all = beams.groups.cpu().numpy(), beams.log_probs.double().cpu().numpy()
    for query_id, groups, scores in zip(query_ids, groups_of_all, scores_of_all, strict=True):
        scores, groups = scores[groups >= 0], groups[groups >= 0]
        generator = np.random.default_rng([seed, crc32(query_id.encode())])
        if collisions == "random-pick":
            picked = trie.group_indptr[groups] + generator.integers(0, sizes[groups])
            yield trie.items[picked], scores
            continue
        members = [trie.items[trie.group_indptr[group] : trie.group_indptr[group + 1]] for group in groups]
        rows = [generator.permutation(some) if len(some) > 1 else some for some in members]
        falls = [score - abs(score) * _APART * np.arange(len(some)) for score, some in zip(scores, rows, strict=True)]
        yield np.concatenate([trie.items[:0], *rows]), np.concatenate([scores[:0], *falls])
