"""A value as a cell of the shell: the text of `cutlist.values`, media in it as what is known of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.filesize import decimal
from rich.text import Text

from cutlist.errors import CutlistError
from cutlist.fitting import printable
from cutlist.media.reference import MediaRef, to_ref
from cutlist.values import cell_text, is_reference

if TYPE_CHECKING:
    from cutlist import Session

_FACTS = ("width", "height", "fps", "duration_seconds", "size_bytes")

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


def cell(value: Any, kind: str, facts: Facts, *, whole: bool = False) -> Text:
    """Return a value as a cell.

    Args:
        kind: DuckDB's type of its column.
        facts: Of the media in it.
        whole: Whether a list of structs is shown as it is, however long.

    Examples:
        >>> str(cell(None, "INTEGER", {})), str(cell(0.1 + 0.2, "DOUBLE", {}))
        ('NULL', '0.3')
    """
    style = (
        "cyan" if is_reference(value) else "dim italic" if value is None else "dim" if isinstance(value, bytes) else ""
    )
    return Text(printable(cell_text(value, kind, lambda ref: medium(ref, facts), whole=whole)), style=style)


def medium(ref: MediaRef, facts: Facts) -> str:
    """Return a media reference as `video 1280×720 24fps 8.0s 2.1 MB .clip(0, 2)`."""
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
