"""Batches: rows made into tensors where the query fixes their shape, and into lists elsewhere.

The container of a column is decided once, from the selection, so that it never changes during a run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pyarrow as pa
import torch

from cutlist.errors import SelectionError
from cutlist_torch.showing import batch_html

if TYPE_CHECKING:
    from cutlist.order import Draw, Member, Order
    from cutlist.reader import Row
    from cutlist.selection import Column

Container = Literal["tensor", "list"]

_DTYPES: dict[pa.DataType, torch.dtype] = {
    pa.bool_(): torch.bool,
    pa.int8(): torch.int8,
    pa.int16(): torch.int16,
    pa.int32(): torch.int32,
    pa.int64(): torch.int64,
    pa.uint8(): torch.uint8,
    pa.uint16(): torch.int32,
    pa.uint32(): torch.int64,
    pa.uint64(): torch.int64,
    pa.float32(): torch.float32,
    pa.float64(): torch.float64,
}


class Batch(dict[str, Any]):
    """A batch: column name → tensor or list, one entry for each row.

    Attributes:
        epoch: That it belongs to, of the run.
        step: Of that epoch.
        component: The training set that its samples are of, in a mixture by steps; else None.
        bucket: That its samples are of; None without buckets.
        draws: What its samples are: positions of the selection, of each component in turn; spares as themselves.
        run: Of which loader, by its queries, seed and batch sizes.
    """

    epoch: int
    step: int
    component: str | None
    bucket: str | None
    draws: tuple[Draw, ...]
    run: str

    def __init__(
        self,
        columns: Mapping[str, Any],
        *,
        epoch: int,
        step: int,
        component: str | None = None,
        bucket: str | None = None,
        draws: tuple[Draw, ...] = (),
        run: str = "",
    ):
        super().__init__(columns)
        self.epoch = epoch
        self.step = step
        self.component = component
        self.bucket = bucket
        self.draws = draws
        self.run = run

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (dict(self), {**self._place, "draws": self.draws, "run": self.run})

    def __repr__(self) -> str:
        place = ", ".join(f"{name}={value!r}" for name, value in self._place.items() if value is not None)
        columns = ", ".join(f"{name}: {_shown(value)}" for name, value in self.items())
        return f"Batch({place}, {{{columns}}})"

    def _repr_html_(self) -> str:
        return batch_html(
            self, ", ".join(f"{name} {value}" for name, value in self._place.items() if value is not None)
        )

    @property
    def _place(self) -> dict[str, Any]:
        return {"epoch": self.epoch, "step": self.step, "component": self.component, "bucket": self.bucket}

    @property
    def num_bytes(self) -> int:
        """Size in bytes of the tensors in the batch."""

        def of(value: Any) -> int:
            if isinstance(value, torch.Tensor):
                return value.nbytes
            if isinstance(value, list | tuple):
                return sum(map(of, value))
            return sum(map(of, value.values())) if isinstance(value, dict) else 0

        return of(dict(self))

    def _map(self, change: Callable[[torch.Tensor], torch.Tensor]) -> Batch:
        def of(value: Any) -> Any:
            return change(value) if isinstance(value, torch.Tensor) else value

        return Batch(
            {name: _mapped(value, of) for name, value in self.items()}, **self._place, draws=self.draws, run=self.run
        )

    def pin_memory(self) -> Batch:
        """Return the batch with every tensor in page-locked memory."""
        return self._map(lambda tensor: tensor.pin_memory())

    def to(self, device: torch.device | str, *, non_blocking: bool = True) -> Batch:
        """Return the batch with every tensor on a device."""
        return self._map(lambda tensor: tensor.to(device, non_blocking=non_blocking))


def _restore(columns: dict[str, Any], place: dict[str, Any]) -> Batch:
    return Batch(columns, **place)


def _shown(value: Any) -> str:
    if isinstance(value, torch.Tensor):
        return f"{str(value.dtype).removeprefix('torch.')} {tuple(value.shape)}"
    return f"list of {len(value)}" if isinstance(value, list) else type(value).__name__


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnPlan:
    """How a column of rows becomes a column of batches.

    `dtype` is that of the tensor, None to keep the values'; `scalar` turns a value into a number that torch takes.
    """

    name: str
    container: Container
    dtype: torch.dtype | None = None
    scalar: Callable[[Any], int | float] | None = None

    def collect(self, values: Sequence[Any]) -> torch.Tensor | list[Any]:
        """Return the values of one batch in the column's container.

        Raises:
            SelectionError: if a value does not fit: an integer over 64 bits, or what a processor put in the place of
                the query's value when it is of another type, or unequal shapes.
        """
        if self.container == "list":
            return [_mapped(value, _tensor) for value in values]
        if isinstance(values[0], np.ndarray | torch.Tensor):
            return self._stacked(values)
        if self.scalar is not None:
            values = [_scalars(value, self.scalar) for value in values]
        try:
            exact = self.dtype if self.dtype is not None and self.dtype.is_floating_point else None
            tensor = torch.tensor(values, dtype=exact)
        except (RuntimeError, OverflowError, TypeError, ValueError) as error:
            if "overflow" in str(error).lower():
                raise self._too_big(max(values, key=_magnitude)) from error
            odd = (value for value in values if not isinstance(value, int | float))
            raise self._odd(next(odd, values[0])) from error
        return self._cast(tensor)

    def _stacked(self, values: Sequence[Any]) -> torch.Tensor:
        try:
            stacked = _stack([_tensor(value) for value in values])
        except (RuntimeError, TypeError) as error:
            shapes = sorted({str(tuple(np.shape(value))) for value in values})
            raise SelectionError(
                f"column {self.name}: cannot stack {len(values)} samples of shapes {', '.join(shapes)}; "
                f"give them one shape"
            ) from error
        if stacked.dtype == torch.uint64 and self.dtype == torch.int64:
            biggest = max(int(np.max(value)) for value in values)
            if biggest >= 2**63:
                raise self._too_big(biggest)
            return stacked.to(torch.int64)
        return self._cast(stacked)

    def _cast(self, tensor: torch.Tensor) -> torch.Tensor:
        """Return a tensor in the column's dtype; one that would lose something is refused."""
        if self.dtype is None or tensor.dtype == self.dtype:
            return tensor
        loses = tensor.dtype.is_floating_point and not self.dtype.is_floating_point
        if loses or (self.dtype == torch.bool) != (tensor.dtype == torch.bool):
            raise self._odd(tensor.flatten()[0].item())
        return tensor.to(self.dtype)

    def _odd(self, value: Any) -> SelectionError:
        wanted = str(self.dtype).removeprefix("torch.")
        return SelectionError(
            f"column {self.name}: a processor gave {value!r}, a {type(value).__name__}, where this column is {wanted}; "
            f"put it under a name of its own, or keep the type in every row"
        )

    def _too_big(self, value: Any) -> SelectionError:
        kind = f"DOUBLE[{len(value)}]" if isinstance(value, list) else "DOUBLE"
        return SelectionError(
            f"column {self.name}: {value} does not fit in a signed 64-bit integer; "
            f"cast it in the query: CAST({self.name} AS {kind})"
        )


