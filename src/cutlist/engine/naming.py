"""What DuckDB calls the columns of a query and of its views, which their texts alone do not tell."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from cutlist.compiler import quoted

if TYPE_CHECKING:
    from cutlist.compiler import Plan
    from cutlist.engine.engine import Engine


def column_names(engine: Engine, plan: Plan) -> dict[str, list[str]]:
    """Return the names of the columns of each statement of a plan; the query's own is the empty name. Reads no row.

    Raises:
        QueryError: if the query or a view of it cannot be bound.
    """
    binding = engine.bind(plan, runs=False)
    with contextlib.closing(binding.cursor) as cursor, engine.placed(plan.query, binding):
        names = {view: list(cursor.sql(f"FROM {quoted(view)}").columns) for view in plan.views}
        return {**names, "": list(cursor.sql(binding.text).columns)}


def aggregates(engine: Engine) -> frozenset[str]:
    """Return the lower-case names of DuckDB's aggregate functions."""
    with contextlib.closing(engine.databases.cursor(compiling=True)) as cursor:
        found = cursor.execute(
            "SELECT DISTINCT lower(function_name) FROM duckdb_functions() WHERE function_type = 'aggregate'"
        ).fetchall()
    return frozenset(name for (name,) in found)
