"""The cache of remote media on a disk of this machine: bytes that were read once need not be fetched again.

Loader, its workers, the other ranks ─ RangeCache ┬ 0.sqlite ┬ (column, row, chunk) → pieces of 256 KiB of a blob
                                                  ├ 1.sqlite └ (column, row, -1)    → size of the blob
                                                  └ …
"""

from __future__ import annotations

import hashlib
import struct
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from cutlist.errors import SettingsError
from cutlist.store.pages import Key, PageFile

Span: TypeAlias = tuple[int, int, int]
"""Some bytes of one blob: row id, start, stop; of the half-open range [start, stop)."""

CHUNK_BYTES = 256 * 1024
"""A blob is kept in chunks of this size, from its start; of each, the pieces that were read."""

NUM_FILES = 4
"""Files that the rows are spread over, as SQLite lets one process write to a file at a time."""

MIN_BYTES = 64 * 2**20
"""The least that a cache may be bounded to."""

_SIZE = -1
_COMMIT_BYTES = 4 * 2**20

Piece = tuple[int, bytes]
"""Bytes of a chunk, and where in it they start."""


@dataclass(slots=True)
class CacheStats:
    """What a cache was asked for in this process: whole media and ranges, and their bytes. `num_kept` counts the
    chunks that found room, of `num_offered`; `num_damaged` what was found damaged, and read again."""

    num_hits: int = 0
    num_misses: int = 0
    hit_bytes: int = 0
    num_offered: int = 0
    num_kept: int = 0
    num_damaged: int = 0

    @property
    def hit_rate(self) -> float:
        """Share of what was asked for that was there, 0 to 1; 0 before anything was."""
        return self.num_hits / max(self.num_hits + self.num_misses, 1)


class RangeCache:
    """Bytes of blobs on a local disk, for all processes of a machine that name the same folder.

    What is read is kept as it is, in the pieces of `CHUNK_BYTES` that it falls into; so a range is there if every byte
    of it was read before, in whatever ranges. Nothing is rounded up to a chunk, which would fetch what nobody asks for.

    A cache that is full keeps what it has: of an epoch over more bytes than fit, the share that fits is hits. (Of the
    same epochs, dropping the least recently used half leaves 15 % hits.) Room is made from what was not used since this
    cache was made, by whichever run, the oldest first. A copy that was pickled goes on as the one it is a copy of.

    All files together stay below `size_bytes`, but for 4 logs of writes on their way, of 4 MiB each while one process
    writes, and up to twice that while several do.

    Examples:
        >>> import tempfile
        >>> cache = RangeCache(tempfile.mkdtemp(), size_bytes=MIN_BYTES)
        >>> column = cache.key("s3://bucket/videos.lance", "3", "video")
        >>> cache.put(column, [(7, 1000, bytes(500))])
        >>> [None if found is None else len(found) for found in cache.get(column, [(7, 1200, 1300), (7, 900, 1100)])]
        [100, None]
        >>> cache.stats.num_hits, cache.stats.num_misses
        (1, 1)
    """

    def __init__(self, folder: str | Path, *, size_bytes: int, started: float | None = None):
        """Prepare a cache; its files are opened when they are first used.

        Args:
            folder: Made if it is not there. On a local disk: SQLite's log does not work over a network.
            size_bytes: Bound on all of it.
            started: Time since the epoch in seconds; what was used since then is not dropped. Default: now.

        Raises:
            SettingsError: if the bound is below `MIN_BYTES`, or the folder cannot be written to.
        """
        if size_bytes < MIN_BYTES:
            raise SettingsError(f"cache_bytes: {size_bytes}; expected at least {MIN_BYTES} (64 MiB), or 0 for no cache")
        self.folder, self.size_bytes = Path(folder).expanduser(), size_bytes
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SettingsError(f"cache_dir: {self.folder} cannot be made: {error.strerror}") from error
        self.started = time.time() if started is None else started
        self.stats = CacheStats()
        self._lock = threading.Lock()
        share = size_bytes // NUM_FILES
        self._files = [PageFile(self.folder / f"{i}.sqlite", share, self.started) for i in range(NUM_FILES)]

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (self.folder, self.size_bytes, self.started)

    def __repr__(self) -> str:
        return f"RangeCache({self.folder}, {self.size_bytes / 2**30:.3g} GiB)"

    @staticmethod
    def key(*parts: str) -> int:
        """Return a number for a column of a version of a table: 63 bits of the hash of what names it."""
        digest = hashlib.blake2b("\0".join(parts).encode(), digest_size=8).digest()
        return int.from_bytes(digest, "little") >> 1

    def close(self) -> None:
        """Close the files; they are opened again when they are used."""
        for each in self._files:
            each.close()

    def get(self, column: int, spans: Sequence[Span]) -> list[bytes | None]:
        """Return the bytes of each range that is there, in order; None for one of which a byte is missing."""
        found = [self._range(column, *span) for span in spans]
        self._count(found)
        return found

    def get_whole(self, column: int, rows: Sequence[int]) -> Mapping[int, bytes | None]:
        """Return row id → bytes of the blobs that are there whole; None for one that is known to be NULL."""
        found: dict[int, bytes | None] = {}
        sizes = self.get_sizes(column, rows)
        for row, size in zip(rows, sizes, strict=True):
            if size is not None and size < 0:
                found[row] = None
            elif size is not None and (data := self._range(column, row, 0, size)) is not None:
                found[row] = data
        self._count([found[row] or b"" if row in found else None for row in rows])
        return found

    def get_sizes(self, column: int, rows: Sequence[int]) -> list[int | None]:
        """Return the size of each blob in bytes, -1 if it is NULL, None if nothing is known of it."""
        found = (self._file(row).get(column, _signed(row), _SIZE, _SIZE).get(_SIZE) for row in rows)
        return [None if data is None else struct.unpack("<q", data)[0] for data in found]

    def put(self, column: int, parts: Iterable[tuple[int, int, bytes]]) -> None:
        """Keep bytes of blobs: row id, where they start, and the bytes."""
        writes: dict[PageFile, dict[Key, bytes]] = {each: {} for each in self._files}
        waiting = dict.fromkeys(self._files, 0)
        for row, start, data in parts:
            file = self._file(row)
            for chunk, piece in _pieces(start, data):
                key = (column, _signed(row), chunk)
                there = writes[file].get(key) or self._there(file, key, piece)
                writes[file][key] = value = _packed(_merged(_unpacked(there) if there else [], piece))
                waiting[file] += len(value)
                if waiting[file] >= _COMMIT_BYTES:
                    self._write(file, writes[file])
                    writes[file], waiting[file] = {}, 0
        for file, values in writes.items():
            self._write(file, values)

    def put_sizes(self, column: int, sizes: Mapping[int, int]) -> None:
        """Keep the size of blobs by row id, -1 for NULL."""
        writes: dict[PageFile, dict[Key, bytes]] = {each: {} for each in self._files}
        for row, size in sizes.items():
            writes[self._file(row)][column, _signed(row), _SIZE] = struct.pack("<q", size)
        for file, values in writes.items():
            self._write(file, values)

    def _range(self, column: int, row: int, start: int, stop: int) -> bytes | None:
        if stop <= start:
            return b""
        first, last = start // CHUNK_BYTES, (stop - 1) // CHUNK_BYTES
        chunks = self._file(row).get(column, _signed(row), first, last)
        parts = []
        for chunk in range(first, last + 1):
            base = chunk * CHUNK_BYTES
            begin, end = max(start - base, 0), min(stop - base, CHUNK_BYTES)
            for at, data in _unpacked(chunks.get(chunk, b"")):
                if at <= begin and end <= at + len(data):
                    parts.append(data[begin - at : end - at])
                    break
            else:
                return None
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _there(self, file: PageFile, key: Key, piece: Piece) -> bytes | None:
        """Return what is kept of a chunk that is written in part."""
        if len(piece[1]) == CHUNK_BYTES:
            return None
        return file.get(*key, key[2]).get(key[2])

    def _write(self, file: PageFile, values: Mapping[Key, bytes]) -> None:
        if values:
            kept = file.put(values)
            with self._lock:
                self.stats.num_offered += len(values)
                self.stats.num_kept += kept

    def _count(self, found: Sequence[bytes | None]) -> None:
        hits = [len(data) for data in found if data is not None]
        with self._lock:
            self.stats.num_hits += len(hits)
            self.stats.hit_bytes += sum(hits)
            self.stats.num_misses += len(found) - len(hits)
            self.stats.num_damaged = sum(each.num_damaged for each in self._files)

    def _file(self, row: int) -> PageFile:
        return self._files[row % NUM_FILES]


