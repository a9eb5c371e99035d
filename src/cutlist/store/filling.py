"""Columns of some rows, written in place: the bytes of those columns in the fragments that have the rows, and no other.

Row ids, media and what selections pinned stay as they are. Lance refuses a commit where another one has touched the
same fragments meanwhile; then all is done again on top of that one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import lance
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import tenacity
from lance.commit import CommitConflictError

from cutlist.errors import CatalogError
from cutlist.store.retries import LANCE_ERRORS, first_line
from cutlist.store.table import Table

CONFLICT_SECONDS = 300.0
"""How long to try a commit again that others preempt."""

Make = Callable[[Table], pa.Table]
"""From the table at its latest version to the values: `_rowid`, uint64, each once, and a column for each field. Called
again for each version that a commit is tried on."""

_again = tenacity.retry(
    retry=tenacity.retry_if_exception_type(CommitConflictError),
    stop=tenacity.stop_after_delay(CONFLICT_SECONDS),
    wait=tenacity.wait_random_exponential(multiplier=0.05, max=5),
    reraise=True,
)


def add_columns(open_latest: Callable[[], Table], fields: Sequence[pa.Field]) -> Table:
    """Add those of some columns that are not there, NULL in every row; return the table that has them all.

    Raises:
        CatalogError: if they cannot be added, or one is there with another type.
    """

    @_again
    def attempt() -> Table:
        table = open_latest()
        there = {each.name.lower(): each for each in table.schema}
        for each in fields:
            found = there.get(each.name.lower())
            if found is not None and (found.name, found.type) != (each.name, each.type):
                raise CatalogError(
                    f"table {table.name} has a column {found.name} of type {found.type}; cannot add {each.name} of "
                    f"type {each.type}"
                )
        missing = [each for each in fields if each.name.lower() not in there]
        if not missing:
            return table
        table.dataset.add_columns(missing)
        return open_latest()

    table = open_latest()
    try:
        return attempt()
    except LANCE_ERRORS as error:
        names = ", ".join(each.name for each in fields)
        raise CatalogError(f"cannot add columns {names} to table {table.name}: {first_line(error)}") from error


def note(open_latest: Callable[[], Table], column: str, facts: Mapping[str, str]) -> None:
    """Write into the metadata of a column.

    Raises:
        CatalogError: if it cannot be written.
    """
    try:
        _again(lambda: open_latest().dataset.update_field_metadata({column: dict(facts)}))()
    except LANCE_ERRORS as error:
        raise CatalogError(f"cannot write the metadata of column {column}: {first_line(error)}") from error


def fill(open_latest: Callable[[], Table], make: Make) -> tuple[Table, pa.Table]:
    """Set columns of some rows, that are there, in one commit; return the table at the new version, and what was set.

    Rows that were deleted meanwhile are left out.

    Raises:
        CatalogError: if the values cannot be written; none is.
    """

    @_again
    def attempt() -> tuple[Table, pa.Table]:
        table = open_latest()
        values = make(table)
        there = table.dataset._take_rows(values["_rowid"].to_pylist(), columns=["_rowid", "_rowaddr"])
        if not len(there):
            return table, values.slice(0, 0)
        places = pc.index_in(there["_rowid"].combine_chunks(), values["_rowid"].combine_chunks())
        values = values.take(places)
        fragments = there["_rowaddr"].to_numpy() >> np.uint64(32)
        updated = []
        modified: list[int] = []
        for number in np.unique(fragments).tolist():
            mine = values.filter(pa.array(fragments == number))
            # Without the offsets, so that `_row_last_updated_at_version` goes on saying when a user changed the row.
            fragment, modified = table.dataset.get_fragment(number).update_columns(mine)
            updated.append(fragment)
        operation = lance.LanceOperation.Update(
            updated_fragments=updated, fields_modified=modified, update_mode="rewrite_columns"
        )
        names = ", ".join(name for name in values.column_names if name != "_rowid")
        lance.LanceDataset.commit(
            table.uri,
            operation,
            read_version=table.version,
            storage_options=dict(table.storage_options or {}) or None,
            commit_message=f"fill {names} of {len(values)} rows",
        )
        return open_latest(), values

    table = open_latest()
    try:
        return attempt()
    except LANCE_ERRORS as error:
        raise CatalogError(f"cannot write columns of table {table.name}: {first_line(error)}") from error
