"""The log of training runs: values of samples, such as losses, kept in the table `_log` of the root.

Rows are appended, never changed. They are buffered in the process and written in one commit every `FLUSH_SECONDS`, when
the log is closed, and at exit; appends of several processes do not conflict.
"""

from __future__ import annotations

import atexit
import re
import threading
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cutlist.errors import CutlistError, SettingsError
from cutlist.packing import has_media, with_refs

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cutlist.media.reference import MediaRef
    from cutlist.selection import Selection
    from cutlist.store import Store

LOG = "_log"
"""The table."""

LOG_SCHEMA = pa.schema(
    [
        ("run", pa.string()),
        ("epoch", pa.int64()),
        ("step", pa.int64()),
        ("sample", pa.int64()),  # its place in the step, over all ranks
        ("selection", pa.string()),  # fingerprint, as `FROM selection('3f2a…')` takes it
        ("position", pa.int64()),  # in the selection
        ("table", pa.string()),
        ("version", pa.int64()),
        ("row_id", pa.uint64()),
        ("logged", pa.timestamp("us")),  # UTC; DuckDB's fetchall needs pytz for a column with a time zone
    ]
)
"""The columns that every row has; those of values are DOUBLE, and are added when they are first logged."""

FLUSH_SECONDS = 10.0
"""What was logged is in the table after so many seconds; a process that is killed loses no more than that."""

MERGE_WRITES = 100
"""Writes of a process after which the table's fragments are merged: one for each write would make a version of the
table as large as the log is long (300 writes: 304 fragments and 6.7 MB of versions; merging them took 0.14 s)."""

MAX_ROWS = 1_000_000
"""Rows that wait for a storage that cannot be written; beyond them, the oldest are dropped."""

