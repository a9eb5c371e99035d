"""A value as the short text that stands in a cell: media as what is known of them, vectors as their length and norm."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.filesize import decimal
from rich.text import Text

from cutlist.errors import CutlistError
from cutlist.media.reference import MediaRef, to_ref
from cutlist.values import is_reference

if TYPE_CHECKING:
    from cutlist import Session

VECTOR_LENGTH = 8
"""An ARRAY of so many numbers or more is shown as its length and norm."""

LONGEST = 2000
"""Characters of a value that are shown at most."""

_FACTS = ("width", "height", "fps", "duration_seconds", "size_bytes")
_KINDS = {"float": "f32", "double": "f64", "tinyint": "i8", "utinyint": "u8", "smallint": "i16", "integer": "i32"}

Facts = Mapping[tuple[int, int], Mapping[str, Any]]
"""Source and row id of a medium → what is known of it."""


def references(value: Any) -> list[MediaRef]:
    """Return the media references in a value, at any depth."""
    if is_reference(value):
        ref = to_ref(value)
        return [] if ref is None else [ref]
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple):
        return [ref for each in value for ref in references(each)]
    return []


def facts_of(session: Session, refs: Sequence[MediaRef]) -> Facts:
    """Return what the tables say of media: size, frame rate, duration, bytes; one read for each media column."""
    found: dict[tuple[int, int], dict[str, Any]] = {}
    for number in {ref.source for ref in refs}:
        source = session.sources[number]
        rows = np.unique(np.array([ref.row for ref in refs if ref.source == number], dtype=np.uint64))
        table = session.table_at(source.table, source.version)
        names = [name for name in _FACTS if name in table.schema.names]
        about = {"kind": source.kind or source.column}
        columns: list[Any] = []
        try:
            columns = [each.to_pylist() for each in table.take_rows(rows, *names)] if names else []
        except CutlistError:  # rows that are gone are shown without what was known of them
            names = []
        for place, row in enumerate(rows.tolist()):
            found[number, row] = about | {name: column[place] for name, column in zip(names, columns, strict=True)}
    return found


def cell(value: Any, kind: str, facts: Facts) -> Text:
    """Return a value as a cell.

    Args:
        kind: DuckDB's type of its column.
        facts: Of the media in it.

    Examples:
        >>> str(cell([0.6, 0.8] + [0.0] * 6, "FLOAT[8]", {}))
        'f32[8] ‖x‖=1.00'
        >>> str(cell(None, "INTEGER", {})), str(cell(0.1 + 0.2, "DOUBLE", {}))
        ('NULL', '0.3')
    """
    if value is None:
        return Text("NULL", style="dim italic")
    if is_reference(value):
        return Text(medium(value, facts), style="cyan")
    if isinstance(value, bool):
        return Text(str(value).lower())
    if isinstance(value, float):
        return Text(f"{value:.6g}")
    if isinstance(value, bytes):
        return Text(f"{decimal(len(value))} {value[:8].hex(' ')}{' …' if len(value) > 8 else ''}", style="dim")
    if isinstance(value, list | tuple) and kind.endswith("]") and _is_vector(value):
        norm = math.sqrt(sum(float(each) ** 2 for each in value))
        base = kind.rsplit("[", 1)[0].lower()
        return Text(f"{_KINDS.get(base, base)}[{len(value)}] ‖x‖={norm:.2f}")
    if isinstance(value, list | tuple | dict):
        return Text(json.dumps(_plain(value, facts), ensure_ascii=False)[:LONGEST])
    return Text(str(value)[:LONGEST])


def medium(value: Mapping[str, Any], facts: Facts) -> str:
    """Return a media reference as `video 1280×720 24fps 8.0s 2.1 MB .clip(0, 2)`."""
    ref = to_ref(value)
    assert ref is not None
    known = facts.get((ref.source, ref.row), {})
    parts = [str(known.get("kind", "media"))]
    if known.get("width"):
        parts.append(f"{known['width']}×{known['height']}")
    if known.get("fps") and known.get("kind") == "video":
        parts.append(f"{known['fps']:.3g}fps")
    if known.get("duration_seconds"):
        parts.append(f"{known['duration_seconds']:.1f}s")
    if known.get("size_bytes"):
        parts.append(decimal(known["size_bytes"]))
    ops = "".join(f".{op}" for op in ref.ops)
    return " ".join([*parts, ops] if ops else parts)


def _is_vector(value: Sequence[Any]) -> bool:
    return len(value) >= VECTOR_LENGTH and all(isinstance(each, int | float) for each in value)


def _plain(value: Any, facts: Facts) -> Any:
    """Return a value as JSON can hold it."""
    if is_reference(value):
        return medium(value, facts)
    if isinstance(value, dict):
        return {str(key): _plain(each, facts) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each, facts) for each in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    return value if isinstance(value, bool | int | str) or value is None else str(value)
