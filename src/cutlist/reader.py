"""The reader: positions in selections → decoded rows, in order. The one pipeline that moves media bytes.

    steps of positions ─ plan ─ read, several steps in one call ─ decode in a pool ─ row processors ─ rows of a step
                        └──────── one thread, a window ahead ───┘ └─── `num_threads`, a few steps ahead ──┘

A step may draw from several selections. Each numbers its sources, the columns of tables that it reads, in its own way;
here they are numbered anew, all selections together, so that what two of them share is read once.

Rows before batches: everything here happens to one row at a time (`Reader._row`); who wants batches makes them of rows.
"""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from cutlist.errors import MediaError, SelectionError
from cutlist.media import decode
from cutlist.media.reference import MediaRef, to_ref
from cutlist.packing import has_media, is_media, renumbered, with_refs
from cutlist.settings import num_cores

if TYPE_CHECKING:
    from cutlist.media.source import Source
    from cutlist.selection import Selection, TableVersion
    from cutlist.store import Blobs, Store, Table
    from cutlist.store.blobs import BlobFile

Row = dict[str, Any]
"""One sample: column name → value. Media are arrays (`cutlist.media.decode` has the shapes), `raw` is bytes, an ARRAY
of numbers is an array, NULL is None; all else is the Python value."""

Part = tuple[int, NDArray[np.int64]]
"""Samples of a step that are of one selection: its number among the reader's, and positions in it, shape (n,)."""

Processor = Callable[[Row], Row]
"""A function from one row to one row."""

WHOLE_BYTES = 2**20
"""A video up to this size is read whole, with its neighbours; of a longer one only what a clip needs is read."""

WINDOW_ROWS = 512
"""Rows whose bytes are asked for in one call, about."""


@dataclass(slots=True)
class ReaderStats:
    """What a reader has done. Bytes and reads are those of media and of late values: a read is one call for many whole
    blobs or values, or one read of a blob that is read in part. `decode_seconds`, which has the row processors in it,
    is summed over threads; `wait_seconds` is the time that the consumer of rows waited for them."""

    num_samples: int = 0
    num_bytes: int = 0
    num_reads: int = 0
    read_seconds: float = 0.0
    decode_seconds: float = 0.0
    wait_seconds: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def add(self, **amounts: float) -> None:
        """Add to counters by name; safe from any thread."""
        with self._lock:
            for name, amount in amounts.items():
                setattr(self, name, getattr(self, name) + amount)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Planned:
    """A step whose samples are known and whose bytes are not yet read.

    `samples` has for each its row, the number of its selection, and its position there; `refs` the media in the rows.
    """

    samples: list[tuple[Row, int, int]] = field(default_factory=list)
    refs: list[MediaRef] = field(default_factory=list)


