"""Rows as text: tables for a terminal, JSON and CSV; media references as `videos.video[12].clip(0, 2)`."""

from __future__ import annotations

import csv
import json
import math
import sys
from collections.abc import Iterator, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from rich.console import Console
from rich.table import Table as RichTable

from cutlist.media.reference import FIELD_NAMES, to_ref
from cutlist.selection import Source

SHOWN_ROWS = 40
"""Rows that a table in the terminal shows; JSON and CSV have all."""


def rows(relation: Any) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of a relation as Python values, a batch in memory at a time."""
    for batch in relation.to_arrow_reader():
        yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)


def print_json(names: Sequence[str], rows: Iterator[tuple[Any, ...]], sources: Sequence[Source]) -> None:
    separator = "[\n "
    for row in rows:
        values = {name: _json(value, sources) for name, value in zip(names, row, strict=True)}
        sys.stdout.write(separator + json.dumps(values, ensure_ascii=False))
        separator = ",\n "
    sys.stdout.write("[]\n" if separator == "[\n " else "\n]\n")


def print_csv(names: Sequence[str], rows: Iterator[tuple[Any, ...]], sources: Sequence[Source]) -> None:
    """Print rows as CSV; NULL is empty."""
    writer = csv.writer(sys.stdout)
    writer.writerow(names)
    writer.writerows([text(value, sources) for value in row] for row in rows)


def print_table(
    names: Sequence[str], types: Sequence[str], rows: Sequence[tuple[Any, ...]], sources: Sequence[Source]
) -> None:
    table = RichTable(header_style="bold", row_styles=["", "dim"])
    for name, kind in zip(names, types, strict=True):
        kind = "media" if kind.startswith('STRUCT("source" USMALLINT') else kind.lower()
        number = kind.startswith(("bigint", "integer", "double", "float", "decimal", "hugeint", "ubigint", "smallint"))
        table.add_column(f"{name}\n[dim]{kind}[/dim]", justify="right" if number else "left", overflow="fold")
    for row in rows[:SHOWN_ROWS]:
        table.add_row(*("[dim]NULL[/dim]" if value is None else escaped(_shown(value, sources)) for value in row))
    console = Console()
    console.print(table)
    if len(rows) > SHOWN_ROWS:
        console.print(f"the first {SHOWN_ROWS} rows; --format csv or json prints all")


def escaped(text: str) -> str:
    return text.replace("[", r"\[")


def _is_reference(value: Any) -> bool:
    return isinstance(value, dict) and tuple(value) == FIELD_NAMES


def text(value: Any, sources: Sequence[Source]) -> str:
    """Return a value as text; a media reference as `videos.video[12].clip(0, 2)`."""
    if value is None:
        return ""
    if _is_reference(value):
        ref = to_ref(value)
        assert ref is not None
        source = sources[ref.source]
        return ".".join([f"{source.table}.{source.column}[{ref.row}]", *map(str, ref.ops)])
    if isinstance(value, list | dict):
        return json.dumps(_json(value, sources), ensure_ascii=False)
    return value.hex() if isinstance(value, bytes) else str(value)


def _shown(value: Any, sources: Sequence[Source]) -> str:
    """Return a value as a table shows it: floats with six digits."""
    return f"{value:.6g}" if isinstance(value, float) else text(value, sources)


def _json(value: Any, sources: Sequence[Source]) -> Any:
    """Return a value as JSON can hold it; a media reference is its text, bytes are hexadecimal, NaN is null."""
    if _is_reference(value):
        return text(value, sources)
    if isinstance(value, dict):
        return {str(key): _json(each, sources) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_json(each, sources) for each in value]
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
