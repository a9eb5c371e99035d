"""Ingest: files and folders of media into a Lance table, one row for each file, with what a probe says of it."""

from __future__ import annotations

import hashlib
import os
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from cutlist.backfill import Declared, MediaProbe, PacketIndexes, declared
from cutlist.errors import IngestError, MediaError, listing
from cutlist.ingest_report import IngestReport
from cutlist.media import Probe, probe
from cutlist.media.indexing import stored_index
from cutlist.process.watch import counting
from cutlist.settings import num_cores
from cutlist.sources import Columns, MediaFile, Sample, find
from cutlist.store import Pointer, Store, Table, blob_array, blob_field, feature_fields

if TYPE_CHECKING:
    from cutlist.metadata import Metadata

COMMIT_BYTES = 256 * 2**20
"""Media bytes in one commit, at most (a larger file is alone in its own)."""

COMMIT_ROWS = 4096
"""Rows in one commit, at most."""

IN_MEMORY_BYTES = 64 * 2**20
"""Media up to this size are read once; larger ones are hashed, probed and copied from where they are."""

KINDS = ("video", "image", "audio")
"""The kinds of media, each with a column of its name."""

_PROBE, _INDEX = declared(MediaProbe), declared(PacketIndexes)
"""What is computed in passing, as far as media are in memory; `Session.ingest` backfills the rest."""

MADE = ("id", "path", "kind", *KINDS, "size_bytes", "sha256", *(each.name for each in _PROBE.outputs))
"""The columns that ingest makes; those of metadata and of shards may not have these names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _How:
    """How samples are loaded: the contents that are there already, and what was asked for."""

    known: frozenset[str]
    kinds: frozenset[str]
    columns: Columns
    reference: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Medium:
    """A medium that was hashed, and probed unless its content was there already.

    `data` is there if it is to be copied, and `packets`, the packet index, of a video that was in memory.
    """

    file: MediaFile
    sha256: str
    data: bytes | None
    probe: Probe | None
    packets: bytes | None = None

    @property
    def blob(self) -> bytes | Pointer:
        """The bytes, or where they are."""
        if self.data is not None:
            return self.data
        span = self.file.span
        return Pointer(uri=span.file.uri, position=span.position, size_bytes=span.size_bytes)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Loaded:
    """A sample with its media, the row's own first, and its columns; or the path that failed, and why."""

    sample: Sample
    media: tuple[_Medium, ...] = ()
    values: Mapping[str, Any]
    failed: str = ""
    error: Exception | None = None

    @property
    def size_bytes(self) -> int:
        """The size of the media together."""
        return sum(each.file.size_bytes for each in self.media)


def _load(sample: Sample, how: _How) -> _Loaded:
    path = sample.path
    media: list[_Medium] = []
    try:
        for each in sample.media:
            path = each.path
            media.append(_medium(each, how, alone=len(sample.media) == 1))
        path = sample.path
        chosen = _by_kind(media, how.kinds)
        values = how.columns.values(sample) if chosen and chosen[0].probe is not None else {}
    except (MediaError, OSError) as error:
        return _Loaded(sample=sample, values={}, failed=path, error=error)
    return _Loaded(sample=sample, media=chosen, values=values)


def _medium(file: MediaFile, how: _How, *, alone: bool) -> _Medium:
    try:
        file.path.encode()
    except UnicodeEncodeError as error:
        raise MediaError("the file's name is not UTF-8; rename it") from error
    small = file.size_bytes <= IN_MEMORY_BYTES
    if (how.reference or not small) and any(letter < " " for letter in file.span.file.located):
        raise MediaError("a control character in its path, which a URI cannot have; rename it")
    data: bytes | None = None
    if small:
        data = file.span.read()
        digest = hashlib.sha256(data).hexdigest()
    else:
        with file.span.open() as opened:
            digest = hashlib.file_digest(opened, "sha256").hexdigest()
    if alone and digest in how.known:
        return _Medium(file=file, sha256=digest, data=None, probe=None)
    if data is not None:
        probed = probe(data)
        packets = stored_index(data) if probed.kind == "video" else None
    else:
        with file.span.open() as opened:
            probed = probe(opened)
        packets = None
    return _Medium(file=file, sha256=digest, data=None if how.reference else data, probe=probed, packets=packets)


def _by_kind(media: Sequence[_Medium], kinds: Collection[str]) -> tuple[_Medium, ...]:
    """Return the media of the kinds that are wanted, in the order of `KINDS`.

    Raises:
        MediaError: if two are of one kind.
    """
    by_kind: dict[str, _Medium] = {}
    for each in media:
        if each.probe is None:
            return (each,)
        other = by_kind.setdefault(each.probe.kind, each)
        if other is not each:
            raise MediaError(
                f"its key has two media of the kind {each.probe.kind}, {other.file.member} and {each.file.member}; "
                f"expected one of each kind"
            )
    return tuple(by_kind[kind] for kind in KINDS if kind in by_kind and kind in kinds)


