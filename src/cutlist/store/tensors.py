"""Columns of tensors that DuckDB cannot hold, of float16: to SQL they are media of kind `tensor`, values as `.npy`."""

from __future__ import annotations

import io

import numpy as np
import pyarrow as pa


def is_tensor(kind: pa.DataType) -> bool:
    """Return whether values of a type are tensors of float16: lists, of fixed size or not, at any depth.

    Examples:
        >>> is_tensor(pa.list_(pa.float16(), 8)), is_tensor(pa.fixed_shape_tensor(pa.float16(), (2, 4)))
        (True, True)
        >>> is_tensor(pa.float16()), is_tensor(pa.list_(pa.float32(), 8))
        (False, False)
    """
    if isinstance(kind, pa.BaseExtensionType):
        return kind.extension_name == "arrow.fixed_shape_tensor" and is_tensor(kind.storage_type)
    if not (pa.types.is_fixed_size_list(kind) or pa.types.is_list(kind) or pa.types.is_large_list(kind)):
        return False
    inner = kind.value_type
    return pa.types.is_float16(inner) or (pa.types.is_fixed_size_list(inner) and is_tensor(inner))


def as_npy(values: pa.Array, kind: pa.DataType) -> list[bytes | None]:
    """Return each value of an array as a `.npy` file; NULL is None, and a NULL inside a value is NaN.

    Args:
        values: Without its extension type.
        kind: The column's type, which may have a shape.
    """
    shape = tuple(kind.shape) if isinstance(kind, pa.BaseExtensionType) else (-1, *_inner_shape(values.type.value_type))
    return [None if not each.is_valid else _npy(each.values, shape) for each in values]


def _inner_shape(kind: pa.DataType) -> tuple[int, ...]:
    return (kind.list_size, *_inner_shape(kind.value_type)) if pa.types.is_fixed_size_list(kind) else ()


def _npy(values: pa.Array, shape: tuple[int, ...]) -> bytes:
    while pa.types.is_fixed_size_list(values.type):
        values = values.flatten()
    file = io.BytesIO()
    np.save(file, values.to_numpy(zero_copy_only=False).astype(np.float16).reshape(shape), allow_pickle=False)
    return file.getvalue()
