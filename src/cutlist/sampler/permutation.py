"""Keyed permutations of [0, n) that are computed, never stored.

A Feistel network permutes the smallest power of two that holds n, and a value that lands at n or above is sent through
again until it is below (cycle-walking): Black and Rogaway, "Ciphers with arbitrary finite domains", CT-RSA 2002. So the
last of 10^12 values costs as little as the first.

Changing any number that this file returns is an ITERATION ORDER BREAKING CHANGE and bumps `ORDER_VERSION`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cutlist.errors import OrderError

ORDER_VERSION = 2
"""Part of every checkpoint: two versions of cutlist with one number visit the samples in one order."""

MAX_SAMPLES = 2**62
"""Most samples that an order exists for."""

_ROUNDS = 8
_SMALL = 64  # below this many samples a Feistel network has too few bits to mix: sort hashes instead
_BLOCK = 16_384  # positions worked on at a time: their 128 KiB of temporaries stay in the cache (twice as fast as 1M)

MAX_SEED = 2**64 - 1
_MASK = MAX_SEED
_GOLDEN = 0x9E3779B97F4A7C15  # the increment of splitmix64: 2^64 divided by the golden ratio
_MIX_1 = 0xBF58476D1CE4E5B9
_MIX_2 = 0x94D049BB133111EB


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
    check_range("n", n, 1, MAX_SAMPLES)
    check_range("key", key, 0, _MASK)
    flat = np.ascontiguousarray(positions, dtype=np.int64).reshape(-1)
    if flat.size and not (flat.min() >= 0 and flat.max() < n):
        raise OrderError(f"sampler: positions from {flat.min()} to {flat.max()}; expected all of them in [0, {n})")
    if n < _SMALL:
        return _small_order(n, key)[flat].reshape(positions.shape)
    keys = [np.uint64(derive(key, round_)) for round_ in range(_ROUNDS)]
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
    return np.array(sorted(range(n), key=lambda position: derive(key, position)), dtype=np.int64)


def derive(*parts: int) -> int:
    """Return one 64-bit key from integers: splitmix64's mixing (Steele, Lea, Flood, OOPSLA 2014) of each in turn.

    Examples:
        >>> derive(1, 2) == derive(1, 2), derive(1, 2) == derive(2, 1)
        (True, False)
    """
    state = 0
    for part in parts:
        state = (state + part + _GOLDEN) & _MASK
        state = ((state ^ (state >> 30)) * _MIX_1) & _MASK
        state = ((state ^ (state >> 27)) * _MIX_2) & _MASK
        state ^= state >> 31
    return state


def tag(word: str) -> int:
    """Return a number that keeps keys for one use apart from those for any other use of the same seed."""
    return int.from_bytes(word.encode(), "big") & _MASK


def check_range(name: str, value: int, least: int, most: int) -> None:
    """Raise OrderError unless `value` is in [least, most]."""
    if not least <= value <= most:
        raise OrderError(f"sampler: {name}={value}; expected at least {least} and at most {most}")
