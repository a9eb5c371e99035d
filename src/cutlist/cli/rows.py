"""Rows as text: tables for a terminal, JSON and CSV; media references as `videos.video[12].clip(0, 2)`."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table as RichTable

from cutlist.selection import Source
from cutlist.values import rows, text, write_csv, write_json

__all__ = ["SHOWN_ROWS", "escaped", "print_csv", "print_json", "print_table", "rows"]

SHOWN_ROWS = 40
"""Rows that a table in the terminal shows; JSON and CSV have all."""


def print_json(names: Sequence[str], rows: Iterator[tuple[Any, ...]], sources: Sequence[Source]) -> None:
    write_json(sys.stdout, names, rows, sources)


def print_csv(names: Sequence[str], rows: Iterator[tuple[Any, ...]], sources: Sequence[Source]) -> None:
    write_csv(sys.stdout, names, rows, sources)


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


def _shown(value: Any, sources: Sequence[Source]) -> str:
    """Return a value as a table shows it: floats with six digits."""
    return f"{value:.6g}" if isinstance(value, float) else text(value, sources)
