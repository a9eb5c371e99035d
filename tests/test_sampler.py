"""The order of an epoch. Properties checked:

- every position once: an epoch is a permutation of the selection, for any size, seed and epoch;
- pure: a step does not depend on what was asked before;
- elastic: ranks' and workers' parts, put together, are the global order, for any world size that divides the batch;
- golden: the numbers themselves do not change;
- shuffled: not to be told from numpy's permutations by statistics that a poor network fails;
- any size: no step needs more than the batch.

`BATCH` is 12, so that 1, 2, 3, 4, 6 and 12 ranks divide it.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from cutlist.errors import OrderError
from cutlist.sampler import MAX_SAMPLES, ORDER_VERSION, Sampler, permute, rank_slice, worker_steps

BATCH = 12
SIZES = st.integers(1, 600)
SEEDS = st.integers(0, 2**64 - 1)


def order(num_samples: int, seed: int, epoch: int) -> NDArray[np.int64]:
    """Return a whole epoch as one array of int64 positions, shape (num_samples,)."""
    return Sampler(num_samples=num_samples, global_batch_size=num_samples, seed=seed, epoch=epoch)[0]


# Every position once


@given(num_samples=SIZES, batch=st.integers(1, 50), seed=SEEDS, epoch=st.integers(0, 10**6))
def test_epoch_visits_every_position_once(num_samples: int, batch: int, seed: int, epoch: int) -> None:
    sampler = Sampler(num_samples=num_samples, global_batch_size=batch, seed=seed, epoch=epoch, drop_last=False)
    steps = list(sampler)
    assert len(steps) == len(sampler)
    assert all(step.dtype == np.int64 for step in steps)
    assert [len(step) for step in steps[:-1]] == [batch] * (len(steps) - 1)
    assert sorted(np.concatenate(steps).tolist()) == list(range(num_samples))


@pytest.mark.parametrize("n", [1, 2, 3, 63, 64, 65, 127, 128, 129, 1000, 4096, 4097, 100_003])
def test_permute_is_a_permutation(n: int) -> None:
    assert np.array_equal(np.sort(permute(np.arange(n), n=n, key=1)), np.arange(n))


@given(num_samples=SIZES, batch=st.integers(1, 50), seed=SEEDS)
def test_drop_last_leaves_out_only_the_short_batch(num_samples: int, batch: int, seed: int) -> None:
    num_samples += batch  # so that there is at least one whole batch
    kept = Sampler(num_samples=num_samples, global_batch_size=batch, seed=seed, drop_last=False)
    dropped = Sampler(num_samples=num_samples, global_batch_size=batch, seed=seed)
    assert len(dropped) == num_samples // batch
    assert [step.tolist() for step in dropped] == [kept[step].tolist() for step in range(len(dropped))]


def test_without_shuffle_is_the_selections_order() -> None:
    sampler = Sampler(num_samples=7, global_batch_size=3, seed=5, epoch=2, shuffle=None, drop_last=False)
    assert [step.tolist() for step in sampler] == [[0, 1, 2], [3, 4, 5], [6]]


# Pure


@given(num_samples=st.integers(BATCH, 10**12), seed=SEEDS, data=st.data())
def test_step_is_pure(num_samples: int, seed: int, data: st.DataObject) -> None:
    sampler = Sampler(num_samples=num_samples, global_batch_size=BATCH, seed=seed)
    step = data.draw(st.integers(0, len(sampler) - 1))
    first = sampler[step]
    _ = sampler[0], sampler[len(sampler) - 1]
    assert first.tolist() == sampler[step].tolist()
    assert first.tolist() == sampler.at_epoch(4).at_epoch(0)[step].tolist()


@given(num_samples=st.integers(1, 2**62), seed=SEEDS, data=st.data())
def test_batch_size_does_not_change_the_order(num_samples: int, seed: int, data: st.DataObject) -> None:
    half = data.draw(st.integers(1, 8))
    fine = Sampler(num_samples=num_samples, global_batch_size=half, seed=seed, drop_last=False)
    coarse = Sampler(num_samples=num_samples, global_batch_size=2 * half, seed=seed, drop_last=False)
    step = data.draw(st.integers(0, len(coarse) - 1))
    parts = [fine[each] for each in (2 * step, 2 * step + 1) if each < len(fine)]
    assert coarse[step].tolist() == np.concatenate(parts).tolist()


@given(num_samples=st.integers(100, 5000), seed=st.integers(0, 2**32))
def test_seeds_and_epochs_differ(num_samples: int, seed: int) -> None:
    orders = [order(num_samples, seed, 0), order(num_samples, seed, 1), order(num_samples, seed + 1, 0)]
    for left, right in ((0, 1), (0, 2), (1, 2)):
        assert np.count_nonzero(orders[left] == orders[right]) < 15  # two random orders agree in 1 place on average


def test_seed_and_epoch_are_not_added_up() -> None:
    assert order(1000, 0, 1).tolist() != order(1000, 1, 0).tolist()


# Elastic


@pytest.mark.parametrize("world_size", [1, 2, 3, 4, 6, 12])
def test_order_does_not_depend_on_world_size(world_size: int) -> None:
    for positions in Sampler(num_samples=125, global_batch_size=BATCH, seed=7, epoch=3):
        parts = [rank_slice(positions, rank=rank, world_size=world_size) for rank in range(world_size)]
        assert {len(part) for part in parts} == {BATCH // world_size}
        assert np.concatenate(parts).tolist() == positions.tolist()


@given(start=st.integers(0, 40), count=st.integers(0, 40), num_workers=st.integers(1, 9))
def test_workers_in_turn_give_step_order(start: int, count: int, num_workers: int) -> None:
    steps = [list(worker_steps(start, start + count, worker, num_workers)) for worker in range(num_workers)]
    in_turn = [steps[turn % num_workers][turn // num_workers] for turn in range(count)]
    assert in_turn == list(range(start, start + count))
    assert sum(map(len, steps)) == count


# Golden


def test_golden_order() -> None:
    """Changing these numbers is an ITERATION ORDER BREAKING CHANGE: it bumps ORDER_VERSION and is in the changelog."""
    assert ORDER_VERSION == 1
    golden = {
        10: [9, 4, 3, 8],
        64: [20, 54, 8, 14],
        1000: [704, 157, 987, 919],
        10**9: [915834292, 431020476, 633947449, 145349660],
        2**62: [4433890519640626451, 3218786694986292950, 392817738255112246, 3797041287324879416],
    }
    found = {n: Sampler(num_samples=n, global_batch_size=4, seed=7, epoch=3)[0].tolist() for n in golden}
    assert found == golden


# Shuffled: each statistic has a known mean and spread over random permutations; five spreads are allowed


def permutations(n: int, count: int) -> NDArray[np.int64]:
    """Return the orders of `count` epochs of `n` samples, int64 of shape (count, n)."""
    return np.stack([order(n, 2024, epoch) for epoch in range(count)])


@pytest.mark.parametrize("n", [20, 64, 65, 100, 127, 256])
def test_every_sample_comes_equally_often_at_every_position(n: int) -> None:
    count = 40 * n
    orders = permutations(n, count)
    counts = np.stack([np.bincount(column, minlength=n) for column in orders.T])
    expected = count / n
    chi_square = float(((counts - expected) ** 2 / expected).sum()) * (n - 1) / n
    freedom = (n - 1) ** 2
    assert abs(chi_square - freedom) < 5 * (2 * freedom) ** 0.5


@pytest.mark.parametrize(("n", "count"), [(64, 3000), (100, 3000), (1000, 400), (4096, 100)])
def test_neighbours_are_not_kept_together(n: int, count: int) -> None:
    steps = np.diff(permutations(n, count), axis=1)
    adjacent = int((np.abs(steps) == 1).sum())
    expected = count * 2 * (n - 1) / n
    assert abs(adjacent - expected) < 5 * expected**0.5
    counts = np.bincount((steps % n).reshape(-1), minlength=n)[1:]
    even = counts.sum() / (n - 1)
    chi_square = float(((counts - even) ** 2 / even).sum())
    assert abs(chi_square - (n - 2)) < 5 * (2 * (n - 2)) ** 0.5


@pytest.mark.parametrize(("n", "count"), [(64, 3000), (1000, 400), (4096, 100)])
def test_position_and_sample_are_not_correlated(n: int, count: int) -> None:
    centred = np.arange(n) - (n - 1) / 2
    correlations = (permutations(n, count) - (n - 1) / 2) @ centred / (centred @ centred)
    standard = correlations * (n - 1) ** 0.5  # mean 0, variance 1 for random permutations
    assert abs(standard.mean()) < 5 / count**0.5
    assert abs(standard.var() - 1) < 5 * (2 / count) ** 0.5


# Any size


@pytest.mark.parametrize("num_samples", [10**9, 2**29 + 1, 2**40, MAX_SAMPLES])
def test_huge_selections(num_samples: int) -> None:
    sampler = Sampler(num_samples=num_samples, global_batch_size=256, seed=1, epoch=5)
    steps = [0, 1, 2, 12345, len(sampler) // 2, len(sampler) - 1]
    positions = np.concatenate([sampler[step] for step in steps])
    assert len(set(positions.tolist())) == 256 * len(steps)
    assert positions.min() >= 0
    assert positions.max() < num_samples
    assert 0.4 < float((positions < num_samples // 2).mean()) < 0.6


def test_permute_keeps_the_shape() -> None:
    positions = np.arange(100_000).reshape(1000, 100)
    assert permute(positions, n=10**6, key=3).shape == (1000, 100)
    assert permute(positions[:0], n=10**6, key=3).shape == (0, 100)
    together = permute(positions, n=10**6, key=3).reshape(-1)
    assert together[54_321] == permute(np.array([54_321]), n=10**6, key=3)[0]


# Errors


@pytest.mark.parametrize("shuffle", [True, False, "block"])
def test_refuses_other_shuffles(shuffle: object) -> None:
    with pytest.raises(OrderError, match=rf'shuffle={shuffle!r}; allowed: "full" or None'):
        Sampler(num_samples=10, global_batch_size=2, seed=0, shuffle=shuffle)  # type: ignore[arg-type]


def test_refuses_a_batch_larger_than_the_selection() -> None:
    with pytest.raises(
        OrderError, match=r"global batch of 64 .* is larger than the selection's 50 samples.*at most 50"
    ):
        Sampler(num_samples=50, global_batch_size=64, seed=0)
    assert len(Sampler(num_samples=50, global_batch_size=64, seed=0, drop_last=False)) == 1


def test_refuses_an_empty_selection() -> None:
    with pytest.raises(OrderError, match="the selection has no samples"):
        Sampler(num_samples=0, global_batch_size=1, seed=0)


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("num_samples", -1, "at least 1"),
        ("num_samples", MAX_SAMPLES + 1, "at least 1 and at most 4611686018427387904"),
        ("global_batch_size", 0, "at least 1"),
        ("seed", -1, "at least 0"),
        ("seed", 2**64, "at most 18446744073709551615"),
        ("epoch", -1, "at least 0"),
    ],
)
def test_refuses_values_out_of_range(field: str, value: int, expected: str) -> None:
    fields = {"num_samples": 10, "global_batch_size": 2, "seed": 0, "epoch": 0} | {field: value}
    with pytest.raises(OrderError, match=f"{field}={value}; expected .*{expected}"):
        Sampler(**fields)  # type: ignore[arg-type]


def test_refuses_steps_outside_the_epoch() -> None:
    sampler = Sampler(num_samples=10, global_batch_size=2, seed=0)
    with pytest.raises(OrderError, match="step=-1; expected at least 0"):
        sampler[-1]
    with pytest.raises(IndexError, match="step=5; this epoch has 5 steps"):
        sampler[5]
    with pytest.raises(OrderError, match="epoch=-2; expected at least 0"):
        sampler.at_epoch(-2)


def test_refuses_ranks_that_do_not_share_equally() -> None:
    with pytest.raises(
        OrderError, match=r"batch of 12 cannot be shared equally by world_size=5 ranks; .* multiple of 5"
    ):
        rank_slice(np.arange(12), rank=0, world_size=5)
    with pytest.raises(OrderError, match="rank=3; expected at least 0 and at most 2"):
        rank_slice(np.arange(12), rank=3, world_size=3)
    with pytest.raises(OrderError, match="world_size=0; expected at least 1"):
        rank_slice(np.arange(12), rank=0, world_size=0)


def test_refuses_workers_out_of_range() -> None:
    with pytest.raises(OrderError, match="worker=2; expected at least 0 and at most 1"):
        worker_steps(0, 10, 2, 2)
    with pytest.raises(OrderError, match="num_workers=0; expected at least 1"):
        worker_steps(0, 10, 0, 0)
    with pytest.raises(OrderError, match="start=-1; expected at least 0"):
        worker_steps(-1, 10, 0, 1)


def test_refuses_positions_outside_the_domain() -> None:
    with pytest.raises(OrderError, match=r"positions from 0 to 10; expected all of them in \[0, 10\)"):
        permute(np.arange(11), n=10, key=0)
    with pytest.raises(OrderError, match="n=0; expected at least 1"):
        permute(np.arange(0), n=0, key=0)
    with pytest.raises(OrderError, match="key=-1; expected at least 0"):
        permute(np.arange(1), n=1, key=-1)
