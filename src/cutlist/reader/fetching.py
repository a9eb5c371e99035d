"""Which bytes the samples of some steps need, and one call for all of them.

A step may draw from several selections. Each numbers its sources, the columns of tables that it reads, in its own way;
here they are numbered anew, all selections together, so that what two of them share is read once.

A medium is read in one of three ways. *Planned*: of a video with a packet index, just the packets that the operations
need. *Whole*: what is short, or wanted whole. *As a file*: of a long one without an index, what decoding asks
for, when it asks.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from cutlist.errors import MediaError, SelectionError
from cutlist.media import PacketIndex, plan_video, resolve
from cutlist.media.indexing import UNPLANNED
from cutlist.packing import renumbered
from cutlist.reader.rows import Row, values
from cutlist.store import Blobs

if TYPE_CHECKING:
    import pyarrow as pa

    from cutlist.media.planned import VideoPlan
    from cutlist.media.reference import MediaRef
    from cutlist.reader.stats import ReaderStats
    from cutlist.selection import Selection, TableVersion
    from cutlist.store import Store, Table

WHOLE_BYTES = 2**20
"""A video up to this size is read whole, with its neighbours; of a longer one only what a clip needs is read."""

WINDOW_ROWS = 512
"""Rows whose bytes are asked for in one call, about."""

CLIPS = ("clip", "random_clip")
"""Operations for which a part of the bytes is enough."""

WHOLE_OPS = ("raw", "audio", "as_file")
"""Operations that need more of a file than the packets of its pictures."""

Way = Literal["planned", "whole", "file"]
"""How a medium is read."""

Key = tuple[int, int]
"""A medium: the number of its source, and the row id."""


class Part(NamedTuple):
    """Samples of a step that are of one selection.

    Attributes:
        selection: Its number among the reader's.
        positions: In it, int64 (n,).
        epoch: That what is random in decoding depends on.
    """

    selection: int
    positions: NDArray[np.int64]
    epoch: int = 0


AnyPart: TypeAlias = Part | tuple[int, NDArray[np.int64]]
"""A pair is a part of epoch 0."""


class Sample(NamedTuple):
    """A row with references for media, the number of its selection, its position there, and the epoch."""

    row: Row
    selection: int
    position: int
    epoch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    """A planned medium: its index, its plan, and the bytes of the plan's ranges."""

    index: PacketIndex
    plan: VideoPlan
    pieces: Sequence[bytes]


@dataclass(slots=True, kw_only=True)
class Held:
    """What was read of some media: all of them, or planned parts; an error where that cannot be had."""

    whole: dict[Key, bytes | MediaError | None] = field(default_factory=dict)
    clips: dict[MediaRef, Clip | MediaError] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """A step with the bytes of its media."""

    samples: Sequence[Sample]
    blobs: Held


@dataclass(slots=True, kw_only=True)
class _Step:
    """A step whose samples are known and whose bytes are not yet read.

    `refs` are the media in the samples; `sizes` those to be read whole, with their sizes; `plans` those that are
    planned, or the error of planning.
    """

    samples: list[Sample] = field(default_factory=list)
    refs: list[MediaRef] = field(default_factory=list)
    sizes: dict[Key, int] = field(default_factory=dict)
    plans: dict[MediaRef, tuple[PacketIndex, VideoPlan] | MediaError] = field(default_factory=dict)


