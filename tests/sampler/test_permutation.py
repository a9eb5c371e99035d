"""Keyed permutations of [0, n). Properties checked:

- each value once, for any n and key;
- pure: a position's value does not depend on what is asked beside it, nor on the shape it is asked in;
- keys: two of them give unrelated orders, and `derive` is not symmetric, nor a sum;
- golden: the numbers themselves do not change.

That the orders look random is in `test_statistics.py`.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cutlist.errors import OrderError
from cutlist.sampler import MAX_SAMPLES, ORDER_VERSION, permute
from cutlist.sampler.permutation import MAX_SEED, derive, tag

KEYS = st.integers(0, MAX_SEED)
BLOCK = 16_384
"""Positions that `permute` works on at a time; sizes beside it are where pieces would be put together wrongly."""


# Each value once


@pytest.mark.parametrize("n", [1, 2, 3, 63, 64, 65, 127, 128, 129, 1000, 4096, 4097, BLOCK, BLOCK + 1, 100_003])
def test_permute_is_a_permutation(n: int) -> None:
    for key in (0, 1, MAX_SEED):
        assert np.array_equal(np.sort(permute(np.arange(n), n=n, key=key)), np.arange(n))


@given(n=st.integers(1, 3000), key=KEYS)
def test_any_size_and_key_give_each_value_once(n: int, key: int) -> None:
    assert np.array_equal(np.sort(permute(np.arange(n), n=n, key=key)), np.arange(n))


@given(n=st.integers(10**6, MAX_SAMPLES), key=KEYS, data=st.data())
def test_no_two_positions_share_a_value_at_any_size(n: int, key: int, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, n - 1000))
    values = permute(np.arange(start, start + 1000), n=n, key=key)
    assert len(np.unique(values)) == 1000
    assert values.min() >= 0
    assert values.max() < n


# Pure


@given(n=st.integers(1, MAX_SAMPLES), key=KEYS, data=st.data())
def test_a_value_does_not_depend_on_its_neighbours(n: int, key: int, data: st.DataObject) -> None:
    positions = np.array(data.draw(st.lists(st.integers(0, n - 1), min_size=1, max_size=20)), dtype=np.int64)
    before = positions.copy()
    together = permute(positions, n=n, key=key)
    alone = [int(permute(positions[i : i + 1], n=n, key=key)[0]) for i in range(len(positions))]
    assert together.tolist() == alone
    assert positions.tolist() == before.tolist()


def test_permute_keeps_the_shape() -> None:
    positions = np.arange(100_000).reshape(1000, 100)
    for each in (positions, positions[:0], positions.T, positions[::7, ::-3]):
        values = permute(each, n=10**6, key=3)
        assert values.shape == each.shape
        assert values.dtype == np.int64
        assert np.array_equal(values.reshape(-1), permute(each.reshape(-1), n=10**6, key=3))


# Keys


@given(n=st.integers(100, 5000), key=st.integers(0, MAX_SEED - 1))
def test_neighbouring_keys_give_unrelated_orders(n: int, key: int) -> None:
    one, other = (permute(np.arange(n), n=n, key=each) for each in (key, key + 1))
    # Two random orders agree in k places with probability about 1 / (e k!): 15 or more is 3e-13.
    assert np.count_nonzero(one == other) < 15


def test_keys_are_not_added_up() -> None:
    numbers = range(40)
    assert len({derive(a, b) for a in numbers for b in numbers}) == 40 * 40
    assert len({derive(each) for each in numbers} | {derive(each, 0) for each in numbers}) == 80
    assert all(0 <= derive(a, b) <= MAX_SEED for a in (0, MAX_SEED) for b in (0, MAX_SEED))


def test_every_bit_of_a_part_changes_half_of_the_key() -> None:
    """The avalanche of 64 bits: 32 of them change on average, with a spread of 4; over 3 × 64 pairs, of 0.29."""
    changed = [(derive(key) ^ derive(key ^ (1 << bit))).bit_count() for key in (0, 1, 2**63) for bit in range(64)]
    assert abs(sum(changed) / len(changed) - 32) < 5 * 4 / len(changed) ** 0.5
    assert min(changed) > 32 - 5 * 4
    assert max(changed) < 32 + 5 * 4


def test_tags_differ() -> None:
    words = ["epoch", "steps", "bucket", "offset", "blocks", "short", "window", "component"]
    assert len({tag(word) for word in words}) == len(words)
    assert all(100 < tag(word) <= MAX_SEED for word in words), "apart from the numbers of rounds, buckets and windows"
    assert all(a != b for a, b in pairwise(sorted(map(tag, words))))


# Golden


def test_golden_permutations() -> None:
    """Changing these numbers is an ITERATION ORDER BREAKING CHANGE: it bumps ORDER_VERSION and is in the changelog."""
    assert ORDER_VERSION == 2
    golden = {
        3: [1, 0, 2],
        63: [56, 45, 39],
        64: [9, 15, 20],
        1000: [590, 595, 659],
        10**9: [742584263, 843081838, 111074580],
        2**62: [2009555208033454089, 3196842735994006440, 4438148584901636275],
    }
    found = {n: permute(np.arange(3), n=n, key=7).tolist() for n in golden}
    assert found == golden
    assert derive(1, 2, 3) == 7702586659592502839
    assert tag("epoch") == int.from_bytes(b"epoch", "big") == 435678045032


# Errors


def test_refuses_positions_outside_the_domain() -> None:
    with pytest.raises(OrderError, match=r"positions from 0 to 10; expected all of them in \[0, 10\)"):
        permute(np.arange(11), n=10, key=0)
    with pytest.raises(OrderError, match=r"positions from -1 to 3; expected all of them in \[0, 10\)"):
        permute(np.arange(-1, 4), n=10, key=0)


def test_refuses_numbers_out_of_range() -> None:
    for n in (0, MAX_SAMPLES + 1):
        with pytest.raises(OrderError, match=f"n={n}; expected at least 1 and at most {MAX_SAMPLES}"):
            permute(np.arange(0), n=n, key=0)
    for key in (-1, MAX_SEED + 1):
        with pytest.raises(OrderError, match=f"key={key}; expected at least 0 and at most {MAX_SEED}"):
            permute(np.arange(1), n=1, key=key)
