"""The media reference: the value that stands for an image, video or sound in SQL.

A reference says which column of which table, which row, and how to decode it. In DuckDB it is the STRUCT type `media`
(`macros.sql` has its fields and the functions over it); here it becomes the decode parameters of one sample.

`ops` holds four bits for each operation, the last applied in the lowest four: `clip` then `resize` is `0x13`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

FIELDS: tuple[tuple[str, str], ...] = (
    ("source", "USMALLINT"),
    ("row", "UBIGINT"),
    ("ops", "UBIGINT"),
    ("start_seconds", "DOUBLE"),
    ("stop_seconds", "DOUBLE"),
    ("fps", "DOUBLE"),
    ("num_frames", "INTEGER"),
    ("width", "INTEGER"),
    ("height", "INTEGER"),
    ("side", "INTEGER"),
    ("crop_x", "INTEGER"),
    ("crop_y", "INTEGER"),
    ("crop_width", "INTEGER"),
    ("crop_height", "INTEGER"),
    ("center_width", "INTEGER"),
    ("center_height", "INTEGER"),
    ("sample_rate", "INTEGER"),
    ("random_seconds", "DOUBLE"),
    ("random_width", "INTEGER"),
    ("random_height", "INTEGER"),
    ("flip_probability", "DOUBLE"),
)
"""Name and DuckDB type of each field of a media reference, in order. New ones go last: a saved selection that has no
value for a field has NULL in it."""

FIELD_NAMES: tuple[str, ...] = tuple(name for name, _ in FIELDS)

OPS: dict[int, tuple[str, tuple[str, ...]]] = {
    1: ("clip", ("start_seconds", "stop_seconds")),
    2: ("at_fps", ("fps",)),
    3: ("resize", ("width", "height")),
    4: ("resize_short", ("side",)),
    5: ("crop", ("crop_x", "crop_y", "crop_width", "crop_height")),
    6: ("center_crop", ("center_width", "center_height")),
    7: ("frames", ("num_frames",)),
    8: ("raw", ()),
    9: ("audio", ("sample_rate",)),
    10: ("random_clip", ("random_seconds",)),
    11: ("random_crop", ("random_width", "random_height")),
    12: ("random_flip", ("flip_probability",)),
    13: ("as_file", ()),
}
"""Code of each operation → its name and the fields that hold its parameters."""


class Op(NamedTuple):
    """One decode operation and its parameters, e.g. `Op("clip", (0.0, 2.0))`: seconds, pixels or counts.

    One that is random has the numbers that were drawn after its parameters, once it is resolved (`randomness.resolve`).
    """

    name: str
    args: tuple[float, ...] = ()

    def __str__(self) -> str:
        return f"{self.name}({', '.join(f'{arg:g}' for arg in self.args)})"


class MediaRef(NamedTuple):
    """A media reference in Python: the source's number in its selection, the row id, and the operations in order."""

    source: int
    row: int
    ops: tuple[Op, ...] = ()


def op_codes(ops: int) -> tuple[int, ...]:
    """Return the operation codes packed in `ops`, the first applied first.

    Examples:
        >>> [OPS[code][0] for code in op_codes(0x13)]
        ['clip', 'resize']
    """
    codes = []
    while ops:
        codes.append(ops & 0xF)
        ops >>= 4
    return tuple(reversed(codes))


def to_ref(value: Mapping[str, Any] | None) -> MediaRef | None:
    """Return the reference that a `media` STRUCT holds, or None for NULL.

    Examples:
        >>> to_ref({"source": 0, "row": 7, "ops": 3, "width": 64, "height": 48})
        MediaRef(source=0, row=7, ops=(Op(name='resize', args=(64, 48)),))
    """
    if value is None:
        return None
    ops = tuple(
        Op(name, tuple(value[field] for field in fields)) for name, fields in (OPS[c] for c in op_codes(value["ops"]))
    )
    return MediaRef(value["source"], value["row"], ops)