class Fetcher:
    """Plans steps and reads their bytes."""

    def __init__(
        self, selections: Sequence[Selection], store: Store, stats: ReaderStats, *, window_bytes: int, seed: int
    ):
        self.selections = tuple(selections)
        self._store = store
        self._stats = stats
        self._window_bytes = window_bytes
        self._seed = seed
        sources: dict[tuple[TableVersion, str], int] = {}
        kinds: dict[int, str | None] = {}
        self._numbers: list[list[int]] = []  # of each selection's sources, here
        for selection in self.selections:
            tables = {(each.name, each.version): each for each in selection.tables}
            columns = [(tables[each.table, each.version], each.column) for each in selection.sources]
            self._numbers.append([sources.setdefault(column, len(sources)) for column in columns])
            kinds.update(zip(self._numbers[-1], (each.kind for each in selection.sources), strict=True))
        self._sources = tuple(sources)
        self.kinds = kinds
        self._tables: dict[TableVersion, Table] = {}
        self.stop = threading.Event()

    def open(self) -> None:
        """Open every table, at the version that the selections were compiled over.

        Raises:
            CatalogError: if one is gone.
        """
        for source in range(len(self._sources)):
            self.table(source)

    def table(self, source: int) -> tuple[Table, str]:
        """Return the table and the column that a source is."""
        pinned, column = self._sources[source]
        if pinned not in self._tables:
            self._tables[pinned] = self._store.pinned(pinned.name, pinned.version, pinned.identity)
        return self._tables[pinned], column

    def media(self, source: int) -> Blobs:
        """Return the media that a source is."""
        table, column = self.table(source)
        return Blobs(table, column, cache=self._store.cache, stop=self.stop)

    def fetch(self, step: Sequence[AnyPart]) -> Fetched:
        """Return one step with its bytes."""
        planned = self._samples(step)
        self._choose([planned])
        return self._read([planned])[0]

    def windows(self, steps: Iterator[Sequence[AnyPart]]) -> Iterator[list[Fetched]]:
        """Yield steps with their bytes, several steps to a read: one step first, then more and more."""
        rows_wanted = 1
        ended = False
        while not ended:
            group: list[_Step] = []
            failure: Exception | None = None
            rows = 0
            while rows < rows_wanted and not ended:
                try:
                    step = next(steps, None)
                    if step is not None:
                        group.append(self._samples(step))
                        rows += len(group[-1].samples)
                except Exception as error:  # the steps before it are good
                    failure = error
                ended = step is None or failure is not None
            self._choose(group)
            for window in self._split(group):
                yield self._read(window)
            if failure is not None:
                raise failure
            rows_wanted = min(WINDOW_ROWS, 2 * max(rows_wanted, len(group[-1].samples) if group else 0))

    def _split(self, group: Sequence[_Step]) -> Iterator[list[_Step]]:
        """Yield steps in windows that are not over the bound on bytes, unless one step alone is."""
        window: list[_Step] = []
        known: dict[Key, int] = {}
        size = 0
        for step in group:
            more = sum(each for key, each in step.sizes.items() if key not in known) + _planned_bytes(step)
            if window and size + more > self._window_bytes:
                yield window
                window, known, size = [], {}, 0
                more = sum(step.sizes.values()) + _planned_bytes(step)
            window.append(step)
            known |= step.sizes
            size += more
        if window:
            yield window

    def _samples(self, step: Sequence[AnyPart]) -> _Step:
        """Return the samples of a step, their media as references."""
        planned = _Step()
        for part in step:
            number, positions, epoch = Part(*part)
            if len(positions) == 0:
                continue
            table = self._take(number, positions)
            draws = [partial(self._drawn, epoch, position, planned.refs) for position in positions.tolist()]
            columns = [values(renumbered(each, self._numbers[number]), draws) for each in table.columns]
            for position, found in zip(positions.tolist(), zip(*columns, strict=True), strict=True):
                row = dict(zip(table.column_names, found, strict=True))
                planned.samples.append(Sample(row, number, position, epoch))
        return planned

    def _drawn(self, epoch: int, position: int, found: list[MediaRef], ref: MediaRef) -> MediaRef:
        ref = ref._replace(ops=resolve(ref.ops, seed=self._seed, epoch=epoch, sample=position))
        found.append(ref)
        return ref

    def _take(self, number: int, positions: NDArray[np.int64]) -> pa.Table:
        """Return samples of a selection, with the values of late columns in place of their row ids."""
        if not 0 <= number < len(self.selections):
            raise SelectionError(f"selection {number} of {len(self.selections)}; they count from 0")
        selection = self.selections[number]
        first, last = positions.min(), positions.max()
        if not 0 <= first <= last < selection.num_samples:
            raise SelectionError(f"positions {first}…{last} of selection {number}, of {selection.num_samples} samples")
        samples = selection.take(positions)
        for index, column in enumerate(selection.columns):
            if column.late is not None:
                began = time.perf_counter()
                table, stored = self.table(self._numbers[number][column.late])
                late = table.take(stored, samples.column(index).combine_chunks())
                samples = samples.set_column(index, column.name, late)
                self._stats.add(num_reads=1, num_bytes=late.nbytes, read_seconds=time.perf_counter() - began)
        return samples

    # -- how each medium is read ---------------------------------------------------------------------------------------

    def _choose(self, group: Sequence[_Step]) -> None:
        """Decide for the media of some steps how they are read; takes their sizes and packet indexes in one call."""
        rows: dict[int, set[int]] = {}
        plannable: set[int] = set()
        for step in group:
            for ref in step.refs:
                rows.setdefault(ref.source, set()).add(ref.row)
                if _is_plannable(ref):
                    plannable.add(ref.source)
        began = time.perf_counter()
        sizes: dict[Key, int] = {}
        indexes: dict[Key, PacketIndex] = {}
        for source, ids in sorted(rows.items()):
            ordered = sorted(ids)
            ids_of = np.array(ordered, dtype=np.uint64)
            media = self.media(source)
            found, stored = media.describe(ids_of) if source in plannable else (media.sizes(ids_of), [None] * len(ids))
            sizes |= {(source, row): int(size) for row, size in zip(ordered, found, strict=True)}
            for row, each in zip(ordered, stored, strict=True):
                if (index := _index(each)) is not None:
                    indexes[source, row] = index
            read = sum(len(each or b"") for each in stored)
            self._stats.add(num_bytes=read, num_reads=bool(read))
        self._stats.add(read_seconds=time.perf_counter() - began)
        for step in group:
            self._choose_step(step, sizes, indexes)

    def _choose_step(self, step: _Step, sizes: Mapping[Key, int], indexes: Mapping[Key, PacketIndex]) -> None:
        clipped: dict[Key, bool] = {}
        for ref in step.refs:
            key = (ref.source, ref.row)
            if key in indexes and _is_plannable(ref):
                if ref not in step.plans:
                    step.plans[ref] = _plan(ref, indexes[key])
            elif not is_file(ref):
                clipped[key] = clipped.get(key, True) and _is_clipped(ref)
        for key, is_clipped in clipped.items():
            limit = WHOLE_BYTES if is_clipped else max(self._window_bytes, WHOLE_BYTES)
            if sizes[key] <= limit:
                step.sizes[key] = sizes[key]

    # -- reading -------------------------------------------------------------------------------------------------------

    def _read(self, window: Sequence[_Step]) -> list[Fetched]:
        """Read the bytes of a window of steps: for each media column, one call for whole media and one for parts."""
        began = time.perf_counter()
        sizes = {key: size for step in window for key, size in step.sizes.items()}
        plans = {ref: each for step in window for ref, each in step.plans.items()}
        blobs = Held(clips={ref: each for ref, each in plans.items() if isinstance(each, MediaError)})
        num_reads = num_bytes = 0
        for source in sorted({source for source, _ in sizes}):
            rows = sorted(row for each, row in sizes if each == source)
            read = self.media(source).read(rows)
            blobs.whole |= {(source, row): data for row, data in zip(rows, read, strict=True)}
            num_reads += 1
        for source in sorted({ref.source for ref in plans}):
            planned = [(ref, *each) for ref, each in plans.items() if ref.source == source and isinstance(each, tuple)]
            if planned:
                spans = [(ref.row, at, at + size) for ref, _, plan in planned for at, size in plan.ranges]
                ranges = iter(self.media(source).read_ranges(spans))
                for ref, index, plan in planned:
                    pieces = [piece for _ in plan.ranges if isinstance(piece := next(ranges), bytes)]
                    if len(pieces) == len(plan.ranges):  # else the container is asked, and says why
                        blobs.clips[ref] = Clip(index=index, plan=plan, pieces=pieces)
                num_reads += 1
                num_bytes += sum(plan.read_bytes for _, _, plan in planned)
        num_bytes += sum(sizes.values())
        self._stats.add(num_reads=num_reads, num_bytes=num_bytes, read_seconds=time.perf_counter() - began)
        return [Fetched(samples=step.samples, blobs=blobs) for step in window]


