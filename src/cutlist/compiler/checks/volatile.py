"""Functions that give something else in every run: random numbers, the clock, sequences, the session."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from sqlglot import TokenType, exp

from cutlist.compiler.checks.source import call_of, key_of, snippet
from cutlist.compiler.facts import Remark

if TYPE_CHECKING:
    from cutlist.compiler.checks.kinds import Kinds
    from cutlist.compiler.text import Statement

RANDOM = frozenset({"random", "setseed"})
IDS = frozenset({"uuid", "gen_random_uuid", "uuidv4", "uuidv7"})
SEQUENCES = frozenset({"nextval", "currval", "setval"})
DATES = frozenset({"current_date", "today"})
TIMES = frozenset({"current_time", "get_current_time", "localtime", "current_localtime"})
MOMENTS = frozenset(
    {
        *("now", "current_timestamp", "get_current_timestamp", "transaction_timestamp", "localtimestamp"),
        *("current_localtimestamp", "ago", "age", "pg_conf_load_time", "pg_postmaster_start_time"),
    }
)
SESSION = frozenset(
    {
        *("current_setting", "getvariable", "getenv", "current_connection_id", "current_query", "current_query_id"),
        *("current_transaction_id", "txid_current", "stats", "vector_type", "json_serialize_plan"),
    }
)
VOLATILE = RANDOM | IDS | SEQUENCES | DATES | TIMES | MOMENTS | SESSION
"""Every function that is refused; tested against `duckdb_functions()`."""

KEYWORDS = frozenset({"current_date", "current_time", "current_timestamp", "localtime", "localtimestamp"})
"""Those that DuckDB also takes without parentheses, unless a column has the name."""


def check_volatile(statement: Statement, kinds: Kinds) -> Iterator[Remark]:
    """Yield errors for calls of functions that differ between runs.

    Examples:
        >>> from cutlist.compiler.checks.kinds import Kinds
        >>> from cutlist.compiler.text import parse
        >>> [str(each) for each in check_volatile(parse("SELECT nextval('s') AS n"), Kinds(lambda name: None))]
        ["query:1:8: nextval('s') counts on in every run; write row_number() OVER (ORDER BY id)"]
    """
    for node in statement.tree.find_all(exp.Func):
        call = call_of(statement, node)
        if (
            call is None
            or call[0] not in VOLATILE
            or (call[0] == "age" and len(node.expressions) + _is_method(node) > 1)
        ):
            continue
        advice = _advice(call[0], kinds, node)
        yield Remark(place=statement.at(call[1]), text=f"{snippet(statement, node)} {advice}", error=True)
    yield from _keywords(statement, kinds)


def _is_method(node: exp.Expr) -> bool:
    """Return whether a call stands behind a dot, so that what is before the dot is its first argument."""
    dot = node.parent
    return isinstance(dot, exp.Dot) and dot.expression is node


def _keywords(statement: Statement, kinds: Kinds) -> Iterator[Remark]:
    names = _names(statement, kinds)
    tokens = statement.tokens
    for i, token in enumerate(tokens):
        word = token.text.lower()
        before = tokens[i - 1].token_type if i else None
        after = tokens[i + 1].token_type if i + 1 < len(tokens) else None
        if (
            word in KEYWORDS - names
            and token.token_type not in (TokenType.IDENTIFIER, TokenType.STRING)
            and before not in (TokenType.DOT, TokenType.ALIAS)
            and after not in (TokenType.L_PAREN, TokenType.COLON, TokenType.DOT)
        ):
            text = f"{token.text} {_advice(word, kinds, statement.tree)}"
            yield Remark(place=statement.at(token.start), text=text, error=True)


def _names(statement: Statement, kinds: Kinds) -> set[str]:
    """Return the names that columns may have: those of all tables, and all aliases."""
    names = {
        name
        for each in statement.tree.find_all(exp.Select)
        for source in kinds.sources(each)
        for name in source.columns.kinds
    }
    names |= {each.alias.lower() for each in statement.tree.find_all(exp.Alias)}
    for each in statement.tree.find_all(exp.TableAlias):
        names |= {column.name.lower() for column in each.args.get("columns") or []}
    return names


def _advice(name: str, kinds: Kinds, node: exp.Expr) -> str:
    key = key_of(kinds, node)
    if name in RANDOM and node.find_ancestor(exp.Ordered):
        return f"differs in every run; write ORDER BY md5({key}::VARCHAR) for a shuffle that stays the same"
    if name in RANDOM:
        return (
            f"differs in every run; write sample({key}, 0.1) for a share of the rows, "
            f"or split({key}, 'val', 0.01) to set some aside"
        )
    if name in IDS:
        return f"differs in every run; select a column that tells the rows apart, such as {key}"
    if name in SEQUENCES:
        return f"counts on in every run; write row_number() OVER (ORDER BY {key})"
    if name in DATES:
        return "changes with the clock; write the day, e.g. DATE '2025-01-31'"
    if name in TIMES:
        return "changes with the clock; write the time, e.g. TIME '12:00:00'"
    if name == "age":
        return "changes with the clock; give it a second moment, e.g. age(TIMESTAMP '2025-01-31 00:00:00', …)"
    if name in MOMENTS:
        return "changes with the clock; write the moment, e.g. TIMESTAMP '2025-01-31 00:00:00'"
    return "depends on the session that runs it; write the value itself"
