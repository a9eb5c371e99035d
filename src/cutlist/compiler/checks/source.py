"""Where a node of the tree stands in the user's text, and what is written there."""

from __future__ import annotations

from bisect import bisect_right
from itertools import accumulate
from typing import TYPE_CHECKING

from sqlglot import Token, TokenType, exp

if TYPE_CHECKING:
    from cutlist.compiler.checks.kinds import Kinds
    from cutlist.compiler.text import Statement

_OPEN = (TokenType.L_PAREN, TokenType.L_BRACKET, TokenType.L_BRACE)
_QUERY = frozenset({TokenType.SELECT, TokenType.FROM, TokenType.WITH, TokenType.VALUES, TokenType.L_PAREN})
_CLOSE = (TokenType.R_PAREN, TokenType.R_BRACKET, TokenType.R_BRACE)

_UNPLACED: dict[type[exp.Expr], frozenset[str]] = {
    exp.ArgMax: frozenset({"arg_max", "argmax", "max_by"}),
    exp.ArgMin: frozenset({"arg_min", "argmin", "min_by"}),
    exp.GroupConcat: frozenset({"string_agg", "group_concat", "listagg"}),
    exp.ApproxQuantile: frozenset({"approx_quantile"}),
    exp.Substring: frozenset({"substring", "substr"}),
    exp.JSONObject: frozenset({"json_object"}),
}
"""Functions to which sqlglot gives no place, and the names that they are written by."""


KEYS = frozenset({"id", "_rowid", "row_id"})
"""Columns that are taken to tell the rows of a table apart, so that nothing ties."""


def offset_of(node: exp.Expr) -> int | None:
    """Return the offset of the first word of a node that has a place in the text."""
    starts = [int(each.meta["start"]) for each in node.walk() if "start" in each.meta]
    return min(starts, default=None)


def start_of(statement: Statement, node: exp.Expr) -> int:
    """Return the offset of the first character of a node: of its bracket, if it starts with one."""
    first, last = tokens_of(statement, node)
    return statement.tokens[first].start if last >= first else 0


def call_of(statement: Statement, node: exp.Expr) -> tuple[str, int] | None:
    """Return the lower-case name of a function as it is written, and its offset; None where the node is no call.

    Examples:
        >>> from cutlist.compiler.text import parse
        >>> statement = parse("SELECT MAX_BY(a, b) FROM t")
        >>> call_of(statement, statement.tree.find(exp.ArgMax))
        ('max_by', 7)
    """
    placed = node if "start" in node.meta else node.parent
    if placed is not None and (placed is node or isinstance(placed, exp.IgnoreNulls | exp.RespectNulls)):
        start = placed.meta.get("start")
        if start is not None:
            return _name_at(statement, int(start))
    names = _UNPLACED.get(type(node))
    if names is None and isinstance(node, exp.AggFunc):
        names = frozenset(each.lower() for each in node.sql_names())
    return _call_around(statement, node, names or frozenset())


def _name_at(statement: Statement, start: int) -> tuple[str, int] | None:
    """Return the name that starts at an offset, if a parenthesis follows it."""
    at = _token(statement, start)
    after = statement.tokens[at + 1 : at + 2]
    if not after or after[0].token_type != TokenType.L_PAREN:
        return None
    return statement.tokens[at].text.lower(), start


def _call_around(statement: Statement, node: exp.Expr, names: frozenset[str]) -> tuple[str, int] | None:
    """Return the innermost call of one of `names` whose parentheses are around the node's first word."""
    inside = offset_of(node)
    if not names or inside is None:
        return None
    depth = 0
    for at in range(_token(statement, inside) - 1, 0, -1):
        kind = statement.tokens[at].token_type
        if kind in _CLOSE:
            depth += 1
        elif kind in _OPEN and depth:
            depth -= 1
        elif kind in _OPEN and statement.tokens[at - 1].text.lower() in names:
            return statement.tokens[at - 1].text.lower(), statement.tokens[at - 1].start
    return None


def snippet(statement: Statement, node: exp.Expr, limit: int = 48) -> str:
    """Return what the user wrote for a node, in one line, cut off with … where it is longer than `limit`.

    Examples:
        >>> from cutlist.compiler.text import parse
        >>> statement = parse("SELECT (a + f( b )) * 2, c FROM t")
        >>> snippet(statement, statement.tree.expressions[0])
        '(a + f( b )) * 2'
    """
    first, last = tokens_of(statement, node)
    if last < first:
        return "…"
    text = " ".join(statement.text[statement.tokens[first].start : statement.tokens[last].end + 1].split())
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def tokens_of(statement: Statement, node: exp.Expr) -> tuple[int, int]:
    """Return the indexes of the first and the last token of a node, with the brackets that belong to it.

    (0, -1) where none of its words has a place.
    """
    tokens = statement.tokens
    placed = {int(each.meta["start"]) for each in node.walk() if "start" in each.meta}
    calls = {call[1] for each in node.find_all(exp.Func) if (call := call_of(statement, each)) is not None}
    if not placed | calls:
        return 0, -1
    first, last = _token(statement, min(placed | calls)), _token(statement, max(placed | calls))
    if tokens[last].start in calls and last + 1 < len(tokens) and tokens[last + 1].token_type == TokenType.L_PAREN:
        last += 1
    if isinstance(node, exp.Struct | exp.Array | exp.Subquery) and call_of(statement, node) is None:
        first = _opening(statement, first, _QUERY if isinstance(node, exp.Subquery) else frozenset())
    depths = list(accumulate(_depth(token) for token in tokens[first : last + 1]))
    missing, depth = -min(0, *depths), depths[-1]
    while missing > 0 and first > 0:
        first -= 1
        missing, depth = missing - _depth(tokens[first]), depth + _depth(tokens[first])
    while depth > 0 and last + 1 < len(tokens):
        last += 1
        depth += _depth(tokens[last])
    return first, last


