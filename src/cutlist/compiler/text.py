"""A statement: its text, where it stands, its tree and its tokens; and edits by source span."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import sqlglot
from sqlglot import Token, TokenType, exp
from sqlglot.errors import SqlglotError

from cutlist.errors import QueryError

logging.getLogger("sqlglot").setLevel(
    logging.ERROR
)  # it would print statements that it does not know, as CREATE SECRET


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """One parsed SQL statement.

    `place` is the file it stands in, or `query`; `text` is the user's own, without a trailing semicolon.
    """

    place: str
    text: str
    tree: exp.Expr
    tokens: Sequence[Token]

    def at(self, offset: int) -> str:
        """Return `place:line:column` of a character of the text, both counted from 1."""
        return locate(self.place, self.text, offset)

    def edited(self, edits: Iterable[tuple[int, int, str]]) -> str:
        """Return the text with spans [start, stop) replaced; an empty span inserts."""
        return edited(self.text, edits)


def edited(text: str, edits: Iterable[tuple[int, int, str]]) -> str:
    """Return a text with spans [start, stop) replaced; an empty span inserts.

    Examples:
        >>> edited("FROM a", [(5, 6, "b"), (0, 0, "SELECT x ")])
        'SELECT x FROM b'
    """
    for start, stop, new in sorted(edits, reverse=True):
        text = text[:start] + new + text[stop:]
    return text


def locate(place: str, text: str, offset: int) -> str:
    """Return `place:line:column` of an offset, both counted from 1.

    Examples:
        >>> locate("query", "SELECT\\n  x", 9)
        'query:2:3'
    """
    line = text.count("\n", 0, offset) + 1
    column = offset - (text.rfind("\n", 0, offset) + 1) + 1
    return f"{place}:{line}:{column}"


def parse(text: str, place: str = "query") -> Statement:
    """Return the one SELECT (or other query) that a text holds.

    Raises:
        QueryError: if the text is empty, does not parse, holds several statements, or one that is not a query.

    Examples:
        >>> parse("SELECT 1 AS one;").text
        'SELECT 1 AS one'
    """
    try:
        tokens = sqlglot.tokenize(text, dialect="duckdb")
        trees = [tree for tree in sqlglot.parse(text, dialect="duckdb") if not isinstance(tree, exp.Semicolon | None)]
    except SqlglotError as error:
        raise QueryError(f"{place}: cannot parse: {_short(error)}") from error
    _refuse_templates(tokens, text, place)
    starts = [token.start for token in tokens if token.token_type != TokenType.SEMICOLON]
    if not trees or not starts:
        raise QueryError(f"{place}: empty; expected one SELECT")
    if len(trees) > 1:
        end = next(token.start for token in tokens if token.token_type == TokenType.SEMICOLON)
        second = next(start for start in starts if start > end)
        raise QueryError(
            f"{locate(place, text, second)}: a second statement starts here; expected one SELECT, "
            f"so put each in a file or a call of its own"
        )
    tree = trees[0]
    if not isinstance(tree, exp.Query | exp.Pivot | exp.Values | exp.Table):
        kind = text[starts[0] :].split(maxsplit=1)[0].upper()
        raise QueryError(f"{locate(place, text, starts[0])}: this is {kind}, expected one SELECT")
    _restore_columns(tree)
    tokens = [token for token in tokens if token.token_type != TokenType.SEMICOLON]
    return Statement(place=place, text=text[: tokens[-1].end + 1], tree=tree, tokens=tokens)


def _refuse_templates(tokens: Sequence[Token], text: str, place: str) -> None:
    """Refuse the marks of templates, `{# … #}` and `{% … %}`, which sqlglot leaves out and DuckDB reads."""
    bare = list(text)
    for token in tokens:
        if token.token_type != TokenType.BLOCK_START:  # `{%`; a `{#` is in no token
            bare[token.start : token.end + 1] = " " * (token.end + 1 - token.start)
    for comment in re.finditer(r"--[^\r\n]*|/\*.*?\*/", "".join(bare), re.DOTALL):
        bare[comment.start() : comment.end()] = " " * (comment.end() - comment.start())
    found = re.search(r"\{[#%]", "".join(bare))
    if found is not None:
        raise QueryError(
            f"{locate(place, text, found.start())}: {found[0]} marks a template; write a space between the two"
        )


def _restore_columns(tree: exp.Expr) -> None:
    """Make columns again of what sqlglot takes for parts of names in chains of calls: `v.video.clip(0, v.a).raw()`."""
    for dot in list(tree.find_all(exp.Dot)):
        if isinstance(dot.this, exp.Identifier) and isinstance(dot.expression, exp.Identifier):
            dot.replace(exp.Column(this=dot.expression, table=dot.this))
        elif isinstance(dot.this, exp.Identifier):
            dot.set("this", exp.Column(this=dot.this))


def _short(error: SqlglotError) -> str:
    """Return the first line of a sqlglot error, without the terminal's underline codes."""
    first = str(error).replace("\x1b[4m", "").replace("\x1b[0m", "").splitlines()[0]
    return first.rstrip(".")


def is_pivot(statement: Statement) -> bool:
    """Return whether a statement has a PIVOT, of which DuckDB makes several statements.

    Examples:
        >>> is_pivot(parse("PIVOT t ON a USING count(*)"))
        True
    """
    return statement.tree.find(exp.Pivot) is not None


def span(node: exp.Expr) -> tuple[int, int] | None:
    """Return the source span [start, stop) of an identifier or star, or None where the parser made it up."""
    start, end = node.meta.get("start"), node.meta.get("end")
    return None if start is None or end is None else (int(start), int(end) + 1)


def quoted(name: str) -> str:
    """Return a name as a quoted SQL identifier.

    Examples:
        >>> print(quoted('odd "name'))
        "odd ""name"
    """
    return '"' + name.replace('"', '""') + '"'
