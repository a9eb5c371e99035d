"""DuckDB over a snapshot: one cursor for each query, with just the tables and views that the query names.

Two instances: one for compiling, which can touch no file and whose configuration is locked, and one for ad-hoc SQL.
The only home of `duckdb`.
"""

from __future__ import annotations

import contextlib
import re
import weakref
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa

from cutlist.catalog import fold_case
from cutlist.compiler import (
    ROWID_SUFFIX,
    Statement,
    canonical,
    expose_rowid,
    has_order,
    locate,
    parse,
    table_names,
    total_order,
)
from cutlist.errors import CatalogError, CutlistError, QueryError, listing, suggest
from cutlist.media.reference import FIELD_NAMES, FIELDS
from cutlist.packing import Packer, is_media, is_sorted
from cutlist.placing import message, unknown_column, unknown_table
from cutlist.selection import Selection, Source
from cutlist.views import View, needed_views

if TYPE_CHECKING:
    from cutlist.catalog import Snapshot
    from cutlist.store import Table

DUCKDB_VERSION = duckdb.__version__
_ARROW_BATCH_ROWS = 131_072


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """A query on a cursor of its own, where the names that it uses are defined."""

    cursor: duckdb.DuckDBPyConnection
    text: str
    tables: tuple[Table, ...]
    views: Mapping[str, Statement]
    sources: tuple[Source, ...]


def _connect(*, sandbox: bool) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(config={"python_enable_replacements": "false"})
    fields = ", ".join(f'"{name}" {kind}' for name, kind in FIELDS)
    connection.execute(f"CREATE TYPE media AS STRUCT({fields})")
    connection.execute(files("cutlist").joinpath("macros.sql").read_text(encoding="utf-8"))
    with contextlib.suppress(duckdb.InvalidInputException):  # in a notebook without ipywidgets: no progress is known
        for setting in ("enable_progress_bar = true", "enable_progress_bar_print = false", "progress_bar_time = 0"):
            connection.execute(f"SET {setting}")
    if sandbox:
        connection.execute("SET enable_external_access = false")
        connection.execute("SET lock_configuration = true")
    return connection


def quoted(name: str) -> str:
    """Return a name as a quoted SQL identifier.

    Examples:
        >>> quoted('odd "name"')
        '"odd ""name\"""'
    """
    return '"' + name.replace('"', '""') + '"'


class Databases:
    """The two DuckDB instances, each started when first used."""

    _closed = False

    @cached_property
    def adhoc(self) -> duckdb.DuckDBPyConnection:
        """For ad-hoc SQL: what a user makes in it stays until it is closed."""
        return _connect(sandbox=False)

    @cached_property
    def compiling(self) -> duckdb.DuckDBPyConnection:
        """For compiling: no access to files, locked configuration."""
        return _connect(sandbox=True)

    def cursor(self, *, compiling: bool) -> duckdb.DuckDBPyConnection:
        """Return a cursor of one of the two, known to `interrupt` while it lives.

        Raises:
            CatalogError: after `close`.
        """
        if self._closed:
            raise CatalogError("the session is closed; connect again")
        cursor = (self.compiling if compiling else self.adhoc).cursor()
        self._cursors.add(cursor)
        return cursor

    @cached_property
    def _cursors(self) -> weakref.WeakSet[duckdb.DuckDBPyConnection]:
        return weakref.WeakSet()

    def interrupt(self) -> None:
        """Stop every query that is running, from any thread."""
        for cursor in list(self._cursors):
            with contextlib.suppress(duckdb.ConnectionException):  # closed meanwhile
                cursor.interrupt()

    def progress(self) -> float:
        """Return how much of the running query is done, 0 to 1, or a negative number while that is not known."""
        most = -1.0
        for cursor in list(self._cursors):
            with contextlib.suppress(duckdb.ConnectionException):  # closed meanwhile
                most = max(most, cursor.query_progress() / 100)
        return most

    def close(self) -> None:
        """Close those that were started; no other is started after."""
        self._closed = True
        for name in ("adhoc", "compiling"):
            if name in self.__dict__:
                self.__dict__.pop(name).close()


