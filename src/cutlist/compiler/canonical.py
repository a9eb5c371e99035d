"""Text without what does not change its meaning, to recognise a query again."""

from __future__ import annotations

import sqlglot
from sqlglot import TokenType
from sqlglot.errors import SqlglotError

_LITERAL = {TokenType.STRING, TokenType.IDENTIFIER, TokenType.NATIONAL_STRING, TokenType.RAW_STRING}


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
    for token in tokens:
        if token.token_type == TokenType.SEMICOLON:
            continue
        if token.token_type in _LITERAL:
            words.append(repr(token.text) + token.token_type.name)
        elif token.token_type == TokenType.VAR:
            words.append(token.text)
        else:
            words.append(token.text.upper())
    return " ".join(words)
