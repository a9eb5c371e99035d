"""An ORDER BY without ties: the same rows come in the same order on any number of threads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlglot import TokenType, exp

if TYPE_CHECKING:
    from cutlist.compiler.text import Statement

_AFTER = {TokenType.LIMIT, TokenType.OFFSET, TokenType.FETCH, TokenType.FOR, TokenType.USING}


def _ordering(tree: exp.Expr) -> tuple[exp.Order | None, int]:
    """Return the ORDER BY of the outermost query, and how many parentheses stand around it."""
    depth = 0
    while isinstance(tree, exp.Subquery) and tree.args.get("order") is None:
        tree, depth = tree.this, depth + 1
    return tree.args.get("order"), depth


def has_order(statement: Statement) -> bool:
    """Return whether the outermost query has an ORDER BY, so that its rows come in order.

    Examples:
        >>> from cutlist.compiler.text import parse
        >>> has_order(parse("SELECT row_number() OVER (ORDER BY a) FROM t")), has_order(parse("FROM t ORDER BY a"))
        (False, True)
    """
    return _ordering(statement.tree)[0] is not None


def total_order(statement: Statement, num_columns: int) -> str:
    """Return the text with every output column appended to the outermost ORDER BY, so that no ties are left.

    A text without an outermost ORDER BY, or with ORDER BY ALL, comes back as it is.

    Examples:
        >>> from cutlist.compiler.text import parse
        >>> total_order(parse("SELECT a, b FROM t ORDER BY a DESC LIMIT 3"), 2)
        'SELECT a, b FROM t ORDER BY a DESC, 1, 2 LIMIT 3'
    """
    order, outer = _ordering(statement.tree)
    if order is None:
        return statement.text
    tokens, depth, start = statement.tokens, 0, None
    for index, token in enumerate(tokens):
        if token.token_type in (TokenType.L_PAREN, TokenType.L_BRACKET, TokenType.L_BRACE):
            depth += 1
        elif token.token_type in (TokenType.R_PAREN, TokenType.R_BRACKET, TokenType.R_BRACE):
            depth -= 1
            if start is not None and depth < outer:
                break
        elif depth == outer and token.token_type == TokenType.ORDER_BY:
            start = index
        elif depth == outer and start is not None and token.token_type in _AFTER:
            break
    else:
        index = len(tokens)
    assert start is not None
    last = tokens[index - 1]
    if [token.text.upper() for token in tokens[start + 1 : start + 2]] == ["ALL"]:
        return statement.text
    return statement.edited([(last.end + 1, last.end + 1, "".join(f", {n + 1}" for n in range(num_columns)))])
