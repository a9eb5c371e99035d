"""The rules of the compiler, in order: from a parsed query to what DuckDB runs, and more for one that is compiled."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from cutlist.compiler.checks import check
from cutlist.compiler.late import late_columns
from cutlist.compiler.names import name_tables
from cutlist.compiler.push import pushed_filters
from cutlist.compiler.rowid import expose_rowid
from cutlist.compiler.searches import find_searches
from cutlist.compiler.similarity import name_vectors
from cutlist.compiler.travel import travel_in_time

if TYPE_CHECKING:
    from cutlist.compiler.plan import Catalog, Plan, Rule, Scan, Use

WIDE_BYTES = 1024
"""A column whose values are this long on average is read when a training step needs it, if only the output uses it."""


def check_query(plan: Plan, catalog: Catalog) -> Plan:
    """Remark on what would not give the same rows again, and on what SQL cannot do with media."""
    return replace(plan, remarks=(*plan.remarks, *check(plan.statements.values(), plan.find)))


def defer_columns(plan: Plan, catalog: Catalog) -> Plan:
    """Leave out of the compiled rows what only the output uses and is wide: row ids stand for the values."""
    wide = _wide_columns(plan)
    return replace(plan, late=late_columns(plan.query, plan.views, wide)) if wide else plan


def _wide_columns(plan: Plan) -> dict[str, frozenset[str]]:
    """Return the wide columns that a query or its views can name, by table; tables without any are left out."""
    wide: dict[str, frozenset[str]] = {}
    words = {token.text.lower() for statement in plan.statements.values() for token in statement.tokens}
    for use in plan.uses:
        named = [name for name in use.facts.columns if "*" in words or name.lower() in words]
        facts = {name: use.facts.columns[name] for name in named}
        columns = {name for name in named if facts[name].mean_bytes >= WIDE_BYTES and not facts[name].holes}
        if columns:
            wide[use.scan.table] = wide.get(use.scan.table, frozenset()) | columns
    return wide


def push_filters(plan: Plan, catalog: Catalog) -> Plan:
    """Let Lance leave rows out where it does so exactly: by an index, or before it reads a wide column of them."""
    wide = {
        table.lower(): columns - plan.late.get(table, frozenset()) for table, columns in _wide_columns(plan).items()
    }
    filters = {
        (name, offset): filter
        for name, statement in plan.statements.items()
        for offset, filter in pushed_filters(statement, plan.find, lambda table: bool(wide.get(table.lower()))).items()
    }

    def pushed(use: Use) -> Scan:
        filter = filters.get((use.statement, int(use.node.this.meta.get("start", -1))))
        here = filter is not None and use.scan.version is None and not use.scan.selection
        return replace(use.scan, filter=filter) if here else use.scan

    return plan.using(pushed)


NAMING: tuple[Rule, ...] = (name_tables, travel_in_time, expose_rowid, name_vectors)
"""What every query needs before DuckDB can run it."""

SEARCHING: tuple[Rule, ...] = (find_searches,)
"""What comes on top for a query that is run."""

COMPILING: tuple[Rule, ...] = (check_query, defer_columns, push_filters, *SEARCHING)
"""What comes on top for a query that is compiled."""


def apply(rules: tuple[Rule, ...], plan: Plan, catalog: Catalog) -> Plan:
    """Return the plan after some rules, in order."""
    for rule in rules:
        plan = rule(plan, catalog)
    return plan
