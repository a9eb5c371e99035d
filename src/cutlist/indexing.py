"""Packet indexes of the videos of a table: made at ingest, or added to a table that has none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, cast

import numpy as np
import pyarrow as pa

from cutlist.errors import MediaError
from cutlist.media.indexing import UNPLANNED, stored_index
from cutlist.pool import in_order
from cutlist.store import Blobs, packets_field, place_of
from cutlist.watch import counting

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from cutlist.store import Store, Table

COMMIT_ROWS = 1024
"""Rows in one commit; a run that is stopped has lost at most these."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexReport:
    """What was indexed: videos that clips are read of by packet, and those that are read through their container."""

    num_planned: int
    num_unplanned: int
    num_bytes: int

    def __str__(self) -> str:
        rest = f"; {self.num_unplanned:,} media are read through their containers" if self.num_unplanned else ""
        return f"packet indexes of {self.num_planned:,} videos ({self.num_bytes:,} bytes){rest}"


def index_packets_of(
    store: Store, table: Table, column: str, *, num_threads: int, progress: bool | None = None
) -> IndexReport:
    """Make the packet indexes of a media column for the rows that have none; a run that was stopped goes on.

    Args:
        table: At its latest version.
        column: A media column.
        num_threads: Threads that read.
        progress: Whether to show a progress bar; default: where standard error is a terminal.

    Raises:
        CatalogError: if they cannot be written.
    """
    field = packets_field(column)
    rows = table.media_rows(column, without=field.name)
    planned = unplanned = num_bytes = 0
    ids: list[int] = []
    found: list[bytes] = []

    def commit() -> None:
        if ids:
            store.fill(table.name, field, np.array(ids, dtype=np.uint64), pa.array(found, type=field.type))
            ids.clear()
            found.clear()

    with counting("rows", progress) as bar:
        task = bar.add_task(f"index {table.name}.{column}", total=len(rows))
        try:
            for row_id, index in _indexes(table, column, rows, num_threads):
                ids.append(row_id)
                found.append(index)
                is_planned = not index.startswith(UNPLANNED)
                planned += is_planned
                unplanned += not is_planned
                num_bytes += len(index) if is_planned else 0
                bar.advance(task)
                if len(ids) == COMMIT_ROWS:
                    commit()
        finally:
            commit()
    return IndexReport(num_planned=planned, num_unplanned=unplanned, num_bytes=num_bytes)


def _indexes(table: Table, column: str, rows: NDArray[np.uint64], num_threads: int) -> Iterator[tuple[int, bytes]]:
    def index(row_id: int) -> bytes:
        try:
            return Blobs(table, column).open(row_id).given_to(lambda file: stored_index(cast("BinaryIO", file)))
        except MediaError as error:
            return UNPLANNED + str(error).encode()

    def name(row_id: int) -> str:
        return place_of(table.name, table.version, [row_id], column)

    return in_order(rows.tolist(), index, num_threads=num_threads, name=name)
