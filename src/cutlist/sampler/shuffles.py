"""Shuffles: where in [0, n) each place of an epoch lies. Each is a permutation, computed for the places asked for.

- `"full"`: any sample may come anywhere.
- `Block`: blocks of neighbouring samples are permuted; then, within a window of blocks, the samples. For storage where
  what lies together is cheap to read together, at the price of batches whose samples are likelier to be neighbours.
- `None`: the order as it is.
"""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from cutlist.errors import OrderError
from cutlist.sampler.permutation import MAX_SAMPLES, check_range, derive, permute, tag

_BLOCKS, _SHORT, _WINDOW = tag("blocks"), tag("short"), tag("window")


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A shuffle for storage where neighbouring reads are cheap.

    Args:
        rows: Samples in a block, at least 1, in the selection's order (`ORDER BY video` is that of the table); or
            `"fragment"`: a block is the samples whose first medium lies in one fragment of a Lance table.
        window: Blocks in a window, within which samples are permuted; at least 1.
        lanes: Parts that an epoch's order is cut into and that are read side by side: sample j of a global batch comes
            from lane j % lanes, so that rank r of W reads lanes r, r + W, … and, with blocks, fragments of its own.
            Divides the global batch, and should be a multiple of every number of ranks that the run may have.

    Raises:
        OrderError: if a number is out of its range.

    Examples:
        >>> Block(rows="fragment", lanes=8)
        Block(rows='fragment', window=16, lanes=8)
    """

    rows: int | Literal["fragment"] = 1024
    window: int = 16
    lanes: int = 1

    def __post_init__(self) -> None:
        if isinstance(self.rows, str):
            if self.rows != "fragment":
                raise OrderError(f'Block(rows={self.rows!r}): expected a whole number, or "fragment"')
        else:
            self._check("rows", MAX_SAMPLES)
        self._check("window", 2**31)
        self._check("lanes", 2**31)

    def _check(self, name: str, most: int) -> None:
        try:
            number = operator.index(getattr(self, name))
        except TypeError as error:
            raise OrderError(f"Block({name}={getattr(self, name)!r}): expected a whole number") from error
        check_range(f"Block.{name}", number, 1, most)
        object.__setattr__(self, name, number)


Shuffle: TypeAlias = Literal["full", "block"] | Block | None
"""`"block"` stands for `Block()`."""


def checked(shuffle: Shuffle) -> Literal["full"] | Block | None:
    """Return a shuffle with `"block"` spelled out.

    Raises:
        OrderError: if it is none of them.
    """
    if isinstance(shuffle, Block) or shuffle is None or shuffle == "full":
        return shuffle
    if shuffle == "block":
        return Block()
    raise OrderError(
        f'sampler: shuffle={shuffle!r}; allowed: "full" (any sample anywhere in the epoch), "block" or '
        f"Block(rows=…, window=…, lanes=…) (blocks of neighbours), or None (the selection's own order)"
    )


def arrange(
    places: NDArray[np.int64],
    *,
    n: int,
    key: int,
    shuffle: Literal["full"] | Block | None,
    layout: Layout | None = None,
) -> NDArray[np.int64]:
    """Return what comes at some places of an epoch over [0, n).

    Args:
        places: int64 in [0, n), shape (m,).
        n: Size of the domain.
        key: In [0, 2**64); two keys give unrelated orders.
        shuffle: Which order.
        layout: The blocks of a `Block` shuffle, from `lay_out` with the same key; default: made here.

    Returns:
        int64 in [0, n), shape (m,); over all places, each once.

    Examples:
        >>> arrange(np.arange(8), n=8, key=1, shuffle=Block(rows=2, window=2))
        array([0, 3, 2, 1, 5, 4, 6, 7])
    """
    if shuffle is None:
        return places
    if shuffle == "full":
        return permute(places, n=n, key=key)
    return _in_windows(places, layout or lay_out(shuffle, n=n, key=key), shuffle.window, key)


def lay_out(shuffle: Block, *, n: int, key: int, blocks: NDArray[np.int64] | None = None) -> Layout:
    """Return the blocks of [0, n) in the order that `key` chooses.

    Args:
        blocks: Start of each fragment, and n; int64, ascending; needed where the shuffle's blocks are fragments.

    Raises:
        OrderError: if blocks are fragments and not given.
    """
    if isinstance(shuffle.rows, int):
        return _Even(n, shuffle.rows, key)
    if blocks is None:
        raise OrderError('sampler: Block(rows="fragment") needs to know where the fragments begin')
    return _Uneven(blocks, key)


class Layout(Protocol):
    """Blocks of [0, n) in a permuted order: the t-th of them, in that order, is block `number(t)`."""

    num_blocks: int

    def before(self, t: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return how many samples are in the blocks before the t-th; for `t == num_blocks`, all."""

    def find(self, places: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return which t each place is in."""

    def start(self, t: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the first sample of the t-th block."""


def _in_windows(places: NDArray[np.int64], layout: Layout, window: int, key: int) -> NDArray[np.int64]:
    """Return what comes at places where blocks are permuted, and samples within each `window` of blocks."""
    windows = layout.find(places) // window
    mixed = np.empty_like(places)
    for each in np.unique(windows):
        here = windows == each
        ends = np.array([each * window, min((int(each) + 1) * window, layout.num_blocks)], dtype=np.int64)
        first, stop = layout.before(ends)
        mixed[here] = first + permute(places[here] - first, n=int(stop - first), key=derive(key, _WINDOW, int(each)))
    t = layout.find(mixed)
    return layout.start(t) + mixed - layout.before(t)


class _Even:
    """Blocks of `rows` samples, of which the last may be shorter. It comes at a place of its own in the order, and the
    others are permuted around it, so that everything is arithmetic for any number of blocks."""

    def __init__(self, n: int, rows: int, key: int):
        self.num_blocks = -(-n // rows)
        self._rows = rows
        self._missing = self.num_blocks * rows - n  # of the short block
        self._short = derive(key, _SHORT) % self.num_blocks
        self._key = derive(key, _BLOCKS)

    def before(self, t: NDArray[np.int64]) -> NDArray[np.int64]:
        return t * self._rows - (t > self._short) * self._missing

    def find(self, places: NDArray[np.int64]) -> NDArray[np.int64]:
        end = (self._short + 1) * self._rows - self._missing
        return (places + (places >= end) * self._missing) // self._rows

    def start(self, t: NDArray[np.int64]) -> NDArray[np.int64]:
        if self.num_blocks == 1:
            return np.zeros_like(t)
        others = np.minimum(t - (t > self._short), self.num_blocks - 2)
        numbers = permute(others, n=self.num_blocks - 1, key=self._key)
        return np.where(t == self._short, self.num_blocks - 1, numbers) * self._rows


class _Uneven:
    """Blocks that begin where they are told; their permuted order is an array with a number for each block."""

    def __init__(self, starts: NDArray[np.int64], key: int):
        self.num_blocks = len(starts) - 1
        order = permute(np.arange(self.num_blocks), n=self.num_blocks, key=derive(key, _BLOCKS))
        self._starts = starts[order]
        self._before = np.concatenate([[0], np.cumsum(np.diff(starts)[order])])

    def before(self, t: NDArray[np.int64]) -> NDArray[np.int64]:
        return self._before[t]

    def find(self, places: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.searchsorted(self._before, places, side="right") - 1

    def start(self, t: NDArray[np.int64]) -> NDArray[np.int64]:
        return self._starts[t]
