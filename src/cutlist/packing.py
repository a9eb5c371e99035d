"""Packing: a query's result without what is the same in every row, and media references whole again."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cutlist.media.reference import FIELD_NAMES, FIELDS, MediaRef, to_ref

if TYPE_CHECKING:
    from numpy.typing import NDArray

_ARROW = {"USMALLINT": pa.uint16(), "UBIGINT": pa.uint64(), "DOUBLE": pa.float64(), "INTEGER": pa.int32()}


MEDIA_TYPE = pa.struct([(name, _ARROW[kind]) for name, kind in FIELDS])
"""Arrow type of a media reference."""


def is_media(kind: pa.DataType) -> bool:
    """Return whether an Arrow type is that of a media reference."""
    return bool(kind == MEDIA_TYPE)


def has_media(kind: pa.DataType) -> bool:
    """Return whether an Arrow type is, or holds at any depth, a media reference."""
    return is_media(kind) or any(has_media(kind.field(i).type) for i in range(kind.num_fields))


def with_refs(value: Any, kind: pa.DataType, each: Callable[[MediaRef], Any]) -> Any:
    """Return a Python value of an Arrow type in which `each` of a reference is in the place of each medium."""
    if value is None or not has_media(kind):
        return value
    if is_media(kind):
        ref = to_ref(value)
        assert ref is not None
        return each(ref)
    if pa.types.is_struct(kind):
        return {field.name: with_refs(value[field.name], field.type, each) for field in kind}
    if pa.types.is_map(kind):
        return [(with_refs(k, kind.key_type, each), with_refs(v, kind.item_type, each)) for k, v in value]
    return [with_refs(item, kind.value_type, each) for item in value]


_LATE = "cutlist row of source "


def late_field(source: int) -> str:
    """Return the name of the only field of a reference to a late value: it has the number of the source."""
    return f"{_LATE}{source}"


def late_source(kind: pa.DataType) -> int | None:
    """Return the number of the source if an Arrow type is that of references to late values, else None."""
    if not pa.types.is_struct(kind) or kind.num_fields != 1 or not kind.field(0).name.startswith(_LATE):
        return None
    return int(kind.field(0).name.removeprefix(_LATE))


class Packer:
    """Collects batches of a query's result with the constant fields of its media columns taken out."""

    def __init__(self, schema: pa.Schema):
        self._schema = pa.schema([each.with_type(_stored(each.type)) for each in schema])
        self._media = {each.name: dict.fromkeys(FIELD_NAMES, _UNSEEN) for each in schema if is_media(each.type)}
        self._batches: list[dict[str, Any]] = []

    def add(self, batch: pa.RecordBatch) -> None:
        """Take one batch."""
        if batch.num_rows == 0:
            return
        packed: dict[str, Any] = {}
        for name, column in zip(batch.schema.names, batch.columns, strict=True):
            plain = self._schema.field(name).type
            if self._media and name not in self._media:
                column = _copied(column)
            if name in self._media:
                packed[name] = self._pack(name, column)
            elif late_source(column.type) is not None:
                packed[name] = pc.struct_field(column, 0)
            elif pa.types.is_floating(plain):
                packed[name] = pc.add(column, pa.scalar(0.0, plain))  # -0.0 becomes 0.0: SQL holds them equal
            else:
                packed[name] = column if column.type == plain else column.cast(plain)
        self._batches.append(packed)

    def _pack(self, name: str, column: pa.StructArray) -> tuple[pa.Array, dict[str, Any]]:
        """Return the validity of one media column, and each field as one value where it is constant in the batch."""
        valid, fields = column.is_valid(), {}
        some = column.null_count < len(column)
        for index, key in enumerate(FIELD_NAMES):
            values = column.field(index)
            known = self._media[name][key]
            one = _constant(values if column.null_count == 0 else values.filter(valid)) if some else _UNSEEN
            if some:
                self._media[name][key] = one if known is _UNSEEN or known == one else _VARIES
            fields[key] = (values.type, one if one is not _VARIES else _copied(values))
        return valid, fields

    def finish(self) -> tuple[pa.Table, dict[str, dict[str, Any]]]:
        """Return the packed samples, and per media column the constant fields."""
        constants = {
            name: {
                key: one for key, one in fields.items() if one is not _VARIES and one is not _UNSEEN and key != "row"
            }
            for name, fields in self._media.items()
        }
        columns = {
            each.name: pa.chunked_array(
                [
                    self._column(each, constants[each.name], batch[each.name])
                    if each.name in self._media
                    else batch[each.name]
                    for batch in self._batches
                ],
                type=self._type(each, constants),
            )
            for each in self._schema
        }
        self._batches.clear()
        return pa.table(columns, schema=pa.schema([(n, c.type) for n, c in columns.items()])), constants

    def _type(self, each: pa.Field, constants: Mapping[str, Mapping[str, Any]]) -> pa.DataType:
        if each.name not in self._media:
            return each.type
        return pa.struct([inner for inner in each.type if inner.name not in constants[each.name]])

    @staticmethod
    def _column(each: pa.Field, constants: Mapping[str, Any], packed: tuple[pa.Array, dict[str, Any]]) -> pa.Array:
        valid, fields = packed
        names = [key for key in FIELD_NAMES if key not in constants]
        arrays = []
        for key in names:
            kind, one = fields[key]
            if not isinstance(one, pa.Array):
                one = pa.repeat(pa.scalar(None if one is _UNSEEN else one, type=kind), len(valid))
            arrays.append(one)
        return pa.StructArray.from_arrays(arrays, names=names, mask=pc.invert(valid))


