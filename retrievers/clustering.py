"""k-means by faiss, the same for the same seed."""

from typing import NamedTuple

import numpy as np

_ITERATIONS = 20
_STARTS = 3
_NEAR = 0.25
"""Distance from the mean of centroids that start near it, as a share of that of the vectors they are made of."""

_POINTS_PER_CENTROID = 1000
"""k-means sees a sample of so many vectors per cluster where there are more."""


class Clusters(NamedTuple):
    """centroids: float32 of shape [clusters, dimension]; nearest: int64 of shape [vectors], the closest of them."""

    centroids: np.ndarray
    nearest: np.ndarray


def k_means(vectors: np.ndarray, clusters: int, seed: int, near_mean: bool = False) -> Clusters:
    """So many centroids of `vectors`, contiguous float32 of shape [vectors, dimension]; at most one for each vector.

    Begins three times at random vectors and takes the best, because a single start often misses a clear cluster.
    With `near_mean` it begins once, at random vectors moved most of the way to the mean of all. Where there is little
    structure in many dimensions, a vector is nearer to the mean than to any other vector, so that of centroids that
    start at vectors, one near the mean would keep almost everything. A cluster that nothing is near to may remain.
    Single-threaded, because sums depend on their order.
    """
    import faiss
    from threadpoolctl import threadpool_limits

    mean = vectors.mean(axis=0, keepdims=True)
    if clusters == 1:
        return Clusters(mean, np.zeros(len(vectors), dtype=np.int64))
    start = None
    if near_mean:
        drawn = np.random.default_rng(seed).choice(len(vectors), clusters, replace=False)
        start = mean + _NEAR * (vectors[drawn] - mean)
    with threadpool_limits(limits=1):
        trained = faiss.Kmeans(
            vectors.shape[1],
            clusters,
            niter=_ITERATIONS,
            nredo=1 if near_mean else _STARTS,
            seed=seed,
            min_points_per_centroid=1,
            max_points_per_centroid=_POINTS_PER_CENTROID,
        )
        trained.train(vectors, init_centroids=start)
        return Clusters(trained.index.reconstruct_n(0, clusters), trained.index.search(vectors, 1)[1][:, 0])


def nearest(vectors: np.ndarray, centroids: np.ndarray) -> np.ndarray:
    """The closest centroid of each vector, int64 of shape [vectors]; both contiguous float32."""
    import faiss
    from threadpoolctl import threadpool_limits

    index = faiss.IndexFlatL2(centroids.shape[1])
    index.add(centroids)
    with threadpool_limits(limits=1):
        return index.search(vectors, 1)[1][:, 0]
