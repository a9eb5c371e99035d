"""Lance tables: opened at a version, scanned by DuckDB, read by row id, appended to. The only home of `lance`."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, cast

import lance
import lance_namespace
import numpy as np
import pyarrow as pa
import pyarrow.dataset
from numpy.typing import NDArray

from cutlist.errors import CatalogError, MediaError, SettingsError, listing

FAILURES = "_failures"
"""The table of every row or file that failed at some stage (I8)."""

FAILURES_SCHEMA = pa.schema(
    [
        ("table", pa.string()),
        ("version", pa.int64()),
        ("row_id", pa.uint64()),
        ("path", pa.string()),
        ("column", pa.string()),
        ("stage", pa.string()),
        ("error_type", pa.string()),
        ("message", pa.string()),
        ("first_seen", pa.timestamp("us")),  # UTC; DuckDB's fetchall needs pytz for a column with a time zone
    ]
)

SCAN_BATCH_ROWS = 131_072
"""Rows in a batch that DuckDB gets; the fastest of those tried on 20M rows."""

_PUSHDOWN_ERRORS = (ValueError, OSError, pa.ArrowInvalid, NotImplementedError)
_MEDIA_KINDS = ("video", "image", "audio")


def is_blob(field: pa.Field) -> bool:
    """Return whether a field is a Blob v2 column, which SQL sees as media references."""
    return getattr(field.type, "extension_name", "") == "lance.blob.v2"


def blob_field(name: str, kind: str) -> pa.Field:
    """Return a Blob v2 field that says what kind of media (`video`, `image`, `audio`) its bytes are."""
    return lance.blob_field(name).with_metadata({**(lance.blob_field(name).metadata or {}), "cutlist:kind": kind})


def blob_array(values: Sequence[bytes | str | None]) -> pa.Array:
    """Return bytes as an array for a Blob v2 field; text is a URI whose bytes are copied in, None is NULL."""
    return lance.blob_array(list(values))


def _scannable(kind: pa.DataType) -> bool:
    """Return whether DuckDB can scan a column of this type (float16 and decimal256 it refuses, anywhere)."""
    if pa.types.is_float16(kind) or pa.types.is_decimal256(kind):
        return False
    if isinstance(kind, pa.BaseExtensionType):
        return kind.extension_name.startswith("arrow.") and _scannable(kind.storage_type)
    return all(_scannable(kind.field(i).type) for i in range(kind.num_fields))


class ScanTable(lance.LanceDataset):
    """A Lance dataset that DuckDB can scan: `_rowid` first, blobs as descriptors, and no push-down that crashes."""

    def __init__(self, uri: str, version: int, storage_options: Mapping[str, str] | None, columns: Sequence[str]):
        super().__init__(uri, version, storage_options=dict(storage_options or {}) or None)
        self._columns = ["_rowid", *columns]
        self._default_scan_options = {"columns": self._columns, "batch_size": SCAN_BATCH_ROWS}

    def scanner(self, columns: Any = None, filter: Any = None, **options: Any) -> Any:  # type: ignore[override]
        """Return a scanner for DuckDB; filters that Lance cannot take are answered by Arrow."""
        wanted = list(columns) if columns is not None else self._columns
        if filter is None or isinstance(filter, str):
            return super().scanner(columns=wanted, filter=filter, **options)

        def by_arrow() -> Any:
            text = str(filter)
            read = wanted + [name for name in self._columns if name not in wanted and name in text]
            batches = super(ScanTable, self).scanner(columns=read, **options).to_reader()
            return pa.dataset.Scanner.from_batches(batches, columns=wanted, filter=filter)

        try:
            return _Scanner(super().scanner(columns=wanted, filter=filter, **options), by_arrow)
        except _PUSHDOWN_ERRORS:
            return by_arrow()


class _Scanner:
    """A scanner that falls back when Lance refuses a filter, which it does only when the reader is made."""

    def __init__(self, scanner: Any, fallback: Any):
        self._scanner, self._fallback = scanner, fallback

    def to_reader(self) -> Any:
        try:
            return self._scanner.to_reader()
        except _PUSHDOWN_ERRORS:
            return self._fallback().to_reader()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._scanner, name)


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
            self._handles["dataset"] = open_dataset(self.name, self.uri, self.version, self.storage_options)
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
        """Name of each Blob v2 column → its kind: `video`, `image`, `audio`, or None where nothing says."""
        kinds: dict[str, str | None] = {}
        for each in self.schema:
            if is_blob(each):
                said = (each.metadata or {}).get(b"cutlist:kind", b"").decode()
                kinds[each.name] = said or next((kind for kind in _MEDIA_KINDS if kind == each.name.lower()), None)
        return kinds

    @property
    def hidden_columns(self) -> dict[str, str]:
        """Columns of types that DuckDB cannot hold → the type."""
        return {each.name: str(each.type) for each in self.schema if not is_blob(each) and not _scannable(each.type)}

    @property
    def sql_columns(self) -> list[str]:
        """Names of the columns that SQL sees, in order; media columns are among them."""
        return [each.name for each in self.schema if is_blob(each) or _scannable(each.type)]

    def scan(self) -> ScanTable:
        """Return the table as an Arrow dataset that DuckDB scans with projection and filter push-down."""
        return ScanTable(self.uri, self.version, self.storage_options, self.sql_columns)

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
                    f"cannot tag version {self.version} of table {self.name}: {_first_line(error)}"
                ) from error

    def read_blobs(self, column: str, row_ids: NDArray[np.uint64]) -> list[bytes | None]:
        """Return the bytes of one media column for each row id, in order, in one coalesced read.

        Raises:
            MediaError: if a row is gone from this version, or the storage fails.
        """
        try:
            pairs = self.dataset.read_blobs(column, ids=row_ids.tolist())
        except (OSError, ValueError, RuntimeError) as error:
            raise MediaError(f"{self.name}@{self.version}, column {column}: {_first_line(error)}") from error
        return [data for _, data in pairs]

    def open_blobs(self, column: str, row_ids: NDArray[np.uint64]) -> list[BinaryIO | None]:
        """Return a seekable file for each row id, in order; bytes are read when asked for.

        Raises:
            MediaError: if a row is gone from this version, or the storage fails.
        """
        try:
            return cast("list[BinaryIO | None]", self.dataset.take_blobs(column, ids=row_ids.tolist(), buffer_size=0))
        except (OSError, ValueError, RuntimeError) as error:
            raise MediaError(f"{self.name}@{self.version}, column {column}: {_first_line(error)}") from error

    def blob_sizes(self, column: str, row_ids: NDArray[np.uint64]) -> NDArray[np.int64]:
        """Return the size in bytes of one media column for each row id, int64, shape (len(row_ids),); NULL is 0."""
        taken = self.dataset._take_rows(row_ids, columns=["_rowid", column])
        if taken.num_rows != len(row_ids):
            gone = np.setdiff1d(row_ids, taken["_rowid"].to_numpy())
            raise MediaError(f"{self.name}@{self.version}: rows {listing(map(str, gone), most=5)} are gone")
        descriptors = taken[column].combine_chunks()
        sizes = pa.compute.struct_field(descriptors, "size")
        return np.asarray(sizes.fill_null(0).to_numpy(zero_copy_only=False), dtype=np.int64)


def _restore(name: str, uri: str, version: int, storage_options: Mapping[str, str] | None) -> Table:
    return Table(name=name, uri=uri, version=version, storage_options=storage_options)


def _first_line(error: BaseException) -> str:
    """Return what a Lance error says, without the places in Lance's own sources."""
    return re.sub(r", /[^ ]*\.rs:\d+:\d+", "", str(error).splitlines()[0] if str(error) else type(error).__name__)


