"""k-means on the sphere: vectors of length 1, and the centres of those that point the same way."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_BLOCK = 4096


def unit_vectors(vectors: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Return vectors scaled to length 1, and which of them have a direction: not those with a NaN or ∞, or all zeros.

    Args:
        vectors: float32, shape (n, d).

    Returns:
        float32, shape (n, d), zeros where there is no direction, and bool, shape (n,).

    Raises:
        ValueError: if `vectors` has another type or shape.

    Examples:
        >>> import numpy as np
        >>> units, usable = unit_vectors(np.array([[0, 2], [3e38, 3e38], [0, 0], [np.nan, 1]], dtype=np.float32))
        >>> (units**2).round(3).tolist(), usable.tolist()
        ([[0.0, 1.0], [0.5, 0.5], [0.0, 0.0], [0.0, 0.0]], [True, True, False, False])
    """
    if vectors.dtype != np.float32 or vectors.ndim != 2:
        raise ValueError(f"vectors have dtype {vectors.dtype} and shape {vectors.shape}; expected float32 of (n, d)")
    largest = np.abs(vectors).max(axis=1, initial=0)
    usable = np.isfinite(largest) & (largest > 0)  # a NaN is the largest of its row
    units = np.zeros_like(vectors)
    np.divide(vectors, largest[:, np.newaxis], out=units, where=usable[:, np.newaxis])  # so that no square overflows
    units /= np.maximum(np.sqrt(np.einsum("nd,nd->n", units, units)), 1)[:, np.newaxis]
    return units, usable


def moved_centres(units: NDArray[np.float32], centres: NDArray[np.float32], rounds: int) -> NDArray[np.float32]:
    """Return centres after some rounds, in each of which they move to the middle of the vectors that are nearest.

    Args:
        units: float32, shape (n, d), of length 1.
        centres: float32, shape (k, d), of length 1.

    Returns:
        float32, shape (k, d), or fewer: without those that nothing is nearest to; of equal ones the first stays.

    Examples:
        >>> import numpy as np
        >>> units = np.array([[1, 0], [0.8, 0.6], [0, 1]], dtype=np.float32)
        >>> np.allclose(moved_centres(units, units[[1, 2]], 2), [[0.95, 0.32], [0, 1]], atol=0.01)
        True
    """
    for _ in range(rounds):
        sums = np.zeros_like(centres)
        for start in range(0, len(units), _BLOCK):
            block = units[start : start + _BLOCK]
            np.add.at(sums, (block @ centres.T).argmax(axis=1), block)
        centres, directed = unit_vectors(sums)
        centres = centres[directed]
    return centres


def apart(units: NDArray[np.float32], count: int, generator: np.random.Generator) -> NDArray[np.float32]:
    """Return vectors to start centres with: each drawn by the square of its distance to those before it.

    Of a few that are drawn, the one stays that leaves the others nearest, so that hardly two are in one clump.

    Source: D. Arthur, S. Vassilvitskii, "k-means++: the advantages of careful seeding", SODA 2007, and section 5 on
    drawing several, of which scikit-learn takes 2 + ln k.

    Args:
        units: float32, shape (n, d), of length 1, n at least 1.
        count: How many; fewer where there are not so many different ones.

    Returns:
        float32, shape (k, d), k ≤ count.
    """
    tries = 2 + int(np.log(count))
    chosen = [int(generator.integers(len(units)))]
    far = _squares(units, units[chosen])[:, 0]
    while len(chosen) < count:
        total = np.cumsum(far)
        if total[-1] == 0:
            break
        drawn = np.searchsorted(total, generator.random(tries) * total[-1], side="right")
        left = np.minimum(far[:, np.newaxis], _squares(units, units[drawn]))
        best = int(left.sum(axis=0).argmin())
        chosen.append(int(drawn[best]))
        far = left[:, best]
    return units[chosen]


def _squares(units: NDArray[np.float32], others: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the squares of the distances between vectors; 0 where these are the same, but for the error of float32."""
    squares = np.maximum(2 - 2 * (units @ others.T).astype(np.float64), 0)
    squares[squares < 1e-6] = 0
    return squares


def nearest_centres(
    units: NDArray[np.float32], centres: NDArray[np.float32]
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return which centre each vector is nearest to, and the cosine to it.

    Returns:
        int64 and float32, of shape (n,).
    """
    which = np.empty(len(units), np.int64)
    cosines = np.empty(len(units), np.float32)
    for start in range(0, len(units), _BLOCK):
        similar = units[start : start + _BLOCK] @ centres.T
        which[start : start + _BLOCK] = similar.argmax(axis=1)
        cosines[start : start + _BLOCK] = similar.max(axis=1)
    return which, np.clip(cosines, -1, 1)
