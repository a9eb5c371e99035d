"""One file of the cache: values by key in SQLite, within a bound, written by several processes, any of which may die.

SQLite, not diskcache, which is SQLite and a file beside it for each value: there a writer that is killed leaves files
that nobody counts, a value may be a pickle, so that who can write one runs what he likes, and when it is full it drops
what the epoch has still to ask for.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import struct
import threading
import time
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

from cutlist.process.locks import alone

Key: TypeAlias = tuple[int, int, int]
"""Number of the column, row id, number of the chunk in the blob."""

PAGE_BYTES = 16 * 1024
"""Of 4 to 64 KiB, this wastes little on small pictures (4 to 38 % for 5 to 120 KB), and reads large values fast."""

WAL_PAGES = 256
"""Pages of the log that are written before they are moved to the file: 4 MiB."""

_INHERITED: list[sqlite3.Connection] = []
"""Connections of the process that this one was forked from, which must not be closed here."""

_DAMAGED = ("SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_IOERR")
_FORMAT = 1
_BUSY_MILLISECONDS = 1000
_MAKE = """
    CREATE TABLE IF NOT EXISTS chunks(
        id INTEGER PRIMARY KEY, owner INTEGER, row INTEGER, chunk INTEGER, used REAL, checksum INTEGER, data BLOB);
    CREATE UNIQUE INDEX IF NOT EXISTS by_key ON chunks(owner, row, chunk);
    CREATE INDEX IF NOT EXISTS by_use ON chunks(used);
"""


_PUT = """
    INSERT INTO chunks(owner, row, chunk, used, checksum, data) VALUES (?, ?, ?, ?, ?, ?)
    ON CONFLICT(owner, row, chunk)
    DO UPDATE SET used = excluded.used, checksum = excluded.checksum, data = excluded.data
