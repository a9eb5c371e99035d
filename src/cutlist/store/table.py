"""A Lance table at one version: its columns, its media, its rows by row id."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import lance
import numpy as np
import pyarrow as pa
import pyarrow.compute
from numpy.typing import NDArray

from cutlist.errors import CatalogError, MediaError, NotFoundError, StorageError, listing, suggest
from cutlist.shown import Shown
from cutlist.store.facts import columns_without_nulls, index_kinds, mean_sizes, stored_sizes
from cutlist.store.features import Feature, features_of, is_stamp
from cutlist.store.pointers import Pointer
from cutlist.store.retries import LANCE_ERRORS, Retry, first_line, is_of_storage, place_of
from cutlist.store.scan import ScanTable, scannable
from cutlist.store.tensors import is_tensor

if "LANCE_LOG" not in os.environ:
    logging.getLogger("pylance").setLevel(logging.NOTSET)  # as the root logger has it: INFO tells of every index made

PACKETS_OF = b"cutlist:packets_of"
"""Metadata of a column with packet indexes: the media column that they are of."""

_MEDIA_KINDS = ("video", "image", "audio", "tensor")

_IMPATIENT = {"client_max_retries": "0", "lance_aimd_max_retries": "0"}
"""Storage options with which Lance asks 4 times, at once, and no more; what the user gave goes before them."""


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
class Table(Shown):
    """A Lance table at one version. Small and picklable; the handle is opened in each process when first used."""

    name: str
    uri: str
    version: int
    storage_options: Mapping[str, str] | None = field(default=None, repr=False)
    retry: Retry = field(default_factory=Retry, repr=False, compare=False)
    _handles: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (self.name, self.uri, self.version, self.storage_options, self.retry)

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
    def reading(self) -> Any:
        """The Lance dataset for reads that are tried again here: Lance gives up soon, and then `retry` decides.

        By itself it asks up to 64 times for each range, in three loops: 10 s of a store that is down, half an hour of
        one that does not answer.
        """
        if "://" not in self.uri:
            return self.dataset
        if "reading" not in self._handles:
            options = {**_IMPATIENT, **(self.storage_options or {})}
            self._handles["reading"] = open_dataset(self.name, self.uri, self.version, options)
        return self._handles["reading"]

    @property
    def schema(self) -> pa.Schema:
        """The columns; a Blob v2 column has the extension type `lance.blob.v2`."""
        return cast("pa.Schema", self.dataset.schema)

    @property
    def identity(self) -> str:
        """A text that tells this table from another that was made later under its name, and reached its version."""
        if "identity" not in self._handles:
            fragments = self.dataset.get_fragments()
            self._handles["identity"] = str(fragments[0].metadata.files[0].path) if fragments else ""
        return cast("str", self._handles["identity"])

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
    def has_stable_row_ids(self) -> bool:
        """Whether row ids stay when rows are updated or fragments merged, as in every table that cutlist makes."""
        return bool(self.dataset.has_stable_row_ids)

    @property
    def features(self) -> dict[str, Feature]:
        """The features, by the names of the featurizers that make them."""
        return features_of(self.schema)

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

    def scan(
        self, filter: str | None = None, row_ids: Sequence[int] | None = None, found: str | None = None
    ) -> ScanTable:
        """Return the table as an Arrow dataset that DuckDB scans with projection and filter push-down.

        Args:
            filter: A Lance filter; rows for which it is not true are left out.
            row_ids: The only rows that are read; default: all.
            found: How these were found, in words.
        """
        if row_ids is not None:
            only = f"_rowid IN ({', '.join(map(str, row_ids))})" if len(row_ids) else "false"
            filter = only if filter is None else f"({filter}) AND {only}"
        try:
            tensors = frozenset(each.name for each in self.schema if is_tensor(each.type))
            return ScanTable(
                self.name, self.uri, self.version, self.storage_options, self.sql_columns, filter, tensors, found
            )
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
    def stored_bytes(self) -> Mapping[str, int]:
        """What each column takes on disk; of media what is beside them, not their bytes."""
        return stored_sizes(self.dataset)

    @property
    def indexes(self) -> Mapping[str, frozenset[str]]:
        """The kinds of the indexes of each column that has any, e.g. `BTREE`."""
        return index_kinds(self.dataset)

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
            MediaError: if a row is gone from this version.
            StorageError: if the storage fails.
        """
        wanted = row_ids.drop_null().unique().sort()
        taken = self._taken(wanted.to_numpy(), column)
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

    def head(self, num_rows: int, *columns: str) -> pa.Table:
        """Return columns of the first rows, with `_rowid`; of blobs what is beside their bytes."""
        scanner = self.dataset.scanner(columns=list(columns), with_row_id=True, limit=num_rows)
        return cast("pa.Table", scanner.to_table())

    def has_rows(self, row_ids: NDArray[np.uint64]) -> NDArray[np.bool_]:
        """Return which rows are there; bool, shape (n,)."""
        found = self.dataset._take_rows(row_ids.tolist(), columns=["_rowid"])
        return np.isin(row_ids, found["_rowid"].to_numpy())

    def take_rows(self, row_ids: NDArray[np.uint64], *columns: str) -> list[pa.Array]:
        """Return the values of columns as Lance stores them, one for each row id, in order.

        Raises:
            MediaError: if a row is gone from this version.
            StorageError: if the storage fails.
        """
        taken = self._taken(row_ids, *columns)
        return [taken[each].combine_chunks() for each in columns]

    def scan_rows(self, row_ids: NDArray[np.uint64], *columns: str) -> list[pa.Array]:
        """Return what `take_rows` does, by a scan of the fragments that the rows are in.

        For columns that Lance makes up of each row, `_row_created_at_version` and its like, which 14.0 cannot take.

        Raises:
            MediaError: if a row is gone from this version.
            StorageError: if the storage fails.
        """
        wanted = set(np.unique(self.fragments(row_ids)).tolist())
        fragments = [each for each in self.dataset.get_fragments() if each.fragment_id in wanted]
        found = self.dataset.scanner(columns=["_rowid", *columns], fragments=fragments).to_table()
        places = pyarrow.compute.index_in(pa.array(row_ids), found["_rowid"].combine_chunks())
        return [found[each].combine_chunks().take(places) for each in columns]

    def fragments(self, row_ids: NDArray[np.uint64]) -> NDArray[np.int64]:
        """Return the number of the fragment that each row is in; int64, shape (n,).

        Raises:
            MediaError: if a row is gone from this version.
            StorageError: if the storage fails.
        """
        addresses: NDArray[np.uint64] = self._taken(row_ids, "_rowaddr")["_rowaddr"].to_numpy()
        return (addresses >> np.uint64(32)).astype(np.int64)

    def _taken(self, row_ids: NDArray[np.uint64], *columns: str) -> pa.Table:
        """Return `_rowid` and columns of some rows; a row that is gone, which Lance leaves out, is a MediaError."""
        place = f"{self.name}@{self.version}"
        try:
            taken = self.retry(
                lambda: cast("pa.Table", self.reading._take_rows(row_ids.tolist(), columns=["_rowid", *columns])),
                lambda: place_of(self.name, self.version, row_ids.tolist(), columns[0]),
            )
        except LANCE_ERRORS as error:
            raise MediaError(f"{place}, column {columns[0]}: {first_line(error)}") from error
        if taken.num_rows != len(row_ids):
            gone = np.setdiff1d(row_ids, taken["_rowid"].to_numpy())
            raise MediaError(f"{place}: rows {listing(map(str, gone), most=5)} are gone")
        return taken

    def dead_pointer(self, column: str, row_id: int) -> str | None:
        """Return what is wrong if a row's medium is a pointer to bytes that are not there, else None."""
        if not is_blob(self.schema.field(column)):
            return None
        try:
            taken = self.dataset._take_rows([row_id], columns=[column])
        except (OSError, ValueError, RuntimeError):
            return None
        pointer = Pointer.of(taken[column][0].as_py()) if taken.num_rows else None
        return None if pointer is None else pointer.problem(self.storage_options)


