"""Rows as a table that fits a terminal: the columns that there is room for, and of a long cell its first lines."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from rich.cells import cell_len
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from cutlist.values import is_number, type_name

NARROWEST = 12
"""A column is shown with so many characters at least, if it is not shorter anyway."""

LONGEST_NAME = 24
"""Its name is on one line, if it has no more characters than this."""

WIDEST = 60
"""A column is not wider than so, while others want room."""

PICTURE_WIDTH = 24
"""Of a picture in a cell, in characters."""

MOST_LINES = 4
"""Lines of a cell, at most."""

_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]")

_EDGE = 3
"""What a border and the space around a cell take, for each column."""


def table(
    names: Sequence[str],
    types: Sequence[str],
    rows: Sequence[Sequence[Text]],
    width: int,
    *,
    whole: str,
    picture: Callable[[int, int], RenderableType | None] | None = None,
) -> RenderableType:
    """Return a table that is no wider than so; columns that there is no room for are named below it.

    Args:
        types: DuckDB's type of each column.
        rows: The cells as text.
        whole: How to see all columns: it ends the line that names those that are left out.
        picture: What is drawn, `PICTURE_WIDTH` wide, in the place of a medium, of a row and a column; None: its text.
    """
    kinds = [type_name(kind) for kind in types]
    wanted = [
        max([1, cell_len(name), min(cell_len(kind), 20), *(_width(row[i]) for row in rows)])
        for i, (name, kind) in enumerate(zip(names, kinds, strict=True))
    ]
    least = [
        PICTURE_WIDTH
        if picture is not None and kind == "media"
        else min(each, max(NARROWEST, min(cell_len(name), LONGEST_NAME)))
        for each, name, kind in zip(wanted, names, kinds, strict=True)
    ]
    shown = fitting(least, width)
    widths = shared([wanted[i] for i in shown], [least[i] for i in shown], width)
    console = Console(width=width)
    made = Table(header_style="bold", row_styles=["", "on grey7"] if len(rows) > 3 else None)
    for i, most in zip(shown, widths, strict=True):
        header = Text.assemble((names[i], "bold"), "\n", (kinds[i], "dim"))
        made.add_column(header, justify="right" if is_number(types[i]) else "left", overflow="fold", max_width=most)
    for number, row in enumerate(rows):
        drawn = [None if picture is None else picture(number, i) for i in shown]
        texts = [_cut(console, row[i], most) for i, most in zip(shown, widths, strict=True)]
        made.add_row(*(each or said for each, said in zip(drawn, texts, strict=True)))
    hidden = [name for i, name in enumerate(names) if i not in shown]
    if not hidden:
        return made
    named = ", ".join(hidden[:12]) + (f", … ({len(hidden)} in all)" if len(hidden) > 12 else "")
    return Group(made, Text(f"no room for: {named}; {whole}", style="dim"))


def printable(text: str) -> str:
    """Return a text whose control characters, but the ends of lines, are seen: texts of the web have them, and a
    terminal would do what they say; tabs have no width.

    Examples:
        >>> printable(chr(27) + "[31mred")
        '\\\\x1b[31mred'
    """
    return _CONTROL.sub(lambda found: repr(found[0])[1:-1], text)


def fitting(least: Sequence[int], width: int) -> list[int]:
    """Return the columns that fit: all, or the first and the last ones, as many as there is room for.

    Args:
        least: Characters that each needs, without its border.

    Examples:
        >>> fitting([10, 10, 10], 80)
        [0, 1, 2]
        >>> fitting([10] * 10, 60)
        [0, 1, 2, 9]
    """
    if sum(least) + _EDGE * len(least) + 1 <= width or len(least) <= 1:
        return list(range(len(least)))
    chosen: list[int] = []
    room = width - 1
    left, right = 0, len(least) - 1
    while left <= right:
        turn = right if len(chosen) % 3 == 2 else left  # two from the left for each from the right
        if least[turn] + _EDGE > room:
            break
        room -= least[turn] + _EDGE
        chosen.append(turn)
        left, right = (left, right - 1) if turn == right else (left + 1, right)
    return sorted(chosen) or [0]


def shared(wanted: Sequence[int], least: Sequence[int], width: int) -> list[int]:
    """Return how wide each column is: as it wants, or where that is too much none wider than a number, or its least.

    Examples:
        >>> shared([5, 40, 90], [5, 12, 12], 60)
        [5, 22, 22]
    """
    room = width - 1 - _EDGE * len(wanted)
    if sum(wanted) <= room:
        return list(wanted)
    widths = list(least)
    for most in range(WIDEST, 0, -1):
        widths = [max(few, min(each, most)) for each, few in zip(wanted, least, strict=True)]
        if sum(widths) <= room:
            break
    return [max(min(each, room), 1) for each in widths]


def _width(cell: Text) -> int:
    return max(map(cell_len, cell.plain.splitlines()), default=0)


def _cut(console: Console, cell: Text, width: int) -> Text:
    """Return a cell that has `MOST_LINES` lines at most; the last ends with … where there were more."""
    lines = cell.wrap(console, width, overflow="fold")
    if len(lines) <= MOST_LINES:
        return cell
    last = lines[MOST_LINES - 1]
    last.truncate(max(width - 1, 0))
    last.append("…")
    return Text("\n").join(lines[:MOST_LINES])
