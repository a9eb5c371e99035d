"""A Lance table at one version: its columns, its media, its rows by row id."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO, cast

import lance
import numpy as np
import pyarrow as pa
import pyarrow.compute
from numpy.typing import NDArray

from cutlist.errors import CatalogError, MediaError, listing, suggest
from cutlist.store.facts import columns_without_nulls, index_kinds, mean_sizes
from cutlist.store.pointers import Pointer
from cutlist.store.scan import ScanTable, scannable
from cutlist.store.tensors import as_npy, is_tensor

INDEXES = ("BTREE", "BITMAP", "LABEL_LIST", "NGRAM", "ZONEMAP", "BLOOMFILTER")
"""Kinds of scalar indexes."""

PACKETS_OF = b"cutlist:packets_of"
"""Metadata of a column with packet indexes: the media column that they are of."""

_MEDIA_KINDS = ("video", "image", "audio", "tensor")


def is_blob(field: pa.Field) -> bool:
    """Return whether a field is a Blob v2 column, which SQL sees as media references."""
    return getattr(field.type, "extension_name", "") == "lance.blob.v2"


def blob_field(name: str, kind: str) -> pa.Field:
    """Return a Blob v2 field that says what kind of media its bytes are.

    `video`, `image`, `audio`, `tensor`, or a kind of one's own (`cutlist.media.register`).
    """
    return lance.blob_field(name).with_metadata({**(lance.blob_field(name).metadata or {}), "cutlist:kind": kind})


def blob_array(values: Sequence[bytes | Pointer | None]) -> pa.Array:
    """Return an array for a Blob v2 field; `Store.append` keeps pointers or copies what they point at; None is NULL."""
    return lance.blob_array([each.blob() if isinstance(each, Pointer) else each for each in values])


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A Lance table at one version. Small and picklable; the handle is opened in each process when first used."""

    name: str
    uri: str
    version: int
    storage_options: Mapping[str, str] | None = field(default=None, repr=False)
    _handles: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (self.name, self.uri, self.version, self.storage_options)

    @property
    def dataset(self) -> Any:
        """The Lance dataset at this version.

        Raises:
            CatalogError: if the table or the version is gone.
        """
        if "dataset" not in self._handles:
            try:
                self._handles["dataset"] = open_dataset(self.name, self.uri, self.version, self.storage_options)
            except CatalogError as error:
                raise CatalogError(f"{error}; compile the query again to use the latest") from error
        return self._handles["dataset"]

    @property
    def schema(self) -> pa.Schema:
        """The columns; a Blob v2 column has the extension type `lance.blob.v2`."""
        return cast("pa.Schema", self.dataset.schema)

    @property
    def identity(self) -> str:
        """A text that tells this table from another that was made later under its name, and reached its version."""
        fragments = self.dataset.get_fragments()
        return str(fragments[0].metadata.files[0].path) if fragments else ""

    @property
    def media_columns(self) -> dict[str, str | None]:
        """Name of each media column, of blobs or float16 tensors → its kind: as its field or name says, or None."""
        kinds: dict[str, str | None] = {}
        for each in self.schema:
            if is_blob(each):
                said = (each.metadata or {}).get(b"cutlist:kind", b"").decode()
                kinds[each.name] = said or next((kind for kind in _MEDIA_KINDS if kind == each.name.lower()), None)
            elif is_tensor(each.type):
                kinds[each.name] = "tensor"
        return kinds

    @property
    def packet_columns(self) -> dict[str, str]:
        """Name of each Blob v2 column that has packet indexes → the column with these, which SQL does not see."""
        of = {(each.metadata or {}).get(PACKETS_OF, b"").decode(): each.name for each in self.schema}
        return {name: column for name, column in of.items() if name in self.media_columns}

    @property
    def hidden_columns(self) -> dict[str, str]:
        """Columns of types that DuckDB cannot hold → the type."""
        seen = self.sql_columns
        return {each.name: str(each.type) for each in self.schema if each.name not in seen and not _is_internal(each)}

    @property
    def sql_columns(self) -> list[str]:
        """Names of the columns that SQL sees, in order; media columns are among them."""
        return [
            each.name
            for each in self.schema
            if is_blob(each) or is_tensor(each.type) or (scannable(each.type) and not _is_internal(each))
        ]

    def scan(self, filter: str | None = None) -> ScanTable:
        """Return the table as an Arrow dataset that DuckDB scans with projection and filter push-down.

        Args:
            filter: A Lance filter; rows for which it is not true are left out.
        """
        try:
            tensors = frozenset(each.name for each in self.schema if is_tensor(each.type))
            return ScanTable(self.name, self.uri, self.version, self.storage_options, self.sql_columns, filter, tensors)
        except (ValueError, OSError) as error:
            raise CatalogError(
                f"version {self.version} of table {self.name} no longer exists, or cannot be read: {first_line(error)}"
            ) from error

    @property
    def never_null(self) -> frozenset[str]:
        """The columns that are known to have no NULL, from the footers of the data files."""
        return self._null_facts[0]

    @property
    def without_holes(self) -> frozenset[str]:
        """The columns of fixed-size lists that are known to have no NULL inside a list."""
        return self._null_facts[1]

    @property
    def _null_facts(self) -> tuple[frozenset[str], frozenset[str]]:
        if "null_facts" not in self._handles:
            self._handles["null_facts"] = columns_without_nulls(self.dataset, self.uri, self.storage_options)
        return cast("tuple[frozenset[str], frozenset[str]]", self._handles["null_facts"])

    @property
    def mean_bytes(self) -> Mapping[str, float]:
        """Average size in bytes of a value of each column."""
        if "mean_bytes" not in self._handles:
            self._handles["mean_bytes"] = mean_sizes(self.dataset)
        return cast("Mapping[str, float]", self._handles["mean_bytes"])

    @property
    def indexes(self) -> Mapping[str, frozenset[str]]:
        """The kinds of the indexes of each column that has any, e.g. `BTREE`."""
        return index_kinds(self.dataset)

    def create_index(self, column: str, kind: str | None = None) -> str:
        """Make a scalar index of a column, or make it anew; return its kind.

        Args:
            kind: One of `INDEXES`; default `BITMAP` for BOOLEAN, `LABEL_LIST` for lists, else `BTREE`.

        Raises:
            CatalogError: if there is no such column, or Lance has no such index for its type.
        """
        names = [each.name for each in self.schema]
        if column not in names:
            raise CatalogError(
                f'table {self.name} has no column "{column}"{suggest(column, names)} It has: {listing(names, most=40)}.'
            )
        if column in self.media_columns:
            raise CatalogError(f"{self.name}.{column} is a media column, which has no scalar index")
        of = self.schema.field(column).type
        default = "LABEL_LIST" if pa.types.is_list(of) else "BITMAP" if pa.types.is_boolean(of) else "BTREE"
        wanted = (kind or default).upper()
        if wanted not in INDEXES:
            raise CatalogError(f'no index of kind "{kind}"; there are {", ".join(INDEXES)}')
        latest = open_dataset(self.name, self.uri, None, self.storage_options)
        try:
            latest.create_scalar_index(column, cast("Any", wanted), replace=True)
        except (ValueError, OSError, TypeError, NotImplementedError) as error:
            raise CatalogError(
                f"cannot index {self.name}.{column} ({of}) by {wanted}: {first_line(error)}; "
                f"there are {', '.join(INDEXES)}"
            ) from error
        return wanted

    def pin(self) -> None:
        """Tag this version, `cutlist-v3`, so that Lance's clean-up keeps its data; one tag serves every selection.

        Raises:
            CatalogError: if the tag cannot be written.
        """
        try:
            self.dataset.tags.create(f"cutlist-v{self.version}", self.version)
        except (ValueError, OSError) as error:
            if f"cutlist-v{self.version}" not in self.dataset.tags.list():
                raise CatalogError(
                    f"cannot tag version {self.version} of table {self.name}: {first_line(error)}"
                ) from error

    def unpin(self) -> None:
        """Drop the tag of this version that `pin` made, if it is there."""
        tag = f"cutlist-v{self.version}"
        if tag in self.dataset.tags.list():
            self.dataset.tags.delete(tag)

    def take(self, column: str, row_ids: pa.Array) -> pa.ChunkedArray:
        """Return the values of one column for each row id (uint64), in order; NULL where the row id is NULL.

        Raises:
            MediaError: if a row is gone from this version, or the storage fails.
        """
        wanted = row_ids.drop_null().unique().sort()
        try:
            taken = self.dataset._take_rows(wanted, columns=["_rowid", column])
        except (OSError, ValueError, RuntimeError) as error:
            raise MediaError(f"{self.name}@{self.version}, column {column}: {first_line(error)}") from error
        self._all_there(wanted.to_numpy(), taken)
        values = taken[column]
        if isinstance(values.type, pa.BaseExtensionType):
            values = pa.chunked_array([chunk.storage for chunk in values.chunks], type=values.type.storage_type)
        return values.take(pa.compute.index_in(row_ids, taken["_rowid"].combine_chunks()))

    def media_rows(self, column: str, *, without: str | None = None) -> NDArray[np.uint64]:
        """Return the row ids of the rows of which a media column is not NULL; uint64, ascending.

        Args:
            without: Only rows in which this column is NULL.
        """
        lacks = "" if without is None or without not in self.schema.names else f" AND `{without}` IS NULL"
        found = self.dataset.scanner(columns=["_rowid"], filter=f"`{column}` IS NOT NULL{lacks}").to_table()
        return np.sort(found["_rowid"].to_numpy())

    def fragments(self, row_ids: NDArray[np.uint64]) -> NDArray[np.int64]:
        """Return the number of the fragment that each row is in; int64, shape (n,).

        Raises:
            MediaError: if a row is gone from this version.
        """
        taken = self.dataset._take_rows(row_ids.tolist(), columns=["_rowid", "_rowaddr"])
        self._all_there(row_ids, taken)
        addresses: NDArray[np.uint64] = taken.column("_rowaddr").to_numpy()
        return (addresses >> np.uint64(32)).astype(np.int64)

    def _all_there(self, row_ids: NDArray[np.uint64], taken: pa.Table) -> None:
        """Raise MediaError if rows that were asked for were not found, which Lance does not say."""
        if taken.num_rows != len(row_ids):
            gone = np.setdiff1d(row_ids, taken["_rowid"].to_numpy())
            raise MediaError(f"{self.name}@{self.version}: rows {listing(map(str, gone), most=5)} are gone")

    def read_blobs(self, column: str, row_ids: NDArray[np.uint64]) -> list[bytes | None]:
        """Return the bytes of one media column for each row id, in order, in one coalesced read.

        Raises:
            MediaError: if a row is gone from this version, or the storage fails.
        """
        try:
            if self._is_tensor(column):
                values = self.take(column, pa.array(row_ids)).combine_chunks()
                return as_npy(values, self.schema.field(column).type)
            pairs = self.dataset.read_blobs(column, ids=row_ids.tolist())
        except (OSError, ValueError, RuntimeError) as error:
            raise MediaError(f"{self.name}@{self.version}, column {column}: {first_line(error)}") from error
        return [data for _, data in pairs]

    def read_ranges(self, column: str, ranges: Sequence[tuple[int, int, int]]) -> list[bytes]:
        """Return bytes of one media column for each (row id, offset, size), in order, in one coalesced read.

        Raises:
            MediaError: if a row is gone from this version, a range is beyond its medium, or the storage fails.
        """
        try:
            found = self.dataset.read_blob_ranges(column, list(ranges), selector="ids")
        except (OSError, ValueError, RuntimeError) as error:
            raise MediaError(f"{self.name}@{self.version}, column {column}: {first_line(error)}") from error
        return [data if data is not None else b"" for _, _, data in found]

    def _is_tensor(self, column: str) -> bool:
        return is_tensor(self.schema.field(column).type)

    def open_blobs(self, column: str, row_ids: NDArray[np.uint64]) -> list[BinaryIO | None]:
        """Return a seekable file for each row id, in order; bytes are read when asked for.

        Raises:
            MediaError: if a row is gone from this version, or the storage fails.
        """
        if self._is_tensor(column):
            return [None if each is None else io.BytesIO(each) for each in self.read_blobs(column, row_ids)]
        try:
            return cast("list[BinaryIO | None]", self.dataset.take_blobs(column, ids=row_ids.tolist(), buffer_size=0))
        except (OSError, ValueError, RuntimeError) as error:
            raise MediaError(f"{self.name}@{self.version}, column {column}: {first_line(error)}") from error

    def describe(self, column: str, row_ids: NDArray[np.uint64]) -> tuple[NDArray[np.int64], list[bytes | None]]:
        """Return the sizes of one media column for each row id (ascending, each once), and their packet indexes.

        Returns:
            Sizes, int64, shape (len(row_ids),), 0 for NULL; and for each row its packet index, None where it has none.
        """
        if self._is_tensor(column):
            return self.blob_sizes(column, row_ids), [None] * len(row_ids)
        index = self.packet_columns.get(column)
        taken = self.dataset._take_rows(row_ids, columns=["_rowid", column, *([index] if index else [])])
        self._all_there(row_ids, taken)
        sizes = _sizes(taken[column])
        return sizes, taken[index].to_pylist() if index else [None] * len(row_ids)

    def blob_sizes(self, column: str, row_ids: NDArray[np.uint64]) -> NDArray[np.int64]:
        """Return the size in bytes of one media column for each row id, int64, shape (len(row_ids),); NULL is 0.

        Of a column of tensors it is the average.
        """
        if self._is_tensor(column):
            return np.full(len(row_ids), math.ceil(self.mean_bytes.get(column, 0)), dtype=np.int64)
        taken = self.dataset._take_rows(row_ids, columns=["_rowid", column])
        self._all_there(row_ids, taken)
        return _sizes(taken[column])

    def dead_pointer(self, column: str, row_id: int) -> str | None:
        """Return what is wrong if a row's medium is a pointer to bytes that are not there, else None."""
        try:
            taken = self.dataset._take_rows([row_id], columns=[column])
        except (OSError, ValueError, RuntimeError):
            return None
        pointer = Pointer.of(taken[column][0].as_py()) if taken.num_rows else None
        return None if pointer is None else pointer.problem(self.storage_options)