def open_dataset(
    name: str, uri: str, version: int | None, storage_options: Mapping[str, str] | None = None
) -> lance.LanceDataset:
    """Return the Lance dataset at a version, or at its latest.

    Raises:
        CatalogError: if the table or the version is not there; names the versions that are.
    """
    options = dict(storage_options or {}) or None
    try:
        return lance.dataset(uri, version=version, storage_options=options)
    except (ValueError, OSError) as error:
        try:
            versions = [each["version"] for each in lance.dataset(uri, storage_options=options).versions()]
        except (ValueError, OSError):
            raise CatalogError(f"cannot open table {name} at {uri}: {_first_line(error)}") from error
    raise CatalogError(
        f"version {version} of table {name} no longer exists (its versions: "
        f"{', '.join(map(str, versions[-10:]))}); compile the query again to use the latest"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    """A root with Lance tables in it: a local folder or an object-store URI."""

    root: str
    storage_options: Mapping[str, str] | None = field(default=None, repr=False)

    @classmethod
    def at(cls, root: str | os.PathLike[str], *, storage_options: Mapping[str, str] | None = None) -> Store:
        """Return the store of a folder or URI; a folder is kept by its absolute path, so that chdir does no harm."""
        text = os.fspath(root)
        local = "://" not in text
        return cls(root=str(Path(text).absolute()) if local else text.rstrip("/"), storage_options=storage_options)

    @property
    def is_local(self) -> bool:
        """Whether the root is a folder on this machine."""
        return "://" not in self.root

    def check(self) -> None:
        """Raise CatalogError if a local root is not a folder."""
        if self.is_local and not Path(self.root).is_dir():
            raise CatalogError(
                f'no folder "{self.root}"; to make it, ingest something: '
                f"`cutlist ingest PATH --table videos --root {self.root}`, or connect(…, create=True)"
            )

    def table_names(self) -> list[str]:
        """Return the names of the tables in the root, sorted."""
        options = {f"storage.{key}": value for key, value in (self.storage_options or {}).items()}
        namespace = lance_namespace.connect("dir", {"root": self.root, **options})
        names: list[str] = []
        token = None
        while True:
            page = namespace.list_tables(lance_namespace.ListTablesRequest(id=[], page_token=token))
            names += page.tables
            token = page.page_token
            if not token:
                return sorted(names)

    def uri(self, name: str) -> str:
        """Return where the table of that name is."""
        return f"{self.root.rstrip('/')}/{name}.lance"

    def open(self, name: str, version: int | None = None) -> Table:
        """Return a table pinned to a version, or to its latest."""
        dataset = open_dataset(name, self.uri(name), version, self.storage_options)
        table = Table(name=name, uri=self.uri(name), version=dataset.version, storage_options=self.storage_options)
        table._handles["dataset"] = dataset
        return table

    def pinned(self, name: str, version: int, identity: str) -> Table:
        """Return a table at the version that a selection was compiled over.

        Raises:
            CatalogError: if the version is gone, or the table was made anew since.
        """
        table = self.open(name, version)
        if table.identity != identity:
            raise CatalogError(
                f"table {name} in {self.root} was made anew since the selection was compiled, so its row ids mean "
                f"other rows; compile the query again"
            )
        return table

    def find(self, name: str) -> Table | None:
        """Return a table at its latest version, or None if it is not there or was never written to its end.

        Raises:
            CatalogError: if it is there but cannot be opened.
        """
        try:
            return self.open(name)
        except CatalogError as error:
            if "was not found" in str(error):
                return None
            raise

    def append(self, name: str, rows: pa.Table, *, message: str) -> Table:
        """Append rows in one commit, making the table or the columns it lacks; return the table at the new version.

        A table is made with stable row ids, so that ids outlive updates and compaction. New columns are NULL in older
        rows and cost no rewrite.

        Raises:
            SettingsError: if a column has another type in the table.
            CatalogError: if the rows cannot be written; none is.
        """
        there = self.find(name)
        if there is not None:
            has = {each.name: each.type for each in there.schema}
            for each in rows.schema:
                if each.name in has and has[each.name] != each.type and not is_blob(each):
                    raise SettingsError(
                        f"column {each.name} of table {name} has the type {has[each.name]}; "
                        f"the new rows have {each.type}"
                    )
            for each in rows.schema:
                if each.name not in has:
                    there.dataset.add_columns(each)
        try:
            lance.write_dataset(
                rows,
                self.uri(name),
                mode="create" if there is None else "append",
                storage_options=dict(self.storage_options or {}) or None,
                enable_stable_row_ids=True,
                external_blob_mode="ingest",
                commit_message=message,
            )
        except (OSError, ValueError, RuntimeError) as error:
            if there is None and self.find(name) is not None:  # made by another process meanwhile
                return self.append(name, rows, message=message)
            raise CatalogError(f"cannot write to table {name} at {self.uri(name)}: {_first_line(error)}") from error
        return self.open(name)

    def record_failures(self, failures: Iterable[Mapping[str, Any]]) -> int:
        """Record each failure once in `_failures`; return how many were new.

        Args:
            failures: Mappings with the keys of `FAILURES_SCHEMA`; absent keys are NULL, `first_seen` is now, in UTC.
        """
        identity = ("table", "row_id", "path", "column", "stage", "error_type", "message")
        known: set[tuple[Any, ...]] = set()
        recorded = self.find(FAILURES)
        if recorded is not None:
            seen = recorded.dataset.to_table(columns=list(identity)).to_pylist()
            known = {tuple(row[key] for key in identity) for row in seen}
        now = datetime.now(UTC).replace(tzinfo=None)
        rows = []
        for failure in failures:
            key = tuple(failure.get(each) for each in identity)
            if key not in known:
                known.add(key)
                rows.append({"first_seen": now, **failure})
        if rows:
            self.append(FAILURES, pa.Table.from_pylist(rows, schema=FAILURES_SCHEMA), message="record failures")
        return len(rows)
