"""A Lance dataset as DuckDB scans it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import lance
import pyarrow as pa
import pyarrow.dataset

SCAN_BATCH_ROWS = 65_536
"""Rows in a batch that DuckDB gets; the fastest of those tried on 20M rows, with `READAHEAD_BATCHES`."""

READAHEAD_BATCHES = 8
"""Batches that Lance decodes ahead; its default decodes on one thread (20M rows of two columns: 0.13 s, with 2 or more
0.08 s)."""

_PUSHDOWN_ERRORS = (ValueError, OSError, pa.ArrowInvalid, NotImplementedError)


def scannable(kind: pa.DataType) -> bool:
    """Return whether DuckDB can scan a column of this type (float16 and decimal256 it refuses, anywhere)."""
    if pa.types.is_float16(kind) or pa.types.is_decimal256(kind):
        return False
    if isinstance(kind, pa.BaseExtensionType):
        return kind.extension_name.startswith("arrow.") and scannable(kind.storage_type)
    return all(scannable(kind.field(i).type) for i in range(kind.num_fields))


class ScanTable(lance.LanceDataset):
    """A Lance dataset that DuckDB can scan: `_rowid` first, blobs as descriptors, and no push-down that crashes.

    `asked` has the columns and the filter of each scan that was made: what DuckDB really reads. `found` says how its
    rows were found, where it has just some.
    """

    def __init__(
        self,
        table: str,
        uri: str,
        version: int,
        storage_options: Mapping[str, str] | None,
        columns: Sequence[str],
        filter: str | None = None,
        tensors: frozenset[str] = frozenset(),
        found: str | None = None,
    ):
        super().__init__(uri, version, storage_options=dict(storage_options or {}) or None)
        self._columns = ["_rowid", *columns]
        self.table, self.filter, self._tensors, self.found = table, filter, tensors, found
        self.asked: list[tuple[list[str], str | None]] = []
        self._default_scan_options = {
            "batch_size": SCAN_BATCH_ROWS,
            "batch_readahead": READAHEAD_BATCHES,
        }

    def _projected(self, names: Sequence[str]) -> list[str] | dict[str, str]:
        """Return what Lance is asked for: of a tensor, which DuckDB cannot hold, true where it is not NULL."""
        if self._tensors.isdisjoint(names):
            return list(names)
        quoted = {name: "`" + name.replace("`", "``") + "`" for name in names}
        return {
            name: f"nullif({quoted[name]} IS NOT NULL, false)" if name in self._tensors else quoted[name]
            for name in names
        }

    def scanner(self, columns: Any = None, filter: Any = None, **options: Any) -> Any:  # type: ignore[override]
        """Return a scanner for DuckDB; filters that Lance cannot take are answered by Arrow."""
        wanted = list(columns) if columns is not None else self._columns

        def by_lance() -> Any:
            return super(ScanTable, self).scanner(columns=self._projected(wanted), filter=filter, **options)

        def by_arrow() -> Any:
            text = str(filter)
            read = wanted + [name for name in self._columns if name not in wanted and name in text]
            batches = (
                super(ScanTable, self).scanner(columns=self._projected(read), filter=self.filter, **options).to_reader()
            )
            return pa.dataset.Scanner.from_batches(batches, columns=wanted, filter=filter)

        def whole() -> Any:
            return super(ScanTable, self).scanner(columns=self._projected(wanted), filter=self.filter, **options)

        if filter is None:
            ways = [whole]
        elif self.filter is not None:  # Lance takes one filter
            ways = [by_arrow]
        else:
            ways = [by_lance, by_arrow]
        return _Scanner(ways, lambda: self.asked.append((wanted, None if filter is None else str(filter))))


class _Scanner:
    """A scanner that is made when it is read: in the first way that Lance does not refuse."""

    def __init__(self, ways: Sequence[Callable[[], Any]], read: Callable[[], None]):
        self._ways, self._read = ways, read

    def to_reader(self) -> Any:
        self._read()
        for way in self._ways[:-1]:
            try:
                return way().to_reader()
            except _PUSHDOWN_ERRORS:
                continue
        return self._ways[-1]().to_reader()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ways[-1](), name)