def _sizes(descriptors: pa.ChunkedArray) -> NDArray[np.int64]:
    sizes = pa.compute.struct_field(descriptors.combine_chunks(), "size")
    return np.asarray(sizes.fill_null(0).to_numpy(zero_copy_only=False), dtype=np.int64)


def _is_internal(field: pa.Field) -> bool:
    return PACKETS_OF in (field.metadata or {})


def packets_field(column: str) -> pa.Field:
    """Return the field of the packet indexes of a media column."""
    return pa.field(f"{column}_packet_index", pa.large_binary(), metadata={PACKETS_OF: column.encode()})


def _restore(name: str, uri: str, version: int, storage_options: Mapping[str, str] | None) -> Table:
    return Table(name=name, uri=uri, version=version, storage_options=storage_options)


def first_line(error: BaseException) -> str:
    """Return what a Lance error says, without the places in Lance's own sources."""
    return re.sub(r", /[^ ]*\.rs:\d+:\d+", "", str(error).splitlines()[0] if str(error) else type(error).__name__)


def open_dataset(
    name: str, uri: str, version: int | str | None, storage_options: Mapping[str, str] | None = None
) -> lance.LanceDataset:
    """Return the Lance dataset at a version, by number or tag, or at its latest.

    Raises:
        CatalogError: if the table or the version is not there; names the versions, or tags, that are.
    """
    options = dict(storage_options or {}) or None
    try:
        return lance.dataset(uri, version=version, storage_options=options)
    except (ValueError, OSError) as error:
        try:
            latest = lance.dataset(uri, storage_options=options)
            versions = [each["version"] for each in latest.versions()]
            tags = list(latest.tags.list())
        except (ValueError, OSError):
            raise CatalogError(f"cannot open table {name} at {uri}: {first_line(error)}") from error
    if isinstance(version, str):
        raise CatalogError(f'table {name} has no tag "{version}"{suggest(version, tags)} Its tags: {listing(tags)}.')
    if version is not None and version > versions[-1]:
        raise CatalogError(f"table {name} has no version {version} yet; its latest is {versions[-1]}")
    raise CatalogError(
        f"version {version} of table {name} no longer exists (its versions: {', '.join(map(str, versions[-10:]))})"
    )
