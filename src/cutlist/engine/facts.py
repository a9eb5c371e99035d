"""What the compiler asks of the tables, views and saved selections of a snapshot."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING

import pyarrow as pa

from cutlist.compiler import ColumnFacts, TableFacts
from cutlist.packing import is_media

if TYPE_CHECKING:
    import duckdb

    from cutlist.catalog import Snapshot
    from cutlist.saved import Saved
    from cutlist.selection import Selection
    from cutlist.store import Table


class _Columns(Mapping[str, ColumnFacts]):
    """Facts of columns that are looked up when first asked for: they cost some milliseconds for each table."""

    def __init__(self, look: Callable[[], dict[str, ColumnFacts]]):
        self._look = look

    @cached_property
    def _found(self) -> dict[str, ColumnFacts]:
        return self._look()

    def __getitem__(self, name: str) -> ColumnFacts:
        return self._found[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)


class Facts:
    """Answers the compiler's questions; remembers the answers, as a snapshot never changes."""

    def __init__(
        self,
        snapshot: Snapshot,
        saved: Saved,
        is_view: Callable[[str], bool],
        no_table: Callable[[str, str], str],
        types_of: Callable[[pa.Schema], list[str]],
        written: Callable[[str], str],
    ):
        self._snapshot, self._saved = snapshot, saved
        self._types_of = types_of
        self.is_view, self.no_table, self.written = is_view, no_table, written
        self._tables: dict[tuple[str, int], TableFacts] = {}
        self.selections: dict[str, Selection] = {}

    def table(self, name: str, version: int | str | None = None) -> TableFacts | None:
        """Return what is known of a table at a version (by number or tag), or None if there is no such table."""
        table = self._snapshot.find(name) if version is None else self._snapshot.at(name, version)
        if table is None:
            return None
        key = (table.name, table.version)
        if key not in self._tables:
            columns = _Columns(lambda: self._columns(table))
            self._tables[key] = TableFacts(name=table.name, version=table.version, columns=columns)
        return self._tables[key]

    def _columns(self, table: Table) -> dict[str, ColumnFacts]:
        fields = [table.schema.field(name) for name in table.sql_columns if name not in table.media_columns]
        types = dict(zip((each.name for each in fields), self._types_of(pa.schema(fields)), strict=True))
        sizes, indexes = table.mean_bytes, table.indexes
        models = {name: each.model for each in table.features.values() for name in each.columns}
        return {
            name: ColumnFacts(
                type=types.get(name, "media"),
                mean_bytes=sizes[name] if name in types else 0.0,
                nullable=name not in table.never_null,
                holes=types.get(name, "").endswith("]")
                and not types[name].endswith("[]")
                and name not in table.without_holes,
                indexes=indexes.get(name, frozenset()),
                model=models.get(name, ""),
            )
            for name in table.sql_columns
        }

    def selection(self, fingerprint: str) -> TableFacts:
        """Return what is known of a saved selection, by the start of its fingerprint."""
        selection = self._saved.find(fingerprint)
        self.selections[selection.fingerprint] = selection
        late = [each.late for each in selection.columns]
        columns = {
            each.name: ColumnFacts(
                type="media" if is_media(field.type) else each.type,
                mean_bytes=float("inf") if source is not None else 0.0,  # it was wide when it was compiled
                nullable=bool(each.null_count),
            )
            for each, field, source in zip(selection.columns, selection.schema, late, strict=True)
        }
        return TableFacts(name=selection.fingerprint, columns=columns)


def duckdb_types(cursor: duckdb.DuckDBPyConnection, schema: pa.Schema) -> list[str]:
    """Return DuckDB's types for the columns of an Arrow schema."""
    return [str(kind) for kind in cursor.from_arrow(schema.empty_table()).types] if len(schema) else []
