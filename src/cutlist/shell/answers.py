"""A result as a table that fits the terminal: the columns that there is room for, or each row on lines of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich.cells import cell_len
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from cutlist.shell.cells import Facts, cell, facts_of, references
from cutlist.values import rows, type_name

if TYPE_CHECKING:
    from cutlist import Session

NARROWEST = 8
"""A column is shown with so many characters at least, if it is not shorter anyway."""

WIDEST = 60
"""A column is not wider than so, while others want room."""

_EDGE = 3
"""What a border and the space around a cell take, for each column."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The rows of a result that are shown.

    Attributes:
        types: DuckDB's type of each column.
        is_whole: Whether there are no more rows.
    """

    names: Sequence[str]
    types: Sequence[str]
    rows: Sequence[tuple[Any, ...]]
    is_whole: bool


def read(relation: Any, most: int) -> Answer:
    """Return the first rows of a relation."""
    found = list(rows(relation.limit(most + 1)))
    types = [str(kind) for kind in relation.types]
    return Answer(names=relation.columns, types=types, rows=found[:most], is_whole=len(found) <= most)


def as_table(session: Session, answer: Answer, width: int, pictures: Any = None) -> RenderableType:
    """Return a table that is no wider than the terminal; columns that there is no room for are named below it.

    Args:
        pictures: What draws a medium in its cell; None: it is told in words.
    """
    facts = _facts(session, answer)
    texts = [[cell(value, kind, facts) for value, kind in zip(row, answer.types, strict=True)] for row in answer.rows]
    kinds = [type_name(kind) for kind in answer.types]
    wanted = [
        max(
            [
                cell_len(name),
                min(cell_len(kind), 20),
                *(max(map(cell_len, row[i].plain.splitlines()), default=0) for row in texts),
            ]
        )
        for i, (name, kind) in enumerate(zip(answer.names, kinds, strict=True))
    ]
    shown = fitting(wanted, width)
    table = Table(header_style="bold", row_styles=["", "on grey7"] if len(texts) > 3 else None)
    for index in shown:
        number = isinstance(next((row[index] for row in answer.rows if row[index] is not None), None), int | float)
        header = Text.assemble((answer.names[index], "bold"), "\n", (kinds[index], "dim"))
        table.add_column(
            header, justify="right" if number else "left", overflow="fold", max_width=_most(wanted, shown, width)
        )
    for row, cells in zip(answer.rows, texts, strict=True):
        drawn = [pictures(row[i], answer.types[i]) if pictures is not None else None for i in shown]
        table.add_row(*(each or cells[i] for each, i in zip(drawn, shown, strict=True)))
    hidden = [answer.names[i] for i in range(len(wanted)) if i not in shown]
    if not hidden:
        return table
    named = ", ".join(hidden[:12]) + (f", … ({len(hidden)} in all)" if len(hidden) > 12 else "")
    return Group(table, Text(f"no room for: {named}", style="dim"))


def as_records(session: Session, answer: Answer) -> RenderableType:
    """Return each row as lines of a name and a value."""
    facts = _facts(session, answer)
    widest = max(map(cell_len, answer.names), default=0)
    lines: list[Text] = []
    for number, row in enumerate(answer.rows, start=1):
        lines.append(Text(f"─ row {number} ".ljust(widest + 24, "─"), style="dim"))
        for name, kind, value in zip(answer.names, answer.types, row, strict=True):
            lines.append(Text.assemble((name.rjust(widest), "bold"), " │ ", cell(value, kind, facts, whole=True)))
    return Group(*lines)


def fitting(wanted: Sequence[int], width: int) -> list[int]:
    """Return the columns that fit: all, or the first and the last ones, as many as there is room for.

    Examples:
        >>> fitting([10, 10, 10], 80)
        [0, 1, 2]
        >>> fitting([20] * 10, 60)
        [0, 1, 2, 3, 9]
    """
    least = [min(each, NARROWEST) + _EDGE for each in wanted]
    if sum(least) + 1 <= width or len(wanted) <= 1:
        return list(range(len(wanted)))
    chosen: list[int] = []
    room = width - 1
    left, right = 0, len(wanted) - 1
    while left <= right:
        turn = right if len(chosen) % 3 == 2 else left  # two from the left for each from the right
        if least[turn] > room:
            break
        room -= least[turn]
        chosen.append(turn)
        left, right = (left, right - 1) if turn == right else (left + 1, right)
    return sorted(chosen) or [0]


def _most(wanted: Sequence[int], shown: Sequence[int], width: int) -> int | None:
    """Return how wide a column may be at most, so that all that are shown have room; None: as it likes."""
    room = width - 1 - _EDGE * len(shown)
    if sum(wanted[i] for i in shown) <= room:
        return None
    for most in range(WIDEST, NARROWEST - 1, -1):
        if sum(min(wanted[i], most) for i in shown) <= room:
            return most
    return NARROWEST


def _facts(session: Session, answer: Answer) -> Facts:
    return facts_of(session, [ref for row in answer.rows for value in row for ref in references(value)])
