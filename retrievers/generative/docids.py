"""Identifiers for documents: short sequences of tokens that a model can learn to generate.

Tay et al. 2022 (arXiv 2202.06991), section 3.2: unstructured atomic, naive string and semantically structured.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bench.errors import BenchError
from retrievers.clustering import k_means
from retrievers.generative.trie import Trie

if TYPE_CHECKING:
    import torch

ClustersOf = Callable[[np.ndarray, int], np.ndarray]
"""The number of each row's cluster, from 0, given rows of items and the most clusters that are wanted."""


@dataclass(frozen=True)
class Identifiers:
    """One sequence of tokens for each item.

    tokens: int32 of shape [items, levels], with -1 after the end of a shorter sequence
    vocabularies: tokens of level l are 0 to vocabularies[l] - 1; each level has tokens of its own
    """

    tokens: np.ndarray
    vocabularies: tuple[int, ...]

    @classmethod
    def of(cls, tokens: np.ndarray) -> "Identifiers":
        """With vocabularies as large as the tokens need."""
        return cls(tokens.astype(np.int32), tuple((tokens.max(axis=0) + 1).tolist()))

    def __len__(self) -> int:
        return len(self.tokens)

    def trie(self) -> Trie:
        """The identifiers as a tree. Raises BenchError if one is a prefix of another."""
        return Trie.build(self.tokens, self.vocabularies)

    def save(self, folder: Path) -> None:
        """Write two arrays."""
        np.save(folder / "identifiers.npy", self.tokens)
        np.save(folder / "vocabularies.npy", np.array(self.vocabularies))

    @classmethod
    def load(cls, folder: Path) -> "Identifiers":
        """Read what `save` wrote."""
        vocabularies = np.load(folder / "vocabularies.npy", allow_pickle=False)
        return cls(np.load(folder / "identifiers.npy", allow_pickle=False), tuple(vocabularies.tolist()))


def atomic(items: int) -> Identifiers:
    """One token of its own for each item."""
    _check_some(items)
    return Identifiers.of(np.arange(items)[:, None])


def naive(items: int, seed: int, base: int = 10) -> Identifiers:
    """The digits of an arbitrary number for each item: where rows are sorted, their own numbers have a meaning."""
    return digits(np.random.default_rng(seed).permutation(items), base)