def _stored(kind: pa.DataType) -> pa.DataType:
    """Return the type in which a column is packed: row ids for a late one."""
    return pa.uint64() if late_source(kind) is not None else _plain(kind)


def _plain(kind: pa.DataType) -> pa.DataType:
    """Return a type with text in place of dictionaries (ENUM), which an Arrow file cannot have anew in each batch."""
    if pa.types.is_dictionary(kind):
        return kind.value_type
    if not _has_dictionary(kind):
        return kind
    if pa.types.is_list(kind):
        return pa.list_(kind.value_field.with_type(_plain(kind.value_type)))
    if pa.types.is_fixed_size_list(kind):
        return pa.list_(kind.value_field.with_type(_plain(kind.value_type)), kind.list_size)
    if pa.types.is_map(kind):
        return pa.map_(_plain(kind.key_type), kind.item_field.with_type(_plain(kind.item_type)))
    if pa.types.is_struct(kind):
        return pa.struct([each.with_type(_plain(each.type)) for each in kind])
    return kind


def _copied(values: pa.Array) -> pa.Array:
    """Return a copy, so that what else came in its batch can be freed: of a reference, most fields are constant."""
    if values.null_count == 0 and (pa.types.is_integer(values.type) or pa.types.is_floating(values.type)):
        return pa.array(values.to_numpy().copy())
    return values.take(pa.array(np.arange(len(values))))


def _has_dictionary(kind: pa.DataType) -> bool:
    """Return whether a type is, or holds at any depth, a dictionary."""
    return pa.types.is_dictionary(kind) or any(_has_dictionary(kind.field(i).type) for i in range(kind.num_fields))


class _Mark:
    pass


_UNSEEN, _VARIES = _Mark(), _Mark()


def _constant(values: pa.Array) -> Any:
    """Return the value that all of an array's entries have, None if all are NULL, or `_VARIES`."""
    if values.null_count == len(values):
        return None
    if values.null_count:
        return _VARIES
    first = values[0]
    return first.as_py() if pc.all(pc.equal(values, first)).as_py() else _VARIES


def is_sorted(table: pa.Table) -> bool:
    """Return whether a packed table is strictly increasing by its first column, so that its order has no ties.

    Says no wherever that is not cheap to see.
    """
    if table.num_rows < 2:
        return True
    first = table.column(0)
    if pa.types.is_struct(first.type):
        names = [first.type.field(i).name for i in range(first.type.num_fields)]
        if not names or names[0] != "row" or first.null_count:
            return False
        first = pc.struct_field(first, "row")
    if not pa.types.is_integer(first.type) or first.null_count:
        return False
    chunks: list[NDArray[np.int64]] = [chunk.to_numpy() for chunk in first.chunks if len(chunk)]
    inside = all(bool((chunk[1:] > chunk[:-1]).all()) for chunk in chunks)
    return inside and all(bool(after[0] > before[-1]) for before, after in itertools.pairwise(chunks))


def unpack(packed: pa.StructArray, constants: Mapping[str, Any]) -> pa.StructArray:
    """Return whole media references from the stored fields and the constant ones; a field that is neither is NULL."""
    stored = {packed.type.field(i).name: packed.field(i) for i in range(packed.type.num_fields)}
    arrays = [
        stored[each.name]
        if each.name in stored
        else pa.repeat(pa.scalar(constants.get(each.name), type=each.type), len(packed))
        for each in MEDIA_TYPE
    ]
    return pa.StructArray.from_arrays(arrays, fields=list(MEDIA_TYPE), mask=packed.is_null())


def renumbered(column: pa.ChunkedArray, numbers: Sequence[int]) -> pa.ChunkedArray:
    """Return a column with media references inside lists, maps or structs whose sources have other numbers.

    Args:
        numbers: The new number of each source, by its old one.
    """
    new = pa.array(numbers, pa.uint16())

    def walk(array: pa.Array) -> pa.Array:
        kind = array.type
        if not has_media(kind):
            return array
        if pa.types.is_struct(kind):
            children = [array.field(i) for i in range(kind.num_fields)]
            if is_media(kind):
                children[0] = new.take(children[0])
            else:
                children = [walk(child) for child in children]
            return pa.StructArray.from_arrays(children, fields=list(kind), mask=array.is_null())
        if pa.types.is_map(kind):
            return pa.MapArray.from_arrays(array.offsets, walk(array.keys), walk(array.items), mask=array.is_null())
        if pa.types.is_fixed_size_list(kind):
            return pa.FixedSizeListArray.from_arrays(walk(array.values), type=kind, mask=array.is_null())
        return pa.ListArray.from_arrays(array.offsets, walk(array.values), type=kind, mask=array.is_null())

    return pa.chunked_array([walk(chunk) for chunk in column.chunks], type=column.type)
