"""Which functions a plan's statements call, and where its columns are named."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from sqlglot import TokenType, exp

if TYPE_CHECKING:
    from cutlist.compiler.plan import Plan


_CLAUSES: dict[type[exp.Expr], str] = {
    exp.Where: "WHERE",
    exp.Join: "JOIN",
    exp.Group: "GROUP BY",
    exp.Having: "HAVING",
    exp.Qualify: "QUALIFY",
    exp.Order: "ORDER BY",
    exp.Window: "OVER",
    exp.From: "FROM",
}


def clauses_of(plan: Plan) -> dict[str, tuple[str, ...]]:
    """Return the clauses in which columns are named, in the query or its views, by the columns' names in lower case.

    `output` is the list of a SELECT itself, `expression` an expression in it.
    """
    found: dict[str, dict[str, None]] = {}
    for statement in plan.statements.values():
        for column in statement.tree.find_all(exp.Column):
            found.setdefault(column.name.lower(), {})[_clause(column)] = None
        for join in statement.tree.find_all(exp.Join):
            for each in join.args.get("using") or []:
                found.setdefault(each.name.lower(), {})["JOIN"] = None
    return {name: tuple(clauses) for name, clauses in found.items()}


def _clause(column: exp.Column) -> str:
    above = column.parent.parent if isinstance(column.parent, exp.Alias) else column.parent
    if isinstance(above, exp.Select):
        return "output"
    while above is not None and not isinstance(above, exp.Query):
        if type(above) in _CLAUSES:
            return _CLAUSES[type(above)]
        above = above.parent
    return "expression"


def calls_of(functions: Collection[str], plan: Plan) -> int:
    """Return how often functions of some names (in lower case) are called in a query and its views, by their tokens."""
    count = 0
    for statement in plan.statements.values():
        for token, after in zip(statement.tokens, statement.tokens[1:], strict=False):
            count += after.token_type == TokenType.L_PAREN and token.text.lower() in functions
    return count
