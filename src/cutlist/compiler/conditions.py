"""A SELECT in its parts, by the user's own tokens: its list, its FROM, each condition of its WHERE."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlglot import Token, TokenType, exp

from cutlist.compiler.checks.clauses import conjuncts, from_items
from cutlist.compiler.checks.kinds import Kinds
from cutlist.compiler.text import Statement, span

if TYPE_CHECKING:
    from cutlist.compiler.facts import FindTable

Span = tuple[int, int]
"""A part [start, stop) of a statement's text."""

_OPEN = frozenset({TokenType.L_PAREN, TokenType.L_BRACKET, TokenType.L_BRACE, TokenType.CASE})
_CLOSE = frozenset({TokenType.R_PAREN, TokenType.R_BRACKET, TokenType.R_BRACE, TokenType.END})

_CLAUSES = {
    TokenType.SELECT: "SELECT",
    TokenType.FROM: "FROM",
    TokenType.WHERE: "WHERE",
    TokenType.GROUP_BY: "GROUP BY",
    TokenType.HAVING: "HAVING",
    TokenType.WINDOW: "WINDOW",
    TokenType.QUALIFY: "QUALIFY",
    TokenType.ORDER_BY: "ORDER BY",
    TokenType.LIMIT: "LIMIT",
    TokenType.OFFSET: "OFFSET",
    TokenType.FETCH: "FETCH",
    TokenType.USING: "USING SAMPLE",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One part of a WHERE: its span, its text in one line, and where it stands.

    `columns` are the columns that it names, as written. `joins` says that it is an equality between two tables that
    FROM only lists, so that it takes the place of an ON.
    """

    span: Span
    text: str
    place: str
    columns: tuple[str, ...] = ()
    joins: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """A SELECT in its parts.

    Attributes:
        head: What stands before it: WITH and its queries; empty where there is none.
        items: The entries of its list; None where it has no list (`FROM t`), or one that is not understood.
        listed: All of its list; None where it has no list.
        source: What stands behind FROM; None where it has none.
        conditions: Those of its WHERE, in the order of the text.
        after: What is done to rows after WHERE so that they are no longer the rows of FROM: `LIMIT`, `DISTINCT` …
    """

    head: Span
    items: tuple[Span, ...] | None
    listed: Span | None
    source: Span | None
    conditions: tuple[Condition, ...]
    after: tuple[str, ...]


def parts_of(statement: Statement, find: FindTable = lambda name: None) -> Parts | None:
    """Return the parts of a statement, or None where it is not one SELECT: a UNION, VALUES, PIVOT.

    Args:
        find: Name → what is known of a table; without it, a join in WHERE is known by the names before its columns.

    Examples:
        >>> from cutlist.compiler.text import parse
        >>> parts = parts_of(parse("FROM t WHERE a BETWEEN 1 AND 2 AND (b OR c AND d) AND (e AND f) LIMIT 3"))
        >>> [each.text for each in parts.conditions], parts.after
        (['a BETWEEN 1 AND 2', '(b OR c AND d)', 'e', 'f'], ('LIMIT',))
    """
    tree, tokens = statement.tree, statement.tokens
    first, last = 0, len(tokens)
    while isinstance(tree, exp.Subquery) and isinstance(tree.this, exp.Query) and _is_wrapped(tokens, first, last):
        if any(value for key, value in tree.args.items() if key != "this"):
            return None
        tree, first, last = tree.this, first + 1, last - 1
    if not isinstance(tree, exp.Select) or tree.args.get("sample") is not None or tree.find(exp.Pivot) is not None:
        return None
    clauses = _clauses(tokens, first, last)
    if not clauses:
        return None
    main = min(start for start, _ in clauses.values())
    listed = _list(tokens, *clauses["SELECT"]) if "SELECT" in clauses else None
    items = _cut(tokens, *listed, TokenType.COMMA) if listed is not None else []
    where = clauses.get("WHERE")
    return Parts(
        head=(tokens[first].start, tokens[main].start),
        items=tuple(_span(tokens, *each) for each in items) if items and len(items) == len(tree.expressions) else None,
        listed=None if listed is None else _span(tokens, *listed),
        source=_span(tokens, clauses["FROM"][0] + 1, clauses["FROM"][1]) if "FROM" in clauses else None,
        conditions=() if where is None else tuple(_conditions(statement, tree, *where, Kinds(find))),
        after=tuple(_after(tree)),
    )


def _clauses(tokens: Sequence[Token], first: int, last: int) -> dict[str, tuple[int, int]]:
    """Return the clauses of a SELECT: name → indexes [keyword, end)."""
    starts: list[tuple[int, str]] = []
    for i in _top(tokens, first, last):
        before = tokens[i - 1].token_type if i > first else None
        name = _CLAUSES.get(tokens[i].token_type)
        if name is None or before in (TokenType.DOT, TokenType.ALIAS):
            continue
        if name == "FROM" and before == TokenType.DISTINCT:  # IS DISTINCT FROM
            continue
        if name == "USING SAMPLE" and tokens[min(i + 1, last - 1)].text.upper() != "SAMPLE":
            continue
        starts.append((i, name))
    ends = [i for i, _ in starts[1:]] + [last]
    return {name: (i, end) for (i, name), end in reversed(list(zip(starts, ends, strict=True)))}


def _top(tokens: Sequence[Token], first: int, last: int) -> Iterator[int]:
    """Yield the indexes of the tokens outside of brackets and CASE … END."""
    depth = 0
    for i in range(first, last):
        kind = tokens[i].token_type
        word = kind in (TokenType.CASE, TokenType.END) and i > first and tokens[i - 1].token_type == TokenType.DOT
        if kind in _CLOSE and not word:
            depth -= 1
        if depth == 0:
            yield i
        if kind in _OPEN and not word:
            depth += 1


def _is_wrapped(tokens: Sequence[Token], first: int, last: int) -> bool:
    """Return whether one pair of parentheses is around all of some tokens."""
    if last - first < 2 or tokens[first].token_type != TokenType.L_PAREN:
        return False
    return list(_top(tokens, first, last)) == [first, last - 1] and tokens[last - 1].token_type == TokenType.R_PAREN


def _list(tokens: Sequence[Token], first: int, last: int) -> tuple[int, int]:
    """Return the indexes of the list of a SELECT: without ALL, DISTINCT ON (…), and a comma at its end."""
    first += 1
    if tokens[first].token_type in (TokenType.ALL, TokenType.DISTINCT):
        is_on = tokens[first + 1].token_type == TokenType.ON
        first += 1
        if is_on:
            first = next(i for i in _top(tokens, first + 1, last) if tokens[i].token_type == TokenType.R_PAREN) + 1
    return first, last - 1 if tokens[last - 1].token_type == TokenType.COMMA else last


def _cut(tokens: Sequence[Token], first: int, last: int, at: TokenType) -> list[tuple[int, int]]:
    """Return the indexes of what stands between separators."""
    places = [i for i in _top(tokens, first, last) if tokens[i].token_type == at]
    return list(zip([first, *(i + 1 for i in places)], [*places, last], strict=True))


def _span(tokens: Sequence[Token], first: int, last: int) -> Span:
    return tokens[first].start, tokens[last - 1].end + 1


def _conditions(statement: Statement, select: exp.Select, keyword: int, last: int, kinds: Kinds) -> Iterator[Condition]:
    """Yield the conditions of a WHERE, the tokens [keyword, last)."""
    tokens, first = statement.tokens, keyword + 1
    pieces = list(_split(tokens, first, last))
    nodes = list(conjuncts(select.args["where"]))
    if len(nodes) != len(pieces):  # sqlglot reads it otherwise: all of it is one condition
        pieces, nodes = [(first, last)], [select.args["where"].this]
    listed = _only_listed(select)
    for (start, stop), node in zip(pieces, nodes, strict=True):
        here = _span(tokens, start, stop)
        yield Condition(
            span=here,
            text=_written(statement, start, stop),
            place=statement.at(here[0]),
            columns=tuple(_columns(statement, node)),
            joins=_joins(node, select, listed, kinds),
        )


def _written(statement: Statement, first: int, last: int) -> str:
    """Return what some tokens are in one line, without comments."""
    tokens, text = statement.tokens, ""
    for before, token in zip([None, *tokens[first:]], tokens[first:last], strict=False):
        text += " " if before is not None and before.end + 1 < token.start else ""
        text += " ".join(statement.text[token.start : token.end + 1].split("\n"))
    return text


def _split(tokens: Sequence[Token], first: int, last: int) -> Iterator[tuple[int, int]]:
    """Yield the indexes of what AND joins: not that of BETWEEN, nor any beside OR, which binds less."""
    inner = (first, last)
    while _is_wrapped(tokens, *inner):
        inner = inner[0] + 1, inner[1] - 1
    places, between = [], 0
    for i in _top(tokens, *inner):
        kind = tokens[i].token_type
        if kind in (TokenType.OR, TokenType.ARROW):  # `->` binds less than AND in DuckDB 2.0
            yield first, last
            return
        if kind == TokenType.BETWEEN:
            between += 1
        elif kind == TokenType.AND and between:
            between -= 1
        elif kind == TokenType.AND:
            places.append(i)
    if not places:
        yield first, last
        return
    for start, stop in zip([inner[0], *(i + 1 for i in places)], [*places, inner[1]], strict=True):
        yield from _split(tokens, start, stop)


def _columns(statement: Statement, node: exp.Expr) -> Iterator[str]:
    """Yield the columns that a condition names outside of subqueries, as written, each once."""
    seen: dict[str, None] = {}
    for column in node.find_all(exp.Column):
        above = column.find_ancestor(exp.Subquery, exp.Exists, exp.Lambda)
        inside = above is not None and any(above is each for each in node.walk())
        places = [place for part in column.parts if (place := span(part)) is not None]
        if not inside and places and not isinstance(column.this, exp.Star):
            seen[statement.text[min(places)[0] : max(places)[1]]] = None
    yield from seen


def _only_listed(select: exp.Select) -> frozenset[str]:
    """Return the names of the tables that FROM lists with commas or CROSS JOIN, so that WHERE says how they join."""
    bare = [
        join
        for join in select.args.get("joins") or []
        if not join.args.get("on") and not join.args.get("using") and not join.method and _is_table(join.this)
    ]
    return frozenset(each.alias_or_name.lower() for each in from_items(select) if bare and _is_table(each))


def _is_table(item: exp.Expr) -> bool:
    """Return whether what stands in FROM has rows of its own: no function of another's columns."""
    return isinstance(item, exp.Subquery) or (isinstance(item, exp.Table) and isinstance(item.this, exp.Identifier))


def _joins(node: exp.Expr, select: exp.Select, listed: frozenset[str], kinds: Kinds) -> bool:
    """Return whether a condition is `a.x = b.y` of two of the tables that FROM only lists."""
    if not listed or not isinstance(node, exp.EQ):
        return False
    sides = [
        {_owner(column, select, kinds) for column in side.find_all(exp.Column)} for side in (node.this, node.expression)
    ]
    return all(len(each) == 1 and each <= listed for each in sides) and sides[0] != sides[1]


def _owner(column: exp.Column, select: exp.Select, kinds: Kinds) -> str:
    """Return the name of the table that a column is of; empty where that is not known."""
    if column.table:
        return column.table.lower()
    owners = [each.alias for each in kinds.sources(select) if column.name.lower() in each.columns.kinds]
    return owners[0] if len(owners) == 1 else ""


def _after(select: exp.Select) -> Iterator[str]:
    """Yield what is done to the rows that WHERE keeps, before they are the rows of the SELECT; sorting is nothing."""
    if select.args.get("group") is not None:
        yield "GROUP BY"
    elif any(_has(each, exp.AggFunc) for each in select.expressions):
        yield "an aggregate"
    if select.args.get("having") is not None:
        yield "HAVING"
    if any(_has(each, exp.Window) for each in select.expressions):
        yield "a window function"
    if select.args.get("qualify") is not None:
        yield "QUALIFY"
    if any(_has(each, exp.Explode, exp.Unnest) for each in select.expressions):
        yield "unnest()"
    if select.args.get("distinct") is not None:
        yield "DISTINCT"
    if select.args.get("limit") is not None or select.args.get("offset") is not None:
        yield "LIMIT"


def _has(node: exp.Expr, *kinds: type[exp.Expr]) -> bool:
    """Return whether an entry of a SELECT's list has such a node outside of subqueries; an aggregate not OVER rows."""
    select = node.find_ancestor(exp.Select)
    return any(
        each.find_ancestor(exp.Select) is select and (kinds != (exp.AggFunc,) or each.find_ancestor(exp.Window) is None)
        for each in node.find_all(*kinds)
    )
