"""New documents for a model that has learned the identifiers of others, without training.

Codebooks stay as they are (Mehta et al. 2023, DSI++, is what training would add): a document is named by the nearest
cluster at each level, and the states that this adds to the trie get the output vectors that they would start from.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from retrievers.generative.docids import Identifiers, centroids
from retrievers.generative.trie import Trie
from retrievers.unit_vectors import unit


def more_atomic(identifiers: Identifiers, number: int) -> Identifiers:
    """The identifiers with those of `number` further items, each a token of its own."""
    new = np.arange(len(identifiers), len(identifiers) + number, dtype=np.int32)
    return Identifiers.of(np.concatenate([identifiers.tokens, new[:, np.newaxis]]))


def more_semantic(identifiers: Identifiers, vectors: np.ndarray, new: np.ndarray) -> Identifiers:
    """The identifiers with those of further items, whose vectors are `new`, of shape [items, dimension].

    An item goes to the nearest centroid of each level, and in the last cluster takes the next number. `vectors`, of
    shape [named items, dimension], are those of the items that have a name.
    """
    trie = identifiers.trie()
    means = centroids(trie, vectors)
    degrees = np.diff(trie.indptr)
    taken: dict[int, int] = {}
    tokens = np.full((len(new), identifiers.tokens.shape[1]), -1, dtype=np.int32)
    for row, vector in enumerate(new.astype(np.float32)):
        state, level = 0, 0
        while True:
            edges = np.arange(trie.indptr[state], trie.indptr[state + 1])
            if not degrees[edges + 1].any():
                last = taken.setdefault(state, int(trie.tokens[edges[-1]])) + 1
                taken[state] = tokens[row, level] = last
                break
            nearest = edges[np.argmin(((means[edges + 1] - vector) ** 2).sum(axis=1))]
            tokens[row, level] = trie.tokens[nearest]
            state, level = int(nearest) + 1, level + 1
    return Identifiers.of(np.concatenate([identifiers.tokens, tokens]))


def same_states(before: Identifiers, after: Identifiers) -> np.ndarray:
    """Shape [states before]: the state of the grown trie that each state has become."""
    levels = after.tokens.shape[1] - before.tokens.shape[1]
    old = np.pad(before.tokens, ((0, 0), (0, levels)), constant_values=-1).astype(np.int64)
    passed = _paths(before.trie(), old[:, : before.tokens.shape[1]])
    now = _paths(after.trie(), old)[:, : passed.shape[1]]
    places = np.zeros(before.trie().states, dtype=np.int64)
    there = passed >= 0
    places[passed[there]] = now[there]
    return places


def _paths(trie: Trie, tokens: np.ndarray) -> np.ndarray:
    return trie.on("cpu").paths(torch.from_numpy(tokens)).numpy()


def turned(vectors: np.ndarray, turn: Tensor | None) -> np.ndarray:
    """The vectors, of shape [documents, dimension], after the map that the old ones went through, of length 1."""
    if turn is None:
        return vectors
    return unit(vectors @ turn.cpu().numpy().T)


@torch.no_grad()
def take_over(
    weights: Mapping[str, Tensor],
    learned: Mapping[str, Tensor],
    places: np.ndarray,
    columns: Sequence[tuple[Tensor, Tensor]] = (),
) -> None:
    """Write what a model has learned into the weights of a grown one.

    A weight with a row for each state but the root has the rows of the states that were there moved to where `places`
    has them; one with a row for each token keeps its first rows, but where `columns` has the rows of each level's
    tokens, before and now, these go along. How far clusters spread (`factors`) stays as it was
    measured over all documents.
    """
    moved = torch.from_numpy(places[1:] - 1)
    for name, weight in weights.items():
        if name.endswith("factors"):
            continue
        old = learned[name]
        if weight.shape == old.shape:
            weight.copy_(old)
        elif len(old) == len(moved):
            weight[moved.to(weight.device)] = old
        else:
            kept = int(columns[0][0][0]) if columns else len(old)
            weight[:kept] = old[:kept]
            for before, now in columns:
                weight[now[: len(before)]] = old[before]
