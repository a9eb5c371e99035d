"""Text without what does not change its meaning, to recognise a query again."""

from __future__ import annotations

import sqlglot
from sqlglot import TokenType
from sqlglot.errors import SqlglotError

_KEYWORDS = frozenset(
    """
    SELECT FROM WHERE GROUP BY HAVING QUALIFY ORDER LIMIT OFFSET WITH AS ON USING JOIN LEFT RIGHT FULL INNER OUTER
    CROSS UNION ALL DISTINCT AND OR NOT IN IS NULL CASE WHEN THEN ELSE END ASC DESC LIKE
    """.split()  # noqa: SIM905 - a list of forty strings would fill a screen
)
"""Words that are keywords wherever they stand, but behind AS or a dot and as the name of a field or an argument."""

_AFTER_NAMES = frozenset({TokenType.COLON, TokenType.COLON_EQ, TokenType.FARROW})


def canonical(text: str) -> str:
    """Return a text with white space and comments removed and keywords in upper case.

    Names keep their case, because they become the names of columns.

    Examples:
        >>> canonical("select  a -- the first\\n from T;") == canonical("SELECT a FROM T")
        True
    """
    try:
        tokens = sqlglot.tokenize(text, dialect="duckdb")
    except SqlglotError:
        return text
    words = []
    before = None
    for token, after in zip(tokens, [*tokens[1:], None], strict=False):
        written = text[token.start : token.end + 1]
        named = before in (TokenType.ALIAS, TokenType.DOT) or (after and after.token_type in _AFTER_NAMES)
        before = token.token_type
        if before == TokenType.SEMICOLON:
            continue
        keyword = not named and set(written.upper().split()) <= _KEYWORDS
        words.append(" ".join(written.upper().split()) if keyword else written)
    return " ".join(words)