def _opening(statement: Statement, inside: int, words: frozenset[TokenType]) -> int:
    """Return the index of the nearest bracket open at a token, which one of `words` follows, if any are given."""
    depth = 0
    for at in range(inside - 1, -1, -1):
        depth += _depth(statement.tokens[at])
        if depth > 0:
            if not words or statement.tokens[at + 1].token_type in words:
                return at
            depth = 0
    return inside


def _depth(token: Token) -> int:
    return (token.token_type in _OPEN) - (token.token_type in _CLOSE)


def _token(statement: Statement, offset: int) -> int:
    """Return the index of the token at an offset."""
    return bisect_right(statement.tokens, offset, key=lambda token: token.start) - 1


def keyword_before(statement: Statement, node: exp.Expr, kinds: frozenset[TokenType]) -> int:
    """Return the offset of the last keyword of some kinds that stands before the first word of a node.

    Where the node has no word of its own, that of the last such keyword of the text.
    """
    inside = offset_of(node)
    last = len(statement.tokens) - 1 if inside is None else _token(statement, inside)
    places = (token.start for token in reversed(statement.tokens[: last + 1]) if token.token_type in kinds)
    return next(places, 0)


def arguments(call: exp.Expr) -> list[exp.Expr]:
    """Return the arguments of a function, without the DISTINCT and ORDER BY that may stand around them."""
    found: list[exp.Expr] = []
    for each in call.iter_expressions():
        inner = each.this if isinstance(each, exp.Order) else each
        found += inner.expressions if isinstance(inner, exp.Distinct) else [inner]
    return found


def is_ordered(call: exp.Expr) -> bool:
    """Return whether a call has an ORDER BY of its own: in its parentheses, WITHIN GROUP, or in its OVER.

    Examples:
        >>> from cutlist.compiler.text import parse
        >>> trees = [parse(f"SELECT {each} FROM t").tree for each in ("list(a)", "list(a ORDER BY b)")]
        >>> [is_ordered(tree.find(exp.ArrayAgg)) for tree in trees]
        [False, True]
    """
    if any(isinstance(each, exp.Order) for each in call.iter_expressions()):
        return True
    window = window_of(call)
    return isinstance(call.parent, exp.WithinGroup) or (window is not None and order_of(window) is not None)


def window_of(call: exp.Expr) -> exp.Window | None:
    """Return the OVER of a call, or None."""
    while isinstance(call.parent, exp.Filter | exp.IgnoreNulls | exp.RespectNulls) and call.parent.this is call:
        call = call.parent
    return call.parent if isinstance(call.parent, exp.Window) and call.parent.this is call else None


def order_of(window: exp.Window) -> exp.Order | None:
    """Return the ORDER BY of an OVER: its own, or that of the named window that it uses."""
    order, name = window.args.get("order"), window.args.get("alias")
    if isinstance(order, exp.Order) or name is None:
        return order if isinstance(order, exp.Order) else None
    select = window.find_ancestor(exp.Select)
    for each in (select.args.get("windows") or []) if select is not None else []:
        if each is not window and each.name.lower() == name.name.lower():
            return order_of(each)
    return None


def key_of(kinds: Kinds, node: exp.Expr) -> str:
    """Return what to order by in a proposal: an `id` of the SELECT's tables, else a `_rowid`, else …."""
    select = node if isinstance(node, exp.Select) else node.find_ancestor(exp.Select)
    sources = kinds.sources(select) if isinstance(select, exp.Select) else ()
    having = [each for each in sources if "id" in each.columns.kinds]
    tables = [each for each in sources if each.table is not None]
    name = "_rowid" if tables and not having else "id"
    owners = having or tables
    if sources and not owners and not any(each.columns.open for each in sources):
        return "…"
    if not owners or len(sources) == 1:
        return name
    alias = owners[0].node.args.get("alias")
    written = alias.this if alias is not None else owners[0].node.this
    return f"{written.sql('duckdb')}.{name}"


def in_order(statement: Statement, call: exp.Expr, key: str) -> str:
    """Return what the user wrote for a call, with an ORDER BY in it."""
    text = snippet(statement, call)
    if text.endswith(")"):
        return f"{text[:-1].rstrip()} ORDER BY {key})"
    found = call_of(statement, call)
    return f"{found[0] if found else ''}(… ORDER BY {key})"
