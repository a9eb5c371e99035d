"""The order of an epoch: which positions of a selection a step visits, as arithmetic on integers.

An order is a keyed permutation of [0, n) that is computed, never stored. A Feistel network permutes the smallest power
of two that holds n, and a value that lands at n or above is sent through again until it is below (cycle-walking): Black
and Rogaway, "Ciphers with arbitrary finite domains", CT-RSA 2002. So a step costs O(batch), the last of 10^12
steps as the first, and nothing has to be saved but its number.

Changing any number that this file returns is an ITERATION ORDER BREAKING CHANGE and bumps `ORDER_VERSION`.
"""

from __future__ import annotations

import operator
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from cutlist.errors import OrderError

ORDER_VERSION = 1
"""Part of every checkpoint: two versions of cutlist with one number visit the samples in one order."""

MAX_SAMPLES = 2**62
"""Most samples that an order exists for."""

_ROUNDS = 8
_SMALL = 64  # below this many samples a Feistel network has too few bits to mix: sort hashes instead
_BLOCK = 16_384  # positions worked on at a time: their 128 KiB of temporaries stay in the cache (twice as fast as 1M)

_MASK = 2**64 - 1
_GOLDEN = 0x9E3779B97F4A7C15  # the increment of splitmix64: 2^64 divided by the golden ratio
_MIX_1 = 0xBF58476D1CE4E5B9
_MIX_2 = 0x94D049BB133111EB
_EPOCH_TAG = int.from_bytes(b"epoch", "big")  # keeps these keys apart from any other use of the same seed

_T = TypeVar("_T", bound=np.generic)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampler:
    """The order of one epoch: `sampler[step]` is the positions of that step's global batch.

    What it returns depends on these fields and the step alone: not on ranks, workers, or what was asked before.

    Args:
        num_samples: Samples in the selection, in [1, 2**62].
        global_batch_size: Samples in a step over all ranks, at least 1.
        seed: In [0, 2**64).
        epoch: At least 0; each epoch has its own order.
        shuffle: "full": any sample may come anywhere in the epoch; None: the selection's own order.
        drop_last: Leave out the last batch where it would be shorter than the others.

    Raises:
        OrderError: if a field is out of its range, or the batch is larger than the selection and `drop_last` is set.

    Examples:
        >>> sampler = Sampler(num_samples=10, global_batch_size=4, seed=0)
        >>> len(sampler)
        2
        >>> sampler[1]
        array([8, 6, 0, 1])
        >>> in_order = Sampler(num_samples=5, global_batch_size=2, seed=0, shuffle=None, drop_last=False)
        >>> [step.tolist() for step in in_order]
        [[0, 1], [2, 3], [4]]
    """

    num_samples: int
    global_batch_size: int
    seed: int
    epoch: int = 0
    shuffle: Literal["full"] | None = "full"
    drop_last: bool = True

    def __post_init__(self) -> None:
        if self.num_samples == 0:
            raise OrderError("sampler: the selection has no samples; an order needs at least one")
        _check_range("num_samples", self.num_samples, 1, MAX_SAMPLES)
        _check_range("global_batch_size", self.global_batch_size, 1, MAX_SAMPLES)
        _check_range("seed", self.seed, 0, _MASK)
        _check_range("epoch", self.epoch, 0, _MASK)
        if self.shuffle is not None and self.shuffle != "full":
            raise OrderError(
                f'sampler: shuffle={self.shuffle!r}; allowed: "full" or None '
                "(any sample anywhere in the epoch, or the selection's own order)"
            )
        if self.drop_last and self.global_batch_size > self.num_samples:
            raise OrderError(
                f"sampler: global batch of {self.global_batch_size} (batch size × ranks) is larger than the "
                f"selection's {self.num_samples} samples, so an epoch would have no step; "
                f"take a global batch of at most {self.num_samples}, or drop_last=False on one rank"
            )

    def __len__(self) -> int:
        """Return the number of steps in the epoch."""
        whole, rest = divmod(self.num_samples, self.global_batch_size)
        return whole if self.drop_last else whole + (rest > 0)

    def __getitem__(self, step: int) -> NDArray[np.int64]:
        """Return the positions of one step's global batch.

        Args:
            step: In [0, len(self)).

        Returns:
            int64 positions in [0, num_samples), shape (global_batch_size,); the last step of an epoch with
            `drop_last=False` may be shorter.

        Raises:
            OrderError: if `step` is negative: a step counts from the start of the epoch.
            IndexError: if `step` is `len(self)` or more.
        """
        step = operator.index(step)
        if step < 0:
            raise OrderError(f"sampler: step={step}; expected at least 0")
        if step >= len(self):
            raise IndexError(f"sampler: step={step}; this epoch has {len(self)} steps")
        start = step * self.global_batch_size
        stop = min(start + self.global_batch_size, self.num_samples)
        positions = np.arange(start, stop, dtype=np.int64)
        if self.shuffle is None:
            return positions
        return permute(positions, n=self.num_samples, key=_derive(_EPOCH_TAG, self.seed, self.epoch))

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
        return replace(self, epoch=epoch)


def rank_slice(positions: NDArray[_T], *, rank: int, world_size: int) -> NDArray[_T]:
    """Return one rank's part of a global batch: a contiguous slice, so that all ranks' parts in turn are the batch.

    Args:
        positions: A global batch, shape (B,).
        rank: In [0, world_size).
        world_size: At least 1; divides B.

    Returns:
        A view of `positions`, shape (B // world_size,).

    Raises:
        OrderError: if `rank` is not in [0, world_size), or `world_size` does not divide the batch.

    Examples:
        >>> rank_slice(np.arange(6), rank=1, world_size=3)
        array([2, 3])
    """
    _check_range("world_size", world_size, 1, 2**31)
    _check_range("rank", rank, 0, world_size - 1)
    share, rest = divmod(len(positions), world_size)
    if rest:
        raise OrderError(
            f"sampler: a global batch of {len(positions)} cannot be shared equally by world_size={world_size} ranks; "
            f"expected a multiple of {world_size}"
        )
    return positions[rank * share : (rank + 1) * share]


