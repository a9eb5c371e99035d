"""Shuffled: not to be told from numpy's permutations by statistics that a poor order fails.

Each statistic has a known mean and variance over random permutations. Five standard errors are allowed: by chance, one
comparison in two million is beyond them, and seeds are fixed. Three things are held to it:

- the orders of epochs; of the same with the epoch before as the starting order; likewise of one seed and the next;
- numpy's permutations, which show that a mean and a variance are right;
- poor orders, of which each must fail.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from cutlist.sampler import Block, Buckets, Sampler, Shuffle

Orders = NDArray[np.int64]
"""Permutations of [0, n), one in each row: shape (count, n)."""

SIZES = [(20, 2000), (63, 2000), (64, 2000), (65, 2000), (257, 1000), (1000, 300), (4096, 80)]
"""n, and how many orders: below 64 samples they are made in another way."""


def orders(n: int, count: int) -> Orders:
    """Return the orders of `count` epochs."""
    return np.stack([Sampler(num_samples=n, global_batch_size=n, seed=2024, epoch=each)[0] for each in range(count)])


def of_seeds(n: int, count: int) -> Orders:
    return np.stack([Sampler(num_samples=n, global_batch_size=n, seed=each)[0] for each in range(count)])


def relative(of: Orders) -> Orders:
    """Return each order as seen from the one before: random if one says nothing of the other."""
    return np.stack([np.argsort(one)[other] for one, other in pairwise(of)])


def of_numpy(n: int, count: int) -> Orders:
    rng = np.random.default_rng(2024)
    return np.stack([rng.permutation(n) for _ in range(count)])


SOURCES: dict[str, Callable[[int, int], Orders]] = {
    "epochs": orders,
    "epoch to epoch": lambda n, count: relative(orders(n, count + 1)),
    "seeds": of_seeds,
    "seed to seed": lambda n, count: relative(of_seeds(n, count + 1)),
    "numpy": of_numpy,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Statistic:
    """A number for each order, with its mean and variance over all permutations of [0, n)."""

    of: Callable[[Orders], NDArray[np.float64]]
    mean: Callable[[int], float]
    variance: Callable[[int], float]

    def deviation(self, found: Orders) -> float:
        """Return how many standard errors the mean over the orders is from where it should be."""
        count, n = found.shape
        return float((self.of(found).mean() - self.mean(n)) / (self.variance(n) / count) ** 0.5)


def _serial(lag: int) -> Statistic:
    """The sum of products of neighbours on a ring: Wald and Wolfowitz, "An exact test for randomness in the
    non-parametric case based on serial correlation", Annals of Mathematical Statistics 14, 1943."""

    def powers(n: int) -> tuple[float, float]:
        centred = np.arange(n) - (n - 1) / 2
        return float((centred**2).sum()), float((centred**4).sum())

    def mean(n: int) -> float:
        return -powers(n)[0] / (n - 1)

    def variance(n: int) -> float:
        s2, s4 = powers(n)
        return (s2**2 - s4) / (n - 1) + (s2**2 - 2 * s4) / ((n - 1) * (n - 2)) - (s2 / (n - 1)) ** 2

    def of(found: Orders) -> NDArray[np.float64]:
        centred = found - (found.shape[1] - 1) / 2
        return np.asarray((centred * np.roll(centred, lag, axis=1)).sum(axis=1))

    return Statistic(of=of, mean=mean, variance=variance)


def _inversions(found: Orders) -> NDArray[np.float64]:
    return np.array([np.triu(row[:, np.newaxis] > row, k=1).sum() for row in found], dtype=np.float64)


def _turns(found: Orders) -> NDArray[np.float64]:
    up = np.diff(found, axis=1) > 0
    return np.asarray((up[:, 1:] != up[:, :-1]).sum(axis=1), dtype=np.float64)


def _displacement(found: Orders) -> NDArray[np.float64]:
    return np.asarray(np.abs(found - np.arange(found.shape[1])).sum(axis=1), dtype=np.float64)


