"""A plan: what a query and its views name, and how their texts are edited before DuckDB runs them.

Every rule of the compiler takes a plan and returns it with more in it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

from cutlist.compiler.text import Statement, edited, quoted

if TYPE_CHECKING:
    from sqlglot import exp

    from cutlist.compiler.facts import Remark, TableFacts
    from cutlist.compiler.searches import Search
    from cutlist.compiler.similarity import QueryVector

Edit = tuple[int, int, str]
"""A span [start, stop) of a text, and what replaces it."""

GAP = "\u00a0"
"""A space that no break is at, and that no name may have, between the name of a table and what is scanned of it."""

QUERY = ""
"""What the query itself goes by, where views go by their names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """The only rows of a table that a query can use, how they were found, and what index may have missed some."""

    row_ids: tuple[int, ...] = field(repr=False)
    found: str
    missing: str = ""

    @property
    def name(self) -> str:
        """A text that tells them from others."""
        digest = hashlib.sha256(repr(self.row_ids).encode()).hexdigest()
        return f"{len(self.row_ids)} rows {digest[:12]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """What is scanned where a table is named: which version, with row ids or not, and which rows alone.

    `version` is None for that of the session. `rows` are those that an index found, where one was asked. `selection`
    says that `table` is the fingerprint of a saved selection.
    """

    table: str
    version: int | None = None
    rowid: bool = False
    filter: str | None = None
    rows: Rows | None = None
    selection: bool = False

    @property
    def name(self) -> str:
        """What DuckDB knows it by: a table of the session, of which no more is asked, by its own name."""
        name = f"selection{GAP}{self.table}" if self.selection else self.table
        name += f"{GAP}@ {self.version}" if self.version is not None else ""
        name += f"{GAP}with _rowid" if self.rowid else ""
        name += f"{GAP}where {self.filter}" if self.filter is not None else ""
        return name + (f"{GAP}of {self.rows.name}" if self.rows is not None else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """A place where a FROM clause names a table: its statement, node and span, and what is scanned there."""

    statement: str
    node: exp.Table
    start: int
    stop: int
    scan: Scan
    facts: TableFacts

    @property
    def called(self) -> str:
        """The name that qualifies its columns, as written."""
        return str(self.node.alias_or_name) or "selection"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What the rules have found so far. `strict` says that the query is compiled, not just run."""

    query: Statement
    views: Mapping[str, Statement]
    strict: bool
    uses: tuple[Use, ...] = ()
    edits: Mapping[str, tuple[Edit, ...]] = field(default_factory=dict)
    late: Mapping[str, frozenset[str]] = field(default_factory=dict)
    remarks: tuple[Remark, ...] = ()
    vectors: tuple[QueryVector, ...] = ()
    searches: tuple[Search, ...] = ()

    @property
    def statements(self) -> dict[str, Statement]:
        """Every statement by the name of its view, in the order to define them, the query last."""
        return {**self.views, QUERY: self.query}

    @property
    def scans(self) -> dict[str, Scan]:
        """What is to be defined: DuckDB's name → scan."""
        return {use.scan.name: use.scan for use in self.uses}

    def find(self, name: str) -> TableFacts | None:
        """Return what is known of the table of a name, unless the plan names several of its versions."""
        found = {use.facts.version: use.facts for use in self.uses if self._is(use, name)}
        return found.popitem()[1] if len(found) == 1 else None

    @staticmethod
    def _is(use: Use, name: str) -> bool:
        return use.scan.table.lower() == name.lower() and not use.scan.selection

    def can_name(self, column: str) -> bool:
        """Return whether a statement has the name of a column, or a star."""
        words = (token.text.lower() for statement in self.statements.values() for token in statement.tokens)
        return not {column.lower(), "*", "columns"}.isdisjoint(words) or any(map(_starless, self.statements.values()))

    def edited(self, statement: str, *edits: Edit) -> Plan:
        """Return the plan with more edits of a statement."""
        return replace(self, edits={**self.edits, statement: (*self.edits.get(statement, ()), *edits)})

    def using(self, change: Callable[[Use], Scan]) -> Plan:
        """Return the plan with what is scanned at each place changed."""
        return replace(self, uses=tuple(replace(use, scan=change(use)) for use in self.uses))

    def text(self, name: str) -> str:
        """Return the text of a statement as DuckDB gets it."""
        return self.part(name, 0, len(self.statements[name].text))

    def part(self, name: str, start: int, stop: int) -> str:
        """Return the span [start, stop) of a statement's text as DuckDB gets it."""
        statement = self.statements[name]
        edits = list(self.edits.get(name, ()))
        for use in self.uses:
            if use.statement == name and statement.text[use.start : use.stop].strip('"') != use.scan.name:
                alias = "" if use.node.args.get("alias") else f" AS {quoted(use.called)}"
                edits.append((use.start, use.stop, quoted(use.scan.name) + alias))
        here = [each for each in edits if start <= each[0] and each[1] <= stop]
        return edited(statement.text[start:stop], ((a - start, b - start, new) for a, b, new in here))


def _starless(statement: Statement) -> bool:
    """Return whether a statement can take every column without a star: PIVOT, TABLE, FROM without SELECT and so on."""
    words = {token.text.upper() for token in statement.tokens}
    return not {"PIVOT", "UNPIVOT", "TABLE", "SUMMARIZE", "DESCRIBE"}.isdisjoint(words) or _froms(statement)


def _froms(statement: Statement) -> bool:
    """Return whether a statement has a FROM that no SELECT goes with."""
    words = [token.text.upper() for token in statement.tokens]
    return words.count("FROM") > words.count("SELECT")


class Catalog(Protocol):
    """What the rules ask; every answer is a plain value."""

    def table(self, name: str, version: int | str | None = None) -> TableFacts | None:
        """Return what is known of a table at a version (by number or tag), or None if there is no such table.

        Raises:
            CatalogError: if there is no such version.
        """

    def selection(self, fingerprint: str) -> TableFacts:
        """Return what is known of a saved selection, by the start of its fingerprint.

        Raises:
            CatalogError: if none or several start so.
        """

    def is_view(self, name: str) -> bool:
        """Return whether a name is a view's."""

    def no_table(self, place: str, name: str) -> str:
        """Return the message for a name that is neither table nor view."""

    def written(self, item: str) -> str:
        """Return what DuckDB calls the column of an item of a SELECT's list that has no alias."""


Rule = Callable[[Plan, Catalog], Plan]