_Fetches = Mapping[tuple[int, int], bytes | MediaError | None]
"""(source, row id) → what was read there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fetched:
    """A step with the bytes of its media."""

    planned: _Planned
    blobs: _Fetches


class Reader:
    """Reads and decodes the samples of selections."""

    def __init__(
        self,
        selections: Sequence[Selection],
        store: Store,
        *,
        processors: Sequence[Processor] = (),
        num_threads: int | None = None,
        prefetch_bytes: int = 512 * 2**20,
    ):
        """Prepare to read; nothing is opened until then.

        Args:
            selections: The training sets that steps draw from.
            store: The root that their tables are in.
            processors: Applied to each row, in order; one row in, one row out.
            num_threads: Threads that decode; default one for each core.
            prefetch_bytes: Bound on the encoded bytes that are held, and on the bytes of steps decoded ahead; one step
                alone may need more.
        """
        self.selections = tuple(selections)
        self.stats = ReaderStats()
        self.num_threads = num_threads or num_cores()
        self._store = store
        self._processors = tuple(processors)
        self._prefetch_bytes = prefetch_bytes
        # Four windows live at a time: being read, waiting, being decoded, and decoded but not yet asked for.
        self._window_bytes = max(prefetch_bytes // 4, 1)
        self._step_bytes = 0  # of the largest step so far, decoded
        sources: dict[tuple[TableVersion, str], int] = {}
        self._numbers: list[list[int]] = []  # of each selection's sources, here
        for selection in self.selections:
            tables = {(each.name, each.version): each for each in selection.tables}
            columns = [(tables[each.table, each.version], each.column) for each in selection.sources]
            self._numbers.append([sources.setdefault(column, len(sources)) for column in columns])
        self._sources = tuple(sources)
        self._tables: dict[TableVersion, Table] = {}
        self._stop = threading.Event()

    def _table(self, source: int) -> tuple[Table, str]:
        """Return the table, at its pinned version, and the column that a source is."""
        pinned, column = self._sources[source]
        if pinned not in self._tables:
            self._tables[pinned] = self._store.pinned(pinned.name, pinned.version, pinned.identity)
        return self._tables[pinned], column

    def _media(self, source: int) -> Blobs:
        """Return the media that a source is."""
        table, column = self._table(source)
        return table.blobs(column, cache=self._store.cache, stop=self._stop)

    def read(self, steps: Iterable[Sequence[Part]]) -> Generator[list[Row], None, None]:
        """Yield the decoded rows of each step, in order: part after part, each in the order of its positions.

        Threads are started by the first `next` and gone when the generator ends, fails or is closed.

        Args:
            steps: The parts of each step.

        Raises:
            MediaError: where a sample cannot be read or decoded; names table, version, row id and column.
            StorageError: where the storage fails, again and again.
            SelectionError: if there is no such position or selection.
        """
        for source in range(len(self._sources)):
            self._table(source)
        self._stop = stop = threading.Event()
        fetched: queue.Queue[list[_Fetched] | BaseException | None] = queue.Queue(maxsize=1)
        arguments = (iter(steps), fetched, stop)
        fetcher = threading.Thread(target=self._fetch, args=arguments, name="cutlist-fetch", daemon=True)
        pool = ThreadPoolExecutor(self.num_threads, thread_name_prefix="cutlist-decode")
        ready: deque[_Fetched] = deque()
        decoding: deque[list[Future[Row]]] = deque()
        failure: BaseException | None = None
        ended = False
        fetcher.start()
        try:
            while True:
                began = time.perf_counter()
                while len(decoding) < self._steps_ahead(decoding):
                    if not ready and not ended and not (decoding and fetched.empty()):
                        window = fetched.get()
                        ended = window is None or isinstance(window, BaseException)
                        if isinstance(window, BaseException):
                            failure = window  # raised when its turn comes, after the steps before it
                        else:
                            ready.extend(window or ())
                    if not ready:
                        break
                    step = ready.popleft()
                    decoding.append([pool.submit(self._row, *sample, step.blobs) for sample in step.planned.samples])
                if not decoding:
                    if failure is not None:
                        raise failure
                    if ended:
                        return
                    continue
                rows = [future.result() for future in decoding.popleft()]
                self._step_bytes = max(self._step_bytes, sum(map(_num_bytes, rows)))
                self.stats.add(wait_seconds=time.perf_counter() - began, num_samples=len(rows))
                yield rows
        finally:
            stop.set()
            pool.shutdown(cancel_futures=True)
            fetcher.join()

    def _steps_ahead(self, decoding: Sequence[Sequence[Any]]) -> int:
        """Return how many steps to have under way: enough for every thread, as far as memory goes."""
        rows = len(decoding[0]) if decoding else 1
        wanted = max(2, -(-2 * self.num_threads // max(rows, 1)) + 1)
        if self._step_bytes == 0:  # how much a step takes is not known before the first is done
            return min(wanted, 2)
        return max(1, min(wanted, self._prefetch_bytes // self._step_bytes))

    # -- plan and read: one thread --------------------------------------------------------------------------------

    def _fetch(self, steps: Iterator[Sequence[Part]], out: queue.Queue[Any], stop: threading.Event) -> None:
        """Read windows of steps until there are no more, or until told to stop."""

        def put(item: Any) -> bool:
            while not stop.is_set():
                try:
                    out.put(item, timeout=0.05)
                    return True
                except queue.Full:
                    continue
            return False

        try:
            for window in self._windows(steps):
                if stop.is_set() or not put(window):
                    return
            put(None)
        except BaseException as error:  # handed to the consumer, whatever it is
            put(error)

    def _windows(self, steps: Iterator[Sequence[Part]]) -> Iterator[list[_Fetched]]:
        """Yield steps with their bytes, several steps to a read: one step first, then more and more."""
        window: list[_Planned] = []
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

    def _plan(self, step: Sequence[Part]) -> _Planned:
        """Return the samples of a step, their media as references."""
        planned = _Planned()
        for number, positions in step:
            if len(positions) == 0:
                continue
            table = self._take(number, positions)
            columns = [_values(renumbered(each, self._numbers[number]), planned.refs) for each in table.columns]
            for position, row in zip(positions.tolist(), zip(*columns, strict=True), strict=True):
                planned.samples.append((dict(zip(table.column_names, row, strict=True)), number, position))
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
                table, stored = self._table(self._numbers[number][column.late])
                values = table.take(stored, samples.column(index).combine_chunks())
                samples = samples.set_column(index, column.name, values)
                self.stats.add(num_reads=1, num_bytes=values.nbytes, read_seconds=time.perf_counter() - began)
        return samples

    def _whole_sizes(self, planned: _Planned, known: Mapping[tuple[int, int], int]) -> dict[tuple[int, int], int]:
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
            for row, size in zip(rows, self._media(source).sizes(np.array(rows, dtype=np.uint64)), strict=True):
                limit = WHOLE_BYTES if clipped[source, row] else max(self._window_bytes, WHOLE_BYTES)
                if size <= limit:
                    sizes[source, row] = int(size)
        return sizes

    def _read_window(self, window: Sequence[_Planned], sizes: Mapping[tuple[int, int], int]) -> list[_Fetched]:
        """Read the bytes of a window of steps: one call for each media column."""
        began = time.perf_counter()
        blobs: dict[tuple[int, int], bytes | MediaError | None] = {}
        sources = sorted({source for source, _ in sizes})
        for source in sources:
            rows = sorted(row for each, row in sizes if each == source)
            blobs |= {(source, row): data for row, data in zip(rows, self._media(source).read(rows), strict=True)}
        self.stats.add(num_reads=len(sources), num_bytes=sum(sizes.values()), read_seconds=time.perf_counter() - began)
        return [_Fetched(planned=planned, blobs=blobs) for planned in window]

    # -- decode and process: a pool -------------------------------------------------------------------------------

    def _row(self, row: Row, number: int, position: int, blobs: _Fetches) -> Row:
        """Return one row with its media decoded and every processor applied."""
        began = time.perf_counter()
        row = {name: self._decoded(value, name, blobs) for name, value in row.items()}
        for processor in self._processors:
            row = _processed(processor, row, self.selections[number], position)
        self.stats.add(decode_seconds=time.perf_counter() - began)
        return row

    def _decoded(self, value: Any, column: str, blobs: _Fetches) -> Any:
        if isinstance(value, MediaRef):
            return self._medium(value, column, blobs)
        if isinstance(value, _Nested):
            return value.map(lambda ref: self._medium(ref, column, blobs))
        return value

    def _medium(self, ref: MediaRef, column: str, blobs: _Fetches) -> Any:
        media = self._media(ref.source)
        data = blobs.get((ref.source, ref.row))
        if isinstance(data, MediaError):
            raise data
        file = media.open(ref.row) if data is None else None
        try:
            decoded = decode(cast("Source", data if file is None else _Counted(file, self.stats)), ref.ops)
        except MediaError as error:
            if file is not None and file.failure is not None:
                raise file.failure from error
            table = media.table
            raise MediaError(
                f"{table.name}@{table.version}, row id {ref.row}, column {media.column} (as {column}): {error}"
            ) from error
        if file is not None and file.failure is not None:  # which the decoder took for the end of the file
            raise file.failure
        return decoded


def _num_bytes(row: Row) -> int:
    """Return about how much memory the arrays and bytes of a row take."""

    def of(value: Any) -> int:
        if isinstance(value, list | tuple):
            return sum(map(of, value))
        if isinstance(value, dict):
            return sum(map(of, value.values()))
        return int(getattr(value, "nbytes", 0)) or (len(value) if isinstance(value, bytes) else 0)

    return of(row)


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


class _Nested:
    """A list, struct or map with media references inside, each replaced when it is decoded."""

    def __init__(self, value: Any, kind: pa.DataType, refs: list[MediaRef]):
        self._value = with_refs(value, kind, refs)

    def map(self, decoded: Callable[[MediaRef], Any]) -> Any:
        """Return the value with each reference replaced."""

        def walk(value: Any) -> Any:
            if isinstance(value, MediaRef):
                return decoded(value)
            if isinstance(value, list):
                return [walk(each) for each in value]
            if isinstance(value, dict):
                return {key: walk(each) for key, each in value.items()}
            return tuple(walk(each) for each in value) if isinstance(value, tuple) else value

        return walk(self._value)


def _values(column: pa.ChunkedArray, refs: list[MediaRef]) -> list[Any]:
    """Return a column's values, one for each row, and add the references among them to `refs`."""
    kind = column.type
    if is_media(kind):
        found = [to_ref(value) for value in column.to_pylist()]
        refs.extend(ref for ref in found if ref is not None)
        return list(found)
    if has_media(kind):
        return [None if value is None else _Nested(value, kind, refs) for value in column.to_pylist()]
    array = fixed_array(column)
    return list(array) if array is not None else column.to_pylist()


def fixed_array(column: pa.ChunkedArray) -> NDArray[Any] | None:
    """Return an ARRAY column of numbers without NULLs as one array, shape (rows, n, …), else None."""
    shape, kind = [len(column)], column.type
    values = column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)
    if not pa.types.is_fixed_size_list(kind) or len(column) == 0:
        return None
    while pa.types.is_fixed_size_list(kind):
        if values.null_count:
            return None
        shape.append(kind.list_size)
        values, kind = values.flatten(), kind.value_type
    numeric = pa.types.is_integer(kind) or pa.types.is_floating(kind)
    if not numeric or values.null_count:
        return None
    array: NDArray[Any] = values.to_numpy(zero_copy_only=False).reshape(shape)
    return array
