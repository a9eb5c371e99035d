"""LIMIT, OFFSET, FETCH and DISTINCT ON where no ORDER BY says which rows they keep."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from sqlglot import TokenType, exp

from cutlist.compiler.checks.clauses import from_items, is_one_row
from cutlist.compiler.checks.source import KEYS, key_of, keyword_before, snippet
from cutlist.compiler.facts import Remark

if TYPE_CHECKING:
    from cutlist.compiler.checks.kinds import Kinds
    from cutlist.compiler.text import Statement

_LIMIT = frozenset({TokenType.LIMIT, TokenType.OFFSET, TokenType.FETCH})
_DISTINCT = frozenset({TokenType.DISTINCT})


def check_limits(statement: Statement, kinds: Kinds) -> Iterator[Remark]:
    """Yield errors where the rows that are kept depend on the order in which they happen to come.

    Examples:
        >>> from cutlist.compiler.checks.kinds import Kinds
        >>> from cutlist.compiler.text import parse
        >>> [remark.place for remark in check_limits(parse("FROM t LIMIT 3"), Kinds(lambda name: None))]
        ['query:1:8']
    """
    for query in statement.tree.find_all(exp.Query, exp.Values):
        yield from _limit(statement, kinds, query)
        if isinstance(query, exp.Select):
            yield from _distinct_on(statement, kinds, query)


def _limit(statement: Statement, kinds: Kinds, query: exp.Expr) -> Iterator[Remark]:
    clauses = [each for each in (query.args.get("limit"), query.args.get("offset")) if each is not None]
    clauses = [each for each in clauses if not _is_harmless(each)]
    if not clauses or _is_nothing(query.args.get("limit")):
        return
    order = _order_of(query)
    if (order is not None and not _is_constant(order)) or _is_fixed(kinds, query) or _only_exists(query):
        return
    place = keyword_before(statement, clauses[0], _LIMIT)
    word = statement.text[place:].split(maxsplit=1)[0].upper()
    what = f"{word} without ORDER BY" if order is None else f"{word} beside an ORDER BY of a constant"
    key = _key(kinds, query)
    text = f"{what}: which rows it keeps can differ between runs; write ORDER BY {key} before it"
    if key != "ALL":
        text += f", or WHERE sample({key}, 0.1) for a share of the rows"
    yield Remark(place=statement.at(place), text=text, error=True)


def _distinct_on(statement: Statement, kinds: Kinds, select: exp.Select) -> Iterator[Remark]:
    distinct = select.args.get("distinct")
    keys = distinct.args.get("on") if distinct is not None else None
    if keys is None:
        return
    on = {each.sql("duckdb").lower() for each in (keys.expressions or [keys])}
    shown = {each.unalias().sql("duckdb").lower() for each in select.expressions}
    names = {each.name.lower() for each in keys.find_all(exp.Column)}
    if shown <= on or (names & KEYS and len(kinds.sources(select)) == 1):
        return
    order = select.args.get("order")
    if order is not None and any(_ordered_by(each) not in on for each in order.expressions):
        return
    first, key = [snippet(statement, each) for each in (keys.expressions or [keys])], key_of(kinds, select)
    wanted = ", ".join([*first, "…" if key in first else key])
    what = "without ORDER BY" if order is None else "beside an ORDER BY of nothing else"
    text = f"DISTINCT ON {what}: which row of a group it keeps can differ between runs; write ORDER BY {wanted}"
    yield Remark(place=statement.at(keyword_before(statement, keys, _DISTINCT)), text=text, error=order is None)


def _ordered_by(term: exp.Expr) -> str:
    return (term.this if isinstance(term, exp.Ordered) else term).sql("duckdb").lower()


def _is_harmless(clause: exp.Expr) -> bool:
    """Return whether a clause leaves out nothing: LIMIT ALL, LIMIT NULL, LIMIT 100%, OFFSET 0."""
    count = clause.args.get("count") or clause.args.get("expression")
    if isinstance(clause, exp.Offset):
        return isinstance(count, exp.Literal) and count.name == "0"
    options = clause.args.get("limit_options")
    percent = options is not None and bool(options.args.get("percent"))
    everything = percent and isinstance(count, exp.Literal) and float(count.name) == 100
    return everything or isinstance(count, exp.Null) or (isinstance(count, exp.Var) and count.name.upper() == "ALL")


def _is_nothing(limit: exp.Expr | None) -> bool:
    """Return whether a clause keeps no row, as in `LIMIT 0` to see the columns."""
    count = (limit.args.get("count") or limit.args.get("expression")) if limit is not None else None
    return isinstance(count, exp.Literal) and count.name == "0"


def _order_of(query: exp.Expr) -> exp.Order | None:
    """Return the ORDER BY of a query, or of the one in parentheses that a LIMIT stands behind."""
    order = query.args.get("order")
    while order is None and isinstance(query, exp.Subquery) and isinstance(query.this, exp.Query):
        query = query.this
        order = query.args.get("order")
    return order if isinstance(order, exp.Order) else None


def _is_constant(order: exp.Order) -> bool:
    """Return whether every term is a constant, other than the number of a column."""
    return all(_is_constant_term(each.this if isinstance(each, exp.Ordered) else each) for each in order.expressions)


def _is_constant_term(term: exp.Expr) -> bool:
    if isinstance(term, exp.Literal) and term.is_int:
        return False
    return all(
        isinstance(each, exp.Literal | exp.Null | exp.Boolean | exp.Cast | exp.Paren | exp.DataType)
        for each in term.walk()
    )


def _is_fixed(kinds: Kinds, query: exp.Expr) -> bool:
    """Return whether the text of a query fixes the order of its rows: it has one row, or a list and no table."""
    while isinstance(query, exp.Subquery):
        query = query.this
    if isinstance(query, exp.Values):
        return True
    if not isinstance(query, exp.Select):
        return False
    if is_one_row(query, ignore_limit=True):
        return True
    items = list(from_items(query))
    grouped = query.args.get("group") or query.args.get("distinct")
    return not grouped and len(items) <= 1 and all(_is_listed(each) for each in items)


def _is_listed(item: exp.Expr) -> bool:
    function = isinstance(item, exp.Table) and not isinstance(item.this, exp.Identifier)
    return (
        function or isinstance(item, exp.Unnest | exp.Values) or (isinstance(item, exp.Subquery) and is_one_row(item))
    )


def _only_exists(query: exp.Expr) -> bool:
    """Return whether only the number of rows matters: the query is all that stands in EXISTS."""
    while isinstance(query.parent, exp.Subquery):
        query = query.parent
    return isinstance(query.parent, exp.Exists)


def _key(kinds: Kinds, query: exp.Expr) -> str:
    while isinstance(query, exp.Subquery) and isinstance(query.this, exp.Query):
        query = query.this
    if not isinstance(query, exp.Select) or query.args.get("group") or query.args.get("distinct"):
        return "ALL"
    return key_of(kinds, query)