Values = Mapping[str, Any]
"""Name of a column → one number for each sample, float64 (n,), NaN for none; or a function that gives them when they
are written, for values that are still on a device."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """Samples of a selection, by their positions, int64 (n,)."""

    selection: Selection
    positions: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.positions)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """Rows of a table, by their row ids, uint64 (n,)."""

    table: str
    version: int
    row_ids: NDArray[np.uint64]

    def __len__(self) -> int:
        return len(self.row_ids)


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """The values of some samples of a step: `places`, int64 (n,), are theirs in the step, over all ranks."""

    run: str
    epoch: int
    step: int
    places: NDArray[np.int64]
    samples: Drawn | Stored
    values: Values
    logged: datetime


def check_columns(columns: Mapping[str, Any], count: int) -> Values:
    """Return columns of values as float64 arrays of their own, by lower-case name; NULL is NaN.

    Args:
        columns: Name → numbers: a list (None is NULL) or an array of shape (count,), or a function that gives one.
        count: Samples.

    Raises:
        SettingsError: if a name is none for a column, or values are no numbers, or not one for each sample.

    Examples:
        >>> check_columns({"Loss": [0.5, None]}, 2)
        {'loss': array([0.5, nan])}
    """
    checked: dict[str, Any] = {}
    for name, values in columns.items():
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) or name.lower() in LOG_SCHEMA.names:
            raise SettingsError(
                f'log: "{name}" is no name for a column of values; expected ASCII letters, digits and _, and none of '
                f"{', '.join(LOG_SCHEMA.names)}"
            )
        if name.lower() in checked:
            raise SettingsError(f"log: {name} is given twice; names in SQL ignore case")
        checked[name.lower()] = values if callable(values) else _numbers(name, values, count)
    if not checked:
        raise SettingsError("log: no values; give columns with a number for each sample, such as loss=…")
    return checked


def _numbers(name: str, values: Any, count: int) -> NDArray[np.float64]:
    if isinstance(values, Sequence) and not isinstance(values, str):
        values = [np.nan if each is None else each for each in values]
    try:
        array = np.array(values)
    except ValueError as error:  # lists of unequal lengths
        raise SettingsError(f"log: {name}: expected {count} numbers, one for each sample; {error}") from error
    if array.dtype.kind not in "biuf":
        raise SettingsError(f"log: {name} has values of type {array.dtype}; expected numbers, or None")
    if array.shape != (count,):
        raise SettingsError(f"log: {name} has the shape {array.shape}; expected ({count},), a number for each sample")
    return array.astype(np.float64, copy=False)


class Log:
    """Writes values of samples to the table `_log` of a root. Any thread may use it."""

    def __init__(self, store: Store):
        """Prepare to write; nothing is, and no thread is there, until something was logged."""
        self._store = store
        self._lock = threading.Lock()  # of the four below
        self._waiting: list[Record] = []
        self._num_rows = 0
        self._timer: threading.Timer | None = None
        self._problem: str | None = None
        self._writing = threading.Lock()  # of the next
        self._num_writes = 0

    def add(
        self,
        samples: Drawn | Stored,
        values: Values,
        *,
        run: str,
        epoch: int,
        step: int,
        places: NDArray[np.int64] | None = None,
    ) -> None:
        """Take values of samples, to be written in a while.

        Args:
            samples: Which.
            values: As `check_columns` returns them.
            run: Name of the training run.
            epoch: Counted from 0.
            step: Of the epoch.
            places: Of the samples in the step, over all ranks; default 0, 1, 2 ….

        Warns:
            UserWarning: if what was logged before cannot be written; it is tried again.
        """
        record = Record(
            run=run,
            epoch=epoch,
            step=step,
            places=np.arange(len(samples)) if places is None else places,
            samples=samples,
            values=values,
            logged=datetime.now(UTC).replace(tzinfo=None),
        )
        with self._lock:
            self._waiting.append(record)
            self._num_rows += len(samples)
            problem, self._problem = self._problem, None
            if self._timer is None:
                self._timer = threading.Timer(FLUSH_SECONDS, self._in_a_while)
                self._timer.name, self._timer.daemon = "cutlist-log", True
                self._timer.start()
                atexit.unregister(self.close)
                atexit.register(self.close)
        if problem is not None:
            warnings.warn(problem, stacklevel=3)

    def _in_a_while(self) -> None:
        with self._lock:
            self._timer = None  # what is logged from now on starts another
        self._problem = self._write()

    def flush(self) -> None:
        """Write what was logged.

        Warns:
            UserWarning: if it cannot be written; it is tried again.
        """
        with self._lock:
            timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
        problem = self._write()
        if problem is not None:
            warnings.warn(problem, stacklevel=3)

    def close(self) -> None:
        """Write what was logged, and forget the log at exit; it may be used again."""
        self.flush()
        atexit.unregister(self.close)

    def _write(self) -> str | None:
        """Write what waits; return what is wrong if it cannot be, and let it wait on."""
        with self._writing:
            with self._lock:
                records, self._waiting, self._num_rows = self._waiting, [], 0
            if not records:
                return None
            try:
                rows = log_rows(records)
                if self._store.find(LOG) is not None:
                    self._store.add_columns(LOG, list(rows.schema))
                self._store.append(LOG, rows, message=f"log {rows.num_rows} rows")
            except (CutlistError, OSError, ValueError, RuntimeError) as error:
                return self._put_back(records, error)
            self._num_writes += 1
            if self._num_writes % MERGE_WRITES == 0:
                self._store.merge_fragments(LOG)
            return None

    def _put_back(self, records: list[Record], error: Exception) -> str:
        with self._lock:
            self._waiting = [*records, *self._waiting]
            counts = np.cumsum([len(each.samples) for each in reversed(self._waiting)])
            kept = max(int(np.searchsorted(counts, MAX_ROWS, side="right")), 1)
            dropped = len(self._waiting) - kept
            self._waiting = self._waiting[dropped:]
            self._num_rows = int(counts[kept - 1])
            lost = f"; the oldest {dropped:,} steps are lost" if dropped > 0 else ""
            return f"{self._num_rows:,} logged samples are not in {LOG}, which cannot be written: {error}{lost}"


def log_rows(records: Iterable[Record]) -> pa.Table:
    """Return the rows of the table `_log` for some records: one for each sample and each stored row that it has media,
    or values that are read late, of; one without a row id for a sample that has none.

    Values that are not finite are NULL, so that averages and the order by them are those of the others.
    """
    parts = []
    for _, group in groupby(records, key=lambda each: _where(each.samples)):
        parts.append(_rows_of(list(group)))
    return pa.concat_tables(parts, promote_options="default")


def _where(samples: Drawn | Stored) -> tuple[Any, ...]:
    """Return what records must have in common to be made rows of together."""
    if isinstance(samples, Drawn):
        return (samples.selection.fingerprint,)
    return (samples.table, samples.version)


def _rows_of(records: Sequence[Record]) -> pa.Table:
    """Return the rows of records that are of one selection, or one version of a table."""
    counts = [len(each.samples) for each in records]
    samples = _keys([each.samples for each in records])
    number = samples.pop("number")
    columns = {
        "run": pa.array([each.run for each in records], pa.string()),
        "epoch": pa.array([each.epoch for each in records], pa.int64()),
        "step": pa.array([each.step for each in records], pa.int64()),
        "logged": pa.array([each.logged for each in records], pa.timestamp("us")),
    }
    which = pa.array(np.repeat(np.arange(len(records)), counts)[number])
    columns = {name: each.take(which) for name, each in columns.items()}
    columns["sample"] = pa.array(np.concatenate([each.places for each in records])[number], pa.int64())
    columns |= samples
    fields = [pa.field(each.name, each.type) for each in LOG_SCHEMA]
    for name in dict.fromkeys(name for each in records for name in each.values):
        values = np.concatenate([_values(each, name) for each in records])[number]
        columns[name] = pa.array(values, pa.float64(), mask=~np.isfinite(values))
        fields.append(pa.field(name, pa.float64()))
    return pa.table({each.name: columns[each.name] for each in fields}, schema=pa.schema(fields))


def _values(record: Record, name: str) -> NDArray[np.float64]:
    values = record.values.get(name)
    if values is None:
        return np.full(len(record.samples), np.nan)
    made: NDArray[np.float64] = values() if callable(values) else values
    return made


def _keys(samples: Sequence[Drawn | Stored]) -> dict[str, Any]:
    """Return the columns that say what samples are, and `number`, which of the samples each row is of."""
    first = samples[0]
    if isinstance(first, Stored):
        row_ids = np.concatenate([each.row_ids for each in samples if isinstance(each, Stored)])
        return {
            "number": np.arange(len(row_ids)),
            "selection": pa.nulls(len(row_ids), pa.string()),
            "position": pa.nulls(len(row_ids), pa.int64()),
            "table": pa.repeat(pa.scalar(first.table), len(row_ids)),
            "version": pa.repeat(pa.scalar(first.version), len(row_ids)),
            "row_id": pa.array(row_ids, pa.uint64()),
        }
    positions = np.concatenate([each.positions for each in samples if isinstance(each, Drawn)])
    number, table, row_ids = references(first.selection, positions)
    tables = first.selection.tables
    there = table >= 0
    places = pa.array(table, mask=~there)
    return {
        "number": number,
        "selection": pa.repeat(pa.scalar(first.selection.fingerprint), len(number)),
        "position": pa.array(positions[number], pa.int64()),
        "table": pa.array([each.name for each in tables], pa.string()).take(places),
        "version": pa.array([each.version for each in tables], pa.int64()).take(places),
        "row_id": pa.array(row_ids, pa.uint64(), mask=~there),
    }


def references(
    selection: Selection, positions: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.uint64]]:
    """Return the stored rows that samples have media, or late columns, of, each row of a table once for a sample.

    Args:
        selection: The training set.
        positions: int64, shape (n,).

    Returns:
        The number of the sample in `positions`, ascending; the number of the table in `selection.tables`, -1 for a
        sample that refers to nothing; and the row id. Each of shape (m,), m at least n.
    """
    keys = [(each.name, each.version) for each in selection.tables]
    table_of = np.array([keys.index((each.table, each.version)) for each in selection.sources], dtype=np.int64)
    taken = selection.take(positions)
    found: list[tuple[NDArray[Any], NDArray[Any], NDArray[Any]]] = []
    for index, column in enumerate(selection.columns):
        values = taken.column(index).combine_chunks()
        number = np.flatnonzero(pc.is_valid(values).to_numpy(zero_copy_only=False))
        if column.late is not None:
            found.append((number, np.full(len(number), column.late), values.drop_null().to_numpy()))
        elif column.media:
            valid = values.drop_null()
            found.append(
                (number, pc.struct_field(valid, "source").to_numpy(), pc.struct_field(valid, "row").to_numpy())
            )
        elif has_media(values.type):
            found.append(_nested(values))
    numbers = np.concatenate([np.empty(0, np.int64), *(each[0] for each in found)]).astype(np.int64)
    sources = np.concatenate([np.empty(0, np.int64), *(each[1] for each in found)]).astype(np.int64)
    row_ids = np.concatenate([np.empty(0, np.uint64), *(each[2] for each in found)]).astype(np.uint64)
    missing = np.setdiff1d(np.arange(len(positions)), numbers)
    numbers = np.concatenate([numbers, missing])
    tables = np.concatenate([table_of[sources], np.full(len(missing), -1)]).astype(np.int64)
    row_ids = np.concatenate([row_ids, np.zeros(len(missing), np.uint64)])
    order = np.lexsort((row_ids, tables, numbers))
    numbers, tables, row_ids = numbers[order], tables[order], row_ids[order]
    again = (numbers[1:] == numbers[:-1]) & (tables[1:] == tables[:-1]) & (row_ids[1:] == row_ids[:-1])
    once = np.concatenate([[True], ~again]) if len(numbers) else np.empty(0, dtype=bool)
    return numbers[once], tables[once], row_ids[once]


def _nested(values: pa.Array) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Return the references inside lists, maps and structs: the numbers of their values, sources and rows."""
    refs: list[tuple[int, int, int]] = []
    for number, value in enumerate(values.to_pylist()):

        def note(ref: MediaRef, number: int = number) -> None:
            refs.append((number, ref.source, ref.row))

        with_refs(value, values.type, note)
    numbers, sources, rows = zip(*refs, strict=True) if refs else ((), (), ())
    return np.array(numbers, np.int64), np.array(sources, np.int64), np.array(rows, np.uint64)
