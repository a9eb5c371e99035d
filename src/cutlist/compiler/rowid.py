"""`_rowid` as a pseudo-column: there when a query names it, never part of `*`.

A table is known to DuckDB twice: under its name without row ids, and under its name + `ROWID_SUFFIX` with them. Where
a query names `_rowid`, the table's name is replaced by the second, and each `*` of that SELECT excludes it again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from sqlglot import exp

from cutlist.compiler.names import base_tables
from cutlist.compiler.text import Statement, span
from cutlist.errors import QueryError

ROWID = "_rowid"
ROWID_SUFFIX = " with _rowid"


def expose_rowid(statement: Statement, is_table: Callable[[str], bool]) -> tuple[str, frozenset[str]]:
    """Return the text in which tables have row ids where `_rowid` is named, and the lower-case names of those tables.

    Args:
        is_table: Whether a name is a table's; views have no row ids.

    Raises:
        QueryError: where the `*` of a NATURAL JOIN cannot leave `_rowid` out.

    Examples:
        >>> from cutlist.compiler.text import parse
        >>> expose_rowid(parse("SELECT _rowid, * FROM t"), lambda name: True)[0]
        'SELECT _rowid, * EXCLUDE ("t"._rowid) FROM "t with _rowid" AS t'
    """
    if ROWID not in statement.text.lower():
        return statement.text, frozenset()
    base = {id(table) for table in base_tables(statement.tree) if is_table(table.name)}
    exposed: dict[int, exp.Table] = {}
    for column in statement.tree.find_all(exp.Column):
        if column.name.lower() == ROWID:
            for table in _tables_of(column, base):
                exposed[id(table)] = table
    selects: dict[int, exp.Select] = {}
    edits: list[tuple[int, int, str]] = []
    for table in exposed.values():
        place = span(table.this)
        assert place is not None
        alias = "" if table.args.get("alias") else f" AS {statement.text[slice(*place)]}"
        name = table.name.replace('"', '""')
        edits.append((*place, f'"{name}{ROWID_SUFFIX}"{alias}'))
        select = table.find_ancestor(exp.Select)
        if select is not None:
            selects[id(select)] = select
    for select in selects.values():
        _refuse_natural(statement, select)
        _refuse_columns(statement, select)
        names = {table.alias_or_name.lower() for table in exposed.values() if table.find_ancestor(exp.Select) is select}
        edits += _exclusions(statement, select, names)
    return statement.edited(edits), frozenset(table.name.lower() for table in exposed.values())


def _tables_of(column: exp.Column, base: set[int]) -> Iterator[exp.Table]:
    """Yield the tables that a `_rowid` can mean: of the nearest SELECT that has one (by the qualifier, if given)."""
    select = column.find_ancestor(exp.Select)
    while select is not None:
        tables = [table for table in _sources(select) if id(table) in base]
        if column.table:
            tables = [table for table in tables if table.alias_or_name.lower() == column.table.lower()]
        if tables:
            yield from tables
            return
        select = select.find_ancestor(exp.Select)


def _sources(select: exp.Select) -> Iterator[exp.Table]:
    """Yield the tables in the FROM clause of one SELECT, not those of its subqueries."""
    clauses = [select.args.get("from_"), *(select.args.get("joins") or [])]
    for clause in filter(None, clauses):
        for table in clause.find_all(exp.Table):
            if table.find_ancestor(exp.Select) is select:
                yield table


def _refuse_natural(statement: Statement, select: exp.Select) -> None:
    for join in select.args.get("joins") or []:
        if join.method.upper() == "NATURAL":
            place = span(join.this.this) if isinstance(join.this, exp.Table) else None
            raise QueryError(
                f"{statement.at(place[0] if place else 0)}: NATURAL JOIN beside _rowid; write JOIN … USING (columns)"
            )


def _refuse_columns(statement: Statement, select: exp.Select) -> None:
    for each in select.find_all(exp.Columns):
        if each.find_ancestor(exp.Select) is select and not isinstance(each.this, exp.Star):
            raise QueryError(
                f"{statement.place}: COLUMNS(…) beside _rowid could match it too; name the columns, or use COLUMNS(*)"
            )


def _exclusions(statement: Statement, select: exp.Select, names: set[str]) -> Iterator[tuple[int, int, str]]:
    """Yield the edits that leave `_rowid` out of each `*` of a SELECT's list."""
    for star in select.find_all(exp.Star):
        if star.find_ancestor(exp.Select) is not select or isinstance(star.parent, exp.Count):
            continue
        qualifier = star.parent.table.lower() if isinstance(star.parent, exp.Column) else ""
        if qualifier and qualifier not in names:
            continue
        place = span(star)
        if place is None or statement.text[slice(*place)] != "*":  # FROM t without SELECT
            first = _from_token(statement, next(_sources(select)))
            yield first, first, f"SELECT * EXCLUDE ({_qualified(names)}) "
            continue
        hidden = ROWID if qualifier else _qualified(names)
        following = [token for token in statement.tokens if token.start >= place[1]][:2]
        if following and following[0].text.upper() == "EXCLUDE":
            paren = len(following) > 1 and following[1].text == "("
            if paren:
                yield following[1].end + 1, following[1].end + 1, f"{hidden}, "
            else:
                yield following[1].start, following[1].end + 1, f"({hidden}, {following[1].text})"
        else:
            yield place[1], place[1], f" EXCLUDE ({hidden})"


def _qualified(names: set[str]) -> str:
    """Return the row ids of tables, each with its table, so that a column of that name from elsewhere stays."""
    return ", ".join('"' + name.replace('"', '""') + f'".{ROWID}' for name in sorted(names))


def _from_token(statement: Statement, table: exp.Table) -> int:
    """Return the offset of the FROM that a table stands behind: the last one before it that no parenthesis closed."""
    place = span(table.this)
    assert place is not None
    open_froms: list[list[int]] = [[]]
    for token in statement.tokens:
        if token.start >= place[0]:
            break
        if token.text == "(":
            open_froms.append([])
        elif token.text == ")":
            open_froms.pop()
        elif token.text.upper() == "FROM":
            open_froms[-1].append(token.start)
    return next(found[-1] for found in reversed(open_froms) if found)
