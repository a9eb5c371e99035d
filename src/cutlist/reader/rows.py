"""Columns of Arrow as rows of Python values, with references in the place of media."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from cutlist.media.reference import MediaRef, to_ref
from cutlist.packing import has_media, is_media, with_refs

if TYPE_CHECKING:
    from numpy.typing import NDArray

Row = dict[str, Any]
"""One sample: column name → value. Media are arrays (`cutlist.media.decode` has the shapes), `raw` is bytes, an ARRAY
of numbers is an array, NULL is None; all else is the Python value."""


class Nested:
    """A list, struct or map with media references inside, each replaced when it is decoded."""

    def __init__(self, value: Any, kind: pa.DataType, refs: list[MediaRef]):
        self._value = with_refs(value, kind, refs)

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


def values(column: pa.ChunkedArray, refs: list[MediaRef]) -> list[Any]:
    """Return a column's values, one for each row, and add the references among them to `refs`."""
    kind = column.type
    if is_media(kind):
        found = [to_ref(value) for value in column.to_pylist()]
        refs.extend(ref for ref in found if ref is not None)
        return list(found)
    if has_media(kind):
        return [None if value is None else Nested(value, kind, refs) for value in column.to_pylist()]
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
