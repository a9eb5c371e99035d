"""Buckets and weights. Properties checked:

- a step is of one bucket, with exactly its batch size; a bucket has as many steps as whole batches;
- every position of a bucket once, but for a tail of less than a batch, which changes with the epoch;
- the steps' buckets are permuted, in each epoch otherwise;
- positions are taken from where they are told, in memory or mapped;
- weights: in an epoch a sample comes as often as its share of the draws, rounded up or down, and never with weight 0;
- no rounding of floats, however far apart the weights are, gives a position that is not of the bucket;
- golden: the numbers themselves do not change.
"""

from __future__ import annotations

import math
import pickle
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from cutlist.errors import OrderError
from cutlist.sampler import ORDER_VERSION, Block, Buckets, Sampler, Shuffle
from cutlist.sampler.permutation import MAX_SEED

SEEDS = st.integers(0, MAX_SEED)
SHUFFLES: dict[str, Shuffle] = {
    "full": "full",
    "none": None,
    "block": Block(rows=5, window=3),
    "lanes": Block(rows=5, window=3, lanes=2),
}


def bucketed(
    sizes: Sequence[int], weights: Sequence[float] | NDArray[Any] | None = None, *, positions: Any = None
) -> Buckets:
    """Return buckets "b0", "b1", … of so many samples."""
    return Buckets(
        names=tuple(f"b{number}" for number in range(len(sizes))),
        starts=np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
        positions=positions,
        weights_until=None if weights is None else np.cumsum(np.asarray(weights, dtype=np.float64)),
    )


def sampling(buckets: Buckets, batches: int | tuple[int, ...], **fields: Any) -> Sampler:
    fields = {"seed": 11} | fields
    return Sampler(num_samples=buckets.num_samples, global_batch_size=batches, buckets=buckets, **fields)


def times(sampler: Sampler) -> NDArray[np.int64]:
    """Return how often each position comes in an epoch."""
    return np.bincount(np.concatenate(list(sampler)), minlength=sampler.num_samples)


def bucket_of(buckets: Buckets, positions: NDArray[np.int64]) -> set[int]:
    """Return the buckets of positions, where place i is position i."""
    return set((np.searchsorted(buckets.starts, positions, side="right") - 1).tolist())


# Steps of one bucket