def _cycles(found: Orders) -> NDArray[np.float64]:
    """Each cycle counts once, at its smallest number: pointers that double their reach carry the smallest round."""
    counts = []
    for row in found:
        smallest, reach = np.minimum(np.arange(len(row)), row), row
        for _ in range(len(row).bit_length()):
            smallest, reach = np.minimum(smallest, smallest[reach]), reach[reach]
        counts.append((smallest == np.arange(len(row))).sum())
    return np.array(counts, dtype=np.float64)


def _harmonic(n: int, power: int) -> float:
    return float((1 / np.arange(1, n + 1) ** power).sum())


STATISTICS: dict[str, Statistic] = {
    # Wolfowitz, "Note on runs of consecutive elements", Annals of Mathematical Statistics 15, 1944: in the limit they
    # are distributed as Poisson's with mean 2.
    "neighbours that stay together": Statistic(
        of=lambda found: np.asarray((np.abs(np.diff(found, axis=1)) == 1).sum(axis=1), dtype=np.float64),
        mean=lambda n: 2 * (n - 1) / n,
        variance=lambda n: 2 * (n - 1) / n,
    ),
    "serial correlation, lag 1": _serial(1),
    "serial correlation, lag 2": _serial(2),
    "serial correlation, lag 8": _serial(8),
    # Knuth, The Art of Computer Programming 3, 5.1.1 and 5.1.3.
    "inversions": Statistic(
        of=_inversions, mean=lambda n: n * (n - 1) / 4, variance=lambda n: n * (n - 1) * (2 * n + 5) / 72
    ),
    "descents": Statistic(
        of=lambda found: np.asarray((np.diff(found, axis=1) < 0).sum(axis=1), dtype=np.float64),
        mean=lambda n: (n - 1) / 2,
        variance=lambda n: (n + 1) / 12,
    ),
    # Kendall, "Time-series", 2.2: turning points.
    "turning points": Statistic(of=_turns, mean=lambda n: 2 * (n - 2) / 3, variance=lambda n: (16 * n - 29) / 90),
    # Diaconis and Graham, "Spearman's footrule as a measure of disarray", Journal of the Royal Statistical Society B
    # 39, 1977.
    "displacement": Statistic(
        of=_displacement, mean=lambda n: (n * n - 1) / 3, variance=lambda n: (n + 1) * (2 * n * n + 7) / 45
    ),
    # Feller, An Introduction to Probability Theory 1, IV.4 and X.6.
    "fixed points": Statistic(
        of=lambda found: np.asarray((found == np.arange(found.shape[1])).sum(axis=1), dtype=np.float64),
        mean=lambda n: 1,
        variance=lambda n: 1,
    ),
    "cycles": Statistic(
        of=_cycles, mean=lambda n: _harmonic(n, 1), variance=lambda n: _harmonic(n, 1) - _harmonic(n, 2)
    ),
}


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize(("n", "count"), SIZES)
def test_orders_are_as_random_ones(n: int, count: int, source: str) -> None:
    found = SOURCES[source](n, count)
    deviations = {name: each.deviation(found) for name, each in STATISTICS.items() if name != "inversions" or n < 500}
    assert {name: value for name, value in deviations.items() if abs(value) > 5} == {}


@pytest.mark.parametrize("source", ["epochs", "numpy"])
def test_one_long_order_is_as_a_random_one(source: str) -> None:
    found = SOURCES[source](1_000_003, 1)
    deviations = {name: each.deviation(found) for name, each in STATISTICS.items() if name != "inversions"}
    assert {name: value for name, value in deviations.items() if abs(value) > 5} == {}


@pytest.mark.parametrize("source", ["epochs", "seeds", "numpy"])
@pytest.mark.parametrize("n", [20, 64, 65, 100, 127, 256])
def test_every_sample_comes_equally_often_at_every_place(n: int, source: str) -> None:
    """Chi-square of n² cells whose rows and columns are given has (n - 1)² degrees of freedom."""
    count = 40 * n
    found = SOURCES[source](n, count)
    counts = np.stack([np.bincount(column, minlength=n) for column in found.T])
    expected = count / n
    chi_square = float(((counts - expected) ** 2 / expected).sum()) * (n - 1) / n
    freedom = (n - 1) ** 2
    assert abs(chi_square - freedom) < 5 * (2 * freedom) ** 0.5