def sizes_of(table: Table, column: str, refs: Sequence[MediaRef]) -> list[tuple[int, Way]]:
    """Return for references to media of one column how many bytes are read for each, and how; reads no medium.

    Of one that is read as a file it is the size of the file. A reference that cannot be planned reads nothing.
    """
    rows = sorted({each.row for each in refs})
    sizes, stored = Blobs(table, column).describe(np.array(rows, dtype=np.uint64))
    size_of = dict(zip(rows, sizes.tolist(), strict=True))
    indexes = {row: index for row, each in zip(rows, stored, strict=True) if (index := _index(each)) is not None}
    found: list[tuple[int, Way]] = []
    for ref in refs:
        if ref.row in indexes and _is_plannable(ref):
            plan = _plan(ref, indexes[ref.row])
            found.append((0 if isinstance(plan, MediaError) else plan[1].read_bytes, "planned"))
        else:
            in_part = is_file(ref) or (size_of[ref.row] > WHOLE_BYTES and _is_clipped(ref))
            found.append((size_of[ref.row], "file" if in_part else "whole"))
    return found


def _is_plannable(ref: MediaRef) -> bool:
    return not any(op.name in WHOLE_OPS for op in ref.ops)


def is_file(ref: MediaRef) -> bool:
    """Return whether a medium is asked for as an open file."""
    return any(op.name == "as_file" for op in ref.ops)


def _is_clipped(ref: MediaRef) -> bool:
    return any(op.name in CLIPS for op in ref.ops)


def _index(stored: bytes | None) -> PacketIndex | None:
    """Return a stored packet index; None if there is none, or a reason why, or one that is damaged."""
    if not stored or stored.startswith(UNPLANNED):
        return None
    with contextlib.suppress(MediaError):
        return PacketIndex.from_bytes(stored)
    return None


def _plan(ref: MediaRef, index: PacketIndex) -> tuple[PacketIndex, VideoPlan] | MediaError:
    try:
        return index, plan_video(index, ref.ops)
    except MediaError as error:
        return error


def _planned_bytes(step: _Step) -> int:
    return sum(each[1].read_bytes for each in step.plans.values() if isinstance(each, tuple))
