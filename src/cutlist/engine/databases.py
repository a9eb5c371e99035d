"""The two DuckDB instances: one for compiling, which can touch no file, and one for ad-hoc SQL."""

from __future__ import annotations

import contextlib
import re
import weakref
from functools import cached_property
from importlib.resources import files

import duckdb

from cutlist.errors import CatalogError
from cutlist.media.reference import FIELDS
from cutlist.temporary import TemporaryFolder

DUCKDB_VERSION = duckdb.__version__

_MACROS = files("cutlist").joinpath("macros.sql").read_text(encoding="utf-8")
_DECODE_MACRO = re.compile(r"^CREATE MACRO (\w+\(m media.*?\)) AS\n(.*?);$", re.MULTILINE | re.DOTALL)

DECODE_MACROS = frozenset(call.partition("(")[0] for call, _ in _DECODE_MACRO.findall(_MACROS))
"""Names of the functions over media references."""


_PROGRESS = {"enable_progress_bar": "true", "enable_progress_bar_print": "false", "progress_bar_time": "0"}
"""Settings of each cursor by which its progress is known, and not printed."""


def bind_media_once(cursor: duckdb.DuckDBPyConnection) -> None:
    """Redefine the decode macros on one cursor so that each evaluates its medium once, by a lambda over a list of one.

    The plain ones repeat it, so that nesting costs a power of its depth to plan; but up to three calls they are two to
    six times as fast to run (5M rows, two calls: 0.3 against 1.3 s; four calls on 2M: 3.9 against 1.3).
    """
    for call, body in _DECODE_MACRO.findall(_MACROS):
        once = re.sub(r"\bm\b", "r", body)
        cursor.execute(f"CREATE TEMP MACRO {call} AS list_transform([m], lambda r: {once})[1]")


def _connect(spill: str, *, sandbox: bool) -> duckdb.DuckDBPyConnection:
    """Return an instance that spills into a folder. Its time zone is UTC, so that no row depends on the machine's."""
    connection = duckdb.connect(config={"python_enable_replacements": "false", "temp_directory": spill})
    connection.execute("SET GLOBAL TimeZone = 'UTC'")  # a cursor has no settings of the connection that made it
    fields = ", ".join(f'"{name}" {kind}' for name, kind in FIELDS)
    connection.execute(f"CREATE TYPE media AS STRUCT({fields})")
    connection.execute(_MACROS)
    if sandbox:
        connection.execute("SET enable_external_access = false")
        connection.execute(f"SET allowed_configs = {list(_PROGRESS)}")
        connection.execute("SET lock_configuration = true")
    return connection


class Databases:
    """The two DuckDB instances, each started when first used."""

    _closed = False

    @cached_property
    def _spill(self) -> TemporaryFolder:
        """Where queries that need more memory than there is put the rest; gone when the databases are closed."""
        return TemporaryFolder()

    @cached_property
    def adhoc(self) -> duckdb.DuckDBPyConnection:
        """For ad-hoc SQL: what a user makes in it stays until it is closed."""
        return _connect(f"{self._spill.path}/adhoc", sandbox=False)

    @cached_property
    def compiling(self) -> duckdb.DuckDBPyConnection:
        """For compiling: no access to files, locked configuration."""
        return _connect(f"{self._spill.path}/compiling", sandbox=True)

    def cursor(self, *, compiling: bool) -> duckdb.DuckDBPyConnection:
        """Return a cursor of one of the two, known to `interrupt` while it lives.

        Raises:
            CatalogError: after `close`.
        """
        if self._closed:
            raise CatalogError("the session is closed; connect again")
        cursor = (self.compiling if compiling else self.adhoc).cursor()
        with contextlib.suppress(duckdb.InvalidInputException):  # in a notebook without ipywidgets: none is known
            for name, value in _PROGRESS.items():
                cursor.execute(f"SET {name} = {value}")
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
        if "_spill" in self.__dict__:
            self.__dict__.pop("_spill").close()
