"""Which rank this process is, of how many. The only home of `torch.distributed`."""

from __future__ import annotations

import os

import torch.distributed

from cutlist.errors import OrderError


def resolve_rank(rank: int | None, world_size: int | None) -> tuple[int, int]:
    """Return (rank, world size): as given, else of `torch.distributed`, else of torchrun's environment, else (0, 1).

    Given explicitly, there is no communication and no waiting.

    Raises:
        OrderError: if only one of the two is given, or the rank is not in [0, world_size).

    Examples:
        >>> resolve_rank(1, 4)
        (1, 4)
    """
    if (rank is None) != (world_size is None):
        raise OrderError(f"rank={rank} and world_size={world_size}: give both, or neither to have them found out")
    if rank is None or world_size is None:
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            rank, world_size = torch.distributed.get_rank(), torch.distributed.get_world_size()
        else:
            rank, world_size = _number("RANK", 0), _number("WORLD_SIZE", 1)
    if not 0 <= rank < world_size:
        raise OrderError(f"rank {rank} of world size {world_size}: expected 0 <= rank < world_size")
    return rank, world_size


def _number(name: str, default: int) -> int:
    value = os.environ.get(name, "")
    if value and not value.isdecimal():
        raise OrderError(f"environment variable {name}={value}: expected a whole number")
    return int(value) if value else default
