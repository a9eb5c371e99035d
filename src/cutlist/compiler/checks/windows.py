"""Window functions that count or look along rows, where no ORDER BY says along which."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from sqlglot import TokenType, exp

from cutlist.compiler.checks.source import call_of, is_ordered, key_of, snippet, tokens_of, window_of
from cutlist.compiler.facts import Remark

if TYPE_CHECKING:
    from cutlist.compiler.checks.kinds import Kinds
    from cutlist.compiler.text import Statement

ORDERED = frozenset({"row_number", "lag", "lead", "ntile", "first_value", "last_value", "nth_value"})
"""Window functions that mean nothing without an order. Those of rank are the same for all rows then."""


def check_windows(statement: Statement, kinds: Kinds) -> Iterator[Remark]:
    """Yield errors for window functions and frames of rows whose order is not given.

    Examples:
        >>> from cutlist.compiler.checks.kinds import Kinds
        >>> from cutlist.compiler.text import parse
        >>> statement = parse("SELECT row_number() OVER () AS n FROM t")
        >>> [remark.text for remark in check_windows(statement, Kinds(lambda name: None))]
        ['row_number() OVER () has no order, so its numbers can differ between runs;
        write row_number() OVER (ORDER BY id)']
    """
    for node in statement.tree.find_all(exp.Func):
        window = window_of(node)
        call = call_of(statement, node)
        if window is None or call is None or is_ordered(node):
            continue
        if call[0] in ORDERED or _has_frame(window):
            what = "its numbers" if call[0] in ("row_number", "ntile") else "the rows it looks at"
            written, fixed = _over(statement, node, window, key_of(kinds, node))
            text = f"{written} has no order, so {what} can differ between runs; {fixed}"
            yield Remark(place=statement.at(call[1]), text=text, error=True)


def _has_frame(window: exp.Window) -> bool:
    """Return whether a window takes some of the rows of its partition by their number."""
    spec = window.args.get("spec")
    if spec is None or str(spec.args.get("kind")).upper() != "ROWS":
        return False
    return not (spec.args.get("start") == "UNBOUNDED" and spec.args.get("end") == "UNBOUNDED")


def _over(statement: Statement, call: exp.Expr, window: exp.Window, key: str) -> tuple[str, str]:
    """Return what the user wrote for a window function, and what to do about it."""
    start, stop = tokens_of(statement, call)
    named = window.args.get("alias")
    written = snippet(statement, call)
    if named is not None:
        return f"{written} OVER {named.name}", f"put ORDER BY {key} into the window {named.name}"
    depth, text = 0, ""
    for token in statement.tokens[stop + 1 :]:
        depth += (token.token_type == TokenType.L_PAREN) - (token.token_type == TokenType.R_PAREN)
        if depth == 0 and token.token_type == TokenType.R_PAREN:
            text = " ".join(statement.text[statement.tokens[start].start : token.start].split())
            break
    spec = window.args.get("spec")
    if spec is not None or not text or len(text) > 60:
        return f"{written} OVER (…)", f"write {written} OVER (… ORDER BY {key} …)"
    return f"{text})", f"write {text}{'' if text.endswith('(') else ' '}ORDER BY {key})"