def _is_internal(field: pa.Field) -> bool:
    return PACKETS_OF in (field.metadata or {}) or is_stamp(field)


def packets_field(column: str) -> pa.Field:
    """Return the field of the packet indexes of a media column."""
    return pa.field(f"{column}_packet_index", pa.large_binary(), metadata={PACKETS_OF: column.encode()})


def _restore(name: str, uri: str, version: int, storage_options: Mapping[str, str] | None, retry: Retry) -> Table:
    return Table(name=name, uri=uri, version=version, storage_options=storage_options, retry=retry)


def open_dataset(
    name: str, uri: str, version: int | str | None, storage_options: Mapping[str, str] | None = None
) -> lance.LanceDataset:
    """Return the Lance dataset at a version, by number or tag, or at its latest.

    Raises:
        CatalogError: if the table or the version is not there; names the versions, or tags, that are.
        StorageError: if the storage fails.
    """
    options = dict(storage_options or {}) or None
    try:
        return lance.dataset(uri, version=version, storage_options=options)
    except (ValueError, OSError) as error:
        if "://" in uri and is_of_storage(error):
            raise StorageError(f"table {name} at {uri}: {first_line(error)}") from error
        try:
            latest = lance.dataset(uri, storage_options=options)
            versions = [each["version"] for each in latest.versions()]
            tags = list(latest.tags.list())
        except (ValueError, OSError):
            raise CatalogError(f"cannot open table {name} at {uri}: {first_line(error)}") from error
    if isinstance(version, str):
        raise NotFoundError(f'table {name} has no tag "{version}"{suggest(version, tags)} Its tags: {listing(tags)}.')
    if version is not None and version > versions[-1]:
        raise NotFoundError(f"table {name} has no version {version} yet; its latest is {versions[-1]}")
    raise NotFoundError(
        f"version {version} of table {name} no longer exists (its versions: {', '.join(map(str, versions[-10:]))})"
    )
