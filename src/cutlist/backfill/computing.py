"""What a featurizer makes of rows, batch by batch; a row that fails is told apart from the others."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import pyarrow as pa

from cutlist.backfill.outputs import checked_outputs
from cutlist.errors import FeaturizerError, StorageError
from cutlist.reader import Part, Reader
from cutlist.store import Store, Table, place_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from cutlist.backfill.featurizer import Batch, Declared
    from cutlist.backfill.how import How
    from cutlist.backfill.inputs import Input


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
class Read:
    """A batch: the row ids, their inputs, and by row id what could not be read."""

    row_ids: Sequence[int]
    batch: Batch
    lost: Mapping[int, RowFailure] = field(default_factory=dict)


class Engine(Protocol):
    """What computes a featurizer over a table."""

    def batches(self, given: Input, positions: NDArray[np.int64]) -> Iterator[Computed]:
        """Yield what is made of the samples at positions of an input, batch by batch, in any order.

        Raises:
            FeaturizerError: if a result is not what was declared.
            StorageError: if the storage fails, again and again.
        """

    @property
    def remarks(self) -> Sequence[str]:
        """What there is to say of it, beside the bar of progress."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Computing:
    """A featurizer over a table, computed in this process."""

    declared: Declared
    store: Store
    table: Table
    how: How
    remarks: Sequence[str] = ()

    def setup(self) -> None:
        """Let the featurizer load what it needs; before the first batch.

        Raises:
            FeaturizerError: if it cannot.
        """
        try:
            self.declared.featurizer.setup(self.how.device)
        except Exception as error:
            raise FeaturizerError(
                f"featurizer {self.declared.title} cannot be set up on {self.how.device}: "
                f"{type(error).__name__}: {error}"
            ) from error

    def batches(self, given: Input, positions: NDArray[np.int64]) -> Iterator[Computed]:
        """Yield what is made of samples, in order (`Engine.batches`)."""
        if self.declared.featurizer.whole:
            ids = given.ids_at(positions)
            arrays: dict[str, Any] = given.arrays_at(self.store, positions)
            try:
                result = self.declared.featurizer(arrays)
            except (FeaturizerError, StorageError):
                raise
            except Exception as error:
                raise FeaturizerError(
                    f"featurizer {self.declared.title} failed on {self.table.name}: {type(error).__name__}: {error}"
                ) from error
            yield self._checked(ids, *checked_outputs(self.declared, result, _Places(self, ids)))
            return
        with contextlib.closing(self.read(given, positions)) as read:
            yield from self.made(read)

    def read(self, given: Input, positions: NDArray[np.int64]) -> Generator[Read, None, None]:
        """Yield the inputs of samples, batch by batch, in order; of media, those that come next are read ahead."""
        size = self.declared.featurizer.batch_size
        chunks = [positions[start : start + size] for start in range(0, len(positions), size)]
        return self._decoded(given, chunks) if given.has_media else self._taken(given, chunks)

    def made(self, read: Iterable[Read]) -> Iterator[Computed]:
        """Yield what is made of batches that were read, in order."""
        if not self.declared.featurizer.parallel:
            yield from map(self._batch, read)
            return
        waiting: deque[Future[Computed]] = deque()
        pool = ThreadPoolExecutor(self.how.num_threads, thread_name_prefix="cutlist-featurize")
        try:
            for each in read:
                if len(waiting) > self.how.num_threads:
                    yield waiting.popleft().result()
                waiting.append(pool.submit(self._batch, each))
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)

    def _taken(self, given: Input, chunks: Sequence[NDArray[np.int64]]) -> Generator[Read, None, None]:
        """Yield the batches of inputs without media, which are columns."""
        for chunk in chunks:
            yield Read(row_ids=given.ids_at(chunk), batch=given.lists_at(self.store, chunk))

    def _decoded(self, given: Input, chunks: Sequence[NDArray[np.int64]]) -> Generator[Read, None, None]:
        """Yield the batches of inputs with media; rows whose media cannot be decoded are told apart."""
        reader = Reader(
            [given.selection],
            self.store,
            num_threads=self.how.num_threads,
            prefetch_bytes=self.how.prefetch_bytes,
            spare=lambda step, sample, attempt: None,  # a row whose media cannot be decoded has failed
        )
        steps = reader.read([Part(0, each)] for each in chunks)
        with contextlib.closing(steps):
            for chunk, rows in zip(chunks, steps, strict=True):
                ids = [row["_rowid"] for row in rows]
                asked = given.ids_at(chunk)
                lost: dict[int, RowFailure] = {}
                if len(ids) < len(asked):
                    told = {each.row_id: each for each in list(reader.failures)}
                    for row_id in set(asked) - set(ids):
                        said = told[row_id]
                        lost[row_id] = RowFailure(column=said.column, error_type=said.error_type, message=said.message)
                names = [name for name in (rows[0] if rows else ()) if name != "_rowid"]
                yield Read(row_ids=ids, batch={name: [row[name] for row in rows] for name in names}, lost=lost)

    def _batch(self, read: Read) -> Computed:
        """Return what is made of a batch, and of the rows that could not be read."""
        arrays, failures = self._outputs(read.row_ids, read.batch)
        computed = self._checked(read.row_ids, arrays, failures)
        if not read.lost:
            return computed
        lost = dict(enumerate(read.lost.values(), start=len(read.row_ids)))
        return Computed(
            row_ids=[*read.row_ids, *read.lost],
            arrays=[pa.concat_arrays([each, pa.nulls(len(lost), each.type)]) for each in arrays],
            failures={**computed.failures, **lost},
        )

    def _outputs(self, row_ids: Sequence[int], batch: Batch) -> tuple[list[pa.Array], dict[int, Exception]]:
        """Return what the featurizer makes of rows; where it raises, of each row alone."""
        declared = self.declared
        if not row_ids:
            return [pa.nulls(0, each.type) for each in declared.outputs], {}
        try:
            return checked_outputs(declared, declared.featurizer(batch), _Places(self, row_ids))
        except (FeaturizerError, StorageError):
            raise
        except Exception as error:
            if len(row_ids) == 1:
                return [pa.nulls(1, each.type) for each in declared.outputs], {0: error}
        ones = [{name: [values[number]] for name, values in batch.items()} for number in range(len(row_ids))]
        parts = [self._outputs([row_id], one) for row_id, one in zip(row_ids, ones, strict=True)]
        arrays = [pa.concat_arrays(each) for each in zip(*(part[0] for part in parts), strict=True)]
        return arrays, {number: part[1][0] for number, part in enumerate(parts) if part[1]}

    def _checked(
        self, row_ids: Sequence[int], arrays: Sequence[pa.Array], failures: Mapping[int, Exception]
    ) -> Computed:
        """Return arrays with the failures of the featurizer as they are recorded."""
        column = self.declared.outputs[0].name
        told = {
            number: RowFailure(column=column, error_type=type(error).__name__, message=str(error) or repr(error))
            for number, error in failures.items()
        }
        return Computed(row_ids=row_ids, arrays=arrays, failures=told)


class _Places(Sequence[str]):
    """What errors call the rows of a batch."""

    def __init__(self, computing: Computing, row_ids: Sequence[int]):
        self._computing, self._row_ids = computing, row_ids

    def __len__(self) -> int:
        return len(self._row_ids)

    def __getitem__(self, index: Any) -> Any:
        table, column = self._computing.table, self._computing.declared.outputs[0].name
        return place_of(table.name, table.version, [self._row_ids[index]], column)
