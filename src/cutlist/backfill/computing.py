"""What a featurizer makes of rows, batch by batch; a row that fails is told apart from the others."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from cutlist.backfill.outputs import checked_outputs
from cutlist.errors import FeaturizerError, StorageError
from cutlist.reader import Part, Reader
from cutlist.store import Store, Table, place_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from cutlist.backfill.featurizer import Declared
    from cutlist.backfill.inputs import Input
    from cutlist.reader import Row


@dataclass(frozen=True, slots=True, kw_only=True)
class How:
    """How to run: the device of the featurizer, threads, bytes that are read ahead, whether to show a progress bar."""

    device: str = "cpu"
    num_threads: int = 1
    prefetch_bytes: int = 512 * 2**20
    progress: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RowFailure:
    """Why a row has no value: an error of the featurizer, whose first output is `column`, or of the medium in it."""

    column: str
    error_type: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Computed:
    """What was made of a batch: the row ids, an array for each output, and by their place the rows that failed."""

    row_ids: Sequence[int]
    arrays: Sequence[pa.Array]
    failures: Mapping[int, RowFailure]


@dataclass(frozen=True, slots=True, kw_only=True)
class Computing:
    """A featurizer over a table."""

    declared: Declared
    store: Store
    table: Table
    how: How

    def batches(self, given: Input, positions: NDArray[np.int64]) -> Iterator[Computed]:
        """Yield what is made of the samples at positions of an input, batch by batch, in order.

        Raises:
            FeaturizerError: if a result is not what was declared.
            StorageError: if the storage fails, again and again.
        """
        if self.declared.featurizer.whole:
            yield self._whole(given, positions)
            return
        reader = Reader(
            [given.selection],
            self.store,
            num_threads=self.how.num_threads,
            prefetch_bytes=self.how.prefetch_bytes,
            spare=lambda step, sample, attempt: None,  # a row whose media cannot be decoded has failed
        )
        size = self.declared.featurizer.batch_size
        batches = [positions[start : start + size] for start in range(0, len(positions), size)]
        steps = reader.read([Part(0, each)] for each in batches)
        with contextlib.closing(steps):
            work = ((given.ids_at(each), rows) for each, rows in zip(batches, steps, strict=True))
            if not self.declared.featurizer.parallel:
                for ids, rows in work:
                    yield self._batch(reader, ids, rows)
                return
            waiting: deque[Future[Computed]] = deque()
            pool = ThreadPoolExecutor(self.how.num_threads, thread_name_prefix="cutlist-featurize")
            try:
                for ids, rows in work:
                    if len(waiting) > self.how.num_threads:
                        yield waiting.popleft().result()
                    waiting.append(pool.submit(self._batch, reader, ids, rows))
                while waiting:
                    yield waiting.popleft().result()
            finally:
                pool.shutdown(cancel_futures=True)

    def _whole(self, given: Input, positions: NDArray[np.int64]) -> Computed:
        """Return what is made of all samples in one call, of columns instead of lists."""
        ids = given.ids_at(positions)
        batch: dict[str, Any] = given.columns_at(self.store, positions)
        result = self.declared.featurizer(batch)
        arrays, failures = checked_outputs(self.declared, result, _Places(self, ids))
        return Computed(
            row_ids=ids, arrays=arrays, failures={number: self._failure(error) for number, error in failures.items()}
        )

    def _batch(self, reader: Reader, asked: Sequence[int], rows: Sequence[Row]) -> Computed:
        """Return what is made of the rows that could be read, of those that were asked for."""
        ids = [row["_rowid"] for row in rows]
        arrays, failures = self._outputs(rows)
        read = set(ids)
        lost = [each for each in asked if each not in read]
        if lost:
            told = {each.row_id: each for each in list(reader.failures)}
            for number, row_id in enumerate(lost, start=len(ids)):
                said = told[row_id]
                failures[number] = RowFailure(column=said.column, error_type=said.error_type, message=said.message)
            arrays = [pa.concat_arrays([each, pa.nulls(len(lost), each.type)]) for each in arrays]
        return Computed(row_ids=[*ids, *lost], arrays=arrays, failures=failures)

    def _outputs(self, rows: Sequence[Row]) -> tuple[list[pa.Array], dict[int, RowFailure]]:
        """Return what the featurizer makes of rows; where it raises, of each row alone."""
        declared = self.declared
        if not rows:
            return [pa.nulls(0, each.type) for each in declared.outputs], {}
        batch = {name: [row[name] for row in rows] for name in rows[0] if name != "_rowid"}
        places = _Places(self, [row["_rowid"] for row in rows])
        try:
            arrays, failures = checked_outputs(declared, declared.featurizer(batch), places)
        except (FeaturizerError, StorageError):
            raise
        except Exception as error:
            if len(rows) == 1:
                return [pa.nulls(1, each.type) for each in declared.outputs], {0: self._failure(error)}
            parts = [self._outputs([row]) for row in rows]
            arrays = [pa.concat_arrays(each) for each in zip(*(part[0] for part in parts), strict=True)]
            return arrays, {number: part[1][0] for number, part in enumerate(parts) if part[1]}
        return arrays, {number: self._failure(error) for number, error in failures.items()}

    def _failure(self, error: Exception) -> RowFailure:
        return RowFailure(
            column=self.declared.outputs[0].name, error_type=type(error).__name__, message=str(error) or repr(error)
        )


class _Places(Sequence[str]):
    """What errors call the rows of a batch."""

    def __init__(self, computing: Computing, row_ids: Sequence[int]):
        self._computing, self._row_ids = computing, row_ids

    def __len__(self) -> int:
        return len(self._row_ids)

    def __getitem__(self, index: Any) -> Any:
        table, column = self._computing.table, self._computing.declared.outputs[0].name
        return place_of(table.name, table.version, [self._row_ids[index]], column)
