"""What a featurizer returned for a batch, checked against what it declared."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from cutlist.errors import FeaturizerError, StorageError
from cutlist.store import blob_array, is_blob

if TYPE_CHECKING:
    from cutlist.backfill.featurizer import Declared


def checked_outputs(
    declared: Declared, result: Any, rows: Sequence[str]
) -> tuple[list[pa.Array], dict[int, Exception]]:
    """Return an array for each output, and the rows that failed, in which all outputs are NULL.

    A row has failed if its value is an exception, a NaN where none is allowed, or NULL where the field is not nullable.

    Args:
        result: What the featurizer returned.
        rows: What an error calls each row of the batch.

    Raises:
        FeaturizerError: if it is not what was declared: the outputs, their number of values, types or shapes.
        StorageError: if that is the value of a row.
    """
    names = [each.name for each in declared.outputs]
    if not isinstance(result, Mapping):
        if len(names) > 1:
            raise FeaturizerError(
                f"featurizer {declared.title} returned a {type(result).__name__}; expected a dict with the outputs "
                f"{', '.join(names)}"
            )
        result = {names[0]: result}
    if set(result) != set(names):
        raise FeaturizerError(
            f"featurizer {declared.title} returned the outputs {', '.join(map(str, result)) or 'none'}; expected "
            f"{', '.join(names)}"
        )
    failures: dict[int, Exception] = {}
    arrays = []
    for field in declared.outputs:
        title = f"featurizer {declared.title}, output {field.name}"
        values = _values(result[field.name], title, len(rows))
        for index, value in enumerate(values) if isinstance(values, list) else ():
            if isinstance(value, StorageError):
                raise value  # no row is to blame
            if isinstance(value, Exception):
                failures.setdefault(index, value)
                values[index] = None
        if is_blob(field):
            values = [_file(value, title, row) for value, row in zip(values, rows, strict=True)]
            array = blob_array(values)
        else:
            array = _array(values, field.type, title, rows)
        if not declared.featurizer.allows_nan:
            for index in np.flatnonzero(_has_nan(array)).tolist():
                failures.setdefault(index, ValueError(f"NaN in {field.name}"))
        if not field.nullable:
            for index in np.flatnonzero(array.is_null().to_numpy(zero_copy_only=False)).tolist():
                failures.setdefault(index, ValueError(f"NULL in {field.name}, which is not nullable"))
        arrays.append(array)
    if failures:
        bad = np.isin(np.arange(len(rows)), list(failures))
        places = pa.array(np.arange(len(rows)), mask=bad)
        arrays = [each.take(places) for each in arrays]  # which media, too, have a kernel for
    return arrays, failures


def _values(given: Any, title: str, count: int) -> Any:
    """Return the values of an output, as many as there are rows: a list, a numpy or an Arrow array."""
    if hasattr(given, "detach"):  # a torch tensor, on any device
        given = given.detach().cpu().numpy()
    if isinstance(given, pa.ChunkedArray):
        given = given.combine_chunks()
    if isinstance(given, np.ndarray):  # copies: the featurizer may use its memory again for the next batch
        given = given.copy()
    elif isinstance(given, pa.Array):
        given = given.take(pa.array(range(len(given))))
    if not isinstance(given, np.ndarray | pa.Array):
        if isinstance(given, str | bytes | Mapping) or not hasattr(given, "__iter__"):
            raise FeaturizerError(f"{title}: a {type(given).__name__}; expected a value for each of {count} rows")
        given = [each.detach().cpu().numpy() if hasattr(each, "detach") else each for each in given]
    found = len(given) if getattr(given, "shape", None) != () else 0
    if found != count:
        raise FeaturizerError(f"{title}: {found} values for a batch of {count} rows; expected one for each")
    return given


def _file(value: Any, title: str, row: str) -> bytes | None:
    """Return the medium of a row: bytes as they are, an array as a `.npy` file."""
    if value is None or isinstance(value, bytes):
        return value
    if not isinstance(value, np.ndarray) or value.dtype.kind not in "biufc":
        raise FeaturizerError(f"{title}: a {type(value).__name__} for {row}; expected bytes, or an array of numbers")
    file = io.BytesIO()
    np.save(file, value, allow_pickle=False)
    return file.getvalue()


def _array(values: Any, kind: pa.DataType, title: str, rows: Sequence[str]) -> pa.Array:
    try:
        return _converted(values, kind)
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
        for row, value in zip(rows, values, strict=True):  # the row that it is about
            try:
                _converted([value], kind)
            except (pa.ArrowException, TypeError, ValueError, OverflowError) as problem:
                about = f"{np.asarray(value).dtype} {np.shape(value)}" if np.ndim(value) else repr(value)
                raise FeaturizerError(f"{title}: {about[:80]} for {row}; expected {kind} ({problem})") from problem
        raise FeaturizerError(f"{title}: values that are not of type {kind}: {error}") from error


def _converted(values: Any, kind: pa.DataType) -> pa.Array:
    if isinstance(values, pa.Array):
        return values.cast(kind)
    if isinstance(values, np.ndarray) and values.ndim == 1:
        return pa.array(values).cast(kind)
    if isinstance(values, np.ndarray) and pa.types.is_fixed_size_list(kind) and values.ndim == 2:
        if values.shape[1] != kind.list_size:
            raise ValueError(f"{values.shape[1]} numbers in each")
        return pa.FixedSizeListArray.from_arrays(_converted(values.reshape(-1), kind.value_type), type=kind)
    if pa.types.is_temporal(kind) and any(isinstance(each, np.datetime64 | np.timedelta64) for each in values):
        times = np.array([each for each in values if each is not None])  # of one unit, which Arrow knows
        there = pa.array(times).cast(kind)
        places = np.cumsum([each is not None for each in values]) - 1
        return there.take(pa.array(places, mask=np.array([each is None for each in values])))
    listed = [_plain(each) for each in values]
    if _is_lenient(kind):
        for each in listed:
            _check(each, kind)
    return pa.array(listed, type=kind)


def _plain(value: Any) -> Any:
    """Return a value of numpy as one of Python, but for times, whose unit Arrow knows."""
    return value.tolist() if isinstance(value, np.ndarray | np.generic) and value.dtype.kind not in "mM" else value


def _is_lenient(kind: pa.DataType) -> bool:
    """Return whether Arrow takes values for a type that are not of it: fractions, which it cuts, and unknown keys."""
    if pa.types.is_nested(kind):
        return pa.types.is_struct(kind) or any(_is_lenient(kind.field(i).type) for i in range(kind.num_fields))
    return bool(pa.types.is_integer(kind))


def _check(value: Any, kind: pa.DataType) -> None:
    """Raise ValueError if a fraction is to be an integer, or a struct has another key, at any depth."""
    if value is None:
        return
    if pa.types.is_integer(kind) and isinstance(value, float) and not value.is_integer():
        raise ValueError(f"{value!r} is no whole number")
    if pa.types.is_struct(kind) and isinstance(value, Mapping):
        fields = {kind.field(i).name: kind.field(i).type for i in range(kind.num_fields)}
        other = sorted(set(value) - set(fields))
        if other:
            raise ValueError(f"no field {', '.join(other)}")
        for name, each in value.items():
            _check(_plain(each), fields[name])
    elif hasattr(kind, "value_type") and isinstance(value, list | tuple) and _is_lenient(kind.value_type):
        for each in value:
            _check(_plain(each), kind.value_type)


def _has_nan(array: pa.Array) -> NDArray[np.bool_]:
    """Return for each value whether a NaN is in it, at any depth."""
    kind = array.type
    if pa.types.is_floating(kind):
        return np.asarray(pc.fill_null(pc.is_nan(array), False).to_numpy(zero_copy_only=False), dtype=bool)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        inside = np.concatenate([[0], np.cumsum(_has_nan(array.flatten()))])
        lengths = pc.fill_null(pc.list_value_length(array), 0).to_numpy(zero_copy_only=False)
        ends = np.cumsum(lengths)
        return np.asarray(inside[ends] > inside[ends - lengths])
    if pa.types.is_struct(kind):
        parts = [_has_nan(each) for each in array.flatten()]
        return np.logical_or.reduce(parts) if parts else np.zeros(len(array), dtype=bool)
    return np.zeros(len(array), dtype=bool)
