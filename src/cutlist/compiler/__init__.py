"""The compiler: what a query names and how its text must be edited before DuckDB runs it. Pure; no DuckDB, no Lance.

DuckDB runs the user's own text. These functions analyse it, and edit it by source span only:

    parse        text → tree and tokens, errors with their place
    table_names  the tables and views that a statement names
    view_order   views in the order to define them; cycles
    expose_rowid `_rowid` as a pseudo-column: there when named, never part of `*`
    total_order  an ORDER BY without ties, so that the same rows come in the same order
    canonical    text with white space, comments and keyword case removed, to recognise a query again
"""

from cutlist.compiler.canonical import canonical
from cutlist.compiler.graph import view_order
from cutlist.compiler.names import TableName, table_names
from cutlist.compiler.order import has_order, total_order
from cutlist.compiler.rowid import ROWID_SUFFIX, expose_rowid
from cutlist.compiler.text import Statement, locate, parse

__all__ = [
    "ROWID_SUFFIX",
    "Statement",
    "TableName",
    "canonical",
    "expose_rowid",
    "has_order",
    "locate",
    "parse",
    "table_names",
    "total_order",
    "view_order",
]
