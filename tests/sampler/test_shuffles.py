"""Block shuffles, lanes and fragments. Properties checked:

- windows: samples of at most `window` blocks are under way at any time, and of that many;
- uniform: any block may be anywhere, the short last one too, and any sample of a window anywhere in it;
- fragments: blocks of any lengths, each whole;
- lanes: sample j of a batch comes from lane j % lanes, so that rank r of W has samples of lanes r, r + W, … only, and
  ranks share few blocks.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from cutlist.errors import OrderError
from cutlist.sampler import MAX_SAMPLES, Block, Buckets, Sampler
from cutlist.sampler.permutation import MAX_SEED
from cutlist.sampler.shuffles import arrange, checked, lay_out

KEYS = st.integers(0, MAX_SEED)


def even(num_samples: int, rows: int) -> NDArray[np.int64]:
    """Return where blocks of `rows` samples begin, and the number of samples."""
    return np.append(np.arange(0, num_samples, rows), num_samples)


def uneven(sizes: list[int]) -> NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)


def order(starts: NDArray[np.int64], *, window: int, key: int, rows: int | None = None) -> NDArray[np.int64]:
    """Return all places of an order of blocks of `rows` samples, or of those that begin at `starts`."""
    n = int(starts[-1])
    shuffle = Block(rows=rows or "fragment", window=window)
    layout = lay_out(shuffle, n=n, key=key, blocks=None if rows else starts)
    return arrange(np.arange(n), n=n, key=key, shuffle=shuffle, layout=layout)


def under_way(samples: NDArray[np.int64], starts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return, for each place, the number of blocks that have begun by then and are not complete before it."""
    block = np.searchsorted(starts, samples, side="right") - 1
    places = np.arange(len(samples))
    first, last = np.full(len(starts) - 1, len(samples)), np.full(len(starts) - 1, -1)
    np.minimum.at(first, block, places)
    np.maximum.at(last, block, places)
    change = np.zeros(len(samples) + 1, dtype=np.int64)
    np.add.at(change, first, 1)
    np.add.at(change, last + 1, -1)
    return np.cumsum(change)[:-1]


def chi_square(counts: NDArray[np.int64]) -> float:
    """Return how many standard deviations the chi-square statistic of equally likely cells is from its mean.

    With k cells it has the mean k - 1 and the variance 2(k - 1): Knuth, The Art of Computer Programming 2, 3.3.1.
    """
    mean = counts.sum() / counts.size
    freedom = counts.size - 1
    return float((((counts - mean) ** 2 / mean).sum() - freedom) / (2 * freedom) ** 0.5)


# Windows


@given(n=st.integers(1, 800), rows=st.integers(1, 900), window=st.integers(1, 12), key=KEYS)
def test_blocks_under_way_are_those_of_a_window(n: int, rows: int, window: int, key: int) -> None:
    starts = even(n, rows)
    samples = order(starts, window=window, key=key, rows=rows)
    assert sorted(samples.tolist()) == list(range(n))
    assert under_way(samples, starts).max() <= min(window, len(starts) - 1)


@given(sizes=st.lists(st.integers(1, 60), min_size=1, max_size=40), window=st.integers(1, 12), key=KEYS)
def test_fragments_under_way_are_those_of_a_window(sizes: list[int], window: int, key: int) -> None:
    starts = uneven(sizes)
    samples = order(starts, window=window, key=key)
    assert sorted(samples.tolist()) == list(range(sum(sizes)))
    assert under_way(samples, starts).max() <= window


@pytest.mark.parametrize("rows", [None, 50])
@pytest.mark.parametrize("window", [1, 2, 5, 20])
def test_windows_are_as_wide_as_they_should_be(window: int, rows: int | None) -> None:
    """With blocks of 50, whether all of a window's are under way half-way through it is no matter of luck."""
    starts = even(5000, 50)
    found = under_way(order(starts, window=window, key=5, rows=rows), starts)
    middles = found[np.arange(0, 5000, 50 * window) + 25 * window]
    assert set(middles.tolist()) == {window}