"""


class PageFile:
    """Values by key in one SQLite file. Safe in threads and processes, and after a fork.

    What was used since `started` is never dropped for something new, and what is new is then not kept: the rows of an
    epoch come once each, so of those that were kept all are hits, and whatever was dropped last is asked for first.
    """

    def __init__(self, path: Path, size_bytes: int, started: float):
        self.path, self.size_bytes, self.started = path, size_bytes, started
        self.num_damaged = 0
        self._lock = threading.RLock()
        self._connection: sqlite3.Connection | None = None
        self._pid = 0

    def close(self) -> None:
        """Close the file; it is opened again when it is used."""
        with self._lock:
            if self._connection is not None:
                if self._pid == os.getpid():
                    self._connection.close()
                else:
                    _INHERITED.append(self._connection)
            self._connection = None

    def __del__(self) -> None:
        self.close()

    def get(self, owner: int, row: int, first: int, last: int) -> dict[int, bytes]:
        """Return the values that are there of the chunks first…last of a row; those that are damaged are dropped."""
        found: dict[int, bytes] = {}
        stale: list[tuple[object, ...]] = []
        damaged: list[tuple[object, ...]] = []
        with self._lock:
            try:
                rows = self._open().execute(
                    "SELECT id, chunk, used, checksum, data FROM chunks WHERE owner = ? AND row = ? "
                    "AND chunk BETWEEN ? AND ?",
                    (owner, row, first, last),
                )
                for number, chunk, used, checksum, data in rows.fetchall():
                    if not isinstance(data, bytes) or _checksum((owner, row, chunk), data) != checksum:
                        damaged.append((number,))
                        continue
                    found[chunk] = data
                    if used < self.started:
                        stale.append((time.time(), number))
                self.num_damaged += len(damaged)
                with contextlib.suppress(sqlite3.OperationalError):  # while others write it can wait
                    self._write("DELETE FROM chunks WHERE id = ?", damaged)
                    self._write("UPDATE chunks SET used = ? WHERE id = ?", stale)
            except (sqlite3.Error, OSError) as error:
                self._failed(error)
                return {}
        return found

    def put(self, values: Mapping[Key, bytes]) -> int:
        """Keep values, in place of those of the same keys; return how many found room. None does while others write."""
        kept = 0
        with self._lock:
            try:
                connection = self._open()
                with connection:
                    connection.execute("BEGIN IMMEDIATE")
                    room = self._make_room(connection, sum(map(_stored_bytes, values.values())))
                    for key, data in values.items():
                        room -= _stored_bytes(data)
                        if room < 0:
                            break
                        connection.execute(_PUT, (*key, time.time(), _checksum(key, data), data))
                        kept += 1
            except (sqlite3.Error, OSError) as error:
                self._failed(error)
                return 0
        return kept

    def _make_room(self, connection: sqlite3.Connection, wanted_bytes: int) -> int:
        """Return how many bytes may be added, after dropping what was not used since the start, the oldest first."""
        room = self.size_bytes - _used_bytes(connection)
        if room >= wanted_bytes:
            return room
        oldest = connection.execute(
            "SELECT id, length(data) FROM chunks WHERE used < ? ORDER BY used LIMIT 1024", (self.started,)
        )
        dropped = []
        for number, size in oldest:
            if room >= wanted_bytes:
                break
            dropped.append((number,))
            room += size
        connection.executemany("DELETE FROM chunks WHERE id = ?", dropped)
        return self.size_bytes - _used_bytes(connection)

    def _write(self, statement: str, rows: Sequence[tuple[object, ...]]) -> None:
        connection = self._open()
        if not rows:
            return
        with connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(statement, rows)

    def _failed(self, error: Exception) -> None:
        """Begin anew if the file is damaged; else (busy, full, gone) the cache does nothing this time."""
        name = getattr(error, "sqlite_errorname", "")
        if name in ("SQLITE_BUSY", "SQLITE_LOCKED"):
            return
        self.close()
        if name.startswith(_DAMAGED):
            self.num_damaged += 1
            with alone(self.path.with_suffix(".lock")):
                self._delete()

    def _delete(self) -> None:
        for suffix in ("", "-wal", "-shm"):
            Path(f"{self.path}{suffix}").unlink(missing_ok=True)

    def _open(self) -> sqlite3.Connection:
        if self._connection is not None and self._pid == os.getpid():
            return self._connection
        self.close()
        self._pid = os.getpid()
        with alone(self.path.with_suffix(".lock")):
            try:
                self._connection = self._connect()
            except sqlite3.DatabaseError as error:
                if not getattr(error, "sqlite_errorname", _DAMAGED[0]).startswith(_DAMAGED):
                    raise
                self._delete()
                self._connection = self._connect()
        return self._connection

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self.path, timeout=_BUSY_MILLISECONDS / 1000, isolation_level=None, check_same_thread=False
        )
        try:
            for pragma in (
                f"page_size = {PAGE_BYTES}",
                "auto_vacuum = INCREMENTAL",
                "journal_mode = WAL",
                "synchronous = OFF",  # a process that dies does no harm; a machine that does, the checksums find
                f"wal_autocheckpoint = {WAL_PAGES}",
                f"journal_size_limit = {WAL_PAGES * PAGE_BYTES}",
            ):
                connection.execute(f"PRAGMA {pragma}").fetchall()
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            if version not in (0, _FORMAT):
                raise sqlite3.DatabaseError(f"format {version}, not {_FORMAT}")
            connection.executescript(f"{_MAKE}; PRAGMA user_version = {_FORMAT};")
            self._shrink(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _shrink(self, connection: sqlite3.Connection) -> None:
        """Drop what is over the bound, which may have been larger before."""
        while _used_bytes(connection) > self.size_bytes:
            statement = "DELETE FROM chunks WHERE id IN (SELECT id FROM chunks ORDER BY used LIMIT 16)"
            if connection.execute(statement).rowcount < 1:
                break
        if connection.execute("PRAGMA page_count").fetchone()[0] * PAGE_BYTES > self.size_bytes:
            connection.executescript("PRAGMA incremental_vacuum")  # execute would free one page


def _used_bytes(connection: sqlite3.Connection) -> int:
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    (free,) = connection.execute("PRAGMA freelist_count").fetchone()
    return int(pages - free) * PAGE_BYTES


def _stored_bytes(data: bytes) -> int:
    """Return how many bytes a value takes in the file, at most, with its key in three trees."""
    return len(data) + min(len(data), PAGE_BYTES) + 160


def _checksum(key: Key, data: bytes) -> int:
    return zlib.crc32(data, zlib.crc32(struct.pack("<3q", *key)))
