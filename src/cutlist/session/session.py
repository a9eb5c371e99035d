"""A session: the tables of a root, pinned, and the views over them; and what one does with both."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import pyarrow as pa

from cutlist.defining import create_view, drop_view
from cutlist.errors import (
    listing,
)
from cutlist.html import Result, overview, read_result
from cutlist.html.result import NUM_ROWS
from cutlist.process.watch import watched
from cutlist.session.asking import Asking
from cutlist.session.tables import Tables
from cutlist.session.training import Training
from cutlist.settings import Settings, read_settings
from cutlist.statements import CreateView, DropView, Refresh, own_statement, view_of
from cutlist.store import Store
from cutlist.views import View, load_views


def connect(
    root: str | os.PathLike[str] | None = None,
    *,
    views: str | os.PathLike[str] | None = None,
    storage_options: Mapping[str, str] | None = None,
    versions: Mapping[str, int | str] | None = None,
    create: bool = False,
    settings: Settings | None = None,
    allow_files: bool = True,
) -> Session:
    """Return a session over the Lance tables in a folder or object store.

    Args:
        root: Folder or URI with the tables; default `CUTLIST_ROOT`, else `.`.
        views: Folder with the views; default `CUTLIST_VIEWS`, else `sql`, which need not be there.
        storage_options: For an object store, as Lance takes them; never shown or saved.
        versions: Name of a table → its version, or a tag; default the latest of each.
        create: Whether a local root that is not there is made, when something is first written.
        settings: Settings in place of those of the environment.
        allow_files: Whether `sql` has the files of this machine, the network and DuckDB's extensions; without, it has
            only the files of the root and of the working folder. The command line and the shell are without.

    Raises:
        CatalogError: if the root, or a `views` that was given, is not there.

    Examples:
        >>> import tempfile
        >>> with connect(tempfile.mkdtemp()) as session:
        ...     session.sql("SELECT 6 * 7 AS answer").fetchall()
        [(42,)]
    """
    settings = settings or read_settings()
    where = settings.root if root is None else root
    store = Store.at(where, storage_options=storage_options, settings=settings, create=create)
    given = views is not None or "views" in settings.model_fields_set
    folder = Path(settings.views if views is None else views)
    found = load_views(folder, required=given)
    return Session(store, found, settings, versions=versions, folder=folder, allow_files=allow_files)


class Session(Asking, Training, Tables):
    """Tables at pinned versions, and views. Made by `cutlist.connect`; close it, or use it in a `with` statement."""

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        tables = ", ".join(f"{name}@{table.version}" for name, table in self.tables.items())
        return f"Session({self._where}: tables {tables or 'none'}; views {', '.join(self.views) or 'none'})"

    def _repr_html_(self) -> str:
        return overview(self.tables, self.views, f"session over {self._where}")

    @property
    def _where(self) -> str:
        """The root, from the current folder where it is below that."""
        root = Path(self.store.root)
        is_below = self.store.is_local and root.is_relative_to(Path.cwd())
        return str(root.relative_to(Path.cwd()) if is_below else self.store.root)

    def close(self) -> None:
        """Write what was logged, and close the session's DuckDB; relations that it returned can no longer be read."""
        self._log.close()
        self._engine.databases.close()

    def sql(self, query: str) -> Any:
        """Run any DuckDB SQL over the tables and views.

        A media column is a media reference, and `_rowid` a column of every table that is there when it is named. Each
        call has a DuckDB connection of its own: tables that are made stay, SET and TEMP do not.

        `REFRESH COLUMN column ON table [WHERE predicate]` computes a feature where it is lacking or out of date, as
        `backfill` does, and returns its report as a row. `CREATE [OR REPLACE] VIEW name AS SELECT …` writes the query,
        as typed and with the comments above it, to a file of the folder of views, once it is known to compile.
        `DROP VIEW [IF EXISTS] name` removes the file, but not while other views need it; with CASCADE it does, and
        leaves those as they are. Both return a row.

        Returns:
            A lazy `duckdb.DuckDBPyRelation` (`.fetchall()`, `.pl()`, `.to_arrow_table()`, `.show()`), or None for a
            statement without rows.

        Raises:
            QueryError: if DuckDB refuses it; has the place where that can be told.
            CatalogError: if a view cannot have that name, or cannot be dropped.
        """
        own = own_statement(query)
        if own is not None:
            row = self._refreshed(own).row() if isinstance(own, Refresh) else self._defined(own, query)
            return self._engine.relation(pa.Table.from_pylist([row]))
        return self._engine.sql(query)

    def show(self, query: str, *, num_rows: int = NUM_ROWS) -> Result | None:
        """Return what `sql` does, or the rows of a view or table by its name, as a notebook shows them: the first ones
        with their pictures and clips, and above each column its type, its NULLs and how its values are spread.

        A query runs at once, up to three times: for the first rows, the counts, and the bars. Media are decoded when
        the result is shown, only those of the rows that are.

        Args:
            num_rows: How many rows are shown; the result has all of them, in `relation`, `pl()` and `df()`.

        Returns:
            None for a statement without rows.

        Raises:
            QueryError: if it fails.
            CatalogError: as `sql` does.

        Examples:
            >>> import tempfile
            >>> from cutlist import connect
            >>> with connect(tempfile.mkdtemp()) as session:
            ...     session.show("SELECT range AS n, range % 2 = 0 AS even FROM range(40)", num_rows=2)
                 n  even
            bigint  boolean
                 0  true
                 1  false
            40 rows, the first 2 are shown
        """
        name = query.strip()
        is_name = self._engine.find_view(name) is not None or re.fullmatch(r"\w+", name)
        text = self.statement(name).text if is_name else query
        relation = self.sql(text)
        if relation is None:
            return None
        return watched(
            lambda: read_result(self._engine, relation, text, num_rows=num_rows),
            interrupt=self.interrupt,
            fraction=self.progress,
            title="query",
        )

    def define(self, name: str, query: str) -> View:
        """Write a query to the folder of views, with the comments above it, and return the view; one of that name is
        replaced. `CREATE OR REPLACE VIEW name AS query` in `sql` does the same.

        Raises:
            QueryError: if it is not one SELECT that can be compiled.
            CatalogError: if a view cannot have that name.

        Examples:
            >>> import tempfile
            >>> from cutlist import connect
            >>> with connect(tempfile.mkdtemp(), views=tempfile.mkdtemp()) as session:
            ...     _ = session.define("few", "-- Two rows.\\nFROM range(2)")
            ...     session.sql("FROM few").fetchall(), session.views["few"].description
            ([(0,), (1,)], 'Two rows.')
        """
        view = create_view(self._engine, self.views_folder, view_of(name, query), query)
        self.views[view.name] = view
        return view

    def _defined(self, statement: CreateView | DropView, typed: str) -> dict[str, Any]:
        """Run a CREATE VIEW or a DROP VIEW statement."""
        if isinstance(statement, CreateView):
            view = create_view(self._engine, self.views_folder, statement, typed)
            self.views[view.name] = view
            return {"created": view.name, "file": view.path, "description": view.description}
        dropped, broken = drop_view(self._engine, statement, typed)
        if dropped is not None:
            del self.views[dropped.name]
        if broken:
            warnings.warn(f"these views need {statement.name}, and are broken now: {listing(broken)}", stacklevel=3)
        return {"dropped": dropped and dropped.name, "file": dropped and dropped.path, "broken": list(broken)}
