"""Rows as text: tables for a terminal, JSON and CSV; media references as `videos.video[12].clip(0, 2)`."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import Any

from rich.console import Console
from rich.text import Text

from cutlist.fitting import printable, table
from cutlist.selection import Source
from cutlist.values import cell_text, ref_text, rows, write_csv, write_json

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
    cells = [
        [
            Text(
                printable(cell_text(value, kind, lambda ref: ref_text(ref, sources))),
                style="dim" if value is None else "",
            )
            for value, kind in zip(row, types, strict=True)
        ]
        for row in rows[:SHOWN_ROWS]
    ]
    console = Console(highlight=False)
    console.print(table(names, types, cells, console.width, whole="--format csv or json has all"))
    if len(rows) > SHOWN_ROWS:
        console.print(f"the first {SHOWN_ROWS} rows; --format csv or json prints all")


def escaped(text: str) -> str:
    return text.replace("[", r"\[")
