"""What a step of a run drew: the samples, where each of them is stored, and how many bytes that is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from cutlist.errors import OrderError
from cutlist.media import resolve
from cutlist.order import Order, whole
from cutlist.packing import has_media, with_refs
from cutlist.reader import Part
from cutlist.store import Blobs

if TYPE_CHECKING:
    from cutlist.media.reference import MediaRef, Op
    from cutlist.selection import Selection
    from cutlist.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class TracedRow:
    """A stored value that a sample refers to: a medium, or a value that is read late.

    `size_bytes` is that of the whole medium, of which a clip may need a part; None of late values, and of a sample that
    refers to nothing.
    """

    sample: int
    rank: int
    position: int
    column: str | None = None
    table: str | None = None
    version: int | None = None
    row_id: int | None = None
    decode: str | None = None
    size_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TracedDraw:
    """What a step drew from one component; `epoch` is the component's own."""

    component: str | None
    selection: str
    epoch: int
    bucket: str | None
    rows: tuple[TracedRow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """A step of a run. `parts` is what a reader of `order`'s selections reads to have its samples."""

    epoch: int
    step: int
    num_steps: int
    draws: tuple[TracedDraw, ...]
    parts: tuple[Part, ...] = field(compare=False)

    @property
    def num_samples(self) -> int:
        """Samples in the step, or in the rank's part of it."""
        return sum(len(each.positions) for each in self.parts)


def trace(
    order: Order,
    store: Store,
    *,
    epoch: int | None = None,
    step: int = 0,
    rank: int | None = None,
    world_size: int = 1,
) -> Trace:
    """Return what a step draws.

    Args:
        order: Of the run.
        store: The root of the tables.
        epoch: Counted from 0; None: `step` counts from the start of the run.
        step: Of the epoch, or of the run.
        rank: In [0, world_size): only its part; None: all samples.
        world_size: Number of ranks.

    Raises:
        OrderError: if there is no such step or rank.
    """
    step = whole("step", step, at_least=0)
    world_size = whole("world_size", world_size, at_least=1)
    if epoch is None:
        epoch, step = divmod(step, len(order))
    elif step >= len(order):
        raise OrderError(
            f"there is no step {step} in epoch {epoch}: it has {len(order)}; without an epoch, steps count from the "
            f"start of the run"
        )
    draws = order.at(epoch, step)
    ranks = np.arange(sum(len(each.positions) for each in draws)) % world_size
    if rank is not None and not 0 <= rank < world_size:
        raise OrderError(f"rank {rank} of world size {world_size}: expected 0 <= rank < world_size")
    if len(ranks) % world_size:
        raise OrderError(f"the step's {len(ranks)} samples cannot be shared equally by {world_size} ranks")
    traced, parts, before = [], [], 0
    for each in draws:
        component = order.components[each.component]
        samples = np.arange(before, before + len(each.positions))
        before += len(each.positions)
        mine = samples if rank is None else samples[ranks[samples] == rank]
        positions = each.positions[mine - samples[0]] if len(samples) else each.positions
        draw = partial(resolve, seed=order.rules.seed, epoch=each.epoch)
        rows = _rows(component.selection, store, positions, mine, ranks, draw)
        traced.append(
            TracedDraw(
                component=None if order.rules.mixture is None else component.name,
                selection=component.selection.fingerprint,
                epoch=each.epoch,
                bucket=each.bucket,
                rows=tuple(rows),
            )
        )
        parts.append(Part(each.component, positions, each.epoch))
    return Trace(epoch=int(epoch), step=step, num_steps=len(order), draws=tuple(traced), parts=tuple(parts))


def _rows(
    selection: Selection,
    store: Store,
    positions: Any,
    samples: Any,
    ranks: Any,
    draw: Callable[..., tuple[Op, ...]],
) -> Iterator[TracedRow]:
    taken = selection.take(positions)
    pinned = {(each.name, each.version): each for each in selection.tables}
    sizes: dict[tuple[int, int], int] = {}
    found: list[list[tuple[str, int, int, str]]] = [[] for _ in positions]  # (column, source, row id, decode)
    for index, column in enumerate(selection.columns):
        if column.late is not None:
            for each, row_id in zip(found, taken.column(index).to_pylist(), strict=True):
                each += [(column.name, column.late, row_id, "")] if row_id is not None else []
        elif has_media(taken.schema.field(index).type):
            values = taken.column(index).to_pylist()
            for each, value, position in zip(found, values, positions.tolist(), strict=True):
                refs: list[MediaRef] = []
                with_refs(value, taken.schema.field(index).type, refs.append)
                drawn = [(ref, draw(ref.ops, sample=position)) for ref in refs]
                each += [(column.name, ref.source, ref.row, ".".join(map(str, ops))) for ref, ops in drawn]
    late = {column.late for column in selection.columns}
    for number, source in enumerate(selection.sources):
        ids = sorted({row_id for each in found for _, of, row_id, _ in each if of == number})
        if ids and number not in late:
            table = store.pinned(source.table, source.version, pinned[source.table, source.version].identity)
            size_bytes = Blobs(table, source.column).sizes(np.array(ids, dtype=np.uint64))
            sizes |= {(number, row_id): int(size) for row_id, size in zip(ids, size_bytes, strict=True)}
    for sample, position, references in zip(samples.tolist(), positions.tolist(), found, strict=True):
        place = {"sample": sample, "rank": int(ranks[sample]), "position": position}
        if not references:
            yield TracedRow(**place)
        for name, number, row_id, decode in references:
            source = selection.sources[number]
            yield TracedRow(
                **place,
                column=name,
                table=source.table,
                version=source.version,
                row_id=row_id,
                decode=decode or None,
                size_bytes=sizes.get((number, row_id)),
            )