def _load_all(samples: Sequence[Sample], how: _How, num_threads: int) -> Iterator[_Loaded]:
    """Yield each sample hashed and probed, in order; a few are under way at a time, bounded in number and bytes."""
    pool = ThreadPoolExecutor(num_threads, thread_name_prefix="cutlist-ingest")
    waiting: deque[tuple[int, Future[_Loaded]]] = deque()
    held = 0
    try:
        for sample in samples:
            while waiting and (len(waiting) >= 4 * num_threads or held + sample.size_bytes > COMMIT_BYTES):
                size, future = waiting.popleft()
                held -= size
                yield future.result()
            waiting.append((sample.size_bytes, pool.submit(_load, sample, how)))
            held += sample.size_bytes
        while waiting:
            yield waiting.popleft()[1].result()
    finally:
        pool.shutdown(cancel_futures=True)


def _rows(batch: Sequence[_Loaded], columns: Columns, metadata: Metadata | None) -> pa.Table:
    """Return samples as rows of a table, with a blob column for each kind of media among them."""
    own = [each.media[0] for each in batch]
    probes = [each.probe for each in own if each.probe is not None]
    assert len(probes) == len(batch)
    names: list[pa.Field] = []
    arrays: list[Any] = []

    def add(name: str, kind: pa.DataType, values: list[Any]) -> None:
        names.append(pa.field(name, kind))
        arrays.append(pa.array(values, type=kind))

    add("id", pa.string(), [each.sha256[:16] for each in own])
    add("path", pa.string(), [each.file.path for each in own])
    add("kind", pa.string(), [each.kind for each in probes])
    blobs: dict[str, list[bytes | Pointer | None]] = {}
    for row, each in enumerate(batch):
        for medium in each.media:
            assert medium.probe is not None
            blobs.setdefault(medium.probe.kind, [None] * len(batch))[row] = medium.blob
    for kind, values in blobs.items():
        names.append(blob_field(kind, kind))
        arrays.append(blob_array(values))
    if "video" in blobs:
        indexes = [next((m.packets for m in each.media if m.packets), None) for each in batch]
        for field, values in _made(_INDEX, ["video"], [indexes], [each is not None for each in indexes]):
            names.append(field)
            arrays.append(values)
    add("size_bytes", pa.int64(), [each.file.size_bytes for each in own])
    add("sha256", pa.string(), [each.sha256 for each in own])
    facts = [asdict(each) for each in probes]
    for field, values in _made(
        _PROBE, blobs, [[fact[each.name] for fact in facts] for each in _PROBE.outputs], [True] * len(facts)
    ):
        names.append(field)
        arrays.append(values)
    table = pa.table(arrays, schema=pa.schema(names))
    for name, array in columns.arrays([each.values for each in batch]).items():
        table = table.append_column(name, array)
    if metadata is not None:
        taken = metadata.table.take(pa.array([_joined(metadata, each.sample) for each in batch], type=pa.int64()))
        for each in taken.schema:
            table = table.append_column(each, taken.column(each.name))
    return table


def _made(
    by: Declared, reads: Collection[str], columns: Sequence[list[Any]], rows: Sequence[bool]
) -> Iterator[tuple[pa.Field, pa.Array]]:
    """Yield the columns of a featurizer with its stamps, which are NULL in the rows that it was not run on."""
    fields = feature_fields(by.name, by.outputs, {by.fingerprint: by.facts(reads)})
    stamps = (by.fingerprint, 0)  # with the row itself, whose version is not known yet
    marks = [[stamp if made else None for made in rows] for stamp in stamps]
    for field, values in zip(fields, [*columns, *marks], strict=True):
        yield field, pa.array(values, type=field.type)


def _joined(metadata: Metadata, sample: Sample) -> int | None:
    """Return the metadata row of a sample: that of the first medium that has one."""
    return next((row for each in sample.media if (row := metadata.row(each)) is not None), None)