def _stack(tensors: Sequence[torch.Tensor]) -> torch.Tensor:
    """Return tensors of one shape as one, with a new first dimension.

    Pictures are copied by numpy: torch.stack starts OpenMP threads, which spin against those that decode
    (ImageNet-sized pictures on two cores: 0.73 of the bare decode loop with it, 0.91 without).
    """
    first = tensors[0]
    alike = all(each.dtype == first.dtype == torch.uint8 and each.shape == first.shape for each in tensors)
    if not alike or first.device.type != "cpu":
        return torch.stack(list(tensors))
    stacked = torch.empty((len(tensors), *first.shape), dtype=torch.uint8)
    for place, each in zip(stacked.numpy(), tensors, strict=True):
        np.copyto(place, each.numpy())
    return stacked


def _magnitude(value: Any) -> float:
    """Return the largest number in a value, or in a list at any depth."""
    if isinstance(value, list):
        return max(map(_magnitude, value), default=0)
    return abs(value) if isinstance(value, int | float) else 0


def _scalars(value: Any, scalar: Callable[[Any], int | float]) -> Any:
    """Return a value, or a list of them at any depth, with each made a number that torch takes."""
    return [_scalars(each, scalar) for each in value] if isinstance(value, list) else scalar(value)


def _mapped(value: Any, change: Callable[[Any], Any]) -> Any:
    """Return a value with `change` applied to what lists, tuples and dicts hold, at any depth."""
    if isinstance(value, list):
        return [_mapped(each, change) for each in value]
    if isinstance(value, tuple):
        return tuple(_mapped(each, change) for each in value)
    if isinstance(value, dict):
        return {key: _mapped(each, change) for key, each in value.items()}
    return change(value)