@pytest.mark.parametrize("source", ["epochs", "seeds", "numpy"])
@pytest.mark.parametrize(("n", "count"), [(64, 3000), (100, 3000), (1000, 400), (4096, 100)])
def test_every_difference_of_neighbours_comes_equally_often(n: int, count: int, source: str) -> None:
    steps = np.diff(SOURCES[source](n, count), axis=1) % n
    counts = np.bincount(steps.reshape(-1), minlength=n)[1:]
    even = counts.sum() / (n - 1)
    chi_square = float(((counts - even) ** 2 / even).sum())
    assert abs(chi_square - (n - 2)) < 5 * (2 * (n - 2)) ** 0.5


@pytest.mark.parametrize("source", ["epochs", "numpy"])
def test_batches_of_two_epochs_share_as_many_samples_as_by_chance(source: str) -> None:
    """Hypergeometric, for each pair of batches of the same number: mean B²/n."""
    n, batch, count = 1000, 50, 400
    found = SOURCES[source](n, count).reshape(count, n // batch, batch)
    shared = [
        len(np.intersect1d(one, other))
        for before, after in pairwise(found)
        for one, other in zip(before, after, strict=True)
    ]
    share = batch / n
    variance = batch * share * (1 - share) * (n - batch) / (n - 1)
    assert abs(np.mean(shared) - batch * share) < 5 * (variance / len(shared)) ** 0.5


# Poor orders


def _affine(n: int, count: int) -> Orders:
    """Return a · i + b mod n: a linear congruential generator as a permutation."""
    return np.stack([(np.arange(n) * (2 * each + 101) + 7 * each) % n for each in range(count)])


def _swapped(n: int, count: int) -> Orders:
    """Return a shuffle buffer: of the next 256 samples any, as a streaming loader does it."""
    rng = np.random.default_rng(0)
    buffered = []
    for _ in range(count):
        order, buffer = [], list(range(256))
        for following in range(256, n + 256):
            place = int(rng.integers(len(buffer)))
            order.append(buffer[place])
            if following < n:
                buffer[place] = following
            else:
                del buffer[place]
        buffered.append(order)
    return np.array(buffered)


def _added(n: int, count: int) -> Orders:
    """Return one good order, and its next epochs by adding the epoch's number."""
    return (of_numpy(n, 1) + np.arange(count)[:, np.newaxis]) % n


POOR: dict[str, tuple[Callable[[int, int], Orders], str]] = {
    "none": (lambda n, count: np.tile(np.arange(n), (count, 1)), "inversions"),
    "affine": (_affine, "turning points"),
    "a shuffle buffer": (_swapped, "displacement"),
    "epochs that add up": (lambda n, count: relative(_added(n, count + 1)), "cycles"),
    "blocks": (
        lambda n, count: np.stack(
            [Sampler(num_samples=n, global_batch_size=n, seed=each, shuffle=Block(rows=16))[0] for each in range(count)]
        ),
        "neighbours that stay together",
    ),
}


@pytest.mark.parametrize("name", POOR)
def test_a_poor_order_is_told_apart(name: str) -> None:
    make, statistic = POOR[name]
    found = make(1024, 40)
    assert (np.sort(found, axis=1) == np.arange(1024)).all()
    assert abs(STATISTICS[statistic].deviation(found)) > 10


# Buckets


def _runs(buckets: NDArray[np.int64], counts: NDArray[np.int64]) -> float:
    """Return how many standard deviations the number of runs of equal buckets is from its mean.

    Barton and David, "Multiple runs", Biometrika 44, 1957, for counts n_i that add up to N: the mean is
    N + 1 - Σ n_i² / N.
    """
    n = float(counts.sum())
    s2, s3 = (float((counts.astype(np.float64) ** power).sum()) for power in (2, 3))
    variance = (s2 * (s2 + n * (n + 1)) - 2 * n * s3 - n**3) / (n**2 * (n - 1))
    runs = 1 + int((np.diff(buckets) != 0).sum())
    return float((runs - (n + 1 - s2 / n)) / variance**0.5)


def buckets_of_steps(sizes: list[int], epoch: int, shuffle: Shuffle = "full") -> NDArray[np.int64]:
    buckets = Buckets(
        names=tuple(map(str, range(len(sizes)))), starts=np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    )
    sampler = Sampler(
        num_samples=sum(sizes), global_batch_size=1, seed=5, epoch=epoch, shuffle=shuffle, buckets=buckets
    )
    return np.array([sampler.locate(step)[0] for step in range(len(sampler))])


@pytest.mark.parametrize("source", ["epochs", "numpy"])
@pytest.mark.parametrize("sizes", [[150, 150], [270, 15, 9, 6], [10] * 30, [7, 3]])
def test_buckets_are_mixed_as_by_chance(sizes: list[int], source: str) -> None:
    count = 25
    rng = np.random.default_rng(1)
    in_order = np.repeat(np.arange(len(sizes)), sizes)
    deviations = [
        _runs(
            buckets_of_steps(sizes, epoch) if source == "epochs" else rng.permutation(in_order),
            np.array(sizes),
        )
        for epoch in range(count)
    ]
    assert abs(float(np.mean(deviations))) < 5 / count**0.5
    assert abs(float(np.mean(np.square(deviations))) - 1) < 5 * (2 / count) ** 0.5
    assert abs(_runs(in_order, np.array(sizes))) > 2


def test_buckets_and_their_batches_are_independent_of_each_other() -> None:
    """Samples that begin a bucket come as early as those that end it: mean displacement of the batches' numbers."""
    sizes = [80, 120]
    buckets = Buckets(names=("a", "b"), starts=np.array([0, 80, 200]))
    batches: dict[int, list[list[int]]] = {0: [], 1: []}
    for epoch in range(40):
        sampler = Sampler(num_samples=200, global_batch_size=1, seed=5, epoch=epoch, buckets=buckets)
        located = [sampler.locate(step) for step in range(len(sampler))]
        for bucket in (0, 1):
            batches[bucket].append([batch for of, batch in located if of == bucket])
    for bucket, size in enumerate(sizes):
        found = np.array(batches[bucket])
        assert found.shape == (40, size)
        for name in ("displacement", "serial correlation, lag 1", "turning points", "fixed points"):
            assert abs(STATISTICS[name].deviation(found)) < 5, name


# Blocks: between no shuffle and a full one


def test_a_block_shuffle_is_between_none_and_full() -> None:
    """By how far apart neighbours in the order are, and by how much of a batch comes from one block.

    A random order has neighbours that are n / 3 apart. `benchmarks/order.py` reports more of it.
    """
    n, batch, rows = 2**17, 256, 256
    shuffles: list[Shuffle] = [None, *(Block(rows=rows, window=each) for each in (1, 4, 16, 64)), "full"]
    apart, alike = [], []
    for shuffle in shuffles:
        order = Sampler(num_samples=n, global_batch_size=n, seed=1, shuffle=shuffle)[0]
        apart.append(float(np.abs(np.diff(order)).mean()) / (n / 3))
        blocks = np.sort(order.reshape(-1, batch) // rows, axis=1)
        alike.append(float((np.diff(blocks, axis=1) == 0).mean()))
    assert apart == sorted(apart)
    assert alike == sorted(alike, reverse=True)
    assert apart[0] < 1e-4
    assert alike[0] == 1
    assert abs(apart[-1] - 1) < 0.01
    assert apart[1] < 0.1 < 0.6 < apart[2] < 0.9, "of 4 blocks, three in four neighbours are of another"
    assert alike[-1] < 0.3