def worker_steps(start: int, stop: int, worker: int, num_workers: int) -> range:
    """Return the steps of [start, stop) that one worker makes, so that asking the workers in turn gives step order.

    A `DataLoader` takes one batch from each of its workers in turn, from worker 0 on.

    Args:
        start: First step, at least 0.
        stop: One past the last step.
        worker: In [0, num_workers).
        num_workers: At least 1.

    Raises:
        OrderError: if a number is out of its range.

    Examples:
        >>> [list(worker_steps(5, 10, worker, 2)) for worker in range(2)]
        [[5, 7, 9], [6, 8]]
    """
    _check_range("start", start, 0, MAX_SAMPLES)
    _check_range("num_workers", num_workers, 1, 2**31)
    _check_range("worker", worker, 0, num_workers - 1)
    return range(start + worker, stop, num_workers)


def permute(positions: NDArray[np.int64], *, n: int, key: int) -> NDArray[np.int64]:
    """Return where each position goes in the permutation of [0, n) that `key` chooses.

    Over all of [0, n) the results are [0, n) again, each once. Memory is O(positions), whatever n is.

    Args:
        positions: int64 in [0, n), any shape.
        n: Size of the domain, in [1, 2**62].
        key: In [0, 2**64); two keys give unrelated permutations.

    Returns:
        int64 in [0, n), the shape of `positions`.

    Raises:
        OrderError: if a number is out of its range.

    Examples:
        >>> sorted(permute(np.arange(1000), n=1000, key=7).tolist()) == list(range(1000))
        True
        >>> permute(np.array([0, 1, 10**9 - 1]), n=10**9, key=7)
        array([742584263, 843081838, 132064698])
    """
    _check_range("n", n, 1, MAX_SAMPLES)
    _check_range("key", key, 0, _MASK)
    flat = np.ascontiguousarray(positions, dtype=np.int64).reshape(-1)
    if flat.size and not (flat.min() >= 0 and flat.max() < n):
        raise OrderError(f"sampler: positions from {flat.min()} to {flat.max()}; expected all of them in [0, {n})")
    if n < _SMALL:
        return _small_order(n, key)[flat].reshape(positions.shape)
    keys = [np.uint64(_derive(key, round_)) for round_ in range(_ROUNDS)]
    out = np.empty(flat.shape, dtype=np.int64)
    for start in range(0, flat.size, _BLOCK):
        stop = start + _BLOCK
        out[start:stop] = _walk(flat[start:stop].view(np.uint64), n, keys).view(np.int64)
    return out.reshape(positions.shape)


def _walk(values: NDArray[np.uint64], n: int, keys: list[np.uint64]) -> NDArray[np.uint64]:
    """Return `values` in [0, n) permuted within [0, n): through the network until each one is below n."""
    num_bits = (n - 1).bit_length()
    values = _feistel(values, num_bits, keys)
    outside = np.flatnonzero(values >= n)
    while outside.size:  # the domain is less than 2n: at worst half of them go round again
        again = _feistel(values[outside], num_bits, keys)
        values[outside] = again
        outside = outside[again >= n]
    return values


def _feistel(values: NDArray[np.uint64], num_bits: int, keys: list[np.uint64]) -> NDArray[np.uint64]:
    """Return uint64 `values` in [0, 2**num_bits) permuted: one round for each key, an even number of them.

    With an odd number of bits the halves differ by one; they swap places each round, so after an even number of rounds
    each half has its own width again.
    """
    left_bits = num_bits // 2
    right_bits = num_bits - left_bits
    right = values & np.uint64((1 << right_bits) - 1)
    left = values >> np.uint64(right_bits)
    mixed = np.empty_like(right)
    for key in keys:
        # Two multiplications with a fold between them: the upper bits, which are kept, depend on every bit of `right`.
        np.bitwise_xor(right, key, out=mixed)
        mixed *= np.uint64(_MIX_1)
        mixed ^= mixed >> np.uint64(32)
        mixed *= np.uint64(_MIX_2)
        mixed >>= np.uint64(64 - left_bits)
        left ^= mixed
        left, right = right, left
        left_bits, right_bits = right_bits, left_bits
    return (left << np.uint64(right_bits)) | right


def _small_order(n: int, key: int) -> NDArray[np.int64]:
    """Return a permutation of [0, n) as an array: the order of n hashes, which are all different."""
    return np.array(sorted(range(n), key=lambda position: _derive(key, position)), dtype=np.int64)


def _derive(*parts: int) -> int:
    """Return one 64-bit key from integers: splitmix64's mixing (Steele, Lea, Flood, OOPSLA 2014) of each in turn."""
    state = 0
    for part in parts:
        state = (state + part + _GOLDEN) & _MASK
        state = ((state ^ (state >> 30)) * _MIX_1) & _MASK
        state = ((state ^ (state >> 27)) * _MIX_2) & _MASK
        state ^= state >> 31
    return state


def _check_range(name: str, value: int, least: int, most: int) -> None:
    """Raise OrderError unless `value` is in [least, most]."""
    if not least <= value <= most:
        raise OrderError(f"sampler: {name}={value}; expected at least {least} and at most {most}")