def _tensor(value: Any) -> Any:
    """Return an array as a tensor, anything else as it is."""
    if isinstance(value, np.ndarray):
        return torch.from_numpy(value if value.flags.writeable else value.copy())
    return value


def with_spares(draws: tuple[Draw, ...], spares: Mapping[int, int]) -> tuple[Draw, ...]:
    """Return what a step drew with the positions of spares, by the number of the sample whose place each takes."""
    if not spares:
        return draws
    changed, before = [], 0
    for each in draws:
        positions = each.positions.copy()
        for sample, position in spares.items():
            if before <= sample < before + len(positions):
                positions[sample - before] = position
        before += len(positions)
        changed.append(replace(each, positions=positions))
    return tuple(changed)


Plans = dict[str, ColumnPlan]
"""How each column is collected, by name."""


def plan_columns(order: Order) -> list[Plans]:
    """Return how each column of each component is collected: one for all where their samples share steps.

    A plain column with a NULL anywhere is a list with None; scalars and ARRAYs of numbers are tensors; LIST, STRUCT,
    text and dates are lists. Media are a tensor where the query, or each bucket, fixes their size and frame count, else
    a list.
    """
    plans = [_plans(member) for member in order.components]
    if order.rules.mixture is None or order.rules.mix == "steps":
        return plans
    shapes = [
        {each.name: member.shape(each, 0) for each in member.selection.columns if each.media}
        for member in order.components
    ]
    return [{name: _common(name, plans, shapes) for name in plans[0]}] * len(plans)


def _common(name: str, plans: Sequence[Plans], shapes: Sequence[Mapping[str, tuple[int, ...] | None]]) -> ColumnPlan:
    """Return how a column that several components have is collected."""
    differ = len({each.get(name) for each in shapes}) > 1
    listed = next((each[name] for each in plans if each[name].container == "list"), None)
    return listed or (ColumnPlan(name=name, container="list") if differ else plans[0][name])


def _plans(member: Member) -> Plans:
    plans: Plans = {}
    buckets = range(len(member.sidecar.buckets.names))
    for column, arrow in zip(member.selection.columns, member.selection.schema, strict=True):
        if column.media:
            fixed = all(member.shape(column, bucket) for bucket in buckets)
            plans[column.name] = ColumnPlan(name=column.name, container="tensor" if fixed else "list")
        elif column.null_count:
            plans[column.name] = ColumnPlan(name=column.name, container="list")
        else:
            plans[column.name] = _plain(column, arrow.type)
    return plans


def _plain(column: Column, kind: pa.DataType) -> ColumnPlan:
    while pa.types.is_fixed_size_list(kind):
        kind = kind.value_type
    if pa.types.is_decimal(kind):
        if column.type.startswith(("HUGEINT", "UHUGEINT")):
            return ColumnPlan(name=column.name, container="tensor", dtype=torch.int64, scalar=int)
        return ColumnPlan(name=column.name, container="tensor", dtype=torch.float64, scalar=float)
    dtype = _DTYPES.get(kind)
    return ColumnPlan(name=column.name, container="list" if dtype is None else "tensor", dtype=dtype)


def collate(rows: Sequence[Row], plans: Plans, **place: Any) -> Batch:
    """Return rows as one batch; `place` is what a Batch has beside its columns.

    A column that a processor adds is planned by the first batch that has it, and its plan is added to `plans`: numbers,
    arrays and tensors become tensors of one dtype, all else lists.

    Raises:
        SelectionError: if rows differ in their columns, or a value does not fit its column's container.
    """
    for row in rows:
        if row.keys() != rows[0].keys():
            odd = ", ".join(sorted(row.keys() ^ rows[0].keys()))
            raise SelectionError(f"a processor gave some rows of a batch columns that others lack: {odd}")
    columns = {}
    for name in rows[0]:
        values = [row[name] for row in rows]
        if name in plans:
            columns[name] = plans[name].collect(values)
            continue
        added = ColumnPlan(name=name, container="tensor" if all(map(_is_numeric, values)) else "list")
        columns[name] = collected = added.collect(values)
        dtype = collected.dtype if isinstance(collected, torch.Tensor) else None
        plans[name] = ColumnPlan(name=name, container=added.container, dtype=dtype)
    return Batch(columns, **place)


def _is_numeric(value: Any) -> bool:
    return isinstance(value, bool | int | float | np.number | np.ndarray | torch.Tensor)
