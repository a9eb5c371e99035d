"""The order of an epoch: which positions of a selection a step visits, as arithmetic on integers.

A step costs O(batch), the last of 10^12 as the first, and nothing has to be saved but its number.

    step ─ permuted ─ (bucket, batch of the bucket) ─ places ─ shuffled within the bucket ─ draws ─ positions

Changing any number that this file returns is an ITERATION ORDER BREAKING CHANGE and bumps `ORDER_VERSION`.
"""

from __future__ import annotations

import operator
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from cutlist.errors import OrderError
from cutlist.sampler.buckets import Buckets
from cutlist.sampler.permutation import MAX_SAMPLES, MAX_SEED, check_range, derive, permute, tag
from cutlist.sampler.ranks import check_ranks
from cutlist.sampler.shuffles import Block, Layout, Shuffle, arrange, checked, lay_out

_EPOCH, _STEPS, _BUCKET, _OFFSET, _SPARE = map(tag, ("epoch", "steps", "bucket", "offset", "spare"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampler:
    """The order of one epoch: `sampler[step]` is the positions of that step's global batch.

    What it returns depends on these fields and the step alone: not on ranks, workers, or what was asked before.

    Args:
        num_samples: Samples in the selection, in [1, 2**62].
        global_batch_size: Samples in a step over all ranks, at least 1; with buckets, of each bucket.
        seed: In [0, 2**64).
        epoch: At least 0; each epoch has its own order.
        shuffle: `"full"`, `"block"`, a `Block`, or None; within each bucket, and but for None of the steps too. With
            None, the buckets come one after another.
        drop_last: Leave out the last batch (of each bucket) where it would be shorter than the others.
        buckets: The samples of each bucket; default: one bucket with all.

    Raises:
        OrderError: if a field is out of its range, or no bucket has samples for a batch and `drop_last` is set.

    Examples:
        >>> sampler = Sampler(num_samples=10, global_batch_size=4, seed=0)
        >>> len(sampler)
        2
        >>> sampler[1]
        array([8, 6, 0, 1])
        >>> sampler.part(1, rank=1, world_size=2)
        array([6, 1])
        >>> in_order = Sampler(num_samples=5, global_batch_size=2, seed=0, shuffle=None, drop_last=False)
        >>> [step.tolist() for step in in_order]
        [[0, 1], [2, 3], [4]]
    """

    num_samples: int
    global_batch_size: int | tuple[int, ...]
    seed: int
    epoch: int = 0
    shuffle: Shuffle = "full"
    drop_last: bool = True
    buckets: Buckets | None = None
    _buckets: Buckets = field(init=False, repr=False, compare=False)
    _sizes: tuple[int, ...] = field(init=False, repr=False, compare=False)
    _draws: tuple[int, ...] = field(init=False, repr=False, compare=False)
    _until: NDArray[np.int64] = field(init=False, repr=False, compare=False)
    _layouts: dict[int, Layout] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.num_samples == 0:
            raise OrderError("sampler: the selection has no samples; an order needs at least one")
        check_range("num_samples", self.num_samples, 1, MAX_SAMPLES)
        check_range("seed", self.seed, 0, MAX_SEED)
        check_range("epoch", self.epoch, 0, MAX_SEED)
        shuffle = checked(self.shuffle)
        object.__setattr__(self, "shuffle", shuffle)
        buckets = self.buckets if self.buckets is not None else Buckets.whole(self.num_samples)
        sizes = self.global_batch_size
        sizes = (sizes,) * len(buckets.names) if isinstance(sizes, int) else sizes
        if len(sizes) != len(buckets.names):
            raise OrderError(
                f"sampler: {len(sizes)} batch sizes for {len(buckets.names)} buckets; expected one for each"
            )
        if buckets.num_samples != self.num_samples:
            raise OrderError(
                f"sampler: buckets of {buckets.num_samples} samples for a selection of {self.num_samples}; "
                f"expected buckets of this selection"
            )
        for each in sizes:
            check_range("global_batch_size", each, 1, MAX_SAMPLES)
            if isinstance(shuffle, Block) and (each % shuffle.lanes or (shuffle.lanes > 1 and not self.drop_last)):
                raise OrderError(
                    f"sampler: {shuffle.lanes} lanes cannot share a global batch of {each} samples equally; "
                    f"expected a multiple of {shuffle.lanes}, and drop_last=True"
                )
        draws = tuple(buckets.num_draws(bucket) for bucket in range(len(sizes)))
        batches = [self._num_batches(num, size) for num, size in zip(draws, sizes, strict=True)]
        object.__setattr__(self, "_buckets", buckets)
        object.__setattr__(self, "_sizes", sizes)
        object.__setattr__(self, "_draws", draws)
        object.__setattr__(self, "_layouts", {})
        object.__setattr__(self, "_until", np.cumsum(batches, dtype=np.int64))
        if not self._until[-1]:
            raise _too_large(buckets, draws, sizes)

    def num_draws(self, bucket: int) -> int:
        """Return how many samples of a bucket an epoch has, those of a last batch that is left out too."""
        return self._draws[bucket]

    def batch_size(self, bucket: int) -> int:
        """Return how many samples a global batch of a bucket has."""
        return self._sizes[bucket]

    def num_batches(self, bucket: int) -> int:
        """Return how many steps of an epoch are of a bucket."""
        return self._num_batches(self._draws[bucket], self._sizes[bucket])

    def __len__(self) -> int:
        """Return the number of steps in the epoch."""
        return int(self._until[-1])

    def __getitem__(self, step: int) -> NDArray[np.int64]:
        """Return the positions of one step's global batch.

        Args:
            step: In [0, len(self)).

        Returns:
            int64 positions in [0, num_samples), shape (global batch size,); the last step of an epoch (of each bucket)
            with `drop_last=False` may be shorter.

        Raises:
            OrderError: if `step` is negative: a step counts from the start of the epoch.
            IndexError: if `step` is `len(self)` or more.
        """
        return self.part(step)

    def part(self, step: int, *, rank: int = 0, world_size: int = 1) -> NDArray[np.int64]:
        """Return the positions of one rank's part of a step, `self[step][rank::world_size]`; costs O(part).

        Raises:
            OrderError: if `step` is negative, or the batch cannot be shared equally.
            IndexError: if `step` is `len(self)` or more.
        """
        bucket, batch = self.locate(step)
        size = self._sizes[bucket]
        length = min(size, self._draws[bucket] - batch * size)
        check_ranks(length, rank, world_size)
        within = np.arange(rank, length, world_size, dtype=np.int64)
        lanes = self.shuffle.lanes if isinstance(self.shuffle, Block) else 1
        if lanes == 1:
            return self._at(bucket, batch * size + within)
        share = size // lanes  # of a batch; a lane is that many samples for each step, one step's after another's
        lane, number = within % lanes, within // lanes
        return self._at(bucket, (lane * self.num_batches(bucket) + batch) * share + number)

    def locate(self, step: int) -> tuple[int, int]:
        """Return the bucket of a step, and which batch of the bucket it is.

        Raises:
            OrderError: if `step` is negative.
            IndexError: if `step` is `len(self)` or more.
        """
        step = operator.index(step)
        if step < 0:
            raise OrderError(f"sampler: step={step}; expected at least 0")
        if step >= len(self):
            raise IndexError(f"sampler: step={step}; this epoch has {len(self)} steps")
        if len(self._until) == 1:
            return 0, step
        if self.shuffle is not None:
            step = int(permute(np.array([step]), n=len(self), key=derive(_STEPS, self.seed, self.epoch))[0])
        bucket = int(np.searchsorted(self._until, step, side="right"))
        return bucket, step - (int(self._until[bucket - 1]) if bucket else 0)

    def stream(self, start: int, stop: int, *, every: int = 1) -> NDArray[np.int64]:
        """Return samples of an endless run through the epochs from epoch 0 on, one sample after another.

        Args:
            start: First sample, at least 0.
            stop: One past the last.
            every: Take one of so many.

        Returns:
            int64 positions, shape (ceil((stop - start) / every),).

        Raises:
            OrderError: if there is more than one bucket.
        """
        if len(self._until) > 1:
            raise OrderError("sampler: samples of several buckets come in batches, not one after another")
        numbers = np.arange(start, stop, every, dtype=np.int64)
        epochs, places = np.divmod(numbers, self._draws[0])
        positions = np.empty_like(places)
        for epoch in np.unique(epochs):
            here = epochs == epoch
            positions[here] = self.at_epoch(int(epoch))._at(0, places[here])
        return positions

    def spare(self, bucket: int, key: int) -> int:
        """Return the position of a sample of a bucket, by chance: any that the bucket draws, as likely as in an epoch.

        Args:
            bucket: The number of a bucket that has samples.
            key: In [0, 2**64); the same key gives the same sample.

        Examples:
            >>> Sampler(num_samples=10, global_batch_size=4, seed=0).spare(0, key=7)
            6
        """
        rest, draw = divmod(derive(_SPARE, key), self._draws[bucket])
        return int(self._buckets.pick(bucket, np.array([draw], dtype=np.int64), rest % 2**20 / 2**20)[0])

    def _at(self, bucket: int, places: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the positions at some places of a bucket's order."""
        key = derive(_EPOCH, self.seed, self.epoch)
        if len(self._until) > 1:
            key = derive(key, _BUCKET, bucket)
        shuffle = checked(self.shuffle)
        n = self._draws[bucket]
        if isinstance(shuffle, Block) and bucket not in self._layouts:
            self._layouts[bucket] = lay_out(shuffle, n=n, key=key, blocks=self._buckets.blocks_of(bucket))
        draws = arrange(places, n=n, key=key, shuffle=shuffle, layout=self._layouts.get(bucket))
        return self._buckets.pick(bucket, draws, (derive(key, _OFFSET) >> 11) / 2**53)

    def __iter__(self) -> Iterator[NDArray[np.int64]]:
        """Yield every step of the epoch, in order."""
        return (self[step] for step in range(len(self)))

    def at_epoch(self, epoch: int) -> Sampler:
        """Return this sampler for another epoch.

        Raises:
            OrderError: if `epoch` is negative.

        Examples:
            >>> Sampler(num_samples=10, global_batch_size=4, seed=0).at_epoch(1)[1]
            array([5, 1, 6, 3])
        """
        return self if epoch == self.epoch else replace(self, epoch=epoch)

    def _num_batches(self, num_draws: int, size: int) -> int:
        return num_draws // size if self.drop_last else -(-num_draws // size)


def _too_large(buckets: Buckets, draws: tuple[int, ...], sizes: tuple[int, ...]) -> OrderError:
    if len(sizes) == 1:
        return OrderError(
            f"sampler: global batch of {sizes[0]} (batch size × ranks) is larger than the "
            f"selection's {draws[0]} samples, so an epoch would have no step; "
            f"take a global batch of at most {draws[0]}, or drop_last=False on one rank"
        )
    most = max(range(len(sizes)), key=lambda bucket: draws[bucket])
    return OrderError(
        f"sampler: no bucket has samples for one global batch; the largest, {buckets.names[most]}, has "
        f"{draws[most]} for a global batch of {sizes[most]}; take smaller batches or fewer buckets"
    )
