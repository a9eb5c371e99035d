"""Who takes which part: ranks of a step's batch, workers of the steps."""

from __future__ import annotations

from cutlist.errors import OrderError
from cutlist.sampler.permutation import MAX_SAMPLES, check_range


def check_ranks(global_batch_size: int, rank: int, world_size: int) -> None:
    """Raise OrderError unless a rank is one of a world that can share a batch equally."""
    check_range("world_size", world_size, 1, 2**31)
    check_range("rank", rank, 0, world_size - 1)
    if global_batch_size % world_size:
        raise OrderError(
            f"sampler: a global batch of {global_batch_size} cannot be shared equally by world_size={world_size} "
            f"ranks; expected a multiple of {world_size}"
        )


def worker_steps(start: int, stop: int, worker: int, num_workers: int) -> range:
    """Return the steps of [start, stop) that one worker makes, so that asking the workers in turn gives step order.

    A `DataLoader` takes one batch from each of its workers in turn, from worker 0 on.

    Args:
        start: First step, at least 0.
        stop: One past the last step.
        worker: In [0, num_workers).
        num_workers: At least 1.

    Raises:
        OrderError: if a number is out of its range.

    Examples:
        >>> [list(worker_steps(5, 10, worker, 2)) for worker in range(2)]
        [[5, 7, 9], [6, 8]]
    """
    check_range("start", start, 0, MAX_SAMPLES)
    check_range("num_workers", num_workers, 1, 2**31)
    check_range("worker", worker, 0, num_workers - 1)
    return range(start + worker, stop, num_workers)
