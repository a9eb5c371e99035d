"""How batches are made of the samples of a training set: their sizes, buckets and weights."""

from __future__ import annotations

import math
import operator
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from numbers import Real
from typing import TYPE_CHECKING, Any, TypeAlias

from cutlist.errors import OrderError, listing, suggest
from cutlist.sampler import Block, Shuffle
from cutlist.sidecar import Keys, Sidecar

if TYPE_CHECKING:
    from cutlist.selection import Selection

Query: TypeAlias = "str | os.PathLike[str] | Selection"
"""A SELECT, a view's name, a Selection, or the path of a saved one."""

BatchSize: TypeAlias = int | Mapping[str, int] | Callable[[str], int]
"""One size, or one for each bucket."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batching:
    """How batches are made of the samples of a training set.

    Exactly one of `batch_size`, `global_batch_size` and `batch_budget` is given.

    Args:
        batch_size: Samples in a batch of one rank; with buckets, also bucket → size, or a function of the bucket.
        global_batch_size: Likewise over all ranks: the same batches for every number of ranks that divides them.
        batch_budget: A column with a cost, and how much of it a batch of one rank may have at most: its size is the
            budget divided by the largest cost in the bucket, rounded down.
        bucket_by: A column: each batch is of samples with one value in it.
        weight_by: A column: samples come in proportion to it.
    """

    batch_size: BatchSize | None = None
    global_batch_size: BatchSize | None = None
    batch_budget: tuple[str, float] | None = None
    bucket_by: str | None = None
    weight_by: str | None = None

    @property
    def has_size(self) -> bool:
        """Whether any size of batches is given."""
        return any(each is not None for each in (self.batch_size, self.global_batch_size, self.batch_budget))

    def sizes(self, sidecar: Sidecar, world_size: int) -> tuple[int, ...]:
        """Return the global batch size of each bucket.

        Raises:
            OrderError: if there is none for a bucket, or it is not a whole number of at least 1, or it cannot be shared
                equally by the ranks.
        """
        given = [self.batch_size, self.global_batch_size, self.batch_budget]
        if sum(each is not None for each in given) != 1:
            raise OrderError(
                "expected one of batch_size (of each rank), global_batch_size (of all ranks together) and "
                f"batch_budget, not {sum(each is not None for each in given)} of them; e.g. batch_size=32"
            )
        names = sidecar.buckets.names
        if self.batch_budget is not None:
            return tuple(each * world_size for each in self._from_budget(sidecar, *self._budget()))
        if self.batch_size is not None:
            return tuple(self._size("batch_size", self.batch_size, name) * world_size for name in names)
        assert self.global_batch_size is not None
        sizes = tuple(self._size("global_batch_size", self.global_batch_size, name) for name in names)
        odd = next((each for each in sizes if each % world_size), None)
        if odd is not None:
            raise OrderError(f"global_batch_size={odd} cannot be shared equally by {world_size} ranks")
        return sizes

    def _size(self, argument: str, given: BatchSize, bucket: str) -> int:
        if callable(given):
            return whole(f"{argument}({bucket!r})", given(bucket), at_least=1)
        if isinstance(given, Mapping):
            if self.bucket_by is None:
                raise OrderError(f"{argument} has a size for each bucket, and there are none; give bucket_by too")
            given = {str(name): size for name, size in given.items()}
            if bucket not in given:
                raise OrderError(
                    f'{argument} has no size for the bucket "{bucket}" of {self.bucket_by}{suggest(bucket, given)} '
                    f"It has: {listing(given)}; `cutlist plan` shows the buckets"
                )
            return whole(f'{argument}["{bucket}"]', given[bucket], at_least=1)
        return whole(argument, given, at_least=1)

    def _budget(self) -> tuple[str, float]:
        given: Any = self.batch_budget
        if isinstance(given, tuple | list) and len(given) == 2:
            column, amount = given
            if isinstance(column, str) and isinstance(amount, Real) and math.isfinite(amount):
                return column, float(amount)
        raise OrderError(f'batch_budget={given!r}: expected a column and a number, e.g. ("tokens", 65536)')

    @staticmethod
    def _from_budget(sidecar: Sidecar, column: str, budget: float) -> list[int]:
        assert sidecar.costs is not None
        sizes = []
        for name, cost in zip(sidecar.buckets.names, sidecar.costs, strict=True):
            if cost <= 0 or cost > budget:
                what = f'a sample of the bucket "{name}"' if name else "a sample"
                why = f"{budget:g} is the budget of a batch" if cost > 0 else "expected a cost above 0"
                raise OrderError(f"batch_budget: {what} has {column} = {cost:g}; {why}")
            sizes.append(int(budget // cost))
        return sizes

    def keys(self, shuffle: Shuffle) -> Keys:
        """Return what the sidecar of such batches is made of."""
        return Keys(
            bucket_by=self.bucket_by,
            weight_by=self.weight_by,
            cost_by=self._budget()[0] if self.batch_budget is not None else None,
            fragments=isinstance(shuffle, Block) and shuffle.rows == "fragment",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Component(Batching):
    """A training set in a mixture, with batches of its own making.

    Args:
        query: A SELECT, a view's name, a Selection, or the path of a saved one.

    Examples:
        >>> Component("images", batch_size=64).bucket_by is None
        True
    """

    query: Query = field(kw_only=False)


def whole(name: str, value: Any, *, at_least: int | None = None) -> int:
    """Return a whole number, of Python or numpy.

    Raises:
        OrderError: if it is not one, or too small.

    Examples:
        >>> whole("batch_size", 4)
        4
    """
    try:
        number = operator.index(value)
    except TypeError:
        number = None
    if number is None or isinstance(value, bool) or (at_least is not None and number < at_least):
        bound = "" if at_least is None else f" of at least {at_least}"
        raise OrderError(f"{name}={value!r}: expected a whole number{bound}")
    return number
