"""Leaving out of a result the samples whose media are known to fail."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from cutlist.packing import has_media, is_media, late_source, with_refs

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cutlist.media.reference import MediaRef
    from cutlist.selection import Source

Failed = Mapping[tuple[str, str], "NDArray[np.uint64]"]
"""Table and column → the row ids of the media that failed, ascending."""


class Excluding:
    """Takes rows out of the batches of a result, and counts them."""

    def __init__(self, failed: Failed, sources: Sequence[Source]):
        self.num_left_out = 0
        self._failed = {
            number: failed[each.table, each.column]
            for number, each in enumerate(sources)
            if (each.table, each.column) in failed
        }

    def __call__(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Return a batch without the rows that have a medium which failed."""
        if not self._failed:
            return batch
        bad = np.zeros(batch.num_rows, dtype=bool)
        for column in batch.columns:
            if is_media(column.type):
                sources, rows = (column.field(name).fill_null(0).to_numpy() for name in ("source", "row"))
                bad |= self._any(sources, rows) & column.is_valid().to_numpy(zero_copy_only=False)
            elif late_source(column.type) is None and has_media(column.type):
                bad |= np.array([self._inside(value, column.type) for value in column.to_pylist()], dtype=bool)
        if not bad.any():
            return batch
        self.num_left_out += int(bad.sum())
        return batch.filter(pa.array(~bad))

    def _any(self, sources: NDArray[np.uint16], rows: NDArray[np.uint64]) -> NDArray[np.bool_]:
        bad = np.zeros(len(rows), dtype=bool)
        for number, failed in self._failed.items():
            bad |= (sources == number) & np.isin(rows, failed)
        return bad

    def _inside(self, value: object, kind: pa.DataType) -> bool:
        refs: list[MediaRef] = []
        with_refs(value, kind, refs)
        return any(each.row in self._failed.get(each.source, ()) for each in refs)


def digest(failed: Failed) -> str:
    """Return a text that is equal for equal failures."""
    found = hashlib.sha256()
    for (table, column), rows in sorted(failed.items()):
        found.update(f"{table}\n{column}\n{len(rows)}\n".encode() + rows.tobytes())
    return found.hexdigest()
