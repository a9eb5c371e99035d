"""The compiler: what a query names, and how its text is edited before DuckDB runs it. Pure; no DuckDB, no Lance.

DuckDB runs the user's own text; a rule edits it by source span only. Each is a pure function in a file of its own,
`rules` has them in order. For every query:

    name_tables     every place that names a table, a view or a saved selection
    travel_in_time  AT (VERSION => …)
    expose_rowid    `_rowid` as a pseudo-column: there when named, never part of `*`
    name_vectors    vectors in the place of texts and images in similarity(…)

and, for a query that is compiled, not just run:

    check_query     what is refused, and what is warned about
    defer_columns   wide columns that only the output uses are read by the loader
    push_filters    conditions that Lance answers exactly and faster
    find_searches   words and nearest vectors that an index finds (also for a query that is just run)

Beside them: `parse` (text → tree and tokens), `view_order`, `total_order` (an ORDER BY without ties), `canonical` (text
without what does not change its meaning), `funnel_of` (the conditions that rows meet, each as a column),
`column_lineage` (what each column is made of).
"""

from cutlist.compiler.calls import calls_of, clauses_of
from cutlist.compiler.canonical import canonical
from cutlist.compiler.checks.volatile import VOLATILE
from cutlist.compiler.coverage import Dropped, dropped_nulls
from cutlist.compiler.facts import ColumnFacts, Remark, TableFacts
from cutlist.compiler.funnel import Funnel, funnel_of, kept, value
from cutlist.compiler.graph import view_order
from cutlist.compiler.lineage import Clause, Lineage, Made, Origin, column_lineage, walk
from cutlist.compiler.names import TableName, table_names
from cutlist.compiler.order import has_order, total_order
from cutlist.compiler.plan import GAP, Catalog, Plan, Rows, Scan, Use
from cutlist.compiler.rules import COMPILING, NAMING, SEARCHING, apply, check_query
from cutlist.compiler.searches import NearestSearch, Search, WordSearch
from cutlist.compiler.similarity import QueryVector
from cutlist.compiler.text import Statement, is_pivot, locate, parse, quoted

__all__ = [
    "COMPILING",
    "GAP",
    "NAMING",
    "SEARCHING",
    "VOLATILE",
    "Catalog",
    "Clause",
    "ColumnFacts",
    "Dropped",
    "Funnel",
    "Lineage",
    "Made",
    "NearestSearch",
    "Origin",
    "Plan",
    "QueryVector",
    "Remark",
    "Rows",
    "Scan",
    "Search",
    "Statement",
    "TableFacts",
    "TableName",
    "Use",
    "WordSearch",
    "apply",
    "calls_of",
    "canonical",
    "check_query",
    "clauses_of",
    "column_lineage",
    "dropped_nulls",
    "funnel_of",
    "has_order",
    "is_pivot",
    "kept",
    "locate",
    "parse",
    "quoted",
    "table_names",
    "total_order",
    "value",
    "view_order",
    "walk",
]