@pytest.mark.parametrize("rows", [None, 10])
def test_windows_of_one_size_have_orders_of_their_own(rows: int | None) -> None:
    samples = order(even(1000, 10), window=1, key=9, rows=rows).reshape(100, 10)
    assert (samples // 10 == samples[:, :1] // 10).all(), "one block after another"
    assert len({tuple(row) for row in (samples % 10).tolist()}) == 100


def test_one_window_over_everything_is_a_full_shuffle_in_spirit() -> None:
    samples = order(even(1000, 10), window=100, key=9, rows=10)
    assert len(np.unique(samples[:100] // 10)) > 50


def test_a_layout_that_is_given_is_the_one_that_would_be_made() -> None:
    shuffle = Block(rows=7, window=3)
    given_layout = lay_out(shuffle, n=100, key=4)
    places = np.array([99, 0, 50, 50])
    found = arrange(places, n=100, key=4, shuffle=shuffle, layout=given_layout)
    assert found.tolist() == arrange(places, n=100, key=4, shuffle=shuffle).tolist()
    assert found[2] == found[3]


# Uniform


@pytest.mark.parametrize(("n", "rows"), [(50, 8), (56, 8), (57, 8), (7, 1), (13, 2)])
def test_every_block_comes_everywhere_equally_often(n: int, rows: int) -> None:
    """Blocks one after another, so the order of the blocks is seen; 50 samples in blocks of 8: the last one has 2."""
    starts = even(n, rows)
    num_blocks = len(starts) - 1
    counts = np.zeros((num_blocks, num_blocks), dtype=np.int64)
    for key in range(300 * num_blocks):
        blocks = order(starts, window=1, key=key, rows=rows) // rows
        sequence = blocks[np.append(True, np.diff(blocks) != 0)]
        assert len(sequence) == num_blocks
        counts[sequence, np.arange(num_blocks)] += 1
    for of_block in counts:
        assert abs(chi_square(of_block)) < 5
    for at_place in counts.T:
        assert abs(chi_square(at_place)) < 5


def test_every_fragment_comes_everywhere_equally_often() -> None:
    sizes = [1, 9, 3, 30, 2]
    starts = uneven(sizes)
    counts = np.zeros((5, 5), dtype=np.int64)
    for key in range(2000):
        blocks = np.searchsorted(starts, order(starts, window=1, key=key), side="right") - 1
        sequence = blocks[np.append(True, np.diff(blocks) != 0)]
        counts[sequence, np.arange(5)] += 1
    assert all(abs(chi_square(each)) < 5 for each in [*counts, *counts.T])


@pytest.mark.parametrize("rows", [None, 5])
def test_every_sample_of_a_window_comes_everywhere_in_it(rows: int | None) -> None:
    """One window of 4 blocks of 5: every sample at every place."""
    counts = np.zeros((20, 20), dtype=np.int64)
    for key in range(4000):
        counts[order(even(20, 5), window=4, key=key, rows=rows), np.arange(20)] += 1
    assert all(abs(chi_square(each)) < 5 for each in [*counts, *counts.T])


# Fragments


def test_fragments_of_a_bucket_stay_in_it() -> None:
    """Two buckets of two fragments each; what lies in a fragment together comes together."""
    starts = np.array([0, 30, 100])
    buckets = Buckets(names=("a", "b"), starts=starts, blocks=np.array([0, 10, 30, 31, 100]))
    assert [buckets.blocks_of(each).tolist() for each in (0, 1)] == [[0, 10, 30], [0, 1, 70]]  # type: ignore[union-attr]
    sampler = Sampler(
        num_samples=100,
        global_batch_size=(10, 70),
        seed=2,
        shuffle=Block(rows="fragment", window=1),
        buckets=buckets,
    )
    for epoch in range(10):
        of_epoch = sampler.at_epoch(epoch)
        for step in range(len(of_epoch)):
            bucket, batch = of_epoch.locate(step)
            positions = sorted(of_epoch[step].tolist())
            if bucket == 1:
                assert positions == list(range(30, 100))
            elif batch == 0:
                assert positions == list(range(10)) or set(positions) <= set(range(10, 30))


def test_without_fragments_there_are_no_blocks() -> None:
    assert Buckets.whole(10).blocks_of(0) is None


# Lanes


@given(
    lanes=st.integers(1, 8),
    share=st.integers(1, 4),
    rows=st.integers(1, 40),
    window=st.integers(1, 5),
    num_samples=st.integers(0, 400),
    seed=KEYS,
)
def test_sample_j_comes_from_lane_j(
    lanes: int, share: int, rows: int, window: int, num_samples: int, seed: int
) -> None:
    """A lane is a stretch of the order without lanes, and each step takes the next `share` of it."""
    batch = lanes * share
    num_samples += batch
    plain = Sampler(
        num_samples=num_samples, global_batch_size=num_samples, seed=seed, shuffle=Block(rows=rows, window=window)
    )[0]
    shuffle = Block(rows=rows, window=window, lanes=lanes)
    sampler = Sampler(num_samples=num_samples, global_batch_size=batch, seed=seed, shuffle=shuffle)
    stretches = plain[: len(sampler) * batch].reshape(lanes, len(sampler), share)
    for step, positions in enumerate(sampler):
        assert positions.reshape(share, lanes).T.tolist() == stretches[:, step].tolist()


@pytest.mark.parametrize("world_size", [1, 2, 3, 4, 6, 12])
def test_a_rank_has_samples_of_its_own_lanes(world_size: int) -> None:
    lanes = 12
    sampler = Sampler(num_samples=1000, global_batch_size=24, seed=3, shuffle=Block(rows=16, window=2, lanes=lanes))
    plain = Sampler(num_samples=1000, global_batch_size=1000, seed=3, shuffle=Block(rows=16, window=2))[0]
    length = len(sampler) * 2
    lane_of = {int(position): place // length for place, position in enumerate(plain[: length * lanes])}
    for rank in range(world_size):
        found = {
            lane_of[position]
            for step in range(len(sampler))
            for position in sampler.part(step, rank=rank, world_size=world_size).tolist()
        }
        assert found == set(range(rank, lanes, world_size))


@pytest.mark.parametrize("window", [1, 4])
@pytest.mark.parametrize("world_size", [2, 4, 8])
def test_ranks_share_few_fragments(world_size: int, window: int) -> None:
    """Where two lanes meet, they share the blocks of one window at most."""
    lanes = 8
    rng = np.random.default_rng(1)
    starts = uneven([*rng.integers(1, 150, size=150).tolist(), 1500, 1, 1])
    num_samples, num_blocks = int(starts[-1]), len(starts) - 1
    buckets = Buckets(names=("",), starts=np.array([0, num_samples]), blocks=starts)

    def touched(shuffle: Block) -> list[int]:
        sampler = Sampler(num_samples=num_samples, global_batch_size=16, seed=1, shuffle=shuffle, buckets=buckets)
        steps = range(len(sampler))
        parts = [
            np.concatenate([sampler.part(step, rank=rank, world_size=world_size) for step in steps])
            for rank in range(world_size)
        ]
        return [len(np.unique(np.searchsorted(starts, part, side="right"))) for part in parts]

    with_lanes = touched(Block(rows="fragment", window=window, lanes=lanes))
    without = touched(Block(rows="fragment", window=window))
    assert sum(with_lanes) <= num_blocks + (lanes - 1) * window
    assert min(without) > 0.9 * num_blocks, "without lanes, every rank reads nearly every fragment"


# Errors


def test_refuses_blocks_out_of_range() -> None:
    with pytest.raises(OrderError, match=r"Block\(rows='fragments'\): expected a whole number, or \"fragment\""):
        Block(rows="fragments")  # type: ignore[arg-type]
    for rows in (0, -1, MAX_SAMPLES + 1):
        with pytest.raises(OrderError, match=f"Block.rows={rows}; expected at least 1 and at most {MAX_SAMPLES}"):
            Block(rows=rows)
    for window in (0, 2**31 + 1):
        with pytest.raises(OrderError, match=f"Block.window={window}; expected at least 1 and at most 2147483648"):
            Block(window=window)
    for lanes in (0, 2**31 + 1):
        with pytest.raises(OrderError, match=f"Block.lanes={lanes}; expected at least 1 and at most 2147483648"):
            Block(lanes=lanes)


def test_refuses_what_is_no_shuffle() -> None:
    with pytest.raises(
        OrderError,
        match=r'shuffle=\'random\'; allowed: "full" \(any sample anywhere in the epoch\), "block" or '
        r"Block\(rows=…, window=…, lanes=…\) \(blocks of neighbours\), or None \(the selection's own order\)",
    ):
        checked("random")  # type: ignore[arg-type]
    assert checked("block") == Block()
    assert checked("full") == "full"
    assert checked(None) is None


def test_refuses_fragments_that_are_not_known() -> None:
    with pytest.raises(OrderError, match=r'Block\(rows="fragment"\) needs to know where the fragments begin'):
        lay_out(Block(rows="fragment"), n=10, key=0)