def ingest(
    store: Store,
    sources: Iterable[str | os.PathLike[str]],
    *,
    table: str,
    metadata: Metadata | None = None,
    kinds: Collection[str] = KINDS,
    reference: bool = False,
    num_threads: int | None = None,
    progress: bool | None = None,
) -> IngestReport:
    """Add media to a table, and say what was done.

    Media whose content (SHA-256) is in the table already are left out, so a second run adds only what is new, and a
    run that was stopped goes on. What cannot be probed is recorded in `_failures`. Each commit is whole.

    A row of a shard's key with media of several kinds has them all; its other columns are about the first of them, in
    the order of `KINDS`. It is one row or one failure.

    Args:
        sources: Files, folders, shards, and URIs of object stores (`cutlist.sources.find`).
        table: Made if it is not there.
        metadata: Columns to join by path.
        kinds: Which of `video`, `image` and `audio` to add; others are counted and left out.
        reference: Whether to store where the media are, instead of their bytes. A table may have both.
        num_threads: Threads that hash and probe; default one for each core.
        progress: Whether to show a progress bar; default: where standard error is a terminal.

    Raises:
        IngestError: for sources that are not there, or a table, metadata or columns of shards that do not fit.
    """
    if not table.isidentifier() or table.startswith("_"):
        raise IngestError(f'"{table}" is no name for a table; expected letters, digits and _, a letter first')
    alike = next((name for name in store.table_names() if name.lower() == table.lower() and name != table), None)
    if alike is not None:
        raise IngestError(f"there is a table {alike} already, and SQL does not tell {table} from it; choose one name")
    unknown = sorted(set(kinds) - set(KINDS))
    if unknown or not kinds:
        raise IngestError(f"kinds {listing(unknown)}: expected some of {', '.join(KINDS)}")
    columns = Columns(MADE)
    found = find(sources, storage_options=store.storage_options, observe=columns.observe)
    there = store.find(table)
    how = _How(known=_known_hashes(there), kinds=frozenset(kinds), columns=columns, reference=reference)
    if metadata is not None and all(_joined(metadata, each) is None for each in found.samples):
        raise IngestError(
            f"{metadata.file}: none of its paths is one of the files; expected paths like {found.samples[0].path}"
        )
    columns.settle(
        suffixes={suffix for each in found.samples for suffix, _ in each.fields},
        schema=None if there is None else there.schema,
        joined=() if metadata is None else metadata.table.column_names,
    )
    added = num_bytes = duplicates = already = without = 0
    failed, others = len(found.failures), found.num_other
    version: int | None = None
    batch: list[_Loaded] = []
    batch_bytes = 0
    new: set[str] = set()
    failures = [_failure(table, path, "index", "MediaError", each) for path, each in found.failures.items()]

    def commit() -> None:
        nonlocal version, added, batch_bytes, without
        if batch:
            rows = _rows(batch, columns, metadata)
            message = f"ingest {len(batch)} files"
            version = store.append(table, rows, message=message, reference=reference).version
            added += len(batch)
            if metadata is not None:
                without += sum(_joined(metadata, each.sample) is None for each in batch)
            batch.clear()
            batch_bytes = 0
        if failures:
            store.record_failures(failures)
            failures.clear()

    with counting("files", progress) as bar:
        task = bar.add_task(f"ingest {table}", total=len(found.samples))
        for loaded in _load_all(found.samples, how, num_threads or num_cores()):
            if loaded.error is not None:
                failed += 1
                failures.append(_failure(table, loaded.failed, "probe", type(loaded.error).__name__, str(loaded.error)))
            elif not loaded.media:
                others += 1
            elif (digest := loaded.media[0].sha256) in how.known:
                already += 1
            elif digest in new:
                duplicates += 1
            else:
                copied = 0 if reference else loaded.size_bytes
                if batch and (batch_bytes + copied > COMMIT_BYTES or len(batch) >= COMMIT_ROWS):
                    commit()
                new.add(digest)
                batch.append(loaded)
                batch_bytes += copied
                num_bytes += loaded.size_bytes
            bar.advance(task)
        commit()
    return IngestReport(
        table=table,
        version=version,
        num_added=added,
        num_bytes=num_bytes,
        num_known=already,
        num_duplicate=duplicates,
        num_failed=failed,
        num_other=others,
        num_without_metadata=None if metadata is None else without,
        num_metadata_unused=None if metadata is None else metadata.num_unused,
        reference=reference,
        left_out=dict(found.left_out),
    )


def _known_hashes(there: Table | None) -> frozenset[str]:
    """Return the SHA-256 of every row of a table, none if it is not there."""
    if there is None:
        return frozenset()
    if "sha256" not in there.schema.names:
        raise IngestError(f"table {there.name} was not made by ingest (it has no column sha256); choose another name")
    return frozenset(there.dataset.to_table(columns=["sha256"])["sha256"].to_pylist())


def _failure(table: str, path: str, stage: str, error_type: str, message: str) -> dict[str, Any]:
    return {
        "table": table,
        "path": path.encode(errors="backslashreplace").decode(),
        "stage": stage,
        "error_type": error_type,
        "message": message.encode(errors="backslashreplace").decode(),
    }
