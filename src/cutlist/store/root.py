"""A root with Lance tables in it: finds, opens and makes them, appends rows, records failures."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import lance
import numpy as np
import pyarrow as pa
from lance.fragment import write_fragments
from numpy.typing import NDArray

from cutlist.errors import CatalogError, NotFoundError, SettingsError
from cutlist.settings import Settings
from cutlist.store import filling
from cutlist.store.cache import RangeCache
from cutlist.store.features import MADE, made_text
from cutlist.store.retries import LANCE_ERRORS, Retry, first_line
from cutlist.store.table import Table, is_blob, open_dataset

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

_MANIFEST, _DEREGISTERED = "__manifest", ".lance-deregistered"
"""What Lance's directory namespace has beside tables: a list of its own, and a mark in those that it has let go."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    """A root with Lance tables in it: a local folder or an object-store URI."""

    root: str
    storage_options: Mapping[str, str] | None = field(default=None, repr=False)
    create: bool = False
    retry: Retry = field(default_factory=Retry, repr=False, compare=False)
    cache: RangeCache | None = field(default=None, repr=False, compare=False)

    @classmethod
    def at(
        cls,
        root: str | os.PathLike[str],
        *,
        storage_options: Mapping[str, str] | None = None,
        settings: Settings | None = None,
        create: bool = False,
    ) -> Store:
        """Return the store of a folder or URI; a folder is kept by its absolute path, so that chdir does no harm.

        Args:
            root: A folder, or the URI of one in an object store.
            storage_options: For an object store, as Lance takes them.
            settings: Say how often to read again, and whether media of a root that is not local are kept on this
                machine.
            create: Whether a folder that is not there is made when something is first written.

        Raises:
            SettingsError: if they can not be kept there.
        """
        text = os.fspath(root)
        local = "://" not in text
        settings = settings or Settings.model_construct()
        cache = None
        if settings.cache_bytes and not local:
            cache = RangeCache(settings.cache_dir / "blobs", size_bytes=settings.cache_bytes)
        return cls(
            root=str(Path(text).absolute()) if local else text.rstrip("/"),
            storage_options=storage_options,
            create=create,
            retry=Retry(attempts=settings.read_attempts, seconds=settings.read_seconds),
            cache=cache,
        )

    @property
    def is_local(self) -> bool:
        """Whether the root is a folder on this machine."""
        return "://" not in self.root

    def check(self) -> None:
        """Raise CatalogError if a local root is not a folder, nor to be made."""
        if self.is_local and not Path(self.root).is_dir() and not (self.create and not Path(self.root).exists()):
            raise NotFoundError(
                f'no folder "{self.root}"; to make it, ingest something: '
                f"`cutlist ingest PATH --table videos --root {self.root}`, or connect(…, create=True)"
            )

    def table_names(self) -> list[str]:
        """Return the names of the tables in the root, sorted."""
        if self.is_local and not (Path(self.root) / _MANIFEST).exists():
            return sorted(_tables_in(Path(self.root)))
        import lance_namespace  # takes longer to import than all the rest together

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

    def open(self, name: str, version: int | str | None = None) -> Table:
        """Return a table pinned to a version, by number or tag, or to its latest."""
        dataset = open_dataset(name, self.uri(name), version, self.storage_options)
        table = Table(
            name=name,
            uri=self.uri(name),
            version=dataset.version,
            storage_options=self.storage_options,
            retry=self.retry,
        )
        table._handles["dataset"] = dataset
        return table

    def pinned(self, name: str, version: int, identity: str) -> Table:
        """Return a table at the version that a selection was compiled over.

        Raises:
            CatalogError: if the version is gone, or the table was made anew since.
        """
        try:
            table = self.open(name, version)
        except CatalogError as error:
            raise CatalogError(f"{error}; compile the query again to use the latest") from error
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

    def append(self, name: str, rows: pa.Table, *, message: str, reference: bool = False) -> Table:
        """Append rows in one commit, making the table or the columns it lacks; return the table at the new version.

        A table is made with stable row ids, so that ids outlive updates and compaction. New columns are NULL in older
        rows and cost no rewrite.

        Args:
            reference: Whether blobs that are pointers stay pointers; else their bytes are copied into the table.

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
        options: Any = {
            "storage_options": dict(self.storage_options or {}) or None,
            "enable_stable_row_ids": True,
            "external_blob_mode": "reference" if reference else "ingest",
            "allow_external_blob_outside_bases": reference,
        }
        try:
            if there is None:
                self._make(name, rows, options, message)
            else:
                lance.write_dataset(rows, self.uri(name), mode="append", commit_message=message, **options)
        except (OSError, ValueError, RuntimeError) as error:
            if there is None and self.find(name) is not None:  # made by another process meanwhile
                return self.append(name, rows, message=message, reference=reference)
            raise CatalogError(f"cannot write to table {name} at {self.uri(name)}: {first_line(error)}") from error
        return self.open(name)

    def _make(self, name: str, rows: pa.Table, options: Mapping[str, Any], message: str) -> None:
        """Make a table; of several processes that do so at once, all but one fail.

        Not `write_dataset(mode="create")`: of two at once the second overwrites what the first wrote (pylance 14.0).
        """
        made: Any = write_fragments(rows, self.uri(name), mode="create", return_transaction=True, **options)
        lance.LanceDataset.commit(
            self.uri(name),
            made.operation,
            storage_options=options["storage_options"],
            enable_stable_row_ids=True,
            commit_message=message,
            max_retries=0,
        )

    def merge_fragments(self, name: str) -> None:
        """Merge small fragments of a table, in one commit; row ids stay. Where another process is at it, do nothing."""
        with contextlib.suppress(*LANCE_ERRORS):
            self.open(name).dataset.optimize.compact_files()

    def add_columns(self, name: str, fields: Sequence[pa.Field]) -> Table:
        """Add those of some columns that a table lacks, NULL in every row; return it at its latest version.

        Raises:
            CatalogError: if they cannot be added, or one is there with another type.
        """
        return filling.add_columns(lambda: self.open(name), fields)

    def fill(self, name: str, make: Callable[[Table], pa.Table]) -> tuple[Table, pa.Table]:
        """Set columns, that are there, of some rows in one commit; return the new version, and what was set.

        The bytes of those columns are written for the fragments that the rows are in, and those of no other column.

        Args:
            make: From the latest version to the values: `_rowid`, uint64, each once, and the columns. Called again
                where another commit comes first. Rows that are gone by then are left out.

        Raises:
            CatalogError: if the values cannot be written; none is.
        """
        return filling.fill(lambda: self.open(name), make)

    def note_featurizer(self, name: str, featurizer: str, fingerprint: int, facts: Mapping[str, Any]) -> Table:
        """Add to the metadata of a table what a fingerprint of a featurizer stands for; return the table."""
        table = self.open(name)
        feature = table.features[featurizer]
        known = feature.made.get(fingerprint, {})
        if list(feature.made)[-1:] == [fingerprint] and all(known.get(key) == facts[key] for key in facts):
            return table
        made = {each: said for each, said in feature.made.items() if each != fingerprint}
        made[fingerprint] = {**known, **facts}
        filling.note(lambda: self.open(name), feature.made_by, {MADE.decode(): made_text(made)})
        return self.open(name)

    def failed_media(self) -> dict[tuple[str, str], NDArray[np.uint64]]:
        """Return the media that are in `_failures`: table and column → their row ids, uint64, ascending."""
        recorded = self.find(FAILURES)
        if recorded is None:
            return {}
        rows = recorded.dataset.to_table(columns=["table", "column", "row_id"], filter="row_id IS NOT NULL").to_pylist()
        found: dict[tuple[str, str], set[int]] = {}
        for row in rows:
            found.setdefault((row["table"], row["column"]), set()).add(row["row_id"])
        return {key: np.array(sorted(ids), dtype=np.uint64) for key, ids in found.items()}

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


def _tables_in(root: Path) -> Iterator[str]:
    """Yield the names of the tables in a folder, as Lance's directory namespace tells them; none if it is not there."""
    if root.is_dir():
        for each in root.iterdir():
            if each.suffix == ".lance" and each.is_dir() and not (each / _DEREGISTERED).exists():
                yield each.stem
