"""Groups of 64-bit hashes that differ in few bits."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from math import comb

import numpy as np
from numpy.typing import NDArray

from cutlist_featurizers.components import Components, Nodes, join_all

SHORT = 512
"""Most hashes of a bucket that are compared by shifting: in longer ones it pays to look at what is joined already."""

SORT_COST = 150
"""What sorting one hash into a bucket costs, in comparisons: 200 ns to 1.2 ns, measured over a million hashes."""


def hamming_groups(hashes: NDArray[np.uint64], max_distance: int) -> NDArray[np.int64]:
    """Return the group of each hash: two are in one if a chain leads from one to the other, of steps of few bits.

    These are the connected components of the graph of all pairs that differ in at most `max_distance` bits, exactly: no
    pair is missed.

    Hashes that are equal are made one first. Then the 64 bits are dealt into m = max_distance + a bands. Two hashes
    that are near differ in at most `max_distance` of the bands, so they agree in a bands or more: for each choice of a
    bands, the hashes are sorted into buckets of those that agree there, and each bucket is compared with itself. More
    bands agreeing make more choices, of smaller buckets; a is chosen by the number of hashes. A long bucket, as of
    pictures with little detail, is compared in blocks, leaving out pairs that are known to be in one group: it costs
    the square of its length only if its hashes are in many groups. At a distance of 8, half a million hashes took 3 s
    of processor time and a million 9 s.

    Source: the bands, J. Leskovec, A. Rajaraman and J. Ullman, "Mining of Massive Datasets", 3.9 (bits that agree); the
    choices of several bands, G. S. Manku, A. Jain and A. Das Sarma, "Detecting near-duplicates for web crawling", WWW
    2007.

    Args:
        hashes: uint64, shape (n,).
        max_distance: Bits, in [0, 64].

    Returns:
        int64, shape (n,): for each hash the smallest position in its group.

    Raises:
        ValueError: if `hashes` has another type or shape, or `max_distance` is not in [0, 64].

    Examples:
        >>> import numpy as np
        >>> hamming_groups(np.array([0b0000, 0b1111, 0b0001, 0b1111, 0b0011], dtype=np.uint64), 1).tolist()
        [0, 1, 0, 1, 0]
    """
    if hashes.dtype != np.uint64 or hashes.ndim != 1:
        raise ValueError(f"hashes have dtype {hashes.dtype} and shape {hashes.shape}; expected uint64 of shape (n,)")
    if not 0 <= max_distance <= 64:
        raise ValueError(f"max_distance {max_distance}: expected a number of bits in [0, 64]")
    distinct, first, inverse = np.unique(hashes, return_index=True, return_inverse=True)
    components = Components(len(distinct))
    if max_distance > 0:
        for mask in _masks(max_distance, _bands_to_agree(max_distance, len(distinct))):
            _join_buckets(components, distinct, mask, max_distance)
    labels = components.labels()
    smallest = np.full(len(distinct), len(hashes))
    np.minimum.at(smallest, labels, first)
    groups: NDArray[np.int64] = smallest[labels][inverse]
    return groups


def _bands_to_agree(max_distance: int, num_hashes: int) -> int:
    """Return how many bands are to agree so that the least time is taken if bits are as good as random; 0: no bands."""

    def cost(agree: int) -> float:
        bits = 64 * agree / (max_distance + agree)
        return comb(max_distance + agree, agree) * (bool(agree) * SORT_COST + num_hashes / 2 / 2**bits)

    return min(range(min(64 - max_distance, 8) + 1), key=cost)


def _masks(max_distance: int, agree: int) -> Iterator[np.uint64]:
    """Yield the bits of each choice of bands. Bit i is in band i mod m: neighbouring bits of a pHash go together."""
    num_bands = max_distance + agree
    bands = [sum(1 << bit for bit in range(band, 64, num_bands)) for band in range(num_bands)]
    for chosen in combinations(bands, agree):
        yield np.uint64(sum(chosen))


def _join_buckets(components: Components, hashes: NDArray[np.uint64], mask: np.uint64, max_distance: int) -> None:
    """Join the hashes (n,), all different, that are near and have the same bits under a mask."""
    keys = hashes & mask
    order = np.argsort(keys)
    starts = np.flatnonzero(np.diff(keys[order], prepend=~keys[order[:1]]))
    sizes = np.diff(starts, append=len(order))
    for start, size in zip(starts[sizes > SHORT].tolist(), sizes[sizes > SHORT].tolist(), strict=True):
        join_all(components, order[start : start + size], lambda *pair: _near(hashes, max_distance, *pair))
    # The others with the longest first: those that are longer than a shift are in front, however many there are.
    of_each = np.repeat(sizes, sizes)
    nodes = order[np.argsort(-of_each, kind="stable")[(of_each > SHORT).sum() : (of_each > 1).sum()]]
    sizes = np.sort(sizes[(sizes > 1) & (sizes <= SHORT)])[::-1]
    ends = np.cumsum(sizes)
    values = hashes[nodes]
    for shift in range(1, int(sizes.max(initial=1))):
        stop = ends[np.searchsorted(-sizes, -shift) - 1]  # of those with more than `shift` hashes
        near = np.bitwise_count(values[: stop - shift] ^ values[shift:stop]) <= max_distance
        found = np.flatnonzero(near)  # a pair of neighbouring buckets that is near is no mistake
        components.join(nodes[found], nodes[found + shift])


def _near(hashes: NDArray[np.uint64], max_distance: int, rows: Nodes, columns: Nodes) -> NDArray[np.bool_]:
    """Return which hashes are near which: bool, shape (r, c)."""
    near = np.empty((len(rows), len(columns)), dtype=bool)
    for top in range(0, len(rows), 16):  # what is between fits into a cache: twice as fast
        differing = hashes[rows[top : top + 16], np.newaxis] ^ hashes[columns]
        np.less_equal(np.bitwise_count(differing), max_distance, out=near[top : top + 16])
    return near