def digits(numbers: np.ndarray, base: int = 10) -> Identifiers:
    """The digits of non-negative numbers, one token each, with leading zeros so that all are equally long."""
    _check_some(len(numbers))
    width = 1
    while base**width <= numbers.max():
        width += 1
    return Identifiers.of(numbers[:, None] // base ** np.arange(width)[::-1] % base)


def semantic(
    vectors: np.ndarray,
    branch: int = 10,
    leaf_size: int = 10,
    max_levels: int = 8,
    seed: int = 0,
    last_codes: int | None = None,
) -> Identifiers:
    """The path of each item through nested k-means clusters, then an arbitrary number in the last of them.

    A cluster of more than `leaf_size` items is divided into at most `branch`. Where k-means cannot divide it (equal
    vectors) or divides it so unevenly that `max_levels` tokens would not do, it is cut into equal parts instead,
    along the clusters. Clusters of the last level may have up to `last_codes` items, by default `leaf_size` too. The
    same seed gives the same identifiers whatever the number of processors. `vectors` is of shape [items, dimension].
    Raises BenchError if they are not finite, or too many for the depth.
    """
    _check_some(len(vectors))
    largest = last_codes or leaf_size
    if largest * branch ** (max_levels - 1) < len(vectors):
        raise BenchError(
            f"{max_levels} levels of {branch} clusters hold no {len(vectors)} documents in leaves of {largest}; "
            "raise max_levels, branch or leaf_size"
        )
    vectors = np.ascontiguousarray(vectors, dtype=np.float32)
    if not np.isfinite(vectors).all():
        raise BenchError("document vectors must be finite numbers; look at the encoder that made them")

    def clusters_of(rows: np.ndarray, number: int) -> np.ndarray:
        return k_means(vectors[rows], number, seed).nearest

    return nested(len(vectors), clusters_of, branch, leaf_size, max_levels, largest, seed)


def nested(
    items: int, clusters_of: ClustersOf, branch: int, leaf_size: int, max_levels: int, last_codes: int, seed: int
) -> Identifiers:
    """The path of each item through nested clusters, then an arbitrary number in the last of them.

    A cluster of more than `leaf_size` items is divided into at most `branch`, unless its level is the last, whose
    tokens are below `last_codes`. Where it cannot be divided, or only so unevenly that `max_levels` tokens would not
    do, it is cut into equal parts instead, along the clusters. There must be room:
    items <= last_codes * branch ** (max_levels - 1). The order of the rows decides nothing.
    """
    tokens = np.full((items, max_levels), -1, dtype=np.int32)
    pending = [(np.random.default_rng(seed).permutation(items), 0)]
    while pending:
        rows, level = pending.pop()
        if len(rows) <= leaf_size or level == max_levels - 1:
            tokens[rows, level] = np.arange(len(rows))
            continue
        capacity = last_codes * branch ** (max_levels - level - 2)
        for number, part in enumerate(_divide(rows, clusters_of, branch, capacity)):
            tokens[part, level] = number
            pending.append((part, level + 1))
    return Identifiers.of(tokens[:, : int((tokens >= 0).sum(axis=1).max())])


def _divide(rows: np.ndarray, clusters_of: ClustersOf, branch: int, capacity: int) -> list[np.ndarray]:
    """Rows of each cluster, none of more than `capacity` rows nor as large as the whole."""
    clusters = clusters_of(rows, min(branch, len(rows)))
    order = np.argsort(clusters, kind="stable")
    sizes = np.bincount(clusters)
    if sizes.max() > min(capacity, len(rows) - 1):
        return np.array_split(rows[order], min(branch, len(rows)))
    return np.split(rows[order], np.cumsum(sizes[sizes > 0])[:-1])


def with_collision_numbers(identifiers: Identifiers) -> Identifiers:
    """Make identifiers unique by one more token: 0, 1, 2, ... among the items that share one, in their order.

    Rajput et al. 2023 (arXiv 2305.05065), section 3.1.
    """
    items = len(identifiers)
    order = np.lexsort(identifiers.tokens.T[::-1])
    ordered = identifiers.tokens[order]
    is_first = np.concatenate([[True], (ordered[1:] != ordered[:-1]).any(axis=1)])
    firsts = np.flatnonzero(is_first)
    numbers = np.arange(items) - np.repeat(firsts, np.diff(firsts, append=items))
    tokens = np.pad(identifiers.tokens, ((0, 0), (0, 1)), constant_values=-1)
    ends = (identifiers.tokens >= 0).sum(axis=1)
    tokens[order, ends[order]] = numbers
    needed = (tokens.max(axis=0) + 1).tolist()
    return Identifiers(tokens, tuple(map(max, needed, (*identifiers.vocabularies, 0))))


def centroids(trie: Trie, vectors: np.ndarray) -> np.ndarray:
    """The mean vector of the items under each state, float32 of shape [states, dimension].

    `vectors` is of shape [items, dimension]. For semantic identifiers these are the clusters' centroids, and an
    identifier's own state has its item's vector.
    """
    return _sums(trie, vectors.astype(np.float32)) / items_below(trie)[:, None]


def spread_factors(trie: Trie, vectors: np.ndarray, rank: int) -> tuple[np.ndarray, np.ndarray]:
    """Factors of the covariance of the items' vectors under each state, and the state of each factor.

    The squares of a vector's products with a state's factors, of shape [factors, dimension], sum to the variance of
    its products with the items below, apart from directions beyond the first `rank`. States of a single item have
    none. `vectors` is of shape [items, dimension].
    """
    factors, owners = [np.zeros((0, vectors.shape[1]), dtype=np.float32)], [np.zeros(0, dtype=np.int64)]
    for state, below in enumerate(_below(trie)):
        if state and len(below) > 1:
            some = vectors[below].astype(np.float32)
            _, lengths, directions = np.linalg.svd(some - some.mean(axis=0), full_matrices=False)
            kept = min(rank, len(below) - 1, len(lengths))
            factors.append(directions[:kept] * (lengths[:kept, None] / len(below) ** 0.5))
            owners.append(np.full(kept, state))
    return np.concatenate(factors).astype(np.float32), np.concatenate(owners)


def factor_owners(trie: Trie, dimension: int, rank: int) -> np.ndarray:
    """The state of each of the `spread_factors`, which does not depend on the vectors."""
    counts = np.minimum(items_below(trie) - 1, min(rank, dimension)).astype(np.int64)
    counts[0] = 0
    return np.repeat(np.arange(trie.states), counts)


def _below(trie: Trie) -> list[np.ndarray]:
    """The items under each state."""
    found = [np.zeros(0, dtype=np.int64)] * trie.states
    for state, items in zip(trie.final_states, np.split(trie.items, trie.group_indptr[1:-1]), strict=True):
        found[state] = items
    for state in reversed(range(trie.states)):
        first, last = trie.indptr[state : state + 2]
        if last > first:
            found[state] = np.concatenate(found[first + 1 : last + 1])
    return found


def items_below(trie: Trie) -> np.ndarray:
    """How many items are under each state, float32 of shape [states]."""
    return _sums(trie, np.ones((int(trie.items.max()) + 1, 1), dtype=np.float32))[:, 0]


def compressed(identifiers: Identifiers) -> Identifiers:
    """The same tree without the tokens that have no alternative, each token numbered among its alternatives.

    Where only what distinguishes identifiers is modelled, a token without alternative is certain: long identifiers
    keep their probabilities and need as many steps as there are choices.
    """
    trie = identifiers.trie()
    degrees = np.diff(trie.indptr)
    tokens = np.full_like(identifiers.tokens, -1)
    lengths = np.zeros(len(identifiers), dtype=np.int64)
    parents = np.repeat(np.arange(trie.states), degrees)
    paths = trie.on("cpu").paths(_as_tensor(identifiers.tokens)).numpy()
    for state in paths[:, 1:].T:
        rows = np.flatnonzero(state > 0)
        parent = parents[state[rows] - 1]
        choice = degrees[parent] > 1
        rows, parent = rows[choice], parent[choice]
        tokens[rows, lengths[rows]] = state[rows] - 1 - trie.indptr[parent]
        lengths[rows] += 1
    tokens[lengths == 0, 0] = 0  # a single identifier has no alternative anywhere
    return Identifiers.of(tokens[:, : max(1, int(lengths.max()))])


def _as_tensor(tokens: np.ndarray) -> "torch.Tensor":
    import torch

    return torch.from_numpy(tokens.astype(np.int64))


def _sums(trie: Trie, values: np.ndarray) -> np.ndarray:
    """Shape [states, width]: the sums of the items' values, of shape [items, width], under each state."""
    sums = np.zeros((trie.states, values.shape[1]), dtype=np.float32)
    sums[trie.final_states] = np.add.reduceat(values[trie.items], trie.group_indptr[:-1], axis=0)
    for inner, children, starts in _bottom_up(trie):
        sums[inner] = np.add.reduceat(sums[children], starts, axis=0)
    return sums


def _bottom_up(trie: Trie) -> Iterator[tuple[np.ndarray, slice, np.ndarray]]:
    """For each level from the last: its inner states, all their children, and where each one's children start."""
    degrees = np.diff(trie.indptr)
    for level in reversed(range(trie.levels)):
        first, last = trie.level_offsets[level : level + 2]
        inner = first + np.flatnonzero(degrees[first:last])
        yield inner, slice(*trie.level_offsets[level + 1 : level + 3]), trie.indptr[inner] - trie.indptr[first]


def _check_some(items: int) -> None:
    if not items:
        raise BenchError("there are no documents to name; give a collection with at least one")
