"""The order of an epoch. Properties checked, for every shuffle:

- every position once: an epoch is a permutation of the selection, for any size, seed and epoch; with `drop_last`, less
  than a batch is missing, and other samples in each epoch;
- pure: a step does not depend on what was asked before, nor on the process it is asked in;
- elastic: `part` is `sampler[step][rank::world_size]`, so ranks' parts, taken in turn, are the global order, for any
  world size that divides the batch;
- endless: `stream` is the epochs one after another;
- golden: the numbers themselves do not change;
- any size: no step needs more than the batch.

`BATCH` is 12, so that 1, 2, 3, 4, 6 and 12 ranks divide it.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from cutlist.errors import OrderError
from cutlist.sampler import (
    MAX_SAMPLES,
    ORDER_VERSION,
    Block,
    Buckets,
    Sampler,
    Shuffle,
)
from cutlist.sampler.permutation import MAX_SEED

BATCH = 12
WORLD_SIZES = (1, 2, 3, 4, 6, 12)
SIZES = st.integers(1, 600)
SEEDS = st.integers(0, MAX_SEED)

SHUFFLES: dict[str, Shuffle] = {
    "full": "full",
    "none": None,
    "block": "block",
    "blocks of 1": Block(rows=1, window=1),
    "blocks of 5, windows of 3": Block(rows=5, window=3),
    "blocks of 64, windows of 1": Block(rows=64, window=1),
    "fragments": Block(rows="fragment", window=2),
    "lanes": Block(rows=7, window=2, lanes=BATCH),
    "lanes of fragments": Block(rows="fragment", window=1, lanes=4),
}

blocks = st.builds(Block, rows=st.integers(1, 700), window=st.integers(1, 20))
shuffles: st.SearchStrategy[Shuffle] = st.one_of(st.just("full"), st.just("block"), st.none(), blocks)


def make(num_samples: int, shuffle: Shuffle, *, batch: int = BATCH, seed: int = 7, epoch: int = 0) -> Sampler:
    """Return a sampler of one bucket, whose fragments have 1 to 40 samples."""
    ends = np.cumsum(np.random.default_rng(3).integers(1, 41, size=num_samples))
    fragments = np.array([0, *ends[ends < num_samples], num_samples])
    buckets = Buckets(names=("",), starts=np.array([0, num_samples]), blocks=fragments)
    return Sampler(
        num_samples=num_samples, global_batch_size=batch, seed=seed, epoch=epoch, shuffle=shuffle, buckets=buckets
    )


def together(steps: Iterable[NDArray[np.int64]]) -> list[int]:
    return [position for step in steps for position in step.tolist()]


# Every position once


@given(num_samples=SIZES, batch=st.integers(1, 50), shuffle=shuffles, seed=SEEDS, epoch=st.integers(0, 10**6))
def test_epoch_visits_every_position_once(
    num_samples: int, batch: int, shuffle: Shuffle, seed: int, epoch: int
) -> None:
    sampler = Sampler(
        num_samples=num_samples, global_batch_size=batch, seed=seed, epoch=epoch, shuffle=shuffle, drop_last=False
    )
    steps = list(sampler)
    assert len(steps) == len(sampler) == -(-num_samples // batch)
    assert all(step.dtype == np.int64 and type(step) is np.ndarray for step in steps)
    assert [len(step) for step in steps[:-1]] == [batch] * (len(steps) - 1)
    assert sorted(together(steps)) == list(range(num_samples))


@given(
    lanes=st.integers(1, 12),
    share=st.integers(1, 5),
    rows=st.integers(1, 90),
    window=st.integers(1, 9),
    num_samples=SIZES,
    seed=SEEDS,
)
def test_lanes_visit_no_position_twice(
    lanes: int, share: int, rows: int, window: int, num_samples: int, seed: int
) -> None:
    batch = lanes * share
    num_samples += batch
    shuffle = Block(rows=rows, window=window, lanes=lanes)
    sampler = Sampler(num_samples=num_samples, global_batch_size=batch, seed=seed, shuffle=shuffle)
    visited = together(sampler)
    assert len(visited) == len(set(visited)) == num_samples - num_samples % batch
    assert set(visited) <= set(range(num_samples))


@pytest.mark.parametrize("shuffle", SHUFFLES.values(), ids=SHUFFLES)
@pytest.mark.parametrize("num_samples", [BATCH, BATCH + 1, 125, 600, 1021])
def test_less_than_a_batch_is_left_out(num_samples: int, shuffle: Shuffle) -> None:
    sampler = make(num_samples, shuffle)
    left_out = []
    for epoch in range(20):
        visited = together(sampler.at_epoch(epoch))
        assert len(visited) == len(set(visited)) == num_samples // BATCH * BATCH
        left_out.append(tuple(sorted(set(range(num_samples)) - set(visited))))
    if shuffle is None:
        assert set(left_out) == {tuple(range(num_samples // BATCH * BATCH, num_samples))}
    elif num_samples % BATCH and num_samples > 100:
        assert len(set(left_out)) > 5, "not the same samples in every epoch"


@given(num_samples=SIZES, batch=st.integers(1, 50), shuffle=shuffles, seed=SEEDS)
def test_drop_last_leaves_out_only_the_short_batch(num_samples: int, batch: int, shuffle: Shuffle, seed: int) -> None:
    num_samples += batch  # so that there is at least one whole batch
    dropped = Sampler(num_samples=num_samples, global_batch_size=batch, seed=seed, shuffle=shuffle)
    kept = replace(dropped, drop_last=False)
    assert len(dropped) == num_samples // batch
    assert [step.tolist() for step in dropped] == [kept[step].tolist() for step in range(len(dropped))]


def test_without_shuffle_is_the_selections_order() -> None:
    sampler = Sampler(num_samples=7, global_batch_size=3, seed=5, epoch=2, shuffle=None, drop_last=False)
    assert [step.tolist() for step in sampler] == [[0, 1, 2], [3, 4, 5], [6]]


# Pure


@pytest.mark.parametrize("shuffle", SHUFFLES.values(), ids=SHUFFLES)
def test_steps_do_not_depend_on_what_was_asked_before(shuffle: Shuffle) -> None:
    expected = [make(605, shuffle)[step].tolist() for step in range(50)]
    used = make(605, shuffle)
    asked = np.random.default_rng(0).permutation(50)
    assert {int(step): used[step].tolist() for step in asked} == dict(enumerate(expected))
    assert [step.tolist() for step in used] == expected
    assert used.at_epoch(3).at_epoch(0)[17].tolist() == expected[17]
    assert used.at_epoch(3)[17].tolist() == make(605, shuffle, epoch=3)[17].tolist()
    assert used.at_epoch(0) is used


@pytest.mark.parametrize("shuffle", SHUFFLES.values(), ids=SHUFFLES)
def test_what_a_step_returns_can_be_written_to(shuffle: Shuffle) -> None:
    sampler = make(605, shuffle)
    expected = sampler[3].tolist()
    sampler[3][:] = -1
    assert sampler[3].tolist() == expected


@pytest.mark.parametrize("shuffle", SHUFFLES.values(), ids=SHUFFLES)
def test_pickling(shuffle: Shuffle) -> None:
    """Before and after a step is asked, as blocks are laid out then; Loaders are sent to workers at any time."""
    sampler = make(605, shuffle)
    copies = [pickle.loads(pickle.dumps(sampler))]
    expected = [step.tolist() for step in sampler]
    copies.append(pickle.loads(pickle.dumps(sampler)))
    for copy in copies:
        assert [step.tolist() for step in copy] == expected
        assert copy.at_epoch(2)[1].tolist() == sampler.at_epoch(2)[1].tolist()


def test_block_spelled_out_is_the_same() -> None:
    short, long = (
        Sampler(num_samples=50_000, global_batch_size=4, seed=1, shuffle=each) for each in ("block", Block())
    )
    assert short == long
    assert short[77].tolist() == long[77].tolist()


@given(num_samples=st.integers(BATCH, 10**12), shuffle=shuffles, seed=SEEDS, data=st.data())
def test_step_is_pure_at_any_size(num_samples: int, shuffle: Shuffle, seed: int, data: st.DataObject) -> None:
    sampler = Sampler(num_samples=num_samples, global_batch_size=BATCH, seed=seed, shuffle=shuffle)
    step = data.draw(st.integers(0, len(sampler) - 1))
    first = sampler[step]
    _ = sampler[0], sampler[len(sampler) - 1]
    assert first.tolist() == sampler[step].tolist()
    assert first.tolist() == sampler[np.int64(step)].tolist()  # type: ignore[index]


@given(num_samples=st.integers(1, MAX_SAMPLES), shuffle=shuffles, seed=SEEDS, data=st.data())
def test_batch_size_does_not_change_the_order(
    num_samples: int, shuffle: Shuffle, seed: int, data: st.DataObject
) -> None:
    half = data.draw(st.integers(1, 8))
    fine = Sampler(num_samples=num_samples, global_batch_size=half, seed=seed, shuffle=shuffle, drop_last=False)
    coarse = replace(fine, global_batch_size=2 * half)
    step = data.draw(st.integers(0, len(coarse) - 1))
    parts = [fine[each] for each in (2 * step, 2 * step + 1) if each < len(fine)]
    assert coarse[step].tolist() == np.concatenate(parts).tolist()


@pytest.mark.parametrize("shuffle", [each for each in SHUFFLES.values() if each is not None])
def test_seeds_and_epochs_differ(shuffle: Shuffle) -> None:
    num_samples = 6000
    orders = [
        np.concatenate(list(make(num_samples, shuffle, seed=seed, epoch=epoch)))
        for seed, epoch in [(0, 0), (0, 1), (1, 0), (1, 1), (MAX_SEED, 0), (0, MAX_SEED)]
    ]
    for left in range(len(orders)):
        for right in range(left):
            # Two random orders agree in one place on average. Blocks of 1024 may fall into their place: 1 in 6.
            assert np.count_nonzero(orders[left] == orders[right]) < num_samples / 3


def test_seed_and_epoch_are_not_added_up() -> None:
    assert make(1000, "full", seed=0, epoch=1)[0].tolist() != make(1000, "full", seed=1, epoch=0)[0].tolist()


# Elastic


@pytest.mark.parametrize("world_size", WORLD_SIZES)
@pytest.mark.parametrize("shuffle", SHUFFLES.values(), ids=SHUFFLES)
def test_order_does_not_depend_on_world_size(shuffle: Shuffle, world_size: int) -> None:
    sampler = make(125, shuffle, epoch=3)
    for step, positions in enumerate(sampler):
        parts = [sampler.part(step, rank=rank, world_size=world_size) for rank in range(world_size)]
        assert {len(part) for part in parts} == {BATCH // world_size}
        assert np.stack(parts, axis=1).reshape(-1).tolist() == positions.tolist()
        for rank, part in enumerate(parts):
            assert part.tolist() == positions[rank::world_size].tolist()
            assert part.tolist() == positions[rank::world_size].tolist()


@given(num_samples=st.integers(10**6, MAX_SAMPLES), shuffle=shuffles, seed=SEEDS, data=st.data())
def test_part_is_a_strided_slice_at_any_size(
    num_samples: int, shuffle: Shuffle, seed: int, data: st.DataObject
) -> None:
    world_size = data.draw(st.integers(1, 64))
    batch = world_size * data.draw(st.integers(1, 9))
    sampler = Sampler(num_samples=num_samples, global_batch_size=batch, seed=seed, shuffle=shuffle)
    step, rank = data.draw(st.integers(0, len(sampler) - 1)), data.draw(st.integers(0, world_size - 1))
    part = sampler.part(step, rank=rank, world_size=world_size)
    assert part.tolist() == sampler[step][rank::world_size].tolist()


def test_a_short_last_batch_is_shared_where_it_can_be() -> None:
    sampler = Sampler(num_samples=16, global_batch_size=BATCH, seed=0, drop_last=False)
    assert sampler.part(1, rank=1, world_size=2).tolist() == sampler[1][1::2].tolist()
    with pytest.raises(OrderError, match=r"batch of 4 cannot be shared equally by world_size=3 ranks"):
        sampler.part(1, rank=0, world_size=3)


# Endless


@pytest.mark.parametrize("shuffle", [each for name, each in SHUFFLES.items() if "lanes" not in name])
@pytest.mark.parametrize("weighted", [False, True])
def test_stream_is_the_epochs_one_after_another(shuffle: Shuffle, weighted: bool) -> None:
    num_samples = 61
    sampler = replace(make(num_samples, shuffle), drop_last=False)
    if weighted:
        assert sampler.buckets is not None
        weights = np.cumsum(np.arange(num_samples, dtype=np.float64))
        sampler = replace(sampler, buckets=replace(sampler.buckets, weights_until=weights))
    epochs = together(step for epoch in range(4) for step in sampler.at_epoch(epoch))
    assert len(epochs) == 4 * num_samples
    assert sampler.stream(0, 4 * num_samples).tolist() == epochs
    assert sampler.at_epoch(3).stream(0, 4 * num_samples).tolist() == epochs, "counted from epoch 0, whichever it is of"
    for start, stop in [(0, 0), (60, 61), (60, 62), (61, 122), (30, 200), (243, 244)]:
        assert sampler.stream(start, stop).tolist() == epochs[start:stop]
        for every in (1, 2, 7, 61, 100, 1000):
            assert sampler.stream(start, stop, every=every).tolist() == epochs[start:stop:every]
    assert sampler.stream(5, 3).tolist() == []
    assert sampler.stream(0, 10).dtype == np.int64


@given(start=st.integers(0, 10**15), length=st.integers(0, 50), every=st.integers(1, 9), seed=SEEDS)
def test_stream_anywhere(start: int, length: int, every: int, seed: int) -> None:
    sampler = Sampler(num_samples=17, global_batch_size=5, seed=seed)
    found = sampler.stream(start, start + length, every=every).tolist()
    expected = [
        sampler.at_epoch(number // 17).stream(number, number + 1)[0] for number in range(start, start + length, every)
    ]
    assert found == expected
    whole_epoch = sampler.stream(start // 17 * 17, start // 17 * 17 + 17)
    assert sorted(whole_epoch.tolist()) == list(range(17))


# Golden


GOLDEN: dict[str, list[int]] = {
    "full": [1605, 4774, 1959, 3774, 4477, 2710, 779, 4586, 723, 4515, 4136, 1919],
    "none": [1200, 1201, 1202, 1203, 1204, 1205, 1206, 1207, 1208, 1209, 1210, 1211],
    "block": [1113, 2860, 1404, 4683, 2124, 3330, 4995, 612, 4998, 286, 2504, 3344],
    "blocks of 1": [3664, 3805, 2561, 3743, 2613, 2009, 1499, 9, 4350, 4221, 3108, 3380],
    "blocks of 5, windows of 3": [2975, 2813, 2811, 2976, 1381, 1383, 2814, 1382, 2978, 2979, 1384, 2812],
    "blocks of 64, windows of 1": [4042, 4079, 4072, 4082, 4075, 4053, 4056, 4086, 4077, 4043, 4052, 4083],
    "fragments": [2791, 2789, 2805, 2797, 3275, 2802, 2774, 2772, 2771, 2794, 2778, 2773],
    "lanes": [2352, 4004, 3146, 2336, 1190, 2238, 4088, 1287, 4498, 3288, 3981, 2697],
    "lanes of fragments": [3879, 2154, 2946, 3677, 3898, 2164, 2913, 3690, 3885, 2155, 2917, 3681],
}


@pytest.mark.parametrize("name", SHUFFLES)
def test_golden_shuffles(name: str) -> None:
    """Changing these numbers is an ITERATION ORDER BREAKING CHANGE: it bumps ORDER_VERSION and is in the changelog."""
    assert ORDER_VERSION == 2
    assert make(5000, SHUFFLES[name], epoch=3)[100].tolist() == GOLDEN[name]


def test_golden_sizes() -> None:
    """Changing these numbers is an ITERATION ORDER BREAKING CHANGE: it bumps ORDER_VERSION and is in the changelog."""
    golden = {
        10: [9, 4, 3, 8],
        64: [20, 54, 8, 14],
        1000: [704, 157, 987, 919],
        10**9: [915834292, 431020476, 633947449, 145349660],
        2**62: [4433890519640626451, 3218786694986292950, 392817738255112246, 3797041287324879416],
    }
    found = {n: Sampler(num_samples=n, global_batch_size=4, seed=7, epoch=3)[0].tolist() for n in golden}
    assert found == golden


# Any size


@pytest.mark.parametrize("num_samples", [10**9, 2**29 + 1, 2**40, MAX_SAMPLES])
@pytest.mark.parametrize("shuffle", ["full", Block(), Block(rows=1, window=2**31), Block(rows=10**6, lanes=256)])
def test_huge_selections(num_samples: int, shuffle: Shuffle) -> None:
    sampler = Sampler(num_samples=num_samples, global_batch_size=256, seed=1, epoch=5, shuffle=shuffle)
    steps = [0, 1, 2, 12345, len(sampler) // 2, len(sampler) - 1]
    positions = np.concatenate([sampler[step] for step in steps])
    assert len(set(positions.tolist())) == 256 * len(steps)
    assert positions.min() >= 0
    assert positions.max() < num_samples
    if shuffle == "full":
        assert 0.4 < float((positions < num_samples // 2).mean()) < 0.6


@pytest.mark.parametrize("rows", [MAX_SAMPLES, MAX_SAMPLES - 1, MAX_SAMPLES // 2 + 1, MAX_SAMPLES // 3])
@pytest.mark.parametrize("num_samples", [MAX_SAMPLES, MAX_SAMPLES - 1, 1000])
def test_huge_blocks_do_not_overflow(num_samples: int, rows: int) -> None:
    for window in (1, 2**31):
        shuffle = Block(rows=rows, window=window)
        sampler = Sampler(num_samples=num_samples, global_batch_size=100, seed=1, shuffle=shuffle)
        for step in (0, len(sampler) // 2, len(sampler) - 1):
            positions = sampler[step]
            assert len(np.unique(positions)) == 100
            assert positions.min() >= 0
            assert positions.max() < num_samples


# Errors


@pytest.mark.parametrize("shuffle", [True, False, "blocks", 0, 1, ""])
def test_refuses_other_shuffles(shuffle: object) -> None:
    with pytest.raises(OrderError, match=rf'shuffle={shuffle!r}; allowed: "full" .*, "block" or .*, or None'):
        Sampler(num_samples=10, global_batch_size=2, seed=0, shuffle=shuffle)  # type: ignore[arg-type]


def test_refuses_a_batch_larger_than_the_selection() -> None:
    with pytest.raises(
        OrderError, match=r"global batch of 64 .* is larger than the selection's 50 samples.*at most 50"
    ):
        Sampler(num_samples=50, global_batch_size=64, seed=0)
    assert len(Sampler(num_samples=50, global_batch_size=64, seed=0, drop_last=False)) == 1


def test_refuses_an_empty_selection() -> None:
    with pytest.raises(OrderError, match="the selection has no samples; an order needs at least one"):
        Sampler(num_samples=0, global_batch_size=1, seed=0)


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("num_samples", -1, "at least 1"),
        ("num_samples", MAX_SAMPLES + 1, "at least 1 and at most 4611686018427387904"),
        ("global_batch_size", 0, "at least 1"),
        ("global_batch_size", -4, "at least 1"),
        ("seed", -1, "at least 0"),
        ("seed", 2**64, "at most 18446744073709551615"),
        ("epoch", -1, "at least 0"),
        ("epoch", 2**64, "at most 18446744073709551615"),
    ],
)
def test_refuses_values_out_of_range(field: str, value: int, expected: str) -> None:
    fields = {"num_samples": 10, "global_batch_size": 2, "seed": 0, "epoch": 0} | {field: value}
    with pytest.raises(OrderError, match=f"{field}={value}; expected .*{expected}"):
        Sampler(**fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(("lanes", "drop_last"), [(5, True), (24, True), (4, False)])
def test_refuses_lanes_that_do_not_share_equally(lanes: int, drop_last: bool) -> None:
    expected = rf"{lanes} lanes cannot share a global batch of 12 samples equally; expected a multiple of {lanes}, and"
    with pytest.raises(OrderError, match=rf"{expected} drop_last=True"):
        Sampler(
            num_samples=100, global_batch_size=BATCH, seed=0, shuffle=Block(rows=4, lanes=lanes), drop_last=drop_last
        )


def test_refuses_fragments_that_are_not_known() -> None:
    sampler = Sampler(num_samples=10, global_batch_size=2, seed=0, shuffle=Block(rows="fragment"))
    with pytest.raises(OrderError, match=r'Block\(rows="fragment"\) needs to know where the fragments begin'):
        sampler[0]


def test_refuses_steps_outside_the_epoch() -> None:
    sampler = Sampler(num_samples=10, global_batch_size=2, seed=0)
    for ask in (sampler.__getitem__, sampler.part, sampler.locate):
        with pytest.raises(OrderError, match="step=-1; expected at least 0"):
            ask(-1)
        with pytest.raises(IndexError, match="step=5; this epoch has 5 steps"):
            ask(5)
    with pytest.raises(OrderError, match="epoch=-2; expected at least 0"):
        sampler.at_epoch(-2)
    with pytest.raises(OrderError, match="epoch=-1; expected at least 0"):
        sampler.stream(-1, 5)
    with pytest.raises(TypeError, match="'float' object cannot be interpreted as an integer"):
        sampler[1.0]  # type: ignore[index]


def test_refuses_ranks_that_do_not_share_equally() -> None:
    sampler = Sampler(num_samples=100, global_batch_size=BATCH, seed=0)
    with pytest.raises(OrderError, match=r"batch of 12 cannot be shared equally by world_size=5 ranks"):
        sampler.part(0, rank=0, world_size=5)
    with pytest.raises(OrderError, match="rank=3; expected at least 0 and at most 2"):
        sampler.part(0, rank=3, world_size=3)
    with pytest.raises(OrderError, match="world_size=0; expected at least 1"):
        sampler.part(0, rank=0, world_size=0)
