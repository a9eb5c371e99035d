"""Columns of Arrow as rows of Python values, with references in the place of media."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from cutlist.media.reference import MediaRef
from cutlist.packing import has_media, is_media, with_refs

if TYPE_CHECKING:
    from numpy.typing import NDArray

Row = dict[str, Any]
"""One sample: column name → value. Media are arrays (`cutlist.media.decode` has the shapes), `raw` is bytes, `as_file`
an open file (`cutlist.store.BlobFile`), an ARRAY of numbers an array, NULL is None; all else is the Python value."""

Draw = Callable[[MediaRef], MediaRef]
"""Draws what is random in a reference."""


class Nested:
    """A list, struct or map with media references inside, each replaced when it is decoded."""

    def __init__(self, value: Any, kind: pa.DataType, drawn: Draw):
        self._value = with_refs(value, kind, drawn)

    def map(self, decoded: Callable[[MediaRef], Any]) -> Any:
        """Return the value with each reference replaced."""

        def walk(value: Any) -> Any:
            if isinstance(value, MediaRef):
                return decoded(value)
            if isinstance(value, list):
                return [walk(each) for each in value]
            if isinstance(value, dict):
                return {key: walk(each) for key, each in value.items()}
            return tuple(walk(each) for each in value) if isinstance(value, tuple) else value

        return walk(self._value)


def values(column: pa.ChunkedArray, draws: Sequence[Draw]) -> list[Any]:
    """Return a column's values, one for each row; a reference among them is what the draw of its row makes of it."""
    kind = column.type
    if has_media(kind):
        of = with_refs if is_media(kind) else Nested
        rows = zip(column.to_pylist(), draws, strict=True)
        return [None if value is None else of(value, kind, draw) for value, draw in rows]
    array = fixed_array(column)
    return list(array) if array is not None else column.to_pylist()


def fixed_array(column: pa.ChunkedArray) -> NDArray[Any] | None:
    """Return an ARRAY column of numbers without NULLs as one array, shape (rows, n, …), else None."""
    shape, kind = [len(column)], column.type
    values = column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)
    if not pa.types.is_fixed_size_list(kind) or len(column) == 0:
        return None
    while pa.types.is_fixed_size_list(kind):
        if values.null_count:
            return None
        shape.append(kind.list_size)
        values, kind = values.flatten(), kind.value_type
    numeric = pa.types.is_integer(kind) or pa.types.is_floating(kind)
    if not numeric or values.null_count:
        return None
    array: NDArray[Any] = values.to_numpy(zero_copy_only=False).reshape(shape)
    return array
