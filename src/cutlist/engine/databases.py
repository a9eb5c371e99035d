"""The two DuckDB instances: one for compiling, which can touch no file, and one for ad-hoc SQL, which may be confined.

Confined, SQL has only the files of some folders, whatever symbolic links and `..` lead there: nothing of the network,
no extensions, no secrets, and settings that could open more are locked.
"""

from __future__ import annotations

import contextlib
import re
import weakref
from collections.abc import Sequence
from functools import cached_property
from importlib.resources import files
from pathlib import Path

import duckdb

from cutlist.errors import CatalogError, QueryError
from cutlist.media.reference import FIELDS
from cutlist.process.temporary import TemporaryFolder

DUCKDB_VERSION = duckdb.__version__

_MACROS = files("cutlist").joinpath("macros.sql").read_text(encoding="utf-8")
_DECODE_MACRO = re.compile(r"^CREATE MACRO (\w+\(m media.*?\)) AS\n(.*?);$", re.MULTILINE | re.DOTALL)

DECODE_MACROS = frozenset(call.partition("(")[0] for call, _ in _DECODE_MACRO.findall(_MACROS))
"""Names of the functions over media references."""


_PROGRESS = {"enable_progress_bar": "true", "enable_progress_bar_print": "false", "progress_bar_time": "0"}
"""Settings of each cursor by which its progress is known, and not printed."""

_SETTABLE = (
    *_PROGRESS,
    "default_null_order",
    "default_order",
    "max_memory",
    "memory_limit",
    "schema",
    "search_path",
    "threads",
    "TimeZone",
)
"""Settings that confined SQL may change."""

_REFUSED = re.compile(
    r" - file system operations are disabled by configuration|(is|has been) disabled (by|through) configuration"
    r"|the configuration has been locked|Persistent secrets are disabled|automatically install the required extension"
)
_SECRET = re.compile(r"\bCREATE\s+(OR\s+REPLACE\s+)?((TEMP|TEMPORARY|PERSISTENT)\s+)?SECRET\b", re.IGNORECASE)

CONFINED = "SQL here has the files of the root and of the working folder alone; --allow-files lifts that"
"""What is said where confined SQL wants more."""


def bind_media_once(cursor: duckdb.DuckDBPyConnection) -> None:
    """Redefine the decode macros on one cursor so that each evaluates its medium once, by a lambda over a list of one.

    The plain ones repeat it, so that nesting costs a power of its depth to plan; but up to three calls they are two to
    six times as fast to run (5M rows, two calls: 0.3 against 1.3 s; four calls on 2M: 3.9 against 1.3).
    """
    for call, body in _DECODE_MACRO.findall(_MACROS):
        once = re.sub(r"\bm\b", "r", body)
        cursor.execute(f"CREATE TEMP MACRO {call} AS list_transform([m], lambda r: {once})[1]")


def _connect(spill: str, *, folders: Sequence[str] | None) -> duckdb.DuckDBPyConnection:
    """Return an instance that spills into a folder. Its time zone is UTC, so that no row depends on the machine's.

    Args:
        folders: The only ones whose files it may read and write; None: all files are open to it.
    """
    config: dict[str, str | bool | int | float | list[str]] = {
        "python_enable_replacements": "false",
        "temp_directory": spill,
        "allow_unredacted_secrets": "false",
    }
    connection = duckdb.connect(config=config)
    connection.execute("SET GLOBAL TimeZone = 'UTC'")  # a cursor has no settings of the connection that made it
    fields = ", ".join(f'"{name}" {kind}' for name, kind in FIELDS)
    connection.execute(f"CREATE TYPE media AS STRUCT({fields})")
    connection.execute(_MACROS)
    if folders is not None:
        connection.execute("SET allow_persistent_secrets = false")
        connection.execute(f"SET allowed_directories = [{', '.join(map(_folder, folders))}]")
        connection.execute("SET enable_external_access = false")
        connection.execute(f"SET allowed_configs = {list(_SETTABLE if folders else _PROGRESS)}")
        connection.execute("SET lock_configuration = true")
    return connection


def _folder(path: str) -> str:
    """Return a folder as DuckDB takes it: by its real path, as a literal."""
    return "'" + f"{Path(path).resolve()}/".replace("'", "''") + "'"


class Databases:
    """The two DuckDB instances, each started when first used."""

    _closed = False

    def __init__(self, folders: Sequence[str] | None = None):
        """Make both.

        Args:
            folders: The only ones whose files ad-hoc SQL may read and write; None: all files are open to it.
        """
        self.folders = folders

    def refuse_secrets(self, text: str) -> None:
        """Refuse CREATE SECRET where SQL is confined: nothing that is in reach needs one.

        Raises:
            QueryError: if a text has it.
        """
        if self.folders is not None and _SECRET.search(text):
            raise QueryError(f"query: CREATE SECRET: {CONFINED}")

    def is_open(self, file: Path) -> bool:
        """Return whether a file is one that ad-hoc SQL may read, whatever links and `..` lead to it."""
        real = file.resolve()
        return self.folders is None or any(real.is_relative_to(Path(each).resolve()) for each in self.folders)

    def told(self, said: str) -> str:
        """Return what an error of ad-hoc SQL says, with what to do where it is refused because SQL is confined."""
        if self.folders is None or _REFUSED.search(said) is None:
            return said
        plain = said.replace(" - file system operations are disabled by configuration", "").replace('""', '"')
        return f"{plain.rstrip('.')}; {CONFINED}"

    @cached_property
    def _spill(self) -> TemporaryFolder:
        """Where queries that need more memory than there is put the rest; gone when the databases are closed."""
        return TemporaryFolder()

    @cached_property
    def adhoc(self) -> duckdb.DuckDBPyConnection:
        """For ad-hoc SQL: what a user makes in it stays until it is closed."""
        return _connect(f"{self._spill.path}/adhoc", folders=self.folders)

    @cached_property
    def compiling(self) -> duckdb.DuckDBPyConnection:
        """For compiling: no access to files, locked configuration."""
        return _connect(f"{self._spill.path}/compiling", folders=())

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
