"""What an epoch draws from: the samples of each bucket, each once or in proportion to a weight."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_ROUNDING = 1e-9
"""What sums of weights may lack by rounding: a share of 999.9999999999 samples is one of 1000."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Buckets:
    """The positions of a selection by bucket: arrays that may be mapped from a file, of which a step reads little.

    Args:
        names: Of each bucket; `("",)` where there are none.
        starts: Bucket b has the places [starts[b], starts[b + 1]) of what follows. int64, shape (len(names) + 1,).
        positions: Of the selection, by bucket; None: place i is position i. uint32 or int64, shape (num_samples,).
        weights_until: Sum of the weights of all places up to and with this one; None: each sample is drawn once.
            float64, shape (num_samples,).
        blocks: First place of each block of neighbours, and num_samples, for blocks of different lengths. A bucket
            begins with a block. int64.

    Examples:
        >>> buckets = Buckets.whole(3)
        >>> buckets.num_draws(0), buckets.pick(0, np.array([2, 0]), 0.0)
        (3, array([2, 0]))
    """

    names: tuple[str, ...]
    starts: NDArray[np.int64]
    positions: NDArray[np.uint32] | NDArray[np.int64] | None = None
    weights_until: NDArray[np.float64] | None = None
    blocks: NDArray[np.int64] | None = None

    @classmethod
    def whole(cls, num_samples: int) -> Buckets:
        """Return one bucket with every sample of a selection."""
        return cls(names=("",), starts=np.array([0, num_samples], dtype=np.int64))

    def __repr__(self) -> str:
        return f"Buckets({len(self.names)} buckets of {self.num_samples:,} samples)"

    @property
    def num_samples(self) -> int:
        """Samples in all buckets."""
        return int(self.starts[-1])

    def num_draws(self, bucket: int) -> int:
        """Return how many samples of a bucket an epoch draws: each once, or the bucket's share of weight."""
        start, stop = int(self.starts[bucket]), int(self.starts[bucket + 1])
        if self.weights_until is None or start == stop:
            return stop - start
        if len(self.names) == 1:
            return self.num_samples
        share = self._weight(start, stop) / float(self.weights_until[-1])
        return int(self.num_samples * share * (1 + _ROUNDING) + _ROUNDING)

    def pick(self, bucket: int, draws: NDArray[np.int64], offset: float) -> NDArray[np.int64]:
        """Return the positions that draws of a bucket give.

        With weights this is systematic sampling (Madow 1949): the draws are points at equal distances along the sum of
        the weights, so that in an epoch each sample comes as often as its weight's share of the draws says, rounded up
        or down; with equal weights, once.

        Args:
            draws: int64 in [0, num_draws(bucket)), shape (m,).
            offset: In [0, 1): where the first point lies, as a part of the distance between two.

        Returns:
            int64 positions, shape (m,).
        """
        start, stop = int(self.starts[bucket]), int(self.starts[bucket + 1])
        places = draws + start
        if self.weights_until is not None:
            weight, before = self._weight(start, stop), self._until(start)
            points = before + (draws + offset) * (weight / self.num_draws(bucket))
            until = self.weights_until[start:stop]
            last = np.searchsorted(until, until[-1], side="left")  # where rounding sends a point beyond the end
            places = start + np.minimum(np.searchsorted(until, points, side="right"), last)
        if self.positions is None:
            return places
        return self.positions[places].astype(np.int64)

    def blocks_of(self, bucket: int) -> NDArray[np.int64] | None:
        """Return where the blocks of a bucket begin and the last one ends, counted from the bucket's start."""
        if self.blocks is None:
            return None
        start, stop = self.starts[bucket], self.starts[bucket + 1]
        first, last = np.searchsorted(self.blocks, [start, stop])
        return np.asarray(self.blocks[first : last + 1] - start)

    def _until(self, place: int) -> float:
        return 0.0 if place == 0 or self.weights_until is None else float(self.weights_until[place - 1])

    def _weight(self, start: int, stop: int) -> float:
        return self._until(stop) - self._until(start)
