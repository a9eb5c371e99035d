"""From a plan to a selection: the query runs over references, and its rows are packed in their final order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import pyarrow as pa

from cutlist.compiler import COMPILING, Remark, Statement, apply, has_order, parse, total_order
from cutlist.engine.excluding import Excluding
from cutlist.engine.results import refuse_columns, refuse_forged
from cutlist.errors import QueryError
from cutlist.packing import Packer, is_sorted, late_source
from cutlist.selection import Selection, TableVersion

if TYPE_CHECKING:
    import duckdb

    from cutlist.compiler import Plan
    from cutlist.engine.engine import Binding, Engine
    from cutlist.engine.excluding import Failed
    from cutlist.store import ScanTable

_ARROW_BATCH_ROWS = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class Compiled:
    """A selection, the plan that it was made by, and by the name of each scan what DuckDB read."""

    selection: Selection
    plan: Plan
    scanned: Mapping[str, ScanTable]


def compile_plan(engine: Engine, plan: Plan, failed: Failed | None = None) -> Compiled:
    """Run a query over references and return its rows as a selection, and how. No media byte is read.

    The rows are in the query's ORDER BY and then by every output field; without one, by every output field.

    Args:
        plan: Of one SELECT, strict.
        failed: Media of which samples are left out, with a warning; a LIMIT counts them.

    Raises:
        QueryError: if the query cannot be bound or run, or two of its columns have one name.
    """
    plan = apply(COMPILING, plan, engine.facts)
    for remark in plan.remarks:
        if remark.error:
            raise QueryError(str(remark))
    binding = engine.bind(plan)
    cursor, statement = binding.cursor, plan.query
    try:
        remarks = (*plan.remarks, *engine.counted(binding))
        with engine.placed(statement, binding):
            bound = cursor.sql(binding.text)
            refuse_columns(statement, bound)
            types = [str(kind) for kind in bound.types]
            text = total_order(_again(statement, binding.text), len(types))
            rows = bound if text == binding.text else cursor.sql(text)
            reader = rows.to_arrow_reader(_ARROW_BATCH_ROWS)
            refuse_forged(statement, reader.schema)
            packer = Packer(reader.schema)
            excluding = Excluding(failed or {}, binding.sources)
            for batch in reader:
                packer.add(excluding(batch))
        table, constants = packer.finish()
        ordered = has_order(statement)
        if not ordered and not is_sorted(table):
            table = _sorted(cursor, table)
    finally:
        cursor.close()
    if excluding.num_left_out:
        text = f"{excluding.num_left_out:,} samples are left out, as their media are in _failures"
        remarks = (*remarks, Remark(place=statement.place, text=text, error=False))
    late = [(each, source) for each in reader.schema if (source := late_source(each.type)) is not None]
    selection = Selection.build(
        table,
        reader.schema,
        constants,
        binding.sources,
        types=[_type_of(engine, binding, each, kind) for each, kind in zip(reader.schema, types, strict=True)],
        late_types={each.name: _late_type(binding, source) for each, source in late},
        sql=statement.text,
        ordered=ordered,
        tables=[
            TableVersion(name=name, version=version, identity=table.identity)
            for (name, version), table in binding.tables.items()
        ],
        views={name: view.text for name, view in plan.views.items()},
        warnings=[str(remark) for remark in remarks],
        **({"vectors": [asdict(each) for each in binding.vectors]} if binding.vectors else {}),
    )
    return Compiled(selection=selection, plan=binding.plan, scanned=binding.scanned)


def _type_of(engine: Engine, binding: Binding, column: pa.Field, kind: str) -> str:
    """Return DuckDB's type of a column of the result, of a late one that of its values."""
    source = late_source(column.type)
    if source is None:
        return kind
    late = binding.sources[source]
    facts = engine.facts.table(late.table, late.version)
    assert facts is not None
    return facts.columns[late.column].type


def _late_type(binding: Binding, source: int) -> pa.DataType:
    """Return the Arrow type of the values of a late column."""
    late = binding.sources[source]
    kind = binding.tables[late.table, late.version].schema.field(late.column).type
    return kind.storage_type if isinstance(kind, pa.BaseExtensionType) else kind


def _again(statement: Statement, text: str) -> Statement:
    """Return the statement of an edited text."""
    return statement if text == statement.text else parse(text, statement.place)


def _sorted(cursor: duckdb.DuckDBPyConnection, table: pa.Table) -> pa.Table:
    """Return a table sorted by every column."""
    cursor.register("unsorted samples", table)
    ordered = cursor.sql('FROM "unsorted samples" ORDER BY ALL').to_arrow_table()
    return ordered.rename_columns(table.column_names).cast(table.schema)  # DuckDB renames "A" beside "a"