@dataclass(frozen=True)
class Engine:
    """DuckDB over the tables of a snapshot and a set of views."""

    snapshot: Snapshot
    views: Mapping[str, View]
    databases: Databases

    @cached_property
    def sources(self) -> tuple[Source, ...]:
        """The media columns of all tables: what `source` numbers in the references that `sql` returns."""
        return _sources(tuple(self.snapshot.tables[name] for name in sorted(self.snapshot.tables)))

    def find_view(self, name: str) -> View | None:
        """Return the view of that name, unless a table has it too; names ignore case."""
        if self.snapshot.find(name) is not None:
            return None
        return fold_case(self.views, name)

    def parse(self, text: str, place: str = "query") -> Statement:
        """Return the one query that a text holds.

        Raises:
            QueryError: if it is not one query; a syntax error is in DuckDB's words, where DuckDB sees it too.
        """
        try:
            return parse(text, place)
        except QueryError:
            try:
                self.databases.compiling.extract_statements(text)
            except duckdb.Error as error:
                raise QueryError(message(place, text, error)) from error
            raise

    def sql(self, query: str) -> duckdb.DuckDBPyRelation | None:
        """Run any DuckDB SQL over the tables and views; return a lazy relation, or None for a statement without rows.

        Raises:
            QueryError: if DuckDB refuses it; has the place where that can be told.
        """
        try:
            statement = parse(query)
        except QueryError:  # not one query: several statements, DDL, or what only DuckDB can parse
            return self._sql_by_words(query)
        binding = self.bind(statement, strict=False)
        with self._placed(statement, binding):
            return binding.cursor.sql(binding.text)

    def _sql_by_words(self, query: str) -> duckdb.DuckDBPyRelation | None:
        """Run text that is not one query: every table and view whose name is a word of it is defined."""
        words = {word.lower() for word in re.findall(r"[\w/]+", query)}
        names = [name for name in (*self.snapshot.tables, *self.views) if name.lower() in words]
        probe = parse("SELECT 1 FROM " + ", ".join(map(quoted, names)) if names else "SELECT 1")
        binding = self.bind(probe, strict=False)
        if re.fullmatch(r"\s*show\s+(all\s+)?tables\s*;?\s*", query, re.IGNORECASE):
            binding.cursor.register("tables and views", self._listing())
            return binding.cursor.sql('FROM "tables and views" ORDER BY ALL')
        with self.reading(query):
            return binding.cursor.sql(query)

    def _listing(self) -> pa.Table:
        """Return the names that a query may use, as SHOW TABLES tells them."""
        tables = [
            {"name": name, "kind": "table", "version": table.version, "description": ""}
            for name, table in self.snapshot.tables.items()
        ]
        views = [
            {"name": name, "kind": "view", "version": None, "description": view.description}
            for name, view in self.views.items()
        ]
        schema = {"name": pa.string(), "kind": pa.string(), "version": pa.int64(), "description": pa.string()}
        return pa.Table.from_pylist(tables + views, schema=pa.schema(schema))

    @contextmanager
    def reading(self, query: str) -> Iterator[None]:
        """Turn the errors of a relation that is read (which is when it runs) into ours."""
        try:
            yield
        except duckdb.Error as error:
            table = unknown_table(error)
            if table is not None:
                place = locate("query", query, max(query.lower().find(table.lower()), 0))
                raise QueryError(self.no_table(place, table)) from error
            raise QueryError(message("query", query, error)) from error

    def bind(self, statement: Statement, *, strict: bool) -> Binding:
        """Return a cursor on which a statement can run: its tables registered, its views defined.

        Args:
            strict: Whether to compile: in the instance without access to files, where a name that is neither table
                nor view is an error (in a view it always is), and references number the media columns of the
                statement's own tables.

        Raises:
            QueryError: for unknown names (`strict`), and for views that cannot be parsed or bound.
        """
        views, _ = needed_views(statement, self.find_view, self.parse)
        tables: dict[str, Table] = {}
        for each in (statement, *views.values()):
            for named in table_names(each):
                table = self.snapshot.find(named.name)
                if table is not None:
                    tables[table.name] = table
                elif (strict or each is not statement) and self.find_view(named.name) is None:
                    raise QueryError(self.no_table(each.at(named.offset), named.name))
        texts = {name: expose_rowid(view, self._is_table) for name, view in views.items()}
        text, exposed = expose_rowid(statement, self._is_table)
        for _, more in texts.values():
            exposed |= more
        ordered = tuple(tables[name] for name in sorted(tables))
        sources = _sources(ordered) if strict else self.sources
        cursor = self.databases.cursor(compiling=strict)
        binding = Binding(cursor=cursor, text=text, tables=ordered, views=views, sources=sources)
        for table in ordered:
            _define_table(cursor, table, sources, with_rowid=table.name.lower() in exposed)
        for name, view in views.items():
            with self._placed(view, binding):
                cursor.execute(f"CREATE TEMP VIEW {quoted(name)} AS\n{texts[name][0]}")
        return binding

    def _is_table(self, name: str) -> bool:
        return self.snapshot.find(name) is not None

    @contextmanager
    def _placed(self, statement: Statement, binding: Binding) -> Iterator[None]:
        """Turn DuckDB's errors into ours, with the place in the user's text."""
        try:
            yield
        except (duckdb.Error, OSError) as error:  # OSError: while batches are fetched
            column, table = unknown_column(error), unknown_table(error)
            if column is not None:
                raise QueryError(_no_column(statement, binding, column)) from error
            if table is not None:
                raise QueryError(self.no_table(_place_of(statement, table), table)) from error
            raise QueryError(message(statement.place, statement.text, error)) from error

    def no_table(self, place: str, name: str) -> str:
        """Return the message for a name that is neither table nor view: its place, the nearest name, and all names."""
        known = [*self.snapshot.tables, *self.views]
        if "adhoc" in self.databases.__dict__:  # tables that the user made in this session
            made = self.databases.adhoc.cursor().execute("SELECT table_name FROM duckdb_tables()").fetchall()
            known += [each for (each,) in made]
        return f'{place}: no table or view "{name}"{suggest(name, known)} There are: {listing(known)}.'

    def canonical_key(self, statement: Statement) -> str:
        """Return a text that is equal for two statements if they mean the same over this snapshot and these views."""
        views, names = needed_views(statement, self.find_view, self.parse)
        tables = {table.name: table for table in map(self.snapshot.find, names) if table is not None}
        parts = [canonical(statement.text)]
        parts += [f"{name} = {canonical(view.text)}" for name, view in sorted(views.items())]
        parts += [f"{name} @ {table.version} {table.identity}" for name, table in sorted(tables.items())]
        return "\n".join(parts)

    def compile(self, statement: Statement) -> Selection:
        """Run a query over references and return its rows as a selection. No media byte is read.

        The rows are in the query's ORDER BY and then by every output field; without one, by every output field.

        Args:
            statement: One SELECT.

        Raises:
            QueryError: if the query cannot be bound or run, or two of its columns have one name.
        """
        binding = self.bind(statement, strict=True)
        cursor = binding.cursor
        try:
            with self._placed(statement, binding):
                bound = cursor.sql(binding.text)
                names, types = bound.columns, [str(kind) for kind in bound.types]
                _refuse_equal_names(statement, names)
                text = total_order(_again(statement, binding.text), len(names))
                reader = cursor.sql(text).to_arrow_reader(_ARROW_BATCH_ROWS)
                _refuse_forged(statement, reader.schema)
                packer = Packer(reader.schema)
                for batch in reader:
                    packer.add(batch)
            table, constants = packer.finish()
            ordered = has_order(statement)
            if not ordered and not is_sorted(table):
                table = _sorted(cursor, table)
        finally:
            cursor.close()
        return Selection.build(
            table,
            reader.schema,
            constants,
            binding.sources,
            types=types,
            sql=statement.text,
            ordered=ordered,
            tables={each.name: (each.version, each.identity) for each in binding.tables},
            views={name: view.text for name, view in binding.views.items()},
        )


