"""Which rank this process is, of how many, and what the ranks agree on. The only home of `torch.distributed`."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Collection
from functools import partial
from typing import Any, TypeVar

import torch.distributed as dist

from cutlist.errors import CutlistError, OrderError

Made = TypeVar("Made")
Told = TypeVar("Told")


def resolve_rank(rank: int | None, world_size: int | None) -> tuple[int, int]:
    """Return (rank, world size): as given, else of `torch.distributed`, else of torchrun's or srun's environment, else
    (0, 1).

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
        if in_group():
            rank, world_size = dist.get_rank(), dist.get_world_size()
        elif "RANK" in os.environ or "WORLD_SIZE" in os.environ:
            rank, world_size = _number("RANK", 0), _number("WORLD_SIZE", 1)
        else:  # srun sets the second for its tasks only, so a batch script is not taken for one of them
            rank, world_size = _number("SLURM_PROCID", 0), _number("SLURM_STEP_NUM_TASKS", 1)
            rank = rank if "SLURM_STEP_NUM_TASKS" in os.environ else 0
    if not 0 <= rank < world_size:
        raise OrderError(f"rank {rank} of world size {world_size}: expected 0 <= rank < world_size")
    return rank, world_size


def in_group() -> bool:
    """Return whether this process is in a process group."""
    return dist.is_available() and dist.is_initialized()


class Meeting:
    """The ranks of a process group, while they make what one of each machine makes first.

    An error of one rank is raised by all of them, so that none waits for a rank that has given up.
    """

    def __enter__(self) -> Meeting:
        # Objects go over gloo: NCCL would need a GPU for each rank.
        self._own = dist.get_backend() != "gloo"
        self._group = dist.new_group(backend="gloo") if self._own else dist.group.WORLD
        self._rank = dist.get_rank()
        return self

    def __exit__(self, *error: object) -> None:
        if self._own:
            dist.destroy_process_group(self._group)

    def gather(self, value: Any) -> list[Any]:
        """Return the values of all ranks, by rank."""
        values: list[Any] = [None] * dist.get_world_size()
        dist.all_gather_object(values, value, group=self._group)
        return values

    def together(self, make: Callable[[], Made]) -> Made:
        """Return what every rank makes, all at once.

        Raises:
            CutlistError: in every rank, if one of them has failed; names the rank.
        """
        made, _ = self._turn(make, lambda _: None)
        assert made is not None
        return made

    def make(self, make: Callable[[Told | None], Made], tell: Callable[[Made], Told]) -> Made:
        """Return what every rank makes: rank 0 first, then the first rank of each other machine, then all the others.

        Args:
            make: Called once in each rank, with what rank 0 told, or None in rank 0.
            tell: What rank 0 tells of what it made; is pickled.

        Raises:
            CutlistError: in every rank, if one of them has failed; names the rank.
        """
        hosts = self.gather(socket.gethostname())
        first = hosts.index(hosts[self._rank]) == self._rank
        turn = 0 if self._rank == 0 else 1 if first else 2
        made: Made | None = None
        told: Told | None = None
        for now in range(3):
            call: Callable[[], Made] | None = partial(make, told) if now == turn else None
            mine, everyone = self._turn(call, tell)
            made = mine if now == turn else made
            told = everyone[0] if now == 0 else told
        assert made is not None
        return made

    def _turn(
        self, make: Callable[[], Made] | None, tell: Callable[[Any], Told]
    ) -> tuple[Made | None, list[Told | None]]:
        """Return what this rank makes, if it is its turn, and what each rank tells of what it made."""
        made: Made | None = None
        failure: Exception | None = None
        if make is not None:
            try:
                made = make()
            except Exception as error:  # told to the others, whatever it is
                failure = error
        said = tell(made) if made is not None else None
        everyone = self.gather((None if failure is None else _portable(failure), said))
        if failure is not None:
            raise failure
        for rank, (failed, _) in enumerate(everyone):
            if failed is not None:
                raise OrderError(f"rank {rank} could not make the training set: {failed}")
        return made, [each for _, each in everyone]

    def check(self, settings: dict[str, Any]) -> None:
        """Check that every rank has the settings of rank 0.

        Raises:
            OrderError: in every rank, if they differ; names the ranks, the part and both values.
        """
        gathered = self.gather(settings)
        plain = {name for each in gathered for name, value in each.items() if not isinstance(value, dict)}
        everyone = [dict(_flat(each, leaves=plain)) for each in gathered]
        for name in dict.fromkeys(key for each in everyone for key in each):
            wanted = everyone[0].get(name)
            others = [rank for rank, each in enumerate(everyone) if each.get(name) != wanted]
            if others:
                raise OrderError(
                    f"the ranks disagree: {name} is {wanted!r} in rank 0 and {everyone[others[0]].get(name)!r} in rank "
                    f"{', '.join(map(str, others[:8]))}{', …' if len(others) > 8 else ''}; "
                    f"give every rank the same arguments"
                )


def _portable(error: Exception) -> str:
    return str(error) if isinstance(error, CutlistError) else f"{type(error).__name__}: {error}"


def _flat(settings: dict[str, Any], above: str = "", leaves: Collection[str] = ()) -> list[tuple[str, Any]]:
    """Return the leaves of nested settings, by their paths; what `leaves` names is one, whatever it is."""
    return [
        leaf
        for name, value in settings.items()
        for leaf in (
            _flat(value, f"{above}{name}.")
            if isinstance(value, dict) and name not in leaves
            else [(above + name, value)]
        )
    ]


def _number(name: str, default: int) -> int:
    value = os.environ.get(name, "")
    if value and not value.isdecimal():
        raise OrderError(f"environment variable {name}={value}: expected a whole number")
    return int(value) if value else default
