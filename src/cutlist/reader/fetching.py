"""Which bytes the samples of some steps need, and one call for all of them.

A step may draw from several selections. Each numbers its sources, the columns of tables that it reads, in its own way;
here they are numbered anew, all selections together, so that what two of them share is read once.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cutlist.errors import MediaError, SelectionError
from cutlist.packing import renumbered
from cutlist.reader.rows import Row, values

if TYPE_CHECKING:
    import pyarrow as pa

    from cutlist.media.reference import MediaRef
    from cutlist.reader.stats import ReaderStats
    from cutlist.selection import Selection, TableVersion
    from cutlist.store import Store, Table

Part = tuple[int, NDArray[np.int64]]
"""Samples of a step that are of one selection: its number among the reader's, and positions in it, shape (n,)."""

WHOLE_BYTES = 2**20
"""A video up to this size is read whole, with its neighbours; of a longer one only what a clip needs is read."""

WINDOW_ROWS = 512
"""Rows whose bytes are asked for in one call, about."""


Blobs = Mapping[tuple[int, int], bytes | MediaError | None]
"""(source, row id) → what was read there."""


class Sample(NamedTuple):
    """A row with references for media, the number of its selection, and its position there."""

    row: Row
    selection: int
    position: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A step whose samples are known and whose bytes are not yet read; `refs` are the media in the samples."""

    samples: list[Sample] = field(default_factory=list)
    refs: list[MediaRef] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """A step with the bytes of its media."""

    samples: Sequence[Sample]
    blobs: Blobs


class Fetcher:
    """Plans steps and reads their bytes."""

    def __init__(self, selections: Sequence[Selection], store: Store, stats: ReaderStats, *, window_bytes: int):
        self.selections = tuple(selections)
        self._store = store
        self._stats = stats
        self._window_bytes = window_bytes
        sources: dict[tuple[TableVersion, str], int] = {}
        self._numbers: list[list[int]] = []  # of each selection's sources, here
        for selection in self.selections:
            tables = {(each.name, each.version): each for each in selection.tables}
            columns = [(tables[each.table, each.version], each.column) for each in selection.sources]
            self._numbers.append([sources.setdefault(column, len(sources)) for column in columns])
        self._sources = tuple(sources)
        self._tables: dict[TableVersion, Table] = {}

    def open(self) -> None:
        """Open every table, at the version that the selections were compiled over.

        Raises:
            CatalogError: if one is gone.
        """
        for source in range(len(self._sources)):
            self.table(source)

    def table(self, source: int) -> tuple[Table, str]:
        """Return the table and the column that a source is."""
        pinned, column = self._sources[source]
        if pinned not in self._tables:
            self._tables[pinned] = self._store.pinned(pinned.name, pinned.version, pinned.identity)
        return self._tables[pinned], column

    def fetch(self, step: Sequence[Part]) -> Fetched:
        """Return one step with its bytes."""
        planned = self._plan(step)
        return self._read_window([planned], self._whole_sizes(planned, {}))[0]

    def windows(self, steps: Iterator[Sequence[Part]]) -> Iterator[list[Fetched]]:
        """Yield steps with their bytes, several steps to a read: one step first, then more and more."""
        window: list[Planned] = []
        sizes: dict[tuple[int, int], int] = {}
        rows, rows_wanted = 0, 1
        failure: Exception | None = None
        while True:
            try:
                step = next(steps, None)
                if step is None:
                    break
                planned = self._plan(step)
                more = self._whole_sizes(planned, sizes)
            except Exception as error:  # the steps before it are good
                failure = error
                break
            if window and sum(sizes.values()) + sum(more.values()) > self._window_bytes:
                yield self._read_window(window, sizes)
                window, sizes, rows = [], {}, 0
                more = self._whole_sizes(planned, sizes)
            window.append(planned)
            sizes |= more
            rows += len(planned.samples)
            if rows >= rows_wanted:
                yield self._read_window(window, sizes)
                window, sizes, rows = [], {}, 0
                rows_wanted = min(WINDOW_ROWS, 2 * max(rows_wanted, len(planned.samples)))
        if window:
            yield self._read_window(window, sizes)
        if failure is not None:
            raise failure

    def _plan(self, step: Sequence[Part]) -> Planned:
        """Return the samples of a step, their media as references."""
        planned = Planned()
        for number, positions in step:
            if len(positions) == 0:
                continue
            table = self._take(number, positions)
            columns = [values(renumbered(each, self._numbers[number]), planned.refs) for each in table.columns]
            for position, row in zip(positions.tolist(), zip(*columns, strict=True), strict=True):
                planned.samples.append(Sample(dict(zip(table.column_names, row, strict=True)), number, position))
        return planned

    def _take(self, number: int, positions: NDArray[np.int64]) -> pa.Table:
        """Return samples of a selection, with the values of late columns in place of their row ids."""
        if not 0 <= number < len(self.selections):
            raise SelectionError(f"selection {number} of {len(self.selections)}; they count from 0")
        selection = self.selections[number]
        first, last = positions.min(), positions.max()
        if not 0 <= first <= last < selection.num_samples:
            raise SelectionError(f"positions {first}…{last} of selection {number}, of {selection.num_samples} samples")
        samples = selection.take(positions)
        for index, column in enumerate(selection.columns):
            if column.late is not None:
                began = time.perf_counter()
                table, stored = self.table(self._numbers[number][column.late])
                values = table.take(stored, samples.column(index).combine_chunks())
                samples = samples.set_column(index, column.name, values)
                self._stats.add(num_reads=1, num_bytes=values.nbytes, read_seconds=time.perf_counter() - began)
        return samples

    def _whole_sizes(self, planned: Planned, known: Mapping[tuple[int, int], int]) -> dict[tuple[int, int], int]:
        """Return the size of each blob of a step that is to be read whole, but for those known.

        Read whole are the short ones, and those of which all is wanted, unless one alone would fill a window.
        """
        clipped: dict[tuple[int, int], bool] = {}
        for ref in planned.refs:
            key = (ref.source, ref.row)
            clipped[key] = clipped.get(key, True) and any(op.name == "clip" for op in ref.ops)
        sizes: dict[tuple[int, int], int] = {}
        for source in sorted({source for source, _ in clipped}):
            rows = sorted(row for each, row in clipped if each == source and (each, row) not in known)
            table, column = self.table(source)
            for row, size in zip(rows, table.blob_sizes(column, np.array(rows, dtype=np.uint64)), strict=True):
                limit = WHOLE_BYTES if clipped[source, row] else max(self._window_bytes, WHOLE_BYTES)
                if size <= limit:
                    sizes[source, row] = int(size)
        return sizes

    def _read_window(self, window: Sequence[Planned], sizes: Mapping[tuple[int, int], int]) -> list[Fetched]:
        """Read the bytes of a window of steps: one call for each media column."""
        began = time.perf_counter()
        blobs: dict[tuple[int, int], bytes | MediaError | None] = {}
        sources = sorted({source for source, _ in sizes})
        for source in sources:
            rows = np.array(sorted(row for each, row in sizes if each == source), dtype=np.uint64)
            for row, data in zip(rows.tolist(), self._read_blobs(source, rows), strict=True):
                short = isinstance(data, bytes) and len(data) != sizes[source, row]
                blobs[source, row] = MediaError("the storage gave fewer bytes than the medium has") if short else data
        self._stats.add(num_reads=len(sources), num_bytes=sum(sizes.values()), read_seconds=time.perf_counter() - began)
        return [Fetched(samples=planned.samples, blobs=blobs) for planned in window]

    def _read_blobs(self, source: int, rows: NDArray[np.uint64]) -> Sequence[bytes | MediaError | None]:
        """Return the bytes of rows; where reading fails, the error in place of those of the row that it is about."""
        table, column = self.table(source)
        try:
            return table.read_blobs(column, rows)
        except MediaError as error:
            if len(rows) == 1:
                return [error]
            return [one for half in np.array_split(rows, 2) for one in self._read_blobs(source, half)]
