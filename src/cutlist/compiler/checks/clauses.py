"""The clauses of a SELECT: what stands in its FROM, which CTE a name means, whether it has one row."""

from __future__ import annotations

from collections.abc import Iterator

from sqlglot import exp


def from_items(select: exp.Select) -> Iterator[exp.Expr]:
    """Yield the tables, subqueries and functions in the FROM clause of one SELECT, also those in parentheses."""
    clause = select.args.get("from_")
    items = [clause.this] if clause is not None else []
    items += [join.this for join in select.args.get("joins") or []]
    items += select.args.get("laterals") or []
    for item in items:
        yield from items_of(item)


def items_of(item: exp.Expr) -> Iterator[exp.Expr]:
    if (
        isinstance(item, exp.Subquery | exp.Paren)
        and isinstance(item.this, exp.Table | exp.Subquery)
        and not item.alias
    ):
        yield from items_of(item.this)
    else:
        yield item
    for join in item.args.get("joins") or []:
        yield from items_of(join.this)


def named_query(table: exp.Table) -> exp.CTE | None:
    """Return the CTE that a name in a FROM clause means, or None."""
    if not isinstance(table.this, exp.Identifier) or table.args.get("db"):
        return None
    name, inside, above = table.name.lower(), table, table.parent
    passed: exp.Expr | None = None
    node: exp.Expr = inside
    while above is not None:
        clause = above if isinstance(above, exp.With) else above.args.get("with_")
        if isinstance(clause, exp.With) and clause is not passed:
            visible = list(clause.expressions)
            if clause is above:
                index = next(i for i, each in enumerate(visible) if each is node)
                visible = visible[: index + 1] if clause.args.get("recursive") else visible[:index]
                passed = clause
            for each in reversed(visible):
                if each.alias.lower() == name:
                    return each if isinstance(each, exp.CTE) else None
        node, above = above, above.parent
    return None


def is_one_row(query: exp.Expr, *, ignore_limit: bool = False) -> bool:
    """Return whether a query has at most one row: an aggregate of everything, one row of VALUES, nothing in FROM.

    Examples:
        >>> from cutlist.compiler.text import parse
        >>> [is_one_row(parse(sql).tree) for sql in ("SELECT max(a) FROM t", "SELECT max(a) FROM t GROUP BY b")]
        [True, False]
    """
    while isinstance(query, exp.Subquery):
        query = query.this
    if isinstance(query, exp.Values):
        return len(query.expressions) == 1
    if not isinstance(query, exp.Select) or query.args.get("group"):
        return False
    limit = query.args.get("limit")
    count = limit.args.get("count") or limit.args.get("expression") if limit is not None else None
    if not ignore_limit and isinstance(count, exp.Literal) and count.name == "1":
        return True
    if any(_makes_rows(each) for each in query.expressions):
        return False
    return query.args.get("from_") is None or any(_is_aggregate(each) for each in query.expressions)


def _makes_rows(projection: exp.Expr) -> bool:
    return projection.find(exp.Explode, exp.Unnest) is not None


def _is_aggregate(projection: exp.Expr) -> bool:
    """Return whether an expression of the SELECT list has an aggregate of its own: not in a subquery, not OVER."""
    select = projection.find_ancestor(exp.Select)
    return any(
        each.find_ancestor(exp.Select) is select and each.find_ancestor(exp.Window) is None
        for each in projection.find_all(exp.AggFunc)
    )


def conjuncts(condition: exp.Expr | None) -> Iterator[exp.Expr]:
    """Yield the parts of a condition that AND joins.

    Examples:
        >>> from cutlist.compiler.text import parse
        >>> where = parse("FROM t WHERE a AND (b OR c) AND (d AND e)").tree.args["where"]
        >>> [each.sql() for each in conjuncts(where)]
        ['a', 'b OR c', 'd', 'e']
    """
    if isinstance(condition, exp.Where | exp.Paren):
        yield from conjuncts(condition.this)
    elif isinstance(condition, exp.And):
        yield from conjuncts(condition.this)
        yield from conjuncts(condition.expression)
    elif condition is not None:
        yield condition
