"""What an epoch has, bucket by bucket, before anything is trained on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from cutlist.media.shapes import fixed_shape
from cutlist.order.rules import ONLY, Rules

if TYPE_CHECKING:
    from cutlist.selection import Column, Selection
    from cutlist.sidecar import Keys, Sidecar


@dataclass(frozen=True, slots=True, kw_only=True)
class BucketPlan:
    """What an epoch has of one bucket: samples, steps, and samples left out in every epoch, others in each."""

    component: str
    bucket: str | None
    num_samples: int
    global_batch_size: int
    num_batches: int
    num_dropped: int
    shape: str


def plan_buckets(
    selection: Selection, sidecar: Sidecar, keys: Keys, sizes: Sequence[int], *, name: str = ONLY, rules: Rules
) -> list[BucketPlan]:
    """Return what an epoch of a training set has, bucket by bucket; also where no bucket has samples for a batch.

    Args:
        sizes: Global batch size of each bucket.
    """
    plans = []
    for number, (bucket, size) in enumerate(zip(sidecar.buckets.names, sizes, strict=True)):
        num_samples = sidecar.buckets.num_draws(number)
        num_batches = num_samples // size if rules.drop_last and rules.mix == "steps" else -(-num_samples // size)
        media = [each for each in selection.columns if each.media]
        shapes = {each.name: shape_of(selection, sidecar, each, number) for each in media}
        plans.append(
            BucketPlan(
                component=name,
                bucket=bucket if keys.bucket_by is not None else None,
                num_samples=num_samples,
                global_batch_size=size,
                num_batches=num_batches,
                num_dropped=max(num_samples - num_batches * size, 0),
                shape=", ".join(f"{of} {_by(shape)}" for of, shape in shapes.items()),
            )
        )
    return plans


def _by(shape: tuple[int, ...] | None) -> str:
    return "varies" if shape is None else "×".join(map(str, shape))


def shape_of(selection: Selection, sidecar: Sidecar, column: Column, bucket: int) -> tuple[int, ...] | None:
    """Return the shape that all media of a column have in a bucket, or None."""
    there = {name: each[bucket] for name, each in sidecar.shapes.get(column.name, {}).items()}
    ops = replace(column, constants={**column.constants, **there}).ops
    number = column.constants.get("source")
    sources = [selection.sources[number]] if number is not None else selection.sources
    kinds = {each.kind for each in sources if each.kind != "value"}
    return fixed_shape(kinds.pop(), ops) if ops is not None and len(kinds) == 1 and not column.null_count else None
