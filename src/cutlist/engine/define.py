"""Tables and saved selections under the names that a query's text has for them, on one cursor.

A media column becomes references, `{source, row, ops}`; a late column becomes a STRUCT with one field, whose name has
the number of the source and whose value is the row id.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from cutlist.compiler import GAP, quoted
from cutlist.media.reference import FIELDS
from cutlist.packing import has_media, late_field, renumbered

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

    from cutlist.compiler import Scan
    from cutlist.selection import Column, Selection, Source
    from cutlist.store import ScanTable, Table

Numbers = Mapping[tuple[str, int, str], int]
"""Table, version and column → the number that `source` of a reference has for it."""


def numbered(sources: Sequence[Source]) -> Numbers:
    """Return the number of each source: its place."""
    return {(each.table, each.version, each.column): number for number, each in enumerate(sources)}


def define_table(
    cursor: duckdb.DuckDBPyConnection, scan: Scan, table: Table, numbers: Numbers, late: frozenset[str]
) -> ScanTable:
    """Define what a scan is called as a view over a table; return what DuckDB scans."""
    arrow = f"{scan.name}{GAP}scanned"
    rows = scan.rows
    scanned = table.scan(scan.filter) if rows is None else table.scan(scan.filter, rows.row_ids, rows.found)
    cursor.register(arrow, scanned)
    columns = []
    for name in table.sql_columns:
        number = numbers.get((table.name, table.version, name))
        if number is None or not (name in late or name in table.media_columns):
            columns.append(quoted(name))
            continue
        value = _late("_rowid", number) if name in late else _reference({"source": str(number), "row": "_rowid"})
        if name not in table.never_null:
            value = f"CASE WHEN {quoted(name)} IS NOT NULL THEN {value} END"
        columns.append(f"{value} AS {quoted(name)}")
    if scan.rowid:
        columns.append("_rowid")
    cursor.execute(
        f"CREATE OR REPLACE TEMP VIEW {quoted(scan.name)} AS SELECT {', '.join(columns)} FROM {quoted(arrow)}"
    )
    return scanned


def _reference(fields: Mapping[str, str]) -> str:
    """Return a media reference. The types of its fields are said, because a cast costs as much as a clip()."""
    values = {"ops": "0", **fields}
    return "{" + ", ".join(f"'{name}': {values.get(name, 'NULL')}::{kind}" for name, kind in FIELDS) + "}"


def _late(row: str, number: int) -> str:
    return f"{{'{late_field(number)}': {row}}}"


def define_selection(
    cursor: duckdb.DuckDBPyConnection,
    scan: Scan,
    selection: Selection,
    tables: Mapping[tuple[str, int], Table],
    numbers: Numbers,
    late: frozenset[str],
    named: Callable[[str], bool],
) -> list[ScanTable]:
    """Define what a scan is called as a view over a saved selection's file, which stays memory-mapped.

    Args:
        tables: (name, version) → the table; those of the selection's late columns that are read now are joined.
        named: Whether the query can name a column; a late one that it cannot is not read.

    Returns:
        What DuckDB scans for those late columns.
    """
    arrow = f"{scan.name}{GAP}packed"
    here = [numbers.get((each.table, each.version, each.column), 0) for each in selection.sources]
    packed = selection.packed()
    for index, each in enumerate(selection.columns):
        if not each.media and here != list(range(len(here))) and has_media(packed.schema.field(index).type):
            packed = packed.set_column(index, each.name, renumbered(packed.column(index), here))
    # Names that differ only in case are one to DuckDB, so the columns have numbers.
    cursor.register(arrow, packed.rename_columns([f"c{number}" for number in range(packed.num_columns)]))
    read: list[ScanTable] = []
    columns: list[str] = []
    joins: list[str] = []
    for number, each in enumerate(selection.columns):
        stored = f"packed.c{number}"
        if each.media:
            columns.append(_unpacked(stored, each, packed.schema.field(each.name).type, here))
        elif each.late is not None and each.name in late:
            columns.append(f"CASE WHEN {stored} IS NOT NULL THEN {_late(stored, here[each.late])} END")
        elif each.late is not None and not named(each.name):
            columns.append(f"NULL::{each.type}")
        elif each.late is not None:
            source = selection.sources[each.late]
            scanned = f"{scan.name}{GAP}joined {len(joins)}"
            table = tables[source.table, source.version].scan()
            read.append(table)
            cursor.register(scanned, table)
            # DuckDB 2.0.0: behind a LEFT JOIN, an ARRAY that is NULL has a length of uninitialised memory; no LIST has.
            listed = re.sub(r"\[\d+\]$", "[]", each.type)
            value = f"(SELECT _rowid AS r, {quoted(source.column)}::{listed} AS v FROM {quoted(scanned)})"
            joins.append(f" LEFT JOIN {value} AS {quoted(scanned)} ON {quoted(scanned)}.r = {stored}")
            columns.append(f"{quoted(scanned)}.v::{each.type}")
        else:
            columns.append(f"{stored}::{each.type}")
        columns[-1] += f" AS {quoted(each.name)}"
    cursor.execute(
        f"CREATE OR REPLACE TEMP VIEW {quoted(scan.name)} AS SELECT {', '.join(columns)} "
        f"FROM {quoted(arrow)} AS packed{''.join(joins)}"
    )
    return read


def _unpacked(stored: str, column: Column, kind: pa.StructType, here: Sequence[int]) -> str:
    """Return the references of a packed media column, their sources numbered as here."""
    fields = {kind.field(i).name: f"{stored}.{quoted(kind.field(i).name)}" for i in range(kind.num_fields)}
    fields = {name: _literal(value) for name, value in column.constants.items()} | fields
    if "source" in column.constants:
        fields["source"] = str(here[column.constants["source"]])
    elif here != list(range(len(here))):
        cases = " ".join(f"WHEN {old} THEN {new}" for old, new in enumerate(here))
        fields["source"] = f"CASE {fields['source']} {cases} END"
    return f"CASE WHEN {stored} IS NOT NULL THEN {_reference(fields)} END"


def _literal(value: Any) -> str:
    if isinstance(value, float):
        return f"'{value!r}'::DOUBLE"
    return "NULL" if value is None else str(value)
