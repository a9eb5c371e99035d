"""DuckDB over a snapshot: one cursor for each query, with just the tables and views that the query names."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa

from cutlist.catalog import fold_case
from cutlist.compiler import (
    COMPILING,
    NAMING,
    SEARCHING,
    VOLATILE,
    Plan,
    Remark,
    Scan,
    Statement,
    apply,
    calls_of,
    canonical,
    is_pivot,
    locate,
    parse,
    quoted,
    table_names,
)
from cutlist.engine.databases import CONFINED, DECODE_MACROS, Databases, bind_media_once
from cutlist.engine.define import define_selection, define_table, numbered
from cutlist.engine.facts import Facts, duckdb_types
from cutlist.engine.nulls import count_dropped
from cutlist.engine.results import refuse_columns
from cutlist.engine.searching import approximate, searched
from cutlist.engine.similarity import define_stand_ins, define_vectors, images_of, of_other_models
from cutlist.errors import CatalogError, CutlistError, QueryError, listing, suggest
from cutlist.placing import message, unknown_column, unknown_table
from cutlist.selection import SearchVector, Selection, Source
from cutlist.views import View, needed_views

if TYPE_CHECKING:
    from cutlist.catalog import Snapshot
    from cutlist.engine.similarity import Encode
    from cutlist.saved import Saved
    from cutlist.store import ScanTable, Table

PLAIN_CALLS = 3
"""Up to so many decode calls in a query and its views, each may repeat its medium; see `bind_media_once`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """A planned query on a cursor of its own, where the names that it uses are defined."""

    cursor: duckdb.DuckDBPyConnection
    plan: Plan
    tables: Mapping[tuple[str, int], Table]
    sources: tuple[Source, ...]
    scanned: dict[str, ScanTable] = field(default_factory=dict)
    vectors: tuple[SearchVector, ...] = ()

    @property
    def text(self) -> str:
        """The query as DuckDB gets it."""
        return self.plan.text("")


