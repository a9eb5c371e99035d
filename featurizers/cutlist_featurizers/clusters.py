"""Clusters: rows whose embeddings point about the same way, so that a training set can have some of each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from cutlist.backfill import Featurizer
from cutlist.compiler import quoted
from cutlist.errors import FeaturizerError
from cutlist_featurizers.kmeans import apart, moved_centres, nearest_centres, unit_vectors

_ROUNDS = 20
_SAMPLE = 256
"""Vectors for each cluster that the centres are made of; all rows are then placed."""


def clusters_of(
    units: NDArray[np.float32], count: int, *, seed: int = 0
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return the cluster of each vector, and the cosine to its centre, by k-means on the sphere.

    The centres start far apart (k-means++), and move 20 times to the middle of up to 256 · `count` of the vectors.

    Args:
        units: float32, shape (n, d), of length 1.
        count: Of clusters, at most: there are fewer where there are fewer different vectors.
        seed: Of the sample and of the centres that it starts with.

    Returns:
        int64, shape (n,), 0 for the cluster with the most vectors, and so on; float32, shape (n,), in [-1, 1].

    Examples:
        >>> import numpy as np
        >>> units = np.array([[0, 1], [1, 0], [0.8, 0.6], [1, 0]], dtype=np.float32)
        >>> which, cosines = clusters_of(units, 2)
        >>> which.tolist()
        [1, 0, 0, 0]
    """
    if len(units) == 0:
        return np.empty(0, np.int64), np.empty(0, np.float32)
    generator = np.random.default_rng(seed)
    picked = units[np.sort(generator.permutation(len(units))[: _SAMPLE * count])]
    centres = moved_centres(picked, apart(picked, count, generator), _ROUNDS)
    which, cosines = nearest_centres(units, centres)
    sizes = np.bincount(which, minlength=len(centres))
    places = np.empty(len(centres), np.int64)
    places[np.argsort(-sizes, kind="stable")] = np.arange(len(centres))
    return places[which], cosines


class Clusters(Featurizer):
    """What a row shows, as the number of its cluster: `cluster`, and `cluster_similarity`, the cosine to its centre.

    Cluster 0 has the most rows. Other rows make other clusters, so when rows come in, all are computed again. A row
    whose embedding has a NaN, or no direction, fails.

    Each cluster as often as any other, whatever its size, is a weight:

        SELECT image, caption, 1 / count(*) OVER (PARTITION BY cluster) AS weight FROM images

    with `Loader(…, weight_by="weight")`; or so many rows of each, those nearest to its centre first:

        SELECT image, caption FROM images
        QUALIFY row_number() OVER (PARTITION BY cluster ORDER BY cluster_similarity DESC, id) <= 100

    Source: weights by the size of clusters: HunyuanVideo, arXiv 2412.03603 (10,000 clusters, for balance of concepts).
    """

    name = "clusters"
    outputs = (pa.field("cluster", pa.int64()), pa.field("cluster_similarity", pa.float32()))
    whole = True

    def __init__(self, column: str = "clip_embedding", num_clusters: int = 100, seed: int = 0):
        """Make one.

        Args:
            column: Of vectors, float32 of one length.
            num_clusters: At least 1.
            seed: Of the vectors that the clusters start with.

        Raises:
            FeaturizerError: if `num_clusters` is less than 1.
        """
        if num_clusters < 1:
            raise FeaturizerError(f"clusters: num_clusters {num_clusters}; expected a number of clusters, at least 1")
        self.column, self.num_clusters, self.seed = column, num_clusters, seed
        self.inputs = f"{quoted(column)} AS embedding"

    @property
    def parameters(self) -> dict[str, str]:
        """What it was made with."""
        return {"column": self.column, "num_clusters": str(self.num_clusters), "seed": str(self.seed)}

    @classmethod
    def from_parameters(cls, parameters: Mapping[str, str]) -> Clusters:
        """Return the one that was made with those."""
        return cls(parameters["column"], int(parameters["num_clusters"]), int(parameters["seed"]))

    def __call__(self, batch: Any) -> dict[str, Any]:
        """Return the columns of all rows: values of shape (n,)."""
        units, usable = unit_vectors(np.asarray(batch["embedding"], dtype=np.float32))
        which, cosines = clusters_of(units[usable], self.num_clusters, seed=self.seed)
        undirected = ValueError("the embedding has no direction: it is all zeros, or has a NaN or ∞")
        clusters: list[Any] = [undirected] * len(units)
        similarities: list[Any] = [undirected] * len(units)
        for place, row in enumerate(np.flatnonzero(usable).tolist()):
            clusters[row], similarities[row] = int(which[place]), float(cosines[place])
        return {"cluster": clusters, "cluster_similarity": similarities}