def _sources(tables: Iterable[Table]) -> tuple[Source, ...]:
    """Return the media columns of tables, in order."""
    return tuple(
        Source(table=table.name, version=table.version, column=column, kind=kind)
        for table in tables
        for column, kind in table.media_columns.items()
    )


def _again(statement: Statement, text: str) -> Statement:
    """Return the statement of an edited text."""
    return statement if text == statement.text else parse(text, statement.place)


def _define_table(
    cursor: duckdb.DuckDBPyConnection, table: Table, sources: tuple[Source, ...], *, with_rowid: bool
) -> None:
    """Define a table's name as a view in which media columns are references, and `_rowid` is no column."""
    scanned = f"{table.name} scanned"
    cursor.register(scanned, table.scan())
    numbers = {each.column: number for number, each in enumerate(sources) if each.table == table.name}
    columns = []
    for name in table.sql_columns:
        if name not in numbers:
            columns.append(quoted(name))
            continue
        values = {"source": str(numbers[name]), "row": "_rowid", "ops": "0"}
        fields = ", ".join(f"{key!r}: {values.get(key, 'NULL')}" for key, _ in FIELDS)
        columns.append(f"CASE WHEN {quoted(name)} IS NOT NULL THEN {{{fields}}}::media END AS {quoted(name)}")
    cursor.execute(f"CREATE TEMP VIEW {quoted(table.name)} AS SELECT {', '.join(columns)} FROM {quoted(scanned)}")
    if with_rowid:
        with_ids = quoted(table.name + ROWID_SUFFIX)
        cursor.execute(f"CREATE TEMP VIEW {with_ids} AS SELECT {', '.join(columns)}, _rowid FROM {quoted(scanned)}")


