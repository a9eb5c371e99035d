"""What the compiler is told of tables, and what it says: plain values, so that every analysis is a pure function."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnFacts:
    """What is known of a column of a table.

    `type` is DuckDB's (`media` for media columns). `mean_bytes` is the average size of a value: of its type, or as
    stored, where the length varies; 0.0 where it is small or not known. `nullable` says whether there can be a NULL,
    `holes` whether an ARRAY can have one inside. `indexes` has the kinds of its indexes, e.g. `BTREE`.
    `model` tells what made its values, where a featurizer did: the same for columns whose vectors can be compared.
    """

    type: str
    mean_bytes: float = 0.0
    nullable: bool = True
    holes: bool = False
    indexes: frozenset[str] = frozenset()
    model: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TableFacts:
    """What is known of a table at a version: its columns as SQL sees them, by name, in order."""

    name: str
    version: int = 0
    columns: Mapping[str, ColumnFacts] = field(default_factory=dict)

    def find(self, name: str) -> ColumnFacts | None:
        """Return what is known of a column; names ignore case."""
        return self.columns.get(name) or next(
            (facts for each, facts in self.columns.items() if each.lower() == name.lower()), None
        )


FindTable = Callable[[str], TableFacts | None]
"""Name → what is known of the table of that name, or None where it names a view or nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Remark:
    """What a check has to say about a query: `place` is `file:line:column`; an error stops compiling."""

    place: str
    text: str
    error: bool

    def __str__(self) -> str:
        return f"{self.place}: {self.text}"