@given(
    sizes=st.lists(st.integers(0, 40), min_size=2, max_size=6),
    batches=st.lists(st.integers(1, 4), min_size=6, max_size=6),
    name=st.sampled_from(sorted(SHUFFLES)),
    seed=SEEDS,
    epoch=st.integers(0, 1000),
)
def test_a_step_is_of_one_bucket_with_its_batch_size(
    sizes: list[int], batches: list[int], name: str, seed: int, epoch: int
) -> None:
    sizes[0] += 8  # so that there is a step
    of_bucket = tuple(2 * batches[number] for number in range(len(sizes)))
    buckets = bucketed(sizes)
    sampler = sampling(buckets, of_bucket, seed=seed, epoch=epoch, shuffle=SHUFFLES[name])
    located = []
    for step, positions in enumerate(sampler):
        bucket, batch = sampler.locate(step)
        located.append((bucket, batch))
        assert len(positions) == of_bucket[bucket] == sampler.batch_size(bucket)
        assert bucket_of(buckets, positions) == {bucket}
        for world_size in (1, 2):
            for rank in range(world_size):
                part = sampler.part(step, rank=rank, world_size=world_size)
                assert part.tolist() == positions[rank::world_size].tolist()
    assert sorted(located) == [
        (bucket, batch) for bucket, size in enumerate(sizes) for batch in range(size // of_bucket[bucket])
    ]
    assert [sampler.num_batches(bucket) for bucket in range(len(sizes))] == [
        size // batch for size, batch in zip(sizes, of_bucket, strict=True)
    ]
    counts = times(sampler)
    assert counts.max() == 1
    for bucket, (size, start) in enumerate(zip(sizes, buckets.starts.tolist(), strict=False)):
        assert counts[start : start + size].sum() == size // of_bucket[bucket] * of_bucket[bucket]


@given(
    sizes=st.lists(st.integers(0, 60), min_size=1, max_size=8),
    batch=st.integers(1, 70),
    name=st.sampled_from(["full", "none", "block"]),
    seed=SEEDS,
)
def test_without_drop_last_every_position_comes_once(sizes: list[int], batch: int, name: str, seed: int) -> None:
    sizes[0] += 1
    sampler = sampling(bucketed(sizes), batch, seed=seed, shuffle=SHUFFLES[name], drop_last=False)
    assert times(sampler).tolist() == [1] * sum(sizes)
    assert len(sampler) == sum(-(-size // batch) for size in sizes)
    short = [len(sampler[step]) for step in range(len(sampler)) if len(sampler[step]) < batch]
    assert sorted(short) == sorted(size % batch for size in sizes if size % batch)


def test_the_tail_changes_with_the_epoch() -> None:
    sampler = sampling(bucketed([55, 105]), (10, 20))
    never = np.ones(160, dtype=bool)
    for epoch in range(60):
        missing = times(sampler.at_epoch(epoch)) == 0
        assert missing[:55].sum() == 5
        assert missing[55:].sum() == 5
        never &= missing
    assert not never.any()


def test_a_bucket_that_fills_no_batch_has_no_step() -> None:
    buckets = bucketed([3, 0, 40, 9])
    sampler = sampling(buckets, (4, 4, 4, 10))
    assert {sampler.locate(step)[0] for step in range(len(sampler))} == {2}
    assert [sampler.num_batches(bucket) for bucket in range(4)] == [0, 0, 10, 0]
    assert [sampler.num_draws(bucket) for bucket in range(4)] == [3, 0, 40, 9]


def test_one_bucket_is_as_none() -> None:
    plain = Sampler(num_samples=100, global_batch_size=7, seed=3)
    one = sampling(bucketed([100]), (7,), seed=3)
    assert [step.tolist() for step in one] == [step.tolist() for step in plain]
    assert repr(Buckets.whole(1_000_000)) == "Buckets(1 buckets of 1,000,000 samples)"


def test_buckets_of_one_size_have_orders_of_their_own() -> None:
    sampler = sampling(bucketed([1000, 1000]), 1000)
    one, other = (sampler[step] % 1000 for step in range(2))
    assert np.count_nonzero(one == other) < 15


# The order of the buckets


def sequence(sampler: Sampler) -> list[int]:
    return [sampler.locate(step)[0] for step in range(len(sampler))]


@pytest.mark.parametrize("name", SHUFFLES)
def test_the_buckets_of_the_steps_are_permuted_in_each_epoch(name: str) -> None:
    sampler = sampling(bucketed([40, 200, 90]), (4, 2, 6), shuffle=SHUFFLES[name])
    sequences = [sequence(sampler.at_epoch(epoch)) for epoch in range(20)]
    assert all(Counter(each) == {0: 10, 1: 100, 2: 15} for each in sequences)
    if SHUFFLES[name] is None:
        assert all(each == sorted(each) for each in sequences), "one after another"
    else:
        assert len({tuple(each) for each in sequences}) == 20
        assert len({tuple(sequence(sampling(bucketed([40, 200, 90]), (4, 2, 6), seed=s))) for s in range(20)}) == 20


# Positions


@pytest.mark.parametrize("kind", [np.uint32, np.int64])
@pytest.mark.parametrize("mapped", [False, True])
def test_positions_are_taken_from_where_they_are_told(tmp_path: Path, kind: type[np.generic], mapped: bool) -> None:
    high = 2**32 - 1 if kind is np.uint32 else 2**40
    positions: NDArray[Any] = (high - np.random.default_rng(0).permutation(160)).astype(kind)
    plain = sampling(bucketed([55, 105]), (10, 20))
    if mapped:
        np.save(tmp_path / "positions.npy", positions)
        positions = np.load(tmp_path / "positions.npy", mmap_mode="r")
    told = sampling(bucketed([55, 105], positions=positions), (10, 20))
    for step in range(len(plain)):
        found = told[step]
        assert type(found) is np.ndarray
        assert found.dtype == np.int64
        assert found.tolist() == positions[plain[step]].astype(np.int64).tolist()


def test_pickling() -> None:
    sampler = sampling(bucketed([55, 105], np.arange(160), positions=np.arange(160)[::-1].copy()), (10, 20))
    expected = [step.tolist() for step in sampler]
    assert [step.tolist() for step in pickle.loads(pickle.dumps(sampler))] == expected


# Weights


def assert_rounded_shares(sampler: Sampler, weights: Sequence[float]) -> None:
    """Assert that in an epoch each sample comes as often as its share of its bucket's draws, rounded up or down."""
    buckets = sampler.buckets
    assert buckets is not None
    counts = times(sampler)
    for bucket in range(len(buckets.names)):
        start, stop = buckets.starts[bucket : bucket + 2].tolist()
        num_draws = sampler.num_draws(bucket)
        total = sum(map(Fraction, weights[start:stop]))
        assert counts[start:stop].sum() == num_draws
        for place in range(start, stop):
            share = num_draws * Fraction(weights[place]) / total if total else Fraction(0)
            assert math.floor(share) <= counts[place] <= math.ceil(share), (place, float(share))


positive = st.floats(1e-12, 1e12)
WEIGHTS = st.one_of(
    st.lists(st.integers(0, 20).map(float), min_size=1, max_size=120),
    st.lists(positive, min_size=1, max_size=120),
    st.lists(st.sampled_from([0.0, 1e-12, 1.0, 1e12]), min_size=1, max_size=60),
    st.lists(st.sampled_from([0.0, 0.1, 0.2, 0.3, 0.7, 1 / 3]), min_size=1, max_size=120),
)


@given(weights=WEIGHTS, seed=SEEDS, epoch=st.integers(0, 1000))
@example(weights=[1e-12, 1e12], seed=0, epoch=0)
@example(weights=[1e12, 1e-12], seed=0, epoch=0)
def test_a_sample_comes_as_often_as_its_weight_says(weights: list[float], seed: int, epoch: int) -> None:
    weights[0] = weights[0] or 1.0
    sampler = sampling(bucketed([len(weights)], weights), 50, seed=seed, epoch=epoch, drop_last=False)
    assert sampler.num_draws(0) == len(weights)
    assert_rounded_shares(sampler, weights)


@given(
    sizes=st.lists(st.integers(0, 20), min_size=2, max_size=5),
    names=st.sampled_from(["integers", "tenths", "far apart"]),
    seed=SEEDS,
)
def test_within_buckets_too(sizes: list[int], names: str, seed: int) -> None:
    sizes[-1] += 10
    rng = np.random.default_rng(seed)
    num = sum(sizes)
    weights = {
        "integers": rng.integers(0, 9, size=num).astype(float),
        "tenths": rng.integers(0, 9, size=num) / 10,
        "far apart": 10.0 ** rng.integers(-12, 13, size=num),
    }[names]
    weights[-10:] = weights.max() + 1  # so that there is a step
    sampler = sampling(bucketed(sizes, weights), 40, seed=seed, drop_last=False)
    if names != "far apart":  # where small weights beside great ones are rounded away
        assert_rounded_shares(sampler, weights.tolist())
    total = weights.sum()
    for bucket in range(len(sizes)):
        start, stop = sampler.buckets.starts[bucket : bucket + 2].tolist()  # type: ignore[union-attr]
        assert abs(sampler.num_draws(bucket) - num * weights[start:stop].sum() / total) < 1 + 1e-9
        assert times(sampler)[start:stop].sum() == sampler.num_draws(bucket)
    assert sum(map(sampler.num_draws, range(len(sizes)))) <= num


@pytest.mark.parametrize("weight", [1.0, 0.1, 0.3, 0.7, 1 / 3, 1e-300, 1e300])
@pytest.mark.parametrize("num_samples", [1, 2, 10, 63, 1000, 100_000])
def test_equal_weights_give_each_sample_once(num_samples: int, weight: float) -> None:
    for seed in range(5):
        sampler = sampling(bucketed([num_samples], np.full(num_samples, weight)), num_samples, seed=seed)
        assert np.array_equal(times(sampler), np.ones(num_samples))


@pytest.mark.parametrize("weight", [0.1, 0.3, 0.7, 1 / 3])
def test_equal_weights_give_each_sample_of_each_bucket_once(weight: float) -> None:
    for num_buckets in (2, 3, 7, 40):
        for size in (1, 2, 3, 10, 1000):
            buckets = bucketed([size] * num_buckets, np.full(size * num_buckets, weight))
            assert [buckets.num_draws(bucket) for bucket in range(num_buckets)] == [size] * num_buckets


def test_great_weights_in_buckets() -> None:
    buckets = bucketed([4, 4], np.full(8, 1e307))
    assert [buckets.num_draws(0), buckets.num_draws(1)] == [4, 4]


@pytest.mark.parametrize("place", [0, 1, 500, 998, 999])
@pytest.mark.parametrize("weight", [1e-300, 1e-12, 1.0, 1e12, 1e300])
def test_all_weight_on_one_sample(place: int, weight: float) -> None:
    weights = np.zeros(1000)
    weights[place] = weight
    counts = times(sampling(bucketed([1000], weights), 10))
    assert counts[place] == 1000
    two = sampling(bucketed([500, 500], weights), 10)
    assert times(two)[place] == 1000
    assert [two.num_draws(bucket) for bucket in range(2)] == ([1000, 0] if place < 500 else [0, 1000])


def test_one_sample_only() -> None:
    assert sampling(bucketed([1], [0.3]), 1)[0].tolist() == [0]


@given(
    weights=st.lists(
        st.one_of(st.just(0.0), st.floats(1e-12, 1e12), st.floats(1e-300, 1e300)), min_size=2, max_size=50
    ),
    data=st.data(),
)
def test_rounding_never_leaves_the_bucket_nor_takes_a_weight_of_zero(weights: list[float], data: st.DataObject) -> None:
    """The first and the last point of every bucket, at the least and the greatest offset there is."""
    weights[0] = weights[0] or 1.0
    split = data.draw(st.integers(1, len(weights) - 1))
    buckets = bucketed([split, len(weights) - split], weights)
    for bucket in range(2):
        num_draws = buckets.num_draws(bucket)
        if num_draws:
            draws = np.array([0, num_draws // 2, num_draws - 1])
            for offset in (0.0, 2.0**-53, 0.5, 1 - 2.0**-53):
                positions = buckets.pick(bucket, draws, offset)
                assert positions.min() >= buckets.starts[bucket]
                assert positions.max() < buckets.starts[bucket + 1]
                assert all(weights[position] > 0 for position in positions)
                assert (np.diff(positions) >= 0).all()


def test_on_average_a_sample_comes_as_often_as_its_weight_says() -> None:
    """Rounded up as often as the rest of the share says: within 5 of the spread of so many coins."""
    weights = np.array([0.05, 0.3, 0.5, 1.7, 2.45, 0.0])
    sampler = sampling(bucketed([6], weights), 6)
    num_epochs = 2000
    counts = sum(times(sampler.at_epoch(epoch)) for epoch in range(num_epochs))
    shares = weights / weights.sum() * 6
    rest = shares % 1
    spread = np.sqrt(rest * (1 - rest) / num_epochs)
    assert (np.abs(counts / num_epochs - shares) <= 5 * spread + 1e-12).all()


def test_what_an_epoch_draws_by_weight_does_not_depend_on_the_shuffle() -> None:
    weights = np.random.default_rng(2).integers(0, 5, size=100)
    counts = [
        times(sampling(bucketed([100], weights), 10, shuffle=shuffle, epoch=4)).tolist()
        for shuffle in SHUFFLES.values()
    ]
    assert counts[1:] == counts[:-1]
    orders = {tuple(sampling(bucketed([100], weights), 100, shuffle=each)[0].tolist()) for each in SHUFFLES.values()}
    assert len(orders) == len(SHUFFLES)


def test_weights_that_are_mapped(tmp_path: Path) -> None:
    num_samples = 2_000_000
    rng = np.random.default_rng(5)
    weights = 10 ** rng.uniform(-12, 12, size=num_samples)
    weights[rng.integers(num_samples, size=1000)] = 0
    np.save(tmp_path / "weights.npy", np.cumsum(weights))
    np.save(tmp_path / "positions.npy", rng.permutation(num_samples).astype(np.uint32))
    until, positions = (np.load(tmp_path / f"{name}.npy", mmap_mode="r") for name in ("weights", "positions"))
    starts = np.array([0, num_samples])
    buckets = Buckets(names=("",), starts=starts, positions=positions, weights_until=until)
    counts = times(sampling(buckets, num_samples))[positions]
    assert counts.sum() == num_samples
    assert not counts[weights == 0].any()
    shares = weights / weights.sum() * num_samples
    assert (np.abs(counts - shares) < 1 + 1e-6).all()


# Golden


def test_golden_buckets() -> None:
    """Changing these numbers is an ITERATION ORDER BREAKING CHANGE: it bumps ORDER_VERSION and is in the changelog."""
    assert ORDER_VERSION == 2
    sampler = sampling(bucketed([1000, 5000, 300]), (4, 3, 2), epoch=3)
    found = [(*sampler.locate(step), *sampler[step].tolist()) for step in range(4)]
    assert found == [
        (1, 626, 2156, 5040, 5593),
        (1, 443, 1541, 1316, 4516),
        (1, 901, 3961, 2701, 3520),
        (1, 666, 3497, 3319, 4301),
    ]


def test_golden_weights() -> None:
    """Changing these numbers is an ITERATION ORDER BREAKING CHANGE: it bumps ORDER_VERSION and is in the changelog."""
    weights = np.arange(6300) % 10 + 1
    one = sampling(bucketed([6300], weights), 6, epoch=3)
    several = sampling(bucketed([1000, 5000, 300], weights), 6, epoch=3)
    assert one[5].tolist() == [4099, 89, 3774, 1813, 6104, 5205]
    assert several[5].tolist() == [1239, 4347, 5439, 5168, 1088, 3346]
    assert [several.num_draws(bucket) for bucket in range(3)] == [1000, 5000, 300]


# Errors


def test_refuses_buckets_without_a_batch() -> None:
    with pytest.raises(
        OrderError,
        match=r"no bucket has samples for one global batch; the largest, b1, has 5 for a global batch of 6; "
        r"take smaller batches or fewer buckets",
    ):
        sampling(bucketed([3, 5, 4]), (4, 6, 5))


def test_refuses_a_stream_of_buckets() -> None:
    with pytest.raises(OrderError, match="samples of several buckets come in batches, not one after another"):
        sampling(bucketed([3, 5]), 2).stream(0, 4)


def test_refuses_a_batch_size_that_is_not_shared_by_lanes() -> None:
    with pytest.raises(OrderError, match=r"4 lanes cannot share a global batch of 6 samples equally; .* multiple of 4"):
        sampling(bucketed([30, 50]), (8, 6), shuffle=Block(lanes=4))


@pytest.mark.parametrize("batches", [(2, 0), (0,) * 2, (2, -1)])
def test_refuses_batch_sizes_below_one(batches: tuple[int, ...]) -> None:
    with pytest.raises(OrderError, match=r"global_batch_size=(0|-1); expected at least 1"):
        sampling(bucketed([30, 50]), batches)


@pytest.mark.parametrize("batches", [(2,), (2, 2, 2)])
def test_refuses_as_many_batch_sizes_as_there_are_no_buckets(batches: tuple[int, ...]) -> None:
    with pytest.raises(OrderError, match="2"):
        sampling(bucketed([30, 50]), batches)


def test_refuses_buckets_of_another_selection() -> None:
    with pytest.raises(OrderError, match="80"):
        Sampler(num_samples=10, global_batch_size=2, seed=0, buckets=bucketed([30, 50]))


def test_at_epoch_keeps_the_buckets() -> None:
    sampler = sampling(bucketed([30, 50]), (3, 5))
    assert sampler.at_epoch(4).buckets is sampler.buckets
    assert replace(sampler, epoch=4) == sampler.at_epoch(4)