def _sorted(cursor: duckdb.DuckDBPyConnection, table: pa.Table) -> pa.Table:
    """Return a table sorted by every column."""
    cursor.register("unsorted samples", table)
    ordered = cursor.sql('FROM "unsorted samples" ORDER BY ALL').to_arrow_table()
    return ordered.rename_columns(table.column_names).cast(table.schema)  # DuckDB renames "A" beside "a"


def _refuse_equal_names(statement: Statement, names: list[str]) -> None:
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise QueryError(
            f'{statement.place}: two columns are named "{twice}"; give one another name, e.g. '
            f"`… AS {re.sub(r'[^A-Za-z0-9_]', '_', twice)}_2`, so that a batch can have both"
        )


def _refuse_forged(statement: Statement, schema: pa.Schema) -> None:
    """Refuse columns that look like media references and are not, because the type of a field was changed."""
    for each in schema:
        looks = pa.types.is_struct(each.type) and [inner.name for inner in each.type] == list(FIELD_NAMES)
        if looks and not is_media(each.type):
            raise QueryError(
                f"{statement.place}: column {each.name} is a media reference of which the types were changed; "
                f"change references by clip(), resize() and their like alone"
            )


def _place_of(statement: Statement, name: str) -> str:
    """Return where a name stands first in a statement."""
    places = (statement.at(token.start) for token in statement.tokens if token.text.lower() == name.lower())
    return next(places, statement.place)


def _no_column(statement: Statement, binding: Binding, name: str) -> str:
    """Return the message for a column that no table of a statement has: its place, the nearest name, and all names."""
    place = _place_of(statement, name)
    known: dict[str, list[str]] = {}
    hidden: dict[str, str] = {}
    for named in table_names(statement):
        table = next((each for each in binding.tables if each.name.lower() == named.name.lower()), None)
        if table is not None:
            hidden |= table.hidden_columns
        try:
            known[named.name] = binding.cursor.sql(f"FROM {quoted(named.name)}").columns
        except (duckdb.Error, CutlistError):
            continue
    if name in hidden:
        return (
            f"{place}: column {name} has the type {hidden[name]}, which SQL cannot hold; cast it when the table is made"
        )
    every = [each for columns in known.values() for each in columns]
    has = " ".join(f"{table} has: {listing(columns, most=40)}." for table, columns in known.items())
    where = f" in {' or '.join(known)}" if known else ""
    return f'{place}: no column "{name}"{where}{suggest(name, every)} {has or "This query names no table."}'
