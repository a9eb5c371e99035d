"""Groups of vectors that point nearly the same way."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from cutlist_featurizers.components import Components, Nodes, join_across, join_all
from cutlist_featurizers.kmeans import moved_centres, unit_vectors

EXACT_ROWS = 20_000
"""So many vectors are compared all with all: 200 million products, seconds."""

MOST_VISITS = 16
"""Clusters beside its own that a vector is compared with, at most."""

TOLERANCE = 1e-6
"""Of a cosine in float32, for vectors of some hundred numbers."""

_ROUNDS = 5
_SAMPLE = 32  # vectors for each cluster
_BLOCK = 4096


def cosine_groups(vectors: NDArray[np.float32], min_similarity: float, *, seed: int = 0) -> NDArray[np.int64]:
    """Return the group of each vector: two are in one if a chain leads from one to the other, of steps of small angles.

    These are the connected components of the graph of pairs with a cosine of at least `min_similarity` (less 1e-6, the
    error of float32). Of up to 20,000 vectors all pairs are compared. More are clustered by k-means on the sphere,
    2 √n clusters, and compared with those of the same cluster, and of up to 16 others. Which: for two unit vectors u, v
    of the clusters with centres a, b, the function f(x) = x·(a - b) / |a - b| is at least 0 at u and at most 0 at v,
    and f(u) - f(v) ≤ |u - v| ≤ r = √(2 - 2 · min_similarity), so one of them is within r / 2 of the border f = 0. A
    vector is compared with the clusters whose border is so near. No pair is missed of vectors that have at most 16 such
    borders; others have the 16 nearest, so the time grows with n√n. A long cluster costs the square of its length only
    if its vectors are in many groups.

    Measured on 40,000 vectors, random ones and such as models make, of 64 and 512 numbers, a quarter of them copies of
    the next quarter: at 0.95 one of 10,000 pairs was missed or none; at 0.8 up to 0.6 %, and of copies that are just at
    the threshold up to 3 %. Clusters and all pairs took 1.4 and 6.3 s of processor time for 50,000 vectors of 256, and
    clusters 14 s for 200,000.

    Source: clusters, A. Abbas et al., "SemDeDup", arXiv 2303.09540, which compares within them only.

    Args:
        vectors: float32, shape (n, d), of any length; kept once more, scaled to length 1.
        min_similarity: In (0, 1].
        seed: Of the vectors that the clusters start with.

    Returns:
        int64, shape (n,): for each vector the smallest position in its group. One that has no direction, or a NaN, is a
        group of its own.

    Raises:
        ValueError: if `vectors` has another type or shape, or `min_similarity` is not in (0, 1].

    Examples:
        >>> import numpy as np
        >>> vectors = np.array([[1, 0], [0, 1], [5, 1], [0, 0], [3, 2]], dtype=np.float32)
        >>> cosine_groups(vectors, 0.9).tolist()
        [0, 1, 0, 3, 0]
    """
    if not 0 < min_similarity <= 1:
        raise ValueError(f"min_similarity {min_similarity}: expected a cosine in (0, 1]")
    units, usable = unit_vectors(vectors)
    least = min_similarity - TOLERANCE

    def near(rows: Nodes, columns: Nodes) -> NDArray[np.bool_]:
        similar: NDArray[np.bool_] = units[rows] @ units[columns].T >= least
        return similar

    components = Components(len(units))
    nodes = np.flatnonzero(usable)
    if len(nodes) <= EXACT_ROWS:
        join_all(components, nodes, near)
        return components.labels()
    centres = _centres(units, nodes, seed)
    own, visitors, visited = _placed(units, nodes, centres, math.sqrt(2 - 2 * least) / 2)
    members, guests = _by_cluster(nodes, own, len(centres)), _by_cluster(visitors, visited, len(centres))
    for inside, outside in zip(members, guests, strict=True):
        join_all(components, inside, near)
        join_across(components, outside, inside, near)
    return components.labels()


def _centres(units: NDArray[np.float32], nodes: Nodes, seed: int) -> NDArray[np.float32]:
    """Return the centres of clusters, of length 1: float32, shape (k, d)."""
    count = round(2 * math.sqrt(len(nodes)))
    picked = np.random.default_rng(seed).permutation(nodes)[: _SAMPLE * count]
    return moved_centres(units[picked], units[picked[:count]], _ROUNDS)


def _placed(
    units: NDArray[np.float32], nodes: Nodes, centres: NDArray[np.float32], reach: float
) -> tuple[Nodes, Nodes, Nodes]:
    """Return the cluster of each node, and the nodes that are within reach of other clusters beside these clusters.

    Returns:
        int64, shape (n,), and two of shape (v,).
    """
    apart = np.sqrt(np.maximum(2 - 2 * (centres @ centres.T), 1e-12))  # k × k
    most = min(MOST_VISITS, len(centres))
    own, visitors, visited = [], [], []
    for start in range(0, len(nodes), _BLOCK):
        block = nodes[start : start + _BLOCK]
        similar = units[block] @ centres.T
        mine = similar.argmax(axis=1)
        each = np.arange(len(block))
        borders = (similar[each, mine, np.newaxis] - similar) / apart[mine]
        borders[each, mine] = np.inf
        nearest = np.argpartition(borders, most - 1, axis=1)[:, :most]
        row, place = np.nonzero(np.take_along_axis(borders, nearest, axis=1) <= reach + TOLERANCE)
        own.append(mine)
        visitors.append(block[row])
        visited.append(nearest[row, place])
    return np.concatenate(own), np.concatenate(visitors), np.concatenate(visited)


def _by_cluster(nodes: Nodes, clusters: Nodes, count: int) -> list[Nodes]:
    """Return the nodes of each cluster; both int64, shape (n,)."""
    ends = np.cumsum(np.bincount(clusters, minlength=count))
    return np.split(nodes[np.argsort(clusters, kind="stable")], ends[:-1])
