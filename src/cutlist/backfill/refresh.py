"""`REFRESH COLUMN sharpness ON videos WHERE duration_seconds > 2`: a backfill as a statement of SQL."""

from __future__ import annotations

import re
from dataclasses import dataclass

from cutlist.errors import QueryError

_NAME = r'"[^"]+"|\w+'
_STATEMENT = re.compile(
    rf"\s*REFRESH\s+COLUMN\s+(?P<column>{_NAME})\s+ON\s+(?P<table>{_NAME})(?:\s+WHERE\s(?P<where>.+?))?\s*;?\s*",
    re.IGNORECASE | re.DOTALL,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refresh:
    """A column, or the name of a featurizer, the table, and the predicate of a REFRESH COLUMN statement."""

    column: str
    table: str
    where: str | None = None


def refresh_statement(text: str) -> Refresh | None:
    """Return what a REFRESH COLUMN statement says, or None for any other text.

    Raises:
        QueryError: if it begins as one and does not go on so.

    Examples:
        >>> refresh_statement("REFRESH COLUMN sharpness ON videos WHERE fps > 10;")
        Refresh(column='sharpness', table='videos', where='fps > 10')
        >>> refresh_statement("SELECT 1") is None
        True
    """
    plain = re.sub(r"^(\s*(--[^\n]*\n|/\*.*?\*/))+", "", text, flags=re.DOTALL)
    if not re.match(r"\s*REFRESH\b", plain, re.IGNORECASE):
        return None
    found = _STATEMENT.fullmatch(plain)
    if found is None:
        raise QueryError(
            f"query: {' '.join(text.split())[:80]}: expected REFRESH COLUMN column ON table [WHERE predicate]"
        )
    column, table = (found[each].strip('"') for each in ("column", "table"))
    return Refresh(column=column, table=table, where=found["where"])
