"""What a notebook shows of a table, a training set and the reports: each class drawn by a function."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.filesize import decimal

from cutlist.answers.diff import Diff
from cutlist.answers.explain import Explanation
from cutlist.answers.waterfall import Waterfall
from cutlist.backfill import BackfillReport
from cutlist.catalog import Snapshot
from cutlist.html.cells import cell, type_name
from cutlist.html.media import Medium
from cutlist.html.page import Head, page, text
from cutlist.html.result import NUM_ROWS, NUM_SAMPLED, cells, heads_of, rows_of
from cutlist.html.spread import kind_of, share_svg, spread_of
from cutlist.ingest_report import IngestReport
from cutlist.selection import Selection
from cutlist.shown import draws
from cutlist.store import Table, is_blob

if TYPE_CHECKING:
    import pyarrow as pa

    from cutlist.media.reference import MediaRef
    from cutlist.views import View

WIDE_BYTES = 1024
"""Values of a table that are as large as this on average are not read to show how they are spread."""


def overview(tables: Mapping[str, Table], views: Mapping[str, View], title: str) -> str:
    """Return the tables and views of a session as HTML."""
    rows = [
        _cells("table", each.name, each.version, each.dataset.count_rows(), ", ".join(each.media_columns), _made(each))
        for each in tables.values()
    ]
    rows += [_cells("view", each.name, None, None, None, each.description) for each in views.values()]
    return _listed(title, ("kind", "name", "version", "rows", "media", "what"), rows)


@draws(Table)
def table_html(table: Table) -> str:
    """Return a table as HTML: its first rows with their media, and how the values of each column are spread."""
    names, media = table.sql_columns, table.media_columns
    num_rows = table.dataset.count_rows()
    first = table.head(NUM_ROWS, *names)
    row_ids = first.column("_rowid").to_pylist()
    columns = [
        [_medium_of(table, name, row, value) for row, value in zip(row_ids, first.column(name), strict=True)]
        if name in media
        else first.column(name).to_pylist()
        for name in names
    ]
    looked_at = min(num_rows, NUM_SAMPLED)
    narrow = [each for each in names if _is_narrow(table, each)]
    sample = table.head(NUM_SAMPLED, *narrow)
    heads = [
        Head(
            name=name,
            type=(media[name] or "media") if name in media else type_name(first.schema.field(name).type),
            num_rows=looked_at,
            num_null=sample.column(name).null_count if name in narrow else None,
            spread=spread_of(sample.column(name)) if name in narrow and name not in media else None,
            is_number=kind_of(first.schema.field(name).type) == "number",
        )
        for name in names
    ]
    rows = [list(row) for row in zip(*columns, strict=True)]
    types = [first.schema.field(name).type for name in names]
    title = f"{table.name}, version {table.version}: {num_rows:,} rows" + _first(len(rows), num_rows)
    notes = [] if looked_at == num_rows else [f"NULLs and bars are those of the first {looked_at:,} rows"]
    made = _made(table)
    return page(title, heads, cells(rows, types), notes=[*([made] if made else []), *notes])


def _medium_of(table: Table, column: str, row: int, value: pa.Scalar) -> Medium | None:
    if not value.is_valid:
        return None
    return Medium(table=table, column=column, kind=table.media_columns[column], row=row, ops=())


def _is_narrow(table: Table, name: str) -> bool:
    """Return whether many values of a column are read at little cost; of blobs what is beside their bytes."""
    field = table.schema.field(name)
    return is_blob(field) or (kind_of(field.type) is not None and table.mean_bytes.get(name, 0) < WIDE_BYTES)


def _made(table: Table) -> str:
    made = [each.name for each in table.features.values() if each.made]
    return f"features: {', '.join(made)}" if made else ""


@draws(Selection)
def selection_html(selection: Selection) -> str:
    """Return a training set as HTML: its first samples, with their media if a session gave its root."""
    count = min(NUM_ROWS, len(selection))
    columns = selection.columns
    tables = _tables_of(selection)
    first = _with_late(selection, tables, selection.take(np.arange(count, dtype=np.int64)))

    def medium(ref: MediaRef, position: int) -> Any:
        source = selection.sources[ref.source]
        if not tables:
            return ".".join([f"{source.table}.{source.column}[{ref.row}]", *map(str, ref.ops)])
        table = tables[source.table, source.version]
        return Medium(table=table, column=source.column, kind=source.kind, row=ref.row, ops=ref.ops, sample=position)

    rows = rows_of(first, medium)
    looked_at = min(len(selection), NUM_SAMPLED)
    sample = selection.take(np.arange(looked_at, dtype=np.int64) * len(selection) // looked_at)
    places = [place for place, each in enumerate(columns) if each.late is None and kind_of(first.schema.types[place])]
    spreads = {place: spread_of(sample.column(place)) for place in places}
    nulls = [each.null_count for each in columns]
    names = [each.name for each in columns]
    heads = heads_of(names, first.schema.types, rows, len(selection), nulls, spreads)
    title = f"{len(selection):,} samples" + _first(count, len(selection))
    read = f"of {', '.join(map(str, selection.tables)) or 'no table'}; fingerprint {selection.fingerprint[:12]}"
    return page(title, heads, cells(rows, first.schema.types), sql=selection.sql, notes=[read, *selection.warnings])


def _tables_of(selection: Selection) -> dict[tuple[str, int], Table]:
    if selection.store is None:
        return {}
    snapshot = Snapshot.take(selection.store)
    found = {(each.name, each.version): snapshot.at(each.name, each.version) for each in selection.tables}
    return {key: table for key, table in found.items() if table is not None}


def _with_late(selection: Selection, tables: Mapping[tuple[str, int], Table], first: pa.Table) -> pa.Table:
    """Return samples with the values of late columns, where the tables are known, in the place of row ids."""
    for place, each in enumerate(selection.columns):
        if each.late is not None and tables:
            source = selection.sources[each.late]
            values = tables[source.table, source.version].take(source.column, first.column(place).combine_chunks())
            first = first.set_column(place, each.name, values)
    return first


def _first(count: int, num_rows: int) -> str:
    return "" if count == num_rows else f", the first {count:,} are shown"


# -- reports ----------------------------------------------------------------------------------------------------------


@draws(IngestReport, BackfillReport)
def report_html(report: IngestReport | BackfillReport) -> str:
    """Return what was done as HTML: a line."""
    return page(str(report), [], [])


@draws(Waterfall)
def waterfall_html(found: Waterfall) -> str:
    """Return conditions as HTML, each with a bar of the rows that are left after it."""
    rows = [[text("FROM"), share_svg(1.0), *_cells(found.num_rows, None, None, None)]]
    rows += [
        [
            f"<code>{text(each.condition, 160)}</code><br/><small>{text(each.place)}</small>",
            share_svg(each.num_left / found.num_rows if found.num_rows else 0.0),
            *_cells(each.num_left, each.num_kept, each.num_only, each.num_null),
        ]
        for each in found.drops
    ]
    share = f" ({found.num_left / found.num_rows:.1%})" if found.num_rows else ""
    title = f"{found.num_left:,} of {found.num_rows:,} rows are left{share}"
    names = ("condition", "rows left", "", "kept alone", "only it drops", "NULL")
    return _listed(title, names, rows, sql=found.sql, notes=found.notes)


@draws(Diff)
def diff_html(found: Diff) -> str:
    """Return a difference as HTML: why samples are in one training set alone, and some of them."""
    reasons = [
        _cells(f"only in {name}", each.condition, each.num_dropped, each.num_only, each.num_null)
        for name, side in (("A", found.a), ("B", found.b))
        for each in side.reasons
    ]
    examples = [
        _cells(f"only in {name}", _pairs(each.sample), "; ".join(each.dropped_by), _pairs(each.values))
        for name, side in (("A", found.a), ("B", found.b))
        for each in side.examples
    ]
    changed = [f"{name}: {count:,} of those in both differ" for name, count in found.changed.items() if count]
    title = f"{found.num_both:,} in both, {found.a.num_only:,} only in A, {found.b.num_only:,} only in B"
    names = ("", "dropped in the other by", "samples", "by it alone", "NULL")
    notes = [f"A: {_one_line(found.a.sql)}", f"B: {_one_line(found.b.sql)}", *changed, *found.notes]
    parts = [_listed(title, names if reasons else (), reasons, notes=notes)]
    if examples:
        parts.append(_listed("some of them", ("", "sample", "dropped in the other by", "values"), examples))
    return "".join(parts)


@draws(Explanation)
def explanation_html(found: Explanation) -> str:
    """Return the plan of a query as HTML: each column of a sample, when it is read, why, and how much."""
    rows = [
        _cells(each.name, each.type, each.read, each.why, decimal(each.epoch_bytes) if each.read == "later" else "")
        for each in found.columns
    ]
    bound = "" if found.bound == "exact" else f"{found.bound} "
    title = f"{found.num_samples:,} samples; an epoch reads {bound}{decimal(found.epoch_bytes)}"
    scans = [
        f"{each.table}@{each.version}, {each.num_rows:,} rows; read now: "
        + ", ".join(f"{name} ({why})" for name, why in each.columns.items())
        + (f"; where {' and '.join(each.filters)}" if each.filters else "")
        for each in found.scans
    ]
    names = ("column", "type", "read", "why", "an epoch")
    return _listed(title, names, rows, sql=found.sql, notes=[*scans, *found.warnings])


def _listed(
    title: str, names: Sequence[str], rows: Sequence[Sequence[str]], *, sql: str = "", notes: Sequence[str] = ()
) -> str:
    """Return cells, as HTML, under names."""
    heads = [Head(name=each, type="", is_number=each in _NUMBERS) for each in names]
    return page(title, heads, rows, sql=sql, notes=notes)


_NUMBERS = ("", "version", "rows", "samples", "kept alone", "only it drops", "by it alone", "NULL", "an epoch")
"""Names of columns of reports whose cells are aligned to the right."""


def _cells(*values: str | int | None) -> list[str]:
    """Return plain values as cells; None is empty."""
    return ["" if each is None else f"{each:,}" if isinstance(each, int) else cell(each) for each in values]


def _pairs(values: Mapping[str, str | None]) -> str:
    return ", ".join(f"{name} {'NULL' if each is None else each}" for name, each in values.items())


def _one_line(sql: str) -> str:
    return " ".join(sql.split())
