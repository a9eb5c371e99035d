"""Rows as plain values, as JSON and as CSV; media references as text, `videos.video[12].clip(0, 2)`."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterator, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TextIO

from cutlist.media.reference import FIELD_NAMES, MediaRef, to_ref

if TYPE_CHECKING:
    from cutlist.selection import Source


def rows(relation: Any) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of a relation as Python values, a batch in memory at a time."""
    for batch in relation.to_arrow_reader():
        yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)


def is_reference(value: Any) -> bool:
    """Return whether a value is a media reference."""
    return isinstance(value, dict) and tuple(value) == FIELD_NAMES


def text(value: Any, sources: Sequence[Source]) -> str:
    """Return a value as text; a media reference as `videos.video[12].clip(0, 2)`."""
    if value is None:
        return ""
    if is_reference(value):
        ref = to_ref(value)
        assert ref is not None
        return ref_text(ref, sources)
    if isinstance(value, list | dict):
        return json.dumps(json_value(value, sources), ensure_ascii=False)
    return value.hex() if isinstance(value, bytes) else str(value)


def ref_text(ref: MediaRef, sources: Sequence[Source]) -> str:
    """Return a media reference as text."""
    source = sources[ref.source]
    return ".".join([f"{source.table}.{source.column}[{ref.row}]", *map(str, ref.ops)])


def json_value(value: Any, sources: Sequence[Source]) -> Any:
    """Return a value as JSON can hold it; a media reference is its text, bytes are hexadecimal, NaN is null."""
    if is_reference(value):
        return text(value, sources)
    if isinstance(value, dict):
        return {str(key): json_value(each, sources) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [json_value(each, sources) for each in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, bytes):
        return value.hex()
    return (
        value.isoformat()
        if isinstance(value, date | datetime | time)
        else (str(value) if isinstance(value, timedelta) else value)
    )


def write_json(
    stream: TextIO, names: Sequence[str], rows: Iterator[tuple[Any, ...]], sources: Sequence[Source]
) -> None:
    """Write rows as a JSON array of objects, a row to a line."""
    separator = "[\n "
    for row in rows:
        values = {name: json_value(value, sources) for name, value in zip(names, row, strict=True)}
        stream.write(separator + json.dumps(values, ensure_ascii=False))
        separator = ",\n "
    stream.write("[]\n" if separator == "[\n " else "\n]\n")


def write_csv(stream: TextIO, names: Sequence[str], rows: Iterator[tuple[Any, ...]], sources: Sequence[Source]) -> None:
    """Write rows as CSV; NULL is empty."""
    writer = csv.writer(stream)
    writer.writerow(names)
    writer.writerows([text(value, sources) for value in row] for row in rows)
