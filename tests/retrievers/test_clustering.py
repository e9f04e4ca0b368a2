"""k-means: against Lloyd's conditions, and its edges."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrievers.clustering import k_means, nearest


def vectors_of(number: int, seed: int = 0, dimension: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((number, dimension)).astype(np.float32)


def distances(vectors: np.ndarray, centroids: np.ndarray) -> np.ndarray:
    return ((vectors[:, None].astype(np.float64) - centroids) ** 2).sum(axis=2)


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 5), st.booleans())
@settings(max_examples=60, deadline=None)
def test_each_vector_is_with_its_nearest_centroid(number: int, clusters: int, seed: int, near_mean: bool) -> None:
    vectors = vectors_of(number, seed)
    found = k_means(vectors, min(clusters, number), seed, near_mean)
    apart = distances(vectors, found.centroids)
    assert found.centroids.shape == (min(clusters, number), 3)
    assert found.centroids.dtype == np.float32
    assert apart[np.arange(number), found.nearest] == pytest.approx(apart.min(axis=1), abs=1e-5)
    np.testing.assert_array_equal(found.nearest, nearest(vectors, found.centroids))


def test_clear_clusters_have_their_means_as_centroids() -> None:
    centres = np.array([[9, 0, 0], [0, 9, 0], [0, 0, 9], [9, 9, 9]], dtype=np.float32)
    owners = np.repeat(np.arange(4), 25)
    vectors = centres[owners] + vectors_of(100) / 10
    found = k_means(vectors, 4, seed=0)
    means = np.stack([vectors[owners == owner].mean(axis=0) for owner in range(4)])
    assert distances(means, found.centroids).min(axis=1) == pytest.approx(np.zeros(4), abs=1e-8)


@pytest.mark.parametrize("near_mean", [False, True])
def test_the_seed_decides(near_mean: bool) -> None:
    vectors = vectors_of(300)
    first, same, other = (k_means(vectors, 20, seed, near_mean) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.centroids, same.centroids)
    assert not np.array_equal(first.centroids, other.centroids)


def test_centroids_that_start_near_the_mean_share_what_has_no_structure() -> None:
    vectors = vectors_of(500, dimension=384)
    clusters = {near_mean: k_means(vectors, 32, seed=0, near_mean=near_mean).nearest for near_mean in (False, True)}
    largest = {near_mean: np.bincount(nearest).max() for near_mean, nearest in clusters.items()}
    assert largest[True] < 500 / 32 * 3 < largest[False]


@pytest.mark.parametrize("near_mean", [False, True])
def test_fewer_different_vectors_than_clusters_leave_some_empty(near_mean: bool) -> None:
    vectors = np.repeat(vectors_of(3), 10, axis=0)
    found = k_means(vectors, 8, seed=0, near_mean=near_mean)
    assert found.centroids.shape == (8, 3)
    assert np.isfinite(found.centroids).all()
    assert len(set(found.nearest)) == 3
    assert (found.nearest.reshape(3, 10) == found.nearest[::10, None]).all()