@dataclass(frozen=True)
class Engine:
    """DuckDB over the tables of a snapshot, a set of views, and the saved selections of the root."""

    snapshot: Snapshot
    views: Mapping[str, View]
    saved: Saved
    databases: Databases
    encode: Encode

    @cached_property
    def _sources(self) -> list[Source]:
        tables = self.snapshot.tables
        return _media_of(tables[name] for name in sorted(tables))

    @property
    def sources(self) -> tuple[Source, ...]:
        """What `source` numbers in the references that `sql` returns: the media columns of all tables, and then those
        of the other versions and the saved selections that its queries named."""
        return tuple(self._sources)

    @cached_property
    def facts(self) -> Facts:
        """What the compiler is told of the tables, views and saved selections."""

        def types_of(schema: pa.Schema) -> list[str]:
            with contextlib.closing(self.databases.cursor(compiling=True)) as cursor:
                return duckdb_types(cursor, schema)

        return Facts(
            self.snapshot,
            self.saved,
            lambda name: self.find_view(name) is not None,
            self._not_there,
            types_of,
            self._written,
        )

    def _written(self, item: str) -> str:
        """Return what DuckDB calls the column of an item of a SELECT's list that has no alias."""
        with contextlib.closing(self.databases.cursor(compiling=True)) as cursor:
            parsed = "SELECT json_deserialize_sql(json_serialize_sql(?::VARCHAR))"
            row = cursor.execute(parsed, [f"SELECT {item}"]).fetchone()
        return str(row[0]).removeprefix("SELECT ") if row is not None else item

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
        plan = apply(SEARCHING, self.plan(statement, strict=False), self.facts)
        binding = self.bind(plan)
        with self.placed(statement, binding):
            return binding.cursor.sql(binding.text)

    def _sql_by_words(self, query: str) -> duckdb.DuckDBPyRelation | None:
        """Run text that is not one query: every table and view whose name is a word of it is defined."""
        self.databases.refuse_secrets(query)
        words = {word.lower() for word in re.findall(r"[\w/]+", query)}
        names = [name for name in (*self.snapshot.tables, *self.views) if name.lower() in words]
        probe = parse("SELECT 1 FROM " + ", ".join(map(quoted, names)) if names else "SELECT 1")
        binding = self.bind(self.plan(probe, strict=False))
        if re.fullmatch(r"\s*show\s+(all\s+)?tables\s*;?\s*", query, re.IGNORECASE):
            binding.cursor.register("tables and views", self._listing())
            return binding.cursor.sql('FROM "tables and views" ORDER BY ALL')
        with self.reading(query):
            return binding.cursor.sql(query)

    def relation(self, table: pa.Table) -> duckdb.DuckDBPyRelation:
        """Return an Arrow table as what `sql` returns."""
        cursor = self.databases.cursor(compiling=False)
        cursor.register("result", table)
        return cursor.sql("FROM result")

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
        except (duckdb.Error, OSError) as error:
            if isinstance(error, OSError) and error.errno is not None:  # the system's; DuckDB's have none
                raise
            table = unknown_table(error)
            if table is not None:
                place = locate("query", query, max(query.lower().find(table.lower()), 0))
                raise QueryError(self.no_table(place, table)) from error
            raise QueryError(self.databases.told(message("query", query, error))) from error

    def plan(self, statement: Statement, *, strict: bool) -> Plan:
        """Return what a statement and its views name.

        Args:
            strict: Whether to compile: a name that is neither table nor view is an error (in a view it always is).

        Raises:
            QueryError: for unknown names (`strict`), versions and selections; for views that cannot be parsed.
        """
        views, _ = needed_views(statement, self.find_view, self.parse)
        return apply(NAMING, Plan(query=statement, views=views, strict=strict), self.facts)

    def lint(self, statement_of: Callable[[str], Statement], query: str) -> tuple[Remark, ...]:
        """Return what the checks have to say about a query or a view; what is raised for it is one of the remarks.

        Args:
            statement_of: A query's text, or a view's name → its statement.
        """
        remarks: tuple[Remark, ...] = ()
        try:
            plan = self.plan(statement_of(query), strict=True)
            remarks = apply(COMPILING, plan, self.facts).remarks
            return self.remarks(plan)
        except CutlistError as error:
            placed = re.match(r"(query|[^:]*\.sql)(:\d+:\d+)?: ", str(error))
            place = placed[0].removesuffix(": ") if placed else query
            return (Remark(place=place, text=str(error)[placed.end() if placed else 0 :], error=True), *remarks)

    def remarks(self, plan: Plan, vectors: Sequence[SearchVector] = ()) -> tuple[Remark, ...]:
        """Return what there is to say about a query that is to be compiled.

        Args:
            vectors: Those of its texts and images, where it was compiled before.

        Raises:
            QueryError: if it cannot be bound.
        """
        plan = apply(COMPILING, plan, self.facts)
        binding = self.bind(plan, vectors=vectors)
        with contextlib.closing(binding.cursor) as cursor, self.placed(plan.query, binding):
            refuse_columns(plan.query, cursor.sql(binding.text))
            return (*plan.remarks, *self.counted(binding))

    def counted(self, binding: Binding) -> Iterator[Remark]:
        """Yield what only the rows tell: what an index may miss, vectors of other models, rows dropped for NULLs."""
        yield from approximate(binding.plan)
        yield from of_other_models(self, binding.plan)
        tables = {
            use.scan.table: binding.tables[self.key_of(use.scan)] for use in binding.plan.uses if not use.scan.selection
        }
        yield from count_dropped(binding.cursor, binding.plan, tables)

    def bind(self, plan: Plan, *, runs: bool = True, vectors: Sequence[SearchVector] = ()) -> Binding:
        """Return a cursor on which a planned statement can run: its tables registered, its views defined.

        Args:
            runs: Whether it will; where only names and types are asked for, no text or image is encoded.
            vectors: Those of its texts and images, where they are known.

        Raises:
            QueryError: for views that cannot be bound.
        """
        selections = {each.table: self.facts.selections[each.table] for each in plan.scans.values() if each.selection}
        tables = self._tables(plan, selections.values())
        sources = _sources(tables.values(), selections.values(), plan.late)
        if not plan.strict:
            self._sources.extend(each for each in sources if each not in self._sources and each.kind != "value")
            sources = self._sources
        cursor = self.databases.cursor(compiling=plan.strict)
        try:
            vectors = define_vectors(self, cursor, plan, vectors) if runs else define_stand_ins(cursor, plan)
            binding = Binding(cursor=cursor, plan=plan, tables=tables, sources=tuple(sources), vectors=vectors)
            for name in plan.statements:
                if plan.strict or name:
                    self._refuse_several(plan, name)
            if calls_of(DECODE_MACROS, plan) > PLAIN_CALLS or calls_of(VOLATILE, plan):
                bind_media_once(cursor)
            self._define_tables(binding, selections)
            if runs and plan.searches:
                binding = replace(binding, plan=searched(self, binding), scanned={})
                self._define_tables(binding, selections)
            self._define_views(binding)
        except BaseException:
            cursor.close()
            raise
        return binding

    def _define_tables(self, binding: Binding, selections: Mapping[str, Selection]) -> None:
        """Define on its cursor the tables and selections that a binding names, and that are not defined yet."""
        plan, cursor, tables, sources = binding.plan, binding.cursor, binding.tables, binding.sources
        numbers = numbered(sources)
        for scan in plan.scans.values():
            if scan.name in binding.scanned:
                continue
            late = plan.late.get(scan.table, frozenset())
            if scan.selection:
                read = define_selection(cursor, scan, selections[scan.table], tables, numbers, late, plan.can_name)
                binding.scanned.update({f"{scan.name} {number}": each for number, each in enumerate(read)})
            else:
                table = tables[self.key_of(scan)]
                binding.scanned[scan.name] = define_table(cursor, scan, table, numbers, late)

    def _define_views(self, binding: Binding) -> None:
        """Define on its cursor the views that a binding names."""
        plan, cursor = binding.plan, binding.cursor
        for name, view in plan.views.items():
            with self.placed(view, binding):
                cursor.execute(f"CREATE TEMP VIEW {quoted(name)} AS\n{plan.text(name)}")

    def _refuse_several(self, plan: Plan, name: str) -> None:
        """Refuse a text in which DuckDB sees anything but one query, whatever the compiler sees in it."""
        statement, text = plan.statements[name], plan.text(name)
        extract = self.databases.compiling.extract_statements
        try:
            kinds = [str(each.type).rpartition(".")[2] for each in extract(text)]
            if kinds == ["MULTI"] and is_pivot(statement):  # so is CREATE … AS PIVOT …, which cannot stand in FROM
                kinds = ["SELECT" for _ in extract(f"FROM ({text}\n)")]
        except duckdb.Error as error:
            raise QueryError(message(statement.place, statement.text, error)) from error
        if kinds != ["SELECT"]:
            raise QueryError(
                f"{statement.place}: DuckDB reads {', '.join(kinds) or 'nothing'} here, expected one SELECT"
            )

    def key_of(self, scan: Scan) -> tuple[str, int]:
        """Return the table, and its version, that a scan is of."""
        return scan.table, self.snapshot.tables[scan.table].version if scan.version is None else scan.version

    def _tables(self, plan: Plan, selections: Iterable[Selection]) -> dict[tuple[str, int], Table]:
        """Return the tables that a plan scans, and those behind the saved selections, by name and version."""
        keys = {self.key_of(scan) for scan in plan.scans.values() if not scan.selection}
        tables = {key: self.table_at(*key) for key in keys}
        for selection in selections:
            for each in selection.tables:
                tables[each.name, each.version] = table = self.table_at(each.name, each.version)
                if table.identity != each.identity:
                    raise CatalogError(
                        f"table {each.name} was made anew since selection {selection.fingerprint[:12]} was compiled, "
                        f"so its row ids mean other rows; compile that query again"
                    )
        return dict(sorted(tables.items()))

    def table_at(self, name: str, version: int) -> Table:
        """Return a table at a version.

        Raises:
            CatalogError: if it is not there.
        """
        table = self.snapshot.at(name, version)
        if table is None:
            raise CatalogError(f"table {name}, which a saved selection needs, is not in {self.snapshot.store.root}")
        return table

    @contextmanager
    def placed(self, statement: Statement, binding: Binding) -> Iterator[None]:
        """Turn DuckDB's errors into ours, with the place in the user's text."""
        try:
            yield
        except (duckdb.Error, OSError) as error:  # OSError: while batches are fetched
            column, table = unknown_column(error), unknown_table(error)
            if column is not None:
                raise QueryError(_no_column(self, statement, binding, column)) from error
            if table is not None:
                raise QueryError(self.no_table(_place_of(statement, table), table)) from error
            said = message(statement.place, statement.text, error)
            raise QueryError(said if binding.plan.strict else self.databases.told(said)) from error

    def _not_there(self, place: str, name: str, made: Iterable[str] = ()) -> str:
        """Return the message for a name that is neither table nor view: its place, the nearest name, and all names."""
        known = [*self.snapshot.tables, *self.views, *made]
        return f'{place}: no table or view "{name}"{suggest(name, known)} There are: {listing(known)}.'

    def no_table(self, place: str, name: str) -> str:
        """Return the message for a name that DuckDB does not find."""
        if self.snapshot.find(name) is not None or self.find_view(name) is not None:
            it = quoted(name)
            return (
                f"{place}: {it} is there, but only a plain name in a FROM clause means it: FROM {it}, or DESCRIBE {it}"
            )
        if self.databases.folders is not None and re.search(r"^[~/]|://|\.\w{2,7}$", name):
            return f'{place}: no table or view "{name}", and no file that is open to it: {CONFINED}'
        made = []
        if "adhoc" in self.databases.__dict__:  # tables that the user made in this session
            made = self.databases.adhoc.cursor().execute("SELECT table_name FROM duckdb_tables()").fetchall()
        return self._not_there(place, name, (each for (each,) in made if each.lower() != name.lower()))

    def key(self, plan: Plan) -> str:
        """Return a text that is equal for two plans if they mean the same, over the same versions and selections."""
        parts = [f"{name} = {canonical(statement.text)}" for name, statement in sorted(plan.statements.items())]
        for use in sorted(plan.uses, key=lambda each: (each.statement, each.start)):  # a tag may move
            if use.scan.selection:
                parts.append(f"selection {use.scan.table}")
            else:
                name, version = self.key_of(use.scan)
                parts.append(f"{name} @ {version} {self.table_at(name, version).identity}")
        return "\n".join([*parts, *images_of(self, plan)])


