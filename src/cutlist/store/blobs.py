"""The bytes of a media column: whole, in ranges, or as a file; with retries, and from a cache of this machine."""

from __future__ import annotations

import io
import math
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute
from numpy.typing import NDArray

from cutlist.errors import CutlistError, MediaError, StorageError
from cutlist.store.retries import LANCE_ERRORS, first_line, is_of_storage, place_of
from cutlist.store.tensors import as_npy, is_tensor

if TYPE_CHECKING:
    from cutlist.store.cache import RangeCache, Span
    from cutlist.store.table import Table

T = TypeVar("T")

Read: TypeAlias = bytes | MediaError | None
"""What was read for one row: its bytes, None for NULL, or what is wrong with that row."""

READ_AHEAD_BYTES = 256 * 1024
"""How much a file of a blob reads at least: 12 reads of a 20 MB video, for a clip in its middle, become 3."""

_EXTERNAL = 3
"""Kind of a blob that is a pointer, in its descriptor; the size there is 0 if it points at a whole file."""


@dataclass(frozen=True, slots=True)
class Blobs:
    """The bytes of one media column of one version of a table; safe to use in threads.

    What fails is of one of two kinds. *Of a row*, which is gone, or points at a file that is not there, or has fewer
    bytes than were asked for: a MediaError that names table, row id and column, given in place of that row's bytes, so
    that the other rows of a call are read. *Of the storage*, which times out, refuses, or breaks off: tried again, and
    raised as a StorageError when that does not help.

    Examples:
        >>> import tempfile
        >>> import numpy as np
        >>> import pyarrow as pa
        >>> from cutlist.store import Blobs, Store, blob_array, blob_field
        >>> schema = pa.schema([blob_field("image", "image")])
        >>> rows = pa.table([blob_array([b"first", None, b"third"])], schema=schema)
        >>> table = Store.at(tempfile.mkdtemp()).append("t", rows, message="an example")
        >>> blobs = Blobs(table, "image")
        >>> blobs.sizes(np.array([0, 1, 2], dtype=np.uint64))
        array([5, 0, 5])
        >>> blobs.read([2, 1])
        [b'third', None]
        >>> blobs.read_ranges([(2, 0, 2), (0, 1, 4)])
        [b'th', b'irs']
        >>> blobs.open(0).read(3)
        b'fir'
        >>> blobs.read([7])
        [MediaError('t@1, row id 7, column image: ... row ID 7 was deleted or not found')]
    """

    table: Table
    column: str
    cache: RangeCache | None = field(default=None, kw_only=True)
    stop: threading.Event | None = field(default=None, kw_only=True)
    _key: int = field(default=0, repr=False, kw_only=True)

    def __post_init__(self) -> None:
        if self.cache is not None:
            table = self.table
            key = self.cache.key(table.uri, table.identity, str(table.version), self.column)
            object.__setattr__(self, "_key", key)

    def sizes(self, row_ids: NDArray[np.uint64]) -> NDArray[np.int64]:
        """Return the size in bytes of the medium of each row, int64, shape (len(row_ids),).

        It is 0 where the medium is NULL, and where it points at a file of which the size cannot be had: reading that
        tells why.

        Raises:
            MediaError: if a row is gone from this version.
            StorageError: if the storage fails.
        """
        sizes = np.full(len(row_ids), -2, dtype=np.int64)
        if self.cache is not None:
            found = self.cache.get_sizes(self._key, row_ids.tolist())
            sizes[:] = [-2 if size is None else size for size in found]
        unknown = np.flatnonzero(sizes == -2)
        if len(unknown):
            sizes[unknown] = stored = self._stored_sizes(row_ids[unknown])
            if self.cache is not None:
                known = {int(row): int(size) for row, size in zip(row_ids[unknown], stored, strict=True) if size != -2}
                self.cache.put_sizes(self._key, known)
        return np.maximum(sizes, 0)

    @property
    def is_tensor(self) -> bool:
        """Whether the media are tensors of a column, read as `.npy`; their `sizes` are the average."""
        return is_tensor(self.table.schema.field(self.column).type)

    def describe(self, row_ids: NDArray[np.uint64]) -> tuple[NDArray[np.int64], list[bytes | None]]:
        """Return the `sizes` of the media of rows, and their stored packet indexes, None where there is none.

        Raises:
            MediaError: if a row is gone from this version.
            StorageError: if the storage fails.
        """
        index = self.table.packet_columns.get(self.column)
        if index is None:
            return self.sizes(row_ids), [None] * len(row_ids)
        if self.cache is None:
            descriptors, stored = self.table.take_rows(row_ids, self.column, index)
            return np.maximum(self._sizes_of(row_ids, descriptors), 0), stored.to_pylist()
        key = self.cache.key(self.table.uri, self.table.identity, str(self.table.version), index)
        found: dict[int, bytes | None] = dict(self.cache.get_whole(key, row_ids.tolist()))
        missing = np.array([row for row in row_ids.tolist() if row not in found], dtype=np.uint64)
        if len(missing):
            (stored,) = self.table.take_rows(missing, index)
            fetched = dict(zip(missing.tolist(), stored.to_pylist(), strict=True))
            self.cache.put_sizes(key, {row: -1 if each is None else len(each) for row, each in fetched.items()})
            self.cache.put(key, [(row, 0, each) for row, each in fetched.items() if each])
            found |= fetched
        return self.sizes(row_ids), [found[row] for row in row_ids.tolist()]

    def read(self, row_ids: Sequence[int]) -> list[Read]:
        """Return the whole medium of each row, in order, read in one call of Lance, which joins what is near.

        Raises:
            StorageError: if the storage fails.
        """
        rows = [int(row) for row in row_ids]
        if self.cache is None:
            return self._fetch(rows, self._read_whole, lambda row: row)
        found: dict[int, Read] = dict(self.cache.get_whole(self._key, rows))
        missing = [row for row in dict.fromkeys(rows) if row not in found]
        fetched = dict(zip(missing, self._fetch(missing, self._read_whole, lambda row: row), strict=True))
        good = {row: data for row, data in fetched.items() if not isinstance(data, MediaError)}
        self.cache.put_sizes(self._key, {row: -1 if data is None else len(data) for row, data in good.items()})
        self.cache.put(self._key, [(row, 0, data) for row, data in good.items() if data])
        found |= fetched
        return [found[row] for row in rows]

    def read_ranges(self, spans: Sequence[Span]) -> list[bytes | MediaError]:
        """Return the bytes of each range, in order, read in one call of Lance, which joins neighbours.

        Args:
            spans: (row id, start, stop) for each range, in any order; the same one may come again.

        Raises:
            StorageError: if the storage fails.
        """
        found: dict[Span, bytes | MediaError] = {}
        if self.cache is not None:
            distinct = list(dict.fromkeys(spans))
            hits = zip(distinct, self.cache.get(self._key, distinct), strict=True)
            found = {span: data for span, data in hits if data is not None}
        missing = [span for span in dict.fromkeys(spans) if span not in found]
        fetched = self._fetch(missing, self._read_spans, lambda span: span[0])
        for span, data in zip(missing, fetched, strict=True):
            found[span] = self._error(span[0], "the stored medium is NULL") if data is None else data
        if self.cache is not None:
            good = ((span, found[span]) for span in missing)
            self.cache.put(self._key, [(row, start, data) for (row, start, _), data in good if isinstance(data, bytes)])
        return [found[span] for span in spans]

    def open(self, row_id: int) -> BlobFile:
        """Return the medium of a row as a file; nothing is read, not even its size, before it is asked for.

        Every read of it, or its `size`, may raise a MediaError (also if the medium is NULL) or a StorageError.
        """
        return BlobFile(self, int(row_id))

    # -- what asks Lance ------------------------------------------------------------------------------------------

    def _read_whole(self, rows: Sequence[int]) -> list[bytes | None]:
        if self.is_tensor:
            values = self.table.take(self.column, pa.array(rows, pa.uint64())).combine_chunks()
            return as_npy(values, self.table.schema.field(self.column).type)
        return [data for _, data in self.table.reading.read_blobs(self.column, ids=list(rows))]

    def _read_spans(self, spans: Sequence[Span]) -> list[bytes | None]:
        asked = [(row, start, stop - start) for row, start, stop in spans]
        got = [data for *_, data in self.table.reading.read_blob_ranges(self.column, asked, selector="ids")]
        for (row, start, stop), data in zip(spans, got, strict=True):
            if data is not None and len(data) != stop - start:
                raise OSError(f"{len(data)} bytes came for the range [{start}, {stop}) of row {row}")
        return got

    def _stored_sizes(self, row_ids: NDArray[np.uint64]) -> NDArray[np.int64]:
        """Return the size of each medium, -1 for NULL and -2 where it cannot be had."""
        if self.is_tensor:
            return np.full(len(row_ids), math.ceil(self.table.mean_bytes.get(self.column, 0)), dtype=np.int64)
        (descriptors,) = self.table.take_rows(row_ids, self.column)
        return self._sizes_of(row_ids, descriptors)

    def _sizes_of(self, row_ids: NDArray[np.uint64], descriptors: pa.StructArray) -> NDArray[np.int64]:
        sizes = pa.compute.struct_field(descriptors, "size").fill_null(0).to_numpy(zero_copy_only=False)
        stored = np.where(descriptors.is_null().to_numpy(zero_copy_only=False), -1, sizes).astype(np.int64)
        kinds = pa.compute.struct_field(descriptors, "kind").fill_null(0).to_numpy(zero_copy_only=False)
        whole_files = np.flatnonzero((kinds == _EXTERNAL) & (stored == 0))
        if len(whole_files):
            rows = row_ids[whole_files].tolist()
            found = self._fetch(rows, self._open_sizes, lambda row: row)
            stored[whole_files] = [size if isinstance(size, int) else -2 for size in found]
        return stored

    def _open_sizes(self, rows: Sequence[int]) -> list[int]:
        return [file.size() for file in self.table.reading.take_blobs(self.column, ids=list(rows), buffer_size=0)]

    def _fetch(
        self, parts: Sequence[T], read: Callable[[Sequence[T]], list[Any]], row_of: Callable[[T], int]
    ) -> list[Any]:
        """Return what `read` gives for each part, in order, or the MediaError of its row.

        A call that fails is made anew in halves: the one row that is bad is found in log n calls, and what was read is
        not read again when the storage fails now and then. A StorageError comes after so many failures in a row.
        """
        found: list[Any] = []
        waiting = [list(parts)] if parts else []  # the first part comes last

        def step() -> None:
            part = waiting[-1]
            try:
                found.extend(read(part))
            except LANCE_ERRORS as error:
                if len(part) > 1:
                    waiting[-1:] = [part[len(part) // 2 :], part[: len(part) // 2]]
                if is_of_storage(error):
                    raise
                if len(part) > 1:
                    return
                found.append(self._error(row_of(part[0]), first_line(error)))
            waiting.pop()

        while waiting:
            self.table.retry(step, lambda: self._place([row_of(part) for part in waiting[-1]]), self.stop)
        return found

    def _place(self, rows: Sequence[int]) -> str:
        return place_of(self.table.name, self.table.version, rows, self.column)

    def _error(self, row: int, text: str) -> MediaError:
        return MediaError(f"{self._place([row])}: {text}")


class _Held:
    """Bytes, read as Lance's files of blobs are."""

    def __init__(self, data: bytes):
        self._data = data

    def size(self) -> int:
        return len(self._data)

    def read_range(self, offset: int, length: int) -> bytes:
        return self._data[offset : offset + length]


class BlobFile(io.RawIOBase):
    """A medium as a file that can be read and sought; reads `READ_AHEAD_BYTES` at least.

    Libraries take a read that fails for the end of the file, so `given_to` looks afterwards at `failure`, the error
    that a read raised last.
    """

    def __init__(self, blobs: Blobs, row_id: int):
        super().__init__()
        self.failure: CutlistError | None = None
        self._blobs, self._row = blobs, row_id
        self._position = 0
        self._size: int | None = None
        self._held: tuple[int, bytes] = (0, b"")
        self._file: Any = None

    @property
    def size(self) -> int:
        """How many bytes there are."""
        if self._size is None:
            cache = self._blobs.cache
            known = None if cache is None else cache.get_sizes(self._blobs._key, [self._row])[0]
            if known is None or known < 0:
                known = self._attempt(lambda: int(self._lance().size()))
                if cache is not None:
                    cache.put_sizes(self._blobs._key, {self._row: known})
            self._size = known
        return self._size

    def given_to(self, work: Callable[[BlobFile], T]) -> T:
        """Return what a library makes of the file.

        Raises:
            StorageError, MediaError: where a read failed, whatever the library made of that; else what `work` raises.
        """
        try:
            made = work(self)
        except MediaError as error:
            raise self.failure or error from error
        if self.failure is not None:
            raise self.failure
        return made

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def tell(self) -> int:
        """Return the position, in bytes from the start."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a position, and return it."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position}
        self._position = max((self.size if whence == io.SEEK_END else base[whence]) + offset, 0)
        return self._position

    def readall(self) -> bytes:
        """Return everything from the position to the end."""
        return self.read(self.size)

    def read(self, size: int | None = -1) -> bytes:
        """Return so many bytes from the position, fewer only at the end."""
        if size is None or size < 0:
            return self.readall()
        start, stop = self._position, min(self._position + size, self.size)
        if stop <= start:
            return b""
        at, held = self._held
        if not at <= start < stop <= at + len(held):
            at, held = self._held = start, self._load(start, min(max(stop, start + READ_AHEAD_BYTES), self.size))
        self._position = stop
        return held[start - at : stop - at]

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer from the position, and return how many bytes came."""
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def _load(self, start: int, stop: int) -> bytes:
        cache, key = self._blobs.cache, self._blobs._key
        cached = None if cache is None else cache.get(key, [(self._row, start, stop)])[0]
        if cached is not None:
            return cached

        def read() -> bytes:
            data = bytes(self._lance().read_range(start, stop - start))
            if len(data) != stop - start:
                raise OSError(f"{len(data)} bytes came for the range [{start}, {stop})")
            return data

        data = self._attempt(read)
        if cache is not None:
            cache.put(key, [(self._row, start, data)])
        return data

    def _lance(self) -> Any:
        if self._file is None:
            blobs = self._blobs
            if blobs.is_tensor:
                (data,) = blobs._read_whole([self._row])
                self._file = None if data is None else _Held(data)
            else:
                files = blobs.table.reading.take_blobs(blobs.column, ids=[self._row], buffer_size=0)
                (self._file,) = files
            if self._file is None:
                raise ValueError("the stored medium is NULL")
        return self._file

    def _attempt(self, call: Callable[[], T]) -> T:
        """Return what a call gives, tried again where the storage fails; keep the error that it raises."""
        blobs = self._blobs
        try:
            return blobs.table.retry(call, lambda: blobs._place([self._row]), blobs.stop)
        except StorageError as error:
            self.failure = error
            raise
        except LANCE_ERRORS as error:
            self.failure = blobs._error(self._row, first_line(error))
            raise self.failure from error
