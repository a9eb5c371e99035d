"""Which rows lack a feature, have one that is out of date, or have failed.

A row is out of date if another version of the featurizer made it, or if an input of it has changed since it was made.
Lance says of each row at which version of the table it was last written, which fills of columns do not count as
(`cutlist.store.filling`). Of rows that were, the inputs are compared with those of the version that was read: an update
of another column, which moves the row and copies its media, changes nothing. Where that version is gone, they have
changed.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from cutlist.errors import CatalogError
from cutlist.store import Blobs

if TYPE_CHECKING:
    from cutlist.store import Feature, Store, Table

CHUNK_BYTES = 8 * 2**20
"""Two media are compared so many bytes at a time."""

_UPDATED, _CREATED = "_row_last_updated_at_version", "_row_created_at_version"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """The rows of a table and how they stand with a feature; arrays of shape (n,), in the order of the table.

    Attributes:
        row_ids: uint64.
        fragments: The fragment that each is in, int64.
        made_by: The fingerprint of what made it, int64, 0 where nothing did.
        failed: Whether the featurizer failed.
        changed: Whether an input has changed since.
        compared: Whether the row was written since, and comparing its inputs showed that they are the same.
        version: Of the table.
    """

    row_ids: NDArray[np.uint64]
    fragments: NDArray[np.int64]
    made_by: NDArray[np.int64]
    failed: NDArray[np.bool_]
    changed: NDArray[np.bool_]
    compared: NDArray[np.bool_]
    version: int

    def stale(self, fingerprint: int) -> NDArray[np.bool_]:
        """Return which rows have a value, or a failure, that is out of date."""
        return np.asarray((self.made_by != 0) & ((self.made_by != fingerprint) | self.changed))

    @property
    def never(self) -> NDArray[np.bool_]:
        """Which rows the featurizer was never run on."""
        return np.asarray(self.made_by == 0)


def rows_of(store: Store, table: Table, feature: Feature | None, inputs: Collection[str]) -> Rows:
    """Return how the rows of a table stand with a feature.

    Args:
        feature: None: no row has it.
        inputs: The columns that it is made of.
    """
    stamps = [] if feature is None else [feature.made_by, feature.made_at]
    found = table.dataset.scanner(columns=["_rowid", "_rowaddr", _UPDATED, _CREATED, *stamps]).to_table()
    row_ids = found["_rowid"].to_numpy()
    none = np.zeros(len(row_ids), dtype=np.int64)
    made_by = none if feature is None else found[feature.made_by].fill_null(0).to_numpy()
    made_at = none if feature is None else found[feature.made_at].fill_null(0).to_numpy()
    changed, compared = np.zeros((2, len(row_ids)), dtype=bool)
    made = np.flatnonzero(made_by)
    if len(made):
        changed[made], compared[made] = changed_rows(store, table, inputs, row_ids[made], np.abs(made_at[made]))
    return Rows(
        row_ids=row_ids,
        fragments=(found["_rowaddr"].to_numpy() >> np.uint64(32)).astype(np.int64),
        made_by=made_by,
        failed=made_at < 0,
        changed=changed,
        compared=compared,
        version=table.version,
    )


def changed_rows(
    store: Store, table: Table, inputs: Collection[str], row_ids: NDArray[np.uint64], since: NDArray[np.int64]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which rows have other inputs in `table` than at the version `since`, and which have the same although they
    were written since; bool, shape (n,), both.

    Args:
        row_ids: uint64, (n,), all of them in `table`.
        since: Versions, int64, (n,). An input that is a feature itself has changed if it was made at that version of
            the table or a later one.
    """
    upstream = [each.made_at for each in table.features.values() if any(column in inputs for column in each.columns)]
    meta = dict(
        zip((_UPDATED, _CREATED, *upstream), table.scan_rows(row_ids, _UPDATED, _CREATED, *upstream), strict=True)
    )
    changed = np.zeros(len(row_ids), dtype=bool)
    for column in upstream:
        changed |= np.abs(meta[column].fill_null(0).to_numpy()) >= np.maximum(since, 1)
    own = [each for each in inputs if not any(each in feature.columns for feature in table.features.values())]
    written = meta[_UPDATED].to_numpy().astype(np.int64)
    before = np.maximum(since, meta[_CREATED].to_numpy().astype(np.int64))
    suspects = np.flatnonzero((written > before) & ~changed)
    for version in np.unique(before[suspects]).tolist():
        mine = suspects[before[suspects] == version]
        changed[mine] = _differ(store, table, version, own, row_ids[mine])
    compared = np.zeros(len(row_ids), dtype=bool)
    compared[suspects] = ~changed[suspects]
    return changed, compared


def _differ(
    store: Store, table: Table, version: int, columns: Sequence[str], row_ids: NDArray[np.uint64]
) -> NDArray[np.bool_]:
    """Return which rows differ in some columns from an older version of the table."""
    everything = np.ones(len(row_ids), dtype=bool)
    try:
        old = store.open(table.name, version)
    except CatalogError:
        return everything
    if not set(columns) <= set(old.schema.names):
        return everything
    different = np.zeros(len(row_ids), dtype=bool)
    for column in columns:
        left = np.flatnonzero(~different)
        if column in table.media_columns:
            different[left] = _media_differ(old, table, column, row_ids[left])
        else:
            ids = pa.array(row_ids[left])
            pairs = zip(old.take(column, ids).to_pylist(), table.take(column, ids).to_pylist(), strict=True)
            different[left] = [one != other for one, other in pairs]
    return different


def _media_differ(old: Table, new: Table, column: str, row_ids: NDArray[np.uint64]) -> list[bool]:
    one, other = Blobs(old, column), Blobs(new, column)
    nulls = [np.isin(row_ids, each.media_rows(column)) for each in (old, new)]
    return [
        bool(was != now) or (bool(was) and not _same(one, other, row))
        for row, was, now in zip(row_ids.tolist(), *nulls, strict=True)
    ]


def _same(one: Blobs, other: Blobs, row: int) -> bool:
    left, right = one.open(row), other.open(row)
    if left.size != right.size:
        return False
    while data := left.read(CHUNK_BYTES):
        if data != right.read(CHUNK_BYTES):
            return False
    return True
