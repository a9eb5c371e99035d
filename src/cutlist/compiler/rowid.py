"""`_rowid` as a pseudo-column: there when a query names it, never part of `*`.

Where a query names `_rowid`, the table is scanned with row ids, and each `*` of that SELECT excludes them again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from sqlglot import exp

from cutlist.compiler.text import quoted, span
from cutlist.errors import QueryError

if TYPE_CHECKING:
    from cutlist.compiler.plan import Catalog, Plan, Use
    from cutlist.compiler.text import Statement

ROWID = "_rowid"


def expose_rowid(plan: Plan, catalog: Catalog) -> Plan:
    """Scan tables with row ids where `_rowid` is named, and exclude it from each `*` there.

    Raises:
        QueryError: where the `*` of a NATURAL JOIN cannot leave `_rowid` out.
    """
    for name, statement in plan.statements.items():
        if ROWID in statement.text.lower():
            _refuse_using(statement)
            plan = _exposed(plan, name, statement)
    return plan


def _exposed(plan: Plan, name: str, statement: Statement) -> Plan:
    base = {id(use.node): use for use in plan.uses if use.statement == name and not use.scan.selection}
    exposed: dict[int, Use] = {}
    for column in statement.tree.find_all(exp.Column):
        if column.name.lower() == ROWID:
            for use in _tables_of(column, base):
                exposed[id(use.node)] = use
    selects = {id(select): select for use in exposed.values() if (select := use.node.find_ancestor(exp.Select))}
    for select in selects.values():
        _refuse_natural(statement, select)
        _refuse_columns(statement, select)
        _refuse_whole_rows(statement, select, exposed.values())
        here = [use for use in exposed.values() if use.node.find_ancestor(exp.Select) is select and not _is_tested(use)]
        if here:
            plan = plan.edited(name, *_exclusions(statement, select, {use.called.lower() for use in here}))
    return plan.using(lambda use: replace(use.scan, rowid=True) if id(use.node) in exposed else use.scan)


def _is_tested(use: Use) -> bool:
    """Return whether a table is on the right of a SEMI or ANTI JOIN, so that no `*` has its columns."""
    join = use.node.parent
    return isinstance(join, exp.Join) and str(join.args.get("kind") or "").upper() in ("SEMI", "ANTI")


def _tables_of(column: exp.Column, base: Mapping[int, Use]) -> Iterator[Use]:
    """Yield the tables that a `_rowid` can mean: of the nearest SELECT that has one (by the qualifier, if given)."""
    select = column.find_ancestor(exp.Select)
    while select is not None:
        uses = [base[id(table)] for table in _sources(select) if id(table) in base]
        if column.table:
            uses = [use for use in uses if use.called.lower() == column.table.lower()]
        if uses:
            yield from uses
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


def _refuse_whole_rows(statement: Statement, select: exp.Select, exposed: Iterable[Use]) -> None:
    """Refuse a table's name in the place of a column, which stands for its whole row."""
    names = {use.called.lower(): use for use in exposed if use.node.find_ancestor(exp.Select) is select}
    for column in select.find_all(exp.Column):
        use = None if column.table else names.get(column.name.lower())
        place = span(column.this)
        if use is not None and place is not None and use.facts.find(column.name) is None:
            raise QueryError(
                f'{statement.at(place[0])}: "{column.name}" is the whole row of a table of which _rowid is named, so '
                f"that it would have _rowid in it; name its columns"
            )


def _refuse_using(statement: Statement) -> None:
    for join in statement.tree.find_all(exp.Join):
        for each in join.args.get("using") or []:
            if each.name.lower() == ROWID:
                place = span(each) or span(each.this) or (0, 0)
                raise QueryError(
                    f"{statement.at(place[0])}: _rowid is no column that USING can name; write ON a._rowid = b._rowid"
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
    return ", ".join(f"{quoted(name)}.{ROWID}" for name in sorted(names))


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
