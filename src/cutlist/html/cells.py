"""A value as it stands in a cell of HTML: short, escaped, media as pictures."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pyarrow as pa

from cutlist.html.media import Medium, array_html, shape_of
from cutlist.html.page import text
from cutlist.packing import is_media
from cutlist.values import VECTOR_LENGTH, cell_text

MOST_CHARACTERS = 120
"""Of a text that are shown; more when it is pointed at."""

MOST_MEDIA = 4
"""Of a list of media that are shown."""

_SQL_NAMES = {
    "int8": "tinyint",
    "int16": "smallint",
    "int32": "integer",
    "int64": "bigint",
    "uint8": "utinyint",
    "uint16": "usmallint",
    "uint32": "uinteger",
    "uint64": "ubigint",
    "string": "varchar",
    "large_string": "varchar",
    "string_view": "varchar",
    "bool": "boolean",
    "date32[day]": "date",
    "binary": "blob",
    "large_binary": "blob",
}


def type_name(kind: pa.DataType) -> str:
    """Return an Arrow type as SQL calls it: short, lower case, a struct by its names alone.

    Examples:
        >>> type_name(pa.list_(pa.struct([("start_seconds", pa.float64()), ("stop_seconds", pa.float64())])))
        'struct(start_seconds, stop_seconds)[]'
        >>> type_name(pa.list_(pa.float32(), 512)), type_name(pa.string())
        ('float[512]', 'varchar')
    """
    if is_media(kind):
        return "media"
    if pa.types.is_map(kind):
        return f"map({type_name(kind.key_type)}, {type_name(kind.item_type)})"
    if pa.types.is_fixed_size_list(kind):
        return f"{type_name(kind.value_type)}[{kind.list_size}]"
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return f"{type_name(kind.value_type)}[]"
    if pa.types.is_struct(kind):
        return f"struct({', '.join(each.name for each in kind)})"
    if pa.types.is_dictionary(kind):
        return "enum"
    if pa.types.is_decimal(kind):
        return f"decimal({kind.precision},{kind.scale})"
    return _SQL_NAMES.get(str(kind), str(kind).partition("[")[0])


def words(value: Any, kind: pa.DataType | None = None) -> str:
    """Return a value as short text.

    Args:
        value: As `to_pylist` of Arrow gives it, with a `Medium` in the place of each media reference; or a decoded
            array.
        kind: Arrow type of its column, where that is known.

    Examples:
        >>> words([0.6, 0.8] + [0.0] * 6, pa.list_(pa.float32(), 8))
        'f32[8] ‖x‖=1.00'
        >>> words(None), words(0.1 + 0.2), words([{"start_seconds": 0.0}, {"start_seconds": 2.5}])
        ('NULL', '0.3', '2 × {start_seconds}')
    """
    if isinstance(value, np.ndarray):
        is_vector = value.ndim == 1 and len(value) >= VECTOR_LENGTH and value.dtype.kind in "fiu"
        return f"{shape_of(value)} ‖x‖={np.linalg.norm(value.astype(np.float64)):.2f}" if is_vector else shape_of(value)
    return cell_text(value, "double[]" if kind is None else type_name(kind), str)


def cell(value: Any, kind: pa.DataType | None = None, *, plays: bool = True) -> str:
    """Return a value, as `words` takes it, as HTML.

    Args:
        plays: Whether a video in it can be played.

    Examples:
        >>> cell(None), cell("<b>"), cell([1, 2])
        ('<i class="null">NULL</i>', '&lt;b&gt;', '[1, 2]')
    """
    if value is None:
        return '<i class="null">NULL</i>'
    if isinstance(value, Medium):
        return value.html(plays=plays)
    if isinstance(value, np.ndarray) and value.ndim > 1:
        return array_html(value, plays=plays)
    if _has_pictures(value):
        return _pictures(value, plays=plays)
    said = words(value, kind)
    if isinstance(value, list) and not said.startswith("["):
        return f'<span title="{text(_json(value)[:1000])}">{text(said[:MOST_CHARACTERS])}</span>'
    return text(said, MOST_CHARACTERS)


def _pictures(value: Any, *, plays: bool) -> str:
    """Return a list, struct or map that has media as its first parts, one below the other."""
    is_struct = isinstance(value, dict)
    pairs = list(value.items()) if is_struct else [("", each) for each in value]
    parts = [
        f"<div>{f'<small>{text(name)}</small> ' if is_struct else ''}{cell(each, plays=plays)}</div>"
        for name, each in pairs[:MOST_MEDIA]
    ]
    return "".join(parts) + (f"<small>{len(pairs) - MOST_MEDIA} more</small>" if len(pairs) > MOST_MEDIA else "")


def _has_pictures(value: Any) -> bool:
    if isinstance(value, dict | list | tuple):
        return any(map(_has_pictures, value.values() if isinstance(value, dict) else value))
    return isinstance(value, Medium) or (isinstance(value, np.ndarray) and value.ndim > 1)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)
