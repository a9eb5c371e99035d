"""What the user wrote for an item of a SELECT's list and for a clause: their spans in the text, by tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlglot import TokenType, exp

if TYPE_CHECKING:
    from cutlist.compiler.text import Statement

Span = tuple[int, int]

_OPEN = frozenset({TokenType.L_PAREN, TokenType.L_BRACKET, TokenType.L_BRACE})
_CLOSE = frozenset({TokenType.R_PAREN, TokenType.R_BRACKET, TokenType.R_BRACE})
_ENDS = frozenset(
    """
    SELECT FROM WHERE GROUP HAVING QUALIFY WINDOW ORDER LIMIT OFFSET FETCH USING ON WITH VALUES TABLESAMPLE SAMPLE
    UNION INTERSECT EXCEPT JOIN LEFT RIGHT FULL INNER CROSS SEMI ANTI NATURAL ASOF POSITIONAL
    """.split()  # noqa: SIM905 - a list of thirty strings would fill a screen
)
"""First words of the tokens that an expression does not go beyond, on its own level."""


def items(statement: Statement, select: exp.Select) -> list[Span] | None:
    """Return the spans [start, stop) of the items of a SELECT's list; None where no word of it has a place.

    Examples:
        >>> from cutlist.compiler.text import parse
        >>> statement = parse("SELECT DISTINCT 2 * (a + 1), CASE WHEN b IS DISTINCT FROM 1 THEN 'x' END AS c FROM t")
        >>> [statement.text[start:stop] for start, stop in items(statement, statement.tree)]
        ['2 * (a + 1)', "CASE WHEN b IS DISTINCT FROM 1 THEN 'x' END AS c"]
    """
    anchors = [anchor for each in select.expressions if (anchor := _anchor(statement, each)) is not None]
    if not anchors:
        return None
    tokens = statement.tokens
    first, last = _around(statement, anchors[0])
    while tokens[first].text.upper() in ("DISTINCT", "ALL", "ON") or (
        first > 0 and tokens[first - 1].text.upper() == "ON" and tokens[first].token_type in _OPEN
    ):
        first = _matching(statement, first) + 1
    spans, start, depth = [], first, 0
    for at in range(first, last + 1):
        depth += _depth(statement, at)
        if depth == 0 and tokens[at].token_type == TokenType.COMMA:
            spans.append((tokens[start].start, tokens[at - 1].end + 1))
            start = at + 1
    if start <= last:
        spans.append((tokens[start].start, tokens[last].end + 1))
    return spans if len(spans) == len(select.expressions) else None


def clause(statement: Statement, node: exp.Expr) -> Span | None:
    """Return the span [start, stop) of what stands in a clause, without its keyword; None where no word has a place.

    Examples:
        >>> from cutlist.compiler.text import parse
        >>> statement = parse("SELECT a FROM t WHERE NOT a > 1 AND left(b, 1) = 'x' ORDER BY a")
        >>> start, stop = clause(statement, statement.tree.args["where"].this)
        >>> statement.text[start:stop]
        "NOT a > 1 AND left(b, 1) = 'x'"
    """
    anchor = _anchor(statement, node)
    if anchor is None:
        return None
    first, last = _around(statement, anchor)
    return statement.tokens[first].start, statement.tokens[last].end + 1


def line(text: str, limit: int) -> str:
    """Return a text in one line, cut off with … where it is longer than `limit`."""
    text = " ".join(text.split())
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def _anchor(statement: Statement, node: exp.Expr) -> int | None:
    """Return the index of a token of a node that is in no query inside it, or of the bracket around such a query."""
    placed = [each for each in node.walk() if _is_placed(statement, each)]
    if not placed:
        return None
    hops = {id(each): _hops(each, node) for each in placed}
    nearest = min(placed, key=lambda each: (hops[id(each)], int(each.meta["start"])))
    at = max(index for index, token in enumerate(statement.tokens) if token.start <= int(nearest.meta["start"]))
    for _ in range(hops[id(nearest)]):
        while not (statement.tokens[at].token_type in _OPEN and _is_query(statement, at)):
            at = _matching(statement, at) - 1
    return at


def _is_placed(statement: Statement, node: exp.Expr) -> bool:
    """Return whether a node has a place in the text: the star of a FROM without SELECT has a wrong one."""
    start = node.meta.get("start")
    return start is not None and not (isinstance(node, exp.Star) and statement.text[int(start)] != "*")


def _hops(node: exp.Expr, outer: exp.Expr) -> int:
    """Return how many queries in brackets are around a node, inside of another."""
    hops, above = 0, node
    while above is not outer:
        hops += (
            isinstance(above, exp.Query)
            and not isinstance(above, exp.Subquery | exp.Table)
            and (not isinstance(above.parent, exp.SetOperation))
        )
        assert above.parent is not None
        above = above.parent
    return hops


def _around(statement: Statement, at: int) -> tuple[int, int]:
    """Return the first and the last token between the two nearest keywords of clauses around a token.

    Brackets around the token belong to it, but not that of the query which it is in.
    """
    tokens = statement.tokens
    first = at
    while first > 0:
        before = first - 1
        if tokens[before].token_type in _CLOSE:
            first = _matching(statement, before)
        elif tokens[before].token_type in _OPEN:
            if _is_query(statement, before):
                break
            first = before
        elif _ends(statement, before):
            break
        else:
            first = before
    last, depth = first, 0
    for index in range(first, len(tokens)):
        depth += _depth(statement, index)
        if depth < 0 or (depth == 0 and index > at and _ends(statement, index)):
            break
        last = index
    return first, last


def _is_query(statement: Statement, opening: int) -> bool:
    """Return whether a query, or the clause of a window or a filter, stands behind a bracket."""
    token = statement.tokens[opening + 1]
    first = token.text.upper().split()[:1]
    return token.token_type != TokenType.STRING and first in (["SELECT"], ["FROM"], ["WITH"], ["VALUES"], ["WHERE"])


def _ends(statement: Statement, at: int) -> bool:
    """Return whether a token is a keyword of a clause: LEFT and RIGHT may be functions, IS DISTINCT FROM is none."""
    tokens = statement.tokens
    if tokens[at].token_type in (TokenType.STRING, TokenType.IDENTIFIER, TokenType.SEMICOLON):
        return tokens[at].token_type == TokenType.SEMICOLON
    words = tokens[at].text.upper().split()
    if not words or words[0] not in _ENDS:
        return False
    if words[0] in ("LEFT", "RIGHT") and tokens[at + 1].token_type == TokenType.L_PAREN:
        return False
    return not (words[0] == "FROM" and at > 1 and tokens[at - 1].text.upper().endswith("DISTINCT"))


def _matching(statement: Statement, at: int) -> int:
    """Return the other bracket of a token that is one; the token itself of any other."""
    kind = statement.tokens[at].token_type
    step = 1 if kind in _OPEN else -1 if kind in _CLOSE else 0
    depth = _depth(statement, at)
    while depth and 0 <= at + step < len(statement.tokens):
        at += step
        depth += _depth(statement, at)
    return at


def _depth(statement: Statement, at: int) -> int:
    kind = statement.tokens[at].token_type
    return (kind in _OPEN) - (kind in _CLOSE)
