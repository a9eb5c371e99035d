"""How many rows a query drops because a column that it tests is NULL there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from cutlist.compiler import Plan, Remark, dropped_nulls, quoted
from cutlist.compiler.rules import WIDE_BYTES

if TYPE_CHECKING:
    import duckdb

    from cutlist.store import Table


def count_dropped(cursor: duckdb.DuckDBPyConnection, plan: Plan, tables: Mapping[str, Table]) -> Iterator[Remark]:
    """Yield a warning for each condition that drops rows because a column is NULL. Reads just the columns in question.

    Args:
        tables: By name; conditions over other ones are passed over, and so are those over wide columns.
    """
    dropped = [each for statement in plan.statements.values() for each in dropped_nulls(statement, plan.find)]
    wanted: dict[str, dict[str, None]] = {}
    for each in dropped:
        facts = plan.find(each.table)
        if each.table in tables and facts is not None and facts.columns[each.column].mean_bytes < WIDE_BYTES:
            wanted.setdefault(each.table, {})[each.column] = None
    nulls: dict[tuple[str, str], tuple[int, int]] = {}
    for name, columns in wanted.items():
        cursor.register("rows to count", tables[name].scan())
        counts = ", ".join(f"count({quoted(column)})" for column in columns)
        found = cursor.execute(f'SELECT count(*), {counts} FROM "rows to count"').fetchall()[0]
        cursor.unregister("rows to count")
        nulls |= {
            (name, column): (found[0] - there, found[0]) for column, there in zip(columns, found[1:], strict=True)
        }
    for each in dropped:
        missing, total = nulls.get((each.table, each.column), (0, 0))
        if missing:
            column = each.column if each.column.isidentifier() else quoted(each.column)
            yield Remark(
                place=each.place,
                text=f"{missing:,} of {total:,} rows of {each.table} have no {each.column} and are dropped by "
                f"`{each.conjunct}`; to say that this is meant, add `{column} IS NOT NULL`",
                error=False,
            )
