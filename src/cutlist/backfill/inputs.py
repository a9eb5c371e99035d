"""The inputs of a featurizer, compiled like a training set: one sample for each row of the table."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from cutlist.compiler import quoted
from cutlist.engine import compile_plan
from cutlist.errors import FeaturizerError, QueryError
from cutlist.packing import has_media
from cutlist.reader.rows import fixed_array, values

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cutlist.backfill.featurizer import Batch, Declared
    from cutlist.engine import Compiled, Engine
    from cutlist.selection import Selection
    from cutlist.store import Store, Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """One alternative of a featurizer's inputs, over one table.

    Attributes:
        columns: The columns of the table that it reads.
        row_ids: Of the samples in which nothing is NULL, uint64, ascending.
        places: Where in the selection each of these is, int64.
    """

    selection: Selection
    columns: frozenset[str]
    row_ids: NDArray[np.uint64]
    places: NDArray[np.int64]

    def split(self, row_ids: NDArray[np.uint64]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Return the positions of those row ids that have all inputs, in their order, and which of them these are.

        Returns:
            int64, shape (m,), and bool, shape (n,), with m of n true.
        """
        found = np.searchsorted(self.row_ids, row_ids)
        mine = np.append(self.row_ids, np.uint64(0))[found] == row_ids if len(self.row_ids) else found < 0
        mine &= found < len(self.row_ids)
        return self.places[found[mine]], mine

    def ids_at(self, positions: NDArray[np.int64]) -> list[int]:
        """Return the row ids of samples."""
        ids: list[int] = self.selection.take(positions).column(0).to_pylist()
        return ids

    def excerpt(self, positions: NDArray[np.int64]) -> Input:
        """Return the input with those samples alone, small enough to be sent to another process."""
        none = np.zeros(0, dtype=np.uint64)  # what `split` needs
        return replace(self, selection=self.selection.excerpt(positions), row_ids=none, places=none.astype(np.int64))

    @property
    def has_media(self) -> bool:
        """Whether a medium is among the inputs."""
        return any(has_media(each.type) for each in self.selection.schema)

    def lists_at(self, store: Store, positions: NDArray[np.int64]) -> Batch:
        """Return the inputs of samples, none of which is a medium, by their names."""
        return {name: values(column, ()) for name, column in self._columns(store, positions)}

    def arrays_at(self, store: Store, positions: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
        """Return the inputs of samples by their names, as arrays: (n,), or of lists of one length (n, length).

        Raises:
            FeaturizerError: if one is a medium.
        """
        medium = next((each.name for each in self.selection.schema if has_media(each.type)), None)
        if medium is not None:
            raise FeaturizerError(f"input {medium} is a medium; a featurizer of whole tables takes columns")
        found = {name: (column, fixed_array(column)) for name, column in self._columns(store, positions)}
        return {name: column.to_numpy() if array is None else array for name, (column, array) in found.items()}

    def _columns(self, store: Store, positions: NDArray[np.int64]) -> Iterator[tuple[str, pa.ChunkedArray]]:
        """Yield the inputs of samples as columns, late ones read."""
        taken = self.selection.take(positions)
        for index, column in enumerate(self.selection.columns[1:], start=1):
            found = taken.column(index)
            if column.late is not None:
                source = self.selection.sources[column.late]
                found = store.open(source.table, source.version).take(source.column, found.combine_chunks())
            yield column.name, found


def inputs_of(engine: Engine, table: Table, declared: Declared) -> list[Input]:
    """Return the alternatives of a featurizer's inputs that the table has the columns for; reads no media.

    Raises:
        QueryError: if there is none; about the first of them.
        FeaturizerError: if one does not give one sample for each row.
    """
    found: list[Input] = []
    errors: list[QueryError] = []
    for sql in declared.inputs:
        statement = engine.parse(f"SELECT _rowid,\n{sql}\nFROM {quoted(table.name)}", f"inputs of {declared.title}")
        try:
            compiled = compile_plan(engine, engine.plan(statement, strict=True))
        except QueryError as error:
            errors.append(error)
            continue
        found.append(_input(compiled, declared, table, sql))
    if not found:
        raise errors[0]
    return found


def _input(compiled: Compiled, declared: Declared, table: Table, sql: str) -> Input:
    selection = compiled.selection
    samples = selection.packed()
    row_ids = samples.column(0).to_numpy()
    if len(row_ids) > 1 and not (row_ids[1:] > row_ids[:-1]).all():
        raise FeaturizerError(
            f"inputs of {declared.title}: there are {len(row_ids):,} samples of "
            f"{len(np.unique(row_ids)):,} rows of {table.name}; expected one for each row"
        )
    there = np.ones(len(row_ids), dtype=bool)
    for index, column in enumerate(selection.columns):
        if column.null_count:
            there &= pc.is_valid(samples.column(index)).to_numpy()
    others = {each.name for each in selection.tables} - {table.name}
    if others:
        raise FeaturizerError(
            f"inputs of {declared.title}: they read {', '.join(sorted(others))}, too; expected columns of {table.name} "
            f"alone, as changes elsewhere would not be seen"
        )
    asked = {name for scan in compiled.scanned.values() for names, _ in scan.asked for name in names}
    sources = {each.column for each in selection.sources}  # all media of the table, which may be read
    made = {column for each in table.features.values() for column in each.columns}
    unread = {each for each in made if not _may_read(sql, each)}
    columns = frozenset(asked | (sources - unread)) - {"_rowid"}
    places = np.flatnonzero(there)
    return Input(selection=selection, columns=columns, row_ids=row_ids[places], places=places)


def _may_read(sql: str, column: str) -> bool:
    """Return whether inputs may read a column: where they name it, or have a star or COLUMNS.

    Examples:
        >>> [_may_read(sql, "depth") for sql in ("image, width * height AS area", "Depth AS map", "*", "t.*")]
        [False, True, True, True]
    """
    return bool(re.search(rf"\b{re.escape(column)}\b|(?:^|[,.(])\s*\*|\bcolumns\b", sql, re.IGNORECASE))
