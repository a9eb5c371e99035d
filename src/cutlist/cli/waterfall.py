"""`cutlist waterfall`: which condition of a query drops how many rows."""

from __future__ import annotations

import json
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from cutlist import Session
from cutlist.answers.waterfall import Waterfall
from cutlist.cli.options import AsJson
from cutlist.cli.rows import escaped

WIDEST = 100
"""Columns that are used of a wide terminal."""

_HEADINGS = ("kept alone", "only it drops", "NULL")


def waterfall(
    session: Session,
    query: Annotated[str, typer.Argument(help="A SELECT, or the name of a view.")],
    as_json: AsJson = False,
) -> None:
    """Show which condition of a WHERE drops how many rows: one after the other, alone, and only it.

    A view whose FROM names one view alone shows the conditions of both. One scan; no media byte is read.

    Example: `cutlist waterfall hd --root data`

    Example: `cutlist waterfall "SELECT video FROM hd WHERE motion > 2 AND duration_seconds >= 4" --json --root data`
    """
    found = session.waterfall(query)
    if as_json:
        typer.echo(json.dumps(found.to_dict(), ensure_ascii=False, indent=1))
    else:
        show(found)


def show(found: Waterfall) -> None:
    """Print each condition with its counts, and a bar of the rows that are left after it."""
    console = Console(highlight=False)
    width = min(console.width, WIDEST)
    size = max(len(f"{found.num_rows:,}"), len("left"))
    sizes = [size, *(max(size, len(each)) for each in _HEADINGS)]
    bars = max(width - sum(sizes) - 2 * len(sizes), 1)

    def line(left: str, drawn: str, *rest: str) -> Text:
        cells = "".join(f"  {each:>{size}}" for each, size in zip(rest, sizes[1:], strict=False))
        return Text.assemble(f"{left:>{sizes[0]}}  ", (f"{drawn:<{bars}}", "cyan"), cells)

    head = line("left", "", *_HEADINGS)
    head.stylize("bold")
    console.print(head)
    console.print(line(f"{found.num_rows:,}", bar(found.num_rows, found.num_rows, bars)))
    for each in found.drops:
        room = width - len(each.place) - 2
        text = each.condition if len(each.condition) <= room else each.condition[: max(room - 1, 0)] + "…"
        console.print(Text.assemble((text, "bold"), "  ", (each.place, "dim")), soft_wrap=True)
        counts = (f"{each.num_kept:,}", f"{each.num_only:,}", f"{each.num_null:,}")
        console.print(line(f"{each.num_left:,}", bar(each.num_left, found.num_rows, bars), *counts))
    share = f" ({found.num_left / found.num_rows:.1%})" if found.num_rows else ""
    console.print(f"{found.num_left:,} of {found.num_rows:,} rows are left{share}")
    for note in found.notes:
        console.print(f"[dim]{escaped(note)}[/dim]", soft_wrap=True)


def bar(part: int, whole: int, width: int) -> str:
    """Return a bar as long as a share of the width, in eighths of a character; never empty where there is anything.

    Examples:
        >>> bar(1, 2, 5), bar(1, 10**6, 5), bar(0, 9, 5)
        ('██▌', '▏', '')
    """
    eighths = part * width * 8 // whole if whole else 0
    eighths = max(eighths, 1) if part else 0
    return "█" * (eighths // 8) + " ▏▎▍▌▋▊▉"[eighths % 8].strip()