def _restore(folder: Path, size_bytes: int, started: float) -> RangeCache:
    return RangeCache(folder, size_bytes=size_bytes, started=started)


def _signed(row: int) -> int:
    """Return a row id, of 64 bits without a sign, as the number with one that SQLite has."""
    return row - 2**64 if row >= 2**63 else row


def _pieces(start: int, data: bytes) -> Iterator[tuple[int, Piece]]:
    """Yield the chunks that bytes of a blob fall into, each with its piece of them."""
    stop = start + len(data)
    for chunk in range(start // CHUNK_BYTES, -(-stop // CHUNK_BYTES)):
        base = chunk * CHUNK_BYTES
        begin, end = max(start, base), min(stop, base + CHUNK_BYTES)
        yield chunk, (begin - base, data[begin - start : end - start])


def _merged(pieces: Iterable[Piece], new: Piece) -> list[Piece]:
    """Return pieces of a chunk with a new one, joined with those that it touches; in order.

    Examples:
        >>> _merged([(0, b"ab"), (9, b"z")], (1, b"bcd"))
        [(0, b'abcd'), (9, b'z')]
    """
    start, data = new
    apart = []
    for at, there in pieces:
        stop = start + len(data)
        if at > stop or at + len(there) < start:
            apart.append((at, there))
            continue
        data = there[: max(start - at, 0)] + data + there[stop - at :][: max(at + len(there) - stop, 0)]
        start = min(start, at)
    return sorted([*apart, (start, data)])


def _packed(pieces: Sequence[Piece]) -> bytes:
    head = struct.pack("<I", len(pieces)) + b"".join(struct.pack("<II", at, len(data)) for at, data in pieces)
    return head + b"".join(data for _, data in pieces)


def _unpacked(value: bytes) -> list[Piece]:
    if not value:
        return []
    (count,) = struct.unpack_from("<I", value)
    at = 4 + 8 * count
    pieces = []
    for start, size in struct.iter_unpack("<II", value[4:at]):
        pieces.append((start, value[at : at + size]))
        at += size
    return pieces
