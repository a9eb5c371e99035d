"""The rows of a table that an index finds for a query: those with some words, those nearest to a vector.

Each search gives rows that are sure to be all that the query can use; where that cannot be made sure, DuckDB reads the
whole table. DuckDB then runs the user's own text over them, so what it computes, and how it breaks ties, is the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import duckdb
import numpy as np

from cutlist.compiler import NearestSearch, Remark, Rows, WordSearch, quoted
from cutlist.engine.define import define_table, numbered
from cutlist.store import LANCE_ERRORS, count_rows, nearest_rows, rows_with_words, vector_index

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cutlist.compiler import Plan, Scan, Search, Use
    from cutlist.engine.define import Numbers
    from cutlist.engine.engine import Binding, Engine
    from cutlist.store import Table

MOST_ROWS = 50_000
"""Rows that are read by their ids; of more than these, a scan of the whole table is as fast (0.45 s for 50,000)."""

FEW_ROWS = 10_000
"""Where a condition lets so few rows through, all are compared: 2,000 vectors of 384 take 55 ms, an index 80."""

WIDER = 20
"""How many times more partitions are looked at than rows are left out. Of 200,000 rows with a condition that one of ten
meets, ten times the partitions found 95 % of the nearest ten, two hundred times 99 %, and took 12 ms, not 7."""

_NULLS_LAST = frozenset({"nulls_last", "nulls_first_on_asc_last_on_desc"})
"""DuckDB's `default_null_order`s in which ORDER BY … DESC puts rows without a similarity last."""

MARGIN = 1e-4
"""By how much the similarities that Lance and DuckDB compute may differ; both add up float32."""


def searched(engine: Engine, binding: Binding) -> Plan:
    """Return the plan of a binding whose tables are defined, with the rows alone that its searches find."""
    plan = binding.plan
    numbers = numbered(binding.sources)
    for search in sorted(plan.searches, key=lambda each: isinstance(each, NearestSearch)):
        use = next(each for each in plan.uses if _is_at(each, search))
        table = binding.tables[engine.key_of(use.scan)]
        if isinstance(search, WordSearch):
            rows = _with_words(search, table, use.scan.rows)
        elif use.scan.rows is None:
            rows = _Nearest(binding.cursor, plan, search, use.scan, table, numbers).rows()
        else:  # these are few
            continue
        if rows is not None:
            plan = plan.using(partial(_restricted, search, rows))
    return plan


def _restricted(search: Search, rows: Rows, use: Use) -> Scan:
    return replace(use.scan, rows=rows) if _is_at(use, search) else use.scan


def approximate(plan: Plan) -> Iterator[Remark]:
    """Yield a warning for each table of which an index gave rows that may not be all."""
    for use in plan.uses:
        if use.scan.rows is not None and use.scan.rows.missing:
            text = (
                f"the most similar of {use.scan.table} are {use.scan.rows.found}, which can miss some; "
                f"`cutlist index {use.scan.rows.missing} --kind ivf_flat --recall 1` makes one that misses none"
            )
            yield Remark(place=plan.statements[use.statement].at(use.start), text=text, error=False)


def _is_at(use: Use, search: Search) -> bool:
    return (use.statement, use.node.this.meta.get("start")) == (search.statement, search.offset)


def _with_words(search: WordSearch, table: Table, known: Rows | None) -> Rows | None:
    try:
        found = rows_with_words(table, search.column, search.words, MOST_ROWS)
    except LANCE_ERRORS:  # DuckDB reads the table, and says what is wrong with it
        return None
    if found is None:
        return None
    if known is not None:
        found = np.intersect1d(found, np.array(known.row_ids, np.uint64))
    how = f"{len(found):,} rows by the full-text index of {search.column}"
    return Rows(row_ids=tuple(found.tolist()), found=how)


@dataclass(frozen=True)
class _Nearest:
    """The search for the rows that are most similar to a vector."""

    cursor: duckdb.DuckDBPyConnection
    plan: Plan
    search: NearestSearch
    scan: Scan
    table: Table
    numbers: Numbers

    def rows(self) -> Rows | None:
        """Return rows of which the wanted ones are the most similar; None where that cannot be made sure.

        More and more candidates are asked for, until the last one is less similar than the last row that is wanted: all
        others are so too. WHERE is evaluated by DuckDB, over the candidates.
        """
        index = vector_index(self.table, self.search.column)
        try:
            vector = self._vector()
            if index is None or vector is None or not self._are_nulls_last():
                return None
            factor = self._factor()
            asked = 4 * self.search.count + 60
            while factor is not None and asked <= MOST_ROWS:
                found, distances = nearest_rows(
                    self.table, self.search.column, vector, asked, index.wider(factor), self.search.filter
                )
                missing = "" if index.is_exact else f"{self.table.name} {self.search.column}"
                rows = Rows(
                    row_ids=tuple(found.tolist()),
                    found=f"{len(found):,} rows by the {index} of {self.search.column}",
                    missing=missing,
                )
                least = self._least(rows)
                if least is not None and (len(found) < asked or 1 - distances[-1] < least - MARGIN):
                    return rows
                if len(found) < asked:  # the rest have no vector, and may be wanted: ORDER BY puts them last
                    return None
                asked, factor = 8 * asked, 8 * factor
        except (duckdb.Error, *LANCE_ERRORS):  # what is asked cannot stand alone: DuckDB reads the table
            return None
        return None

    def _factor(self) -> int | None:
        """Return how many times more of an index is looked at, as rows that WHERE leaves out are among the nearest.

        None where it lets so few rows through that comparing with all of them is as fast.
        """
        if self.search.filter is None:
            return 1
        some = count_rows(self.table, self.search.filter)
        return None if some <= FEW_ROWS else -(-WIDER * count_rows(self.table) // some)

    def _are_nulls_last(self) -> bool:
        ((order,),) = self.cursor.execute("SELECT lower(current_setting('default_null_order'))").fetchall()
        return order in _NULLS_LAST

    def _vector(self) -> NDArray[np.float32] | None:
        other = self.plan.part(self.search.statement, *self.search.vector)
        ((value,),) = self.cursor.execute(f"SELECT ({other}\n)::{self.search.type}").fetchall()
        vector = np.array(value, np.float32)
        return vector if vector.ndim == 1 and np.isfinite(vector).all() and vector.any() else None

    def _least(self, rows: Rows) -> float | None:
        """Return the similarity of the last row that is wanted, of some rows; None where they have fewer."""
        scan = replace(self.scan, rows=rows)
        define_table(self.cursor, scan, self.table, self.numbers, self.plan.late.get(scan.table, frozenset()))
        statement, search = self.search.statement, self.search
        where = "" if search.where is None else f" WHERE ({self.plan.part(statement, *search.where)}\n)"
        embedding = f"{quoted(search.called)}.{quoted(search.column)}"
        found = self.cursor.execute(
            f"SELECT similarity({embedding}, {self.plan.part(statement, *search.vector)}\n) AS s "
            f"FROM {quoted(scan.name)} AS {quoted(search.called)}{where} "
            f"ORDER BY s DESC LIMIT 1 OFFSET {search.count - 1}"
        ).fetchall()
        return found[0][0] if found else None
