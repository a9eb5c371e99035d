"""Who takes which part. Properties checked:

- ranks: taking one sample of each rank in turn gives the global batch, and every rank has as many;
- workers: asking them in turn gives the steps in order, each once.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cutlist.errors import OrderError
from cutlist.sampler import Sampler, worker_steps


@given(world_size=st.integers(1, 40), share=st.integers(1, 10))
def test_ranks_in_turn_give_the_batch(world_size: int, share: int) -> None:
    sampler = Sampler(num_samples=world_size * share, global_batch_size=world_size * share, seed=0)
    parts = [sampler.part(0, rank=rank, world_size=world_size) for rank in range(world_size)]
    assert {len(part) for part in parts} == {share}
    assert np.stack(parts, axis=1).reshape(-1).tolist() == sampler[0].tolist()


@given(world_size=st.integers(1, 6), factor=st.integers(1, 6), share=st.integers(1, 5))
def test_fewer_ranks_take_whole_parts_of_more(world_size: int, factor: int, share: int) -> None:
    """With W ranks, rank r reads what the ranks r, r + W, … of a multiple of W would: lanes rest on this."""
    size = world_size * factor * share
    sampler = Sampler(num_samples=size, global_batch_size=size, seed=0, shuffle=None)
    for rank in range(world_size):
        many = [
            sampler.part(0, rank=each, world_size=world_size * factor)
            for each in range(rank, world_size * factor, world_size)
        ]
        one = sampler.part(0, rank=rank, world_size=world_size)
        assert sorted(np.concatenate(many).tolist()) == one.tolist()


@given(start=st.integers(0, 40), count=st.integers(0, 40), num_workers=st.integers(1, 9))
def test_workers_in_turn_give_step_order(start: int, count: int, num_workers: int) -> None:
    steps = [list(worker_steps(start, start + count, worker, num_workers)) for worker in range(num_workers)]
    in_turn = [steps[turn % num_workers][turn // num_workers] for turn in range(count)]
    assert in_turn == list(range(start, start + count))
    assert sum(map(len, steps)) == count


def test_refuses_ranks_that_do_not_share_equally() -> None:
    sampler = Sampler(num_samples=12, global_batch_size=12, seed=0)
    with pytest.raises(
        OrderError, match=r"batch of 12 cannot be shared equally by world_size=5 ranks; .* multiple of 5"
    ):
        sampler.part(0, rank=0, world_size=5)
    for rank in (3, -1):
        with pytest.raises(OrderError, match=f"rank={rank}; expected at least 0 and at most 2"):
            sampler.part(0, rank=rank, world_size=3)
    with pytest.raises(OrderError, match="world_size=0; expected at least 1"):
        sampler.part(0, rank=0, world_size=0)


def test_refuses_workers_out_of_range() -> None:
    with pytest.raises(OrderError, match="worker=2; expected at least 0 and at most 1"):
        worker_steps(0, 10, 2, 2)
    with pytest.raises(OrderError, match="worker=-1; expected at least 0 and at most 1"):
        worker_steps(0, 10, -1, 2)
    with pytest.raises(OrderError, match="num_workers=0; expected at least 1"):
        worker_steps(0, 10, 0, 0)
    with pytest.raises(OrderError, match="start=-1; expected at least 0"):
        worker_steps(-1, 10, 0, 1)
