"""What there is to query: the tables and views of a session, and the columns of any of them, or of a query."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cutlist.answers.lineage import lineage_of
from cutlist.compiler import quoted, walk
from cutlist.engine import column_names
from cutlist.errors import CutlistError

if TYPE_CHECKING:
    from cutlist.compiler import Origin, Plan
    from cutlist.engine import Engine
    from cutlist.store import Table
    from cutlist.views import View

_MEDIA = re.compile(r'STRUCT\("source" USMALLINT, "row" UBIGINT[^)]*\)')


@dataclass(frozen=True, slots=True, kw_only=True)
class TableFacts:
    """A table at its version.

    Attributes:
        media: Its media columns, each with its kind, `video: video`.
        num_bytes: What its columns take on disk.
        media_bytes: The sum of its column `size_bytes`, which ingest makes; None without one.
        features: The featurizers that made columns of it.
    """

    name: str
    version: int
    num_rows: int
    media: dict[str, str | None]
    num_bytes: int
    media_bytes: int | None
    features: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewFacts:
    """A view, and why it cannot be used as it is; None: it can."""

    name: str
    description: str
    file: str
    problem: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnFacts:
    """A column of a table, a view or a query.

    Attributes:
        type: As DuckDB says it; of media `MEDIA`.
        media: The kinds of the media in it; empty: none.
        made_by: The featurizers that its values come from, each with its version.
    """

    name: str
    type: str
    media: tuple[str, ...]
    made_by: tuple[str, ...]


def tables_of(engine: Engine) -> list[TableFacts]:
    """Return the tables of a snapshot, by name. Of rows, it reads just `size_bytes`."""
    return [_table(engine, each) for _, each in sorted(engine.snapshot.tables.items())]


def _table(engine: Engine, table: Table) -> TableFacts:
    media_bytes = None
    if table.media_columns and "size_bytes" in table.sql_columns:
        found = engine.sql(f"SELECT sum(TRY_CAST(size_bytes AS BIGINT))::BIGINT FROM {quoted(table.name)}")
        assert found is not None
        media_bytes = found.fetchall()[0][0]
    return TableFacts(
        name=table.name,
        version=table.version,
        num_rows=table.dataset.count_rows(),
        media=table.media_columns,
        num_bytes=sum(table.stored_bytes.values()),
        media_bytes=media_bytes,
        features=tuple(each.name for each in table.features.values() if each.made),
    )


def views_of(engine: Engine) -> list[ViewFacts]:
    """Return the views, by name, each bound to see whether it can be."""
    return [
        ViewFacts(name=name, description=view.description, file=view.path, problem=_problem(engine, view))
        for name, view in sorted(engine.views.items())
    ]


def _problem(engine: Engine, view: View) -> str | None:
    if view.problem is not None:
        return view.problem
    try:
        column_names(engine, engine.plan(engine.parse(view.text, view.path), strict=True))
    except CutlistError as error:
        return str(error)
    return None


def columns_of(engine: Engine, plan: Plan) -> list[ColumnFacts]:
    """Return the columns of a planned query, with what its lineage says of them. DuckDB binds it, and reads no row.

    Raises:
        QueryError: if it cannot be bound.
    """
    found = dict(lineage_of(engine, plan, "query").columns)
    binding = engine.bind(plan)
    try:
        with engine.placed(plan.query, binding):
            relation = binding.cursor.sql(binding.text)
            names, types = relation.columns, [_MEDIA.sub("MEDIA", str(each)) for each in relation.types]
    finally:
        binding.cursor.close()
    columns = []
    for name, kind in zip(names, types, strict=True):
        origins = list(walk([found[name]], features=False)) if name in found else []
        media = _kinds(engine, origins) if "MEDIA" in kind else ()
        made = tuple(dict.fromkeys(each.made_by for each in origins if each.made_by))
        columns.append(ColumnFacts(name=name, type=kind, media=media, made_by=made))
    return columns


def _kinds(engine: Engine, origins: Iterable[Origin]) -> tuple[str, ...]:
    """Return the kinds of the media columns among origins."""
    found = []
    for each in origins:
        table = engine.snapshot.find(each.of) if each.kind == "table" else None
        if table is not None and each.name in table.media_columns:
            found.append(table.media_columns[each.name] or "media")
    return tuple(dict.fromkeys(found))
