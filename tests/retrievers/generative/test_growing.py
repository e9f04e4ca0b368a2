"""New identifiers among old ones: where they go, and what moves with the states."""

import numpy as np
import torch

from retrievers.generative.docids import atomic, centroids, semantic
from retrievers.generative.growing import more_atomic, more_semantic, same_states, take_over


def vectors(number: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(number, 8)).astype(np.float32)


def test_old_identifiers_stay_and_new_ones_are_unique() -> None:
    old, new = vectors(60), vectors(40, seed=1)
    before = semantic(old, branch=3, leaf_size=5)
    after = more_semantic(before, old, new)
    np.testing.assert_array_equal(after.tokens[:60], before.tokens)
    assert len({tuple(row) for row in after.tokens.tolist()}) == 100
    assert after.trie().groups == 100


def test_a_copy_of_an_item_goes_down_to_the_nearest_centroids() -> None:
    """At each level the path follows the centroid that an exhaustive comparison finds."""
    old, new = vectors(60), vectors(20, seed=2)
    before = semantic(old, branch=3, leaf_size=5)
    after = more_semantic(before, old, new)
    for vector, tokens in zip(new, after.tokens[60:], strict=True):
        path = tokens[tokens >= 0].tolist()
        for level in range(len(path) - 1):
            inside = (before.tokens[:, :level] == path[:level]).all(axis=1)
            children = np.unique(before.tokens[inside, level])
            means = {c: old[inside & (before.tokens[:, level] == c)].mean(axis=0) for c in children.tolist()}
            assert min(means, key=lambda c: float(((means[c] - vector) ** 2).sum())) == path[level]


def test_atomic_identifiers_go_on() -> None:
    assert more_atomic(atomic(3), 2).tokens[:, 0].tolist() == [0, 1, 2, 3, 4]


def test_states_that_were_there_keep_their_rows() -> None:
    old, new = vectors(60), vectors(40, seed=1)
    before = semantic(old, branch=3, leaf_size=5)
    after = more_semantic(before, old, new)
    places = same_states(before, after)
    assert len(set(places.tolist())) == before.trie().states
    rows = torch.from_numpy(centroids(before.trie(), old)[1:])
    start = torch.from_numpy(centroids(after.trie(), np.concatenate([old, new]))[1:])
    weights = {"rows": start.clone(), "other": torch.zeros(2, 2), "tokens": torch.zeros(7, 2)}
    learned = {"rows": rows, "other": torch.ones(2, 2), "tokens": torch.ones(4, 2)}
    take_over(weights, learned, places)
    torch.testing.assert_close(weights["rows"][places[1:] - 1], rows)
    kept = np.setdiff1d(np.arange(len(start)), places[1:] - 1)
    torch.testing.assert_close(weights["rows"][kept], start[kept])
    assert weights["other"].sum() == 4
    assert weights["tokens"].sum() == 8
