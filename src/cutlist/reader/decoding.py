"""One row: its media decoded, every row processor applied."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from cutlist.errors import MediaError, SelectionError
from cutlist.media import decode, decode_planned
from cutlist.media.planned import PromiseError
from cutlist.media.reference import MediaRef
from cutlist.process.pool import Watchdog
from cutlist.reader.fetching import is_file
from cutlist.reader.rows import Nested, Row
from cutlist.reader.stats import Failure, ReaderStats, UndecodableError
from cutlist.store import place_of

if TYPE_CHECKING:
    from cutlist.reader.fetching import Fetcher, Held, Sample
    from cutlist.selection import Selection
    from cutlist.store.blobs import BlobFile

Processor = Callable[[Row], Row]
"""A function from one row to one row."""


SLOW_SECONDS = 60.0
"""How long one medium may take before a warning names it; native code that hangs cannot be stopped."""


class Decoder:
    """Makes rows of samples whose bytes were read."""

    def __init__(self, fetcher: Fetcher, processors: Sequence[Processor], stats: ReaderStats):
        self._fetcher = fetcher
        self._processors = tuple(processors)
        self._stats = stats
        self.watchdog = Watchdog(SLOW_SECONDS)

    def row(self, sample: Sample, blobs: Held) -> Row:
        """Return one row with its media decoded and every processor applied.

        Raises:
            UndecodableError: if a medium cannot be read or decoded; names table, version, row id and column.
        """
        began = time.perf_counter()
        row = {name: self._decoded(value, name, blobs) for name, value in sample.row.items()}
        decoded = time.perf_counter()
        for processor in self._processors:
            row = _processed(processor, row, self._fetcher.selections[sample.selection], sample.position)
        self._stats.add(decode_seconds=decoded - began, process_seconds=time.perf_counter() - decoded)
        return row

    def _decoded(self, value: Any, column: str, blobs: Held) -> Any:
        if isinstance(value, MediaRef):
            return self._medium(value, column, blobs)
        if isinstance(value, Nested):
            return value.map(lambda ref: self._medium(ref, column, blobs))
        return value

    def _medium(self, ref: MediaRef, column: str, blobs: Held) -> Any:
        table, stored = self._fetcher.table(ref.source)

        def place() -> str:
            return place_of(table.name, table.version, [ref.row], stored)

        def name() -> str:
            return f"{place()} (as {column})"

        try:
            with self.watchdog.over(name):
                return self._array(ref, blobs)
        except MediaError as error:
            message = table.dead_pointer(stored, ref.row) or str(error).removeprefix(f"{place()}: ")
            failed = UndecodableError(f"{name()}: {message}")
            failed.failure = Failure(
                table=table.name,
                version=table.version,
                row_id=ref.row,
                column=stored,
                error_type=type(error).__name__,
                message=message,
            )
            raise failed from error

    def _array(self, ref: MediaRef, blobs: Held) -> Any:
        if is_file(ref):
            return self._fetcher.media(ref.source).open(ref.row)
        clip = blobs.clips.get(ref)
        if isinstance(clip, MediaError):
            raise clip
        if clip is not None:
            with contextlib.suppress(PromiseError):  # the file is not what was indexed, so its container is asked
                pixels = decode_planned(clip.index, clip.plan, clip.pieces)
                self._stats.add(num_planned=1)
                return pixels
        data = blobs.whole.get((ref.source, ref.row))
        if isinstance(data, MediaError):
            raise data
        kind = self._fetcher.kinds[ref.source]
        if data is not None:
            return decode(data, ref.ops, kind=kind)
        file = self._fetcher.media(ref.source).open(ref.row)
        return file.given_to(lambda _: decode(cast("BinaryIO", _Counted(file, self._stats)), ref.ops, kind=kind))


class _Counted:
    """A file whose reads are counted."""

    def __init__(self, file: BlobFile, stats: ReaderStats):
        self._file, self._stats = file, stats
        self.seek, self.tell = file.seek, file.tell

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self._stats.add(num_reads=1, num_bytes=len(data))
        return data


def _processed(processor: Processor, row: Row, selection: Selection, position: int) -> Row:
    name = getattr(processor, "__name__", type(processor).__name__)
    try:
        result = processor(row)
    except Exception as error:
        fingerprint = selection.fingerprint[:12]
        error.add_note(f"in processor {name}, for the sample at position {position} of selection {fingerprint}")
        raise
    if not isinstance(result, dict):
        what = "None" if result is None else f"a {type(result).__name__}"
        raise SelectionError(
            f"selection {selection.fingerprint[:12]}: processor {name} returned {what} for the sample at position "
            f"{position}; expected one row, a dict (to leave samples out, say so in the query's WHERE)"
        )
    return result
