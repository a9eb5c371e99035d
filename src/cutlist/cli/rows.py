"""Rows as text: tables for a terminal, JSON and CSV; media references as `videos.video[12].clip(0, 2)`."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from cutlist.selection import Source
from cutlist.values import cell_text, ref_text, rows, type_name, write_csv, write_json

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
        short = type_name(kind)
        number = (
            short.startswith(("bigint", "integer", "double", "float", "decimal", "hugeint", "ubigint", "smallint"))
            and "[" not in short
        )
        table.add_column(
            f"{escaped(name)}\n[dim]{escaped(short)}[/dim]", justify="right" if number else "left", overflow="fold"
        )
    for row in rows[:SHOWN_ROWS]:
        cells = [
            cell_text(value, kind, lambda ref: ref_text(ref, sources)) for value, kind in zip(row, types, strict=True)
        ]
        table.add_row(
            *(Text(each, style="dim" if value is None else "") for each, value in zip(cells, row, strict=True))
        )
    console = Console()
    console.print(table)
    if len(rows) > SHOWN_ROWS:
        console.print(f"the first {SHOWN_ROWS} rows; --format csv or json prints all")


def escaped(text: str) -> str:
    return text.replace("[", r"\[")
