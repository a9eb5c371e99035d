"""A result as a table that fits the terminal: the columns that there is room for, or each row on lines of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich.cells import cell_len
from rich.console import Group, RenderableType
from rich.text import Text

from cutlist.fitting import table
from cutlist.shell.cells import Facts, cell, facts_of, references
from cutlist.values import rows

if TYPE_CHECKING:
    from cutlist import Session


Draw = Callable[[Any, str], RenderableType | None]
"""A value, and DuckDB's type of its column → what is drawn in its cell; None: it is told in words."""


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


def as_table(session: Session, answer: Answer, width: int, pictures: Draw | None = None) -> RenderableType:
    """Return a table that is no wider than the terminal; columns that there is no room for are named below it.

    Args:
        pictures: What draws a medium in its cell; None: it is told in words.
    """
    facts = _facts(session, answer)
    texts = [[cell(value, kind, facts) for value, kind in zip(row, answer.types, strict=True)] for row in answer.rows]

    def picture(row: int, column: int) -> RenderableType | None:
        return None if pictures is None else pictures(answer.rows[row][column], answer.types[column])

    return table(
        answer.names,
        answer.types,
        texts,
        width,
        whole=".expanded on shows all",
        picture=None if pictures is None else picture,
    )


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


def _facts(session: Session, answer: Answer) -> Facts:
    return facts_of(session, [ref for row in answer.rows for value in row for ref in references(value)])