def _media_of(tables: Iterable[Table]) -> list[Source]:
    """Return the media columns of tables, in order."""
    return [
        Source(table=table.name, version=table.version, column=column, kind=kind)
        for table in tables
        for column, kind in table.media_columns.items()
    ]


def _sources(
    tables: Collection[Table], selections: Iterable[Selection], late: Mapping[str, frozenset[str]]
) -> list[Source]:
    """Return what the references of a query can refer to: those of its selections first, numbered as they are there."""
    found = {source: None for selection in selections for source in selection.sources}
    found |= dict.fromkeys(_media_of(tables))
    for table in tables:
        columns = sorted(late.get(table.name, frozenset()))
        found |= {
            Source(table=table.name, version=table.version, column=column, kind="value"): None
            for column in columns
            if column in table.sql_columns
        }
    return list(found)


def _place_of(statement: Statement, name: str) -> str:
    """Return where a name stands first in a statement."""
    places = (statement.at(token.start) for token in statement.tokens if token.text.lower() == name.lower())
    return next(places, statement.place)


def _no_column(engine: Engine, statement: Statement, binding: Binding, name: str) -> str:
    """Return the message for a column that no table of a statement has: its place, the nearest name, and all names."""
    place = _place_of(statement, name)
    known: dict[str, list[str]] = {}
    hidden: dict[str, str] = {}
    for use in binding.plan.uses:
        if binding.plan.statements[use.statement] is statement:
            known[use.called] = list(use.facts.columns)
            hidden |= {} if use.scan.selection else engine.snapshot.tables[use.scan.table].hidden_columns
    for named in table_names(statement):
        try:
            known.setdefault(named.name, binding.cursor.sql(f"FROM {quoted(named.name)}").columns)
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
