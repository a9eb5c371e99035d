"""Which functions a plan's statements call."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from sqlglot import TokenType

if TYPE_CHECKING:
    from cutlist.compiler.plan import Plan


def calls_of(functions: Collection[str], plan: Plan) -> int:
    """Return how often functions of some names (in lower case) are called in a query and its views, by their tokens."""
    count = 0
    for statement in plan.statements.values():
        for token, after in zip(statement.tokens, statement.tokens[1:], strict=False):
            count += after.token_type == TokenType.L_PAREN and token.text.lower() in functions
    return count
