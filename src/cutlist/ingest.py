"""Ingest: files and folders of media into a Lance table, one row for each file, with what a probe says of it."""

from __future__ import annotations

import hashlib
import os
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import pyarrow as pa
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from cutlist.errors import IngestError, MediaError, listing
from cutlist.media import Probe, probe
from cutlist.media.probe import MEDIA_SUFFIXES
from cutlist.metadata import MediaFile, Metadata
from cutlist.settings import num_cores
from cutlist.store import Store, blob_array, blob_field

COMMIT_BYTES = 256 * 2**20
"""Media bytes in one commit, at most (a larger file is alone in its own)."""

COMMIT_ROWS = 4096
"""Rows in one commit, at most."""

IN_MEMORY_BYTES = 64 * 2**20
"""Files up to this size are read once; larger ones are hashed, probed and copied from where they are."""

KINDS = ("video", "image", "audio")
"""The kinds of media, each with a column of its name."""

_PROBED = {
    "width": pa.int64(),
    "height": pa.int64(),
    "fps": pa.float64(),
    "duration_seconds": pa.float64(),
    "num_frames": pa.int64(),
    "codec": pa.string(),
    "pix_fmt": pa.string(),
    "bit_rate": pa.int64(),
    "rotation": pa.int32(),
    "has_audio": pa.bool_(),
    "audio_codec": pa.string(),
    "sample_rate": pa.int32(),
    "num_channels": pa.int32(),
    "container": pa.string(),
}
MADE = ("id", "path", "kind", *KINDS, "size_bytes", "sha256", *_PROBED)
"""The columns that ingest makes; metadata may not have them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestReport:
    """What an ingest did. Counts of files, but `num_bytes`: the media bytes added."""

    table: str
    version: int | None
    num_added: int
    num_bytes: int
    num_known: int
    num_duplicate: int
    num_failed: int
    num_other: int
    num_without_metadata: int | None
    num_metadata_unused: int | None

    def __str__(self) -> str:
        parts = [f"{self.table}: {self.num_added:,} added ({self.num_bytes / 2**20:,.1f} MiB)"]
        if self.num_known:
            kept = "" if self.num_without_metadata is None else ", their columns left as they were"
            parts.append(f"{self.num_known:,} already there{kept}")
        if self.num_duplicate:
            parts.append(f"{self.num_duplicate:,} with the same content as another")
        if self.num_other:
            parts.append(f"{self.num_other:,} other files left out")
        if self.num_without_metadata:
            parts.append(f"{self.num_without_metadata:,} added without a row in the metadata")
        if self.num_metadata_unused:
            parts.append(f"{self.num_metadata_unused:,} rows of the metadata without a file")
        if self.num_failed:
            parts.append(f"{self.num_failed:,} failed (SELECT path, message FROM _failures)")
        return "; ".join(parts)


def find_media(sources: Iterable[str | os.PathLike[str]]) -> tuple[list[MediaFile], int]:
    """Return the media files of files and folders, in order of their paths, and how many other files were seen.

    In folders, at any depth, files are taken by their suffix and hidden ones are left out; a file that is named is
    taken whatever its suffix. The path of a row is relative to the folder that was named.

    Raises:
        IngestError: if a source is not there, or no media file is found.
    """
    found: list[MediaFile] = []
    others = 0
    tops = [Path(source) for source in sources]
    for top in tops:
        if top.is_file():
            found.append(MediaFile(file=top, path=top.name, size_bytes=top.stat().st_size))
        elif top.is_dir():
            for file in _walk(top):
                if file.suffix.lower() not in MEDIA_SUFFIXES:
                    others += 1
                    continue
                path = file.relative_to(top).as_posix()
                found.append(MediaFile(file=file, path=path, size_bytes=file.stat().st_size))
        else:
            raise IngestError(f"{top}: no such file or folder")
    files = {each.file.resolve(): each for each in reversed(found)}  # one that is named twice is taken once
    found = [each for each in found if files[each.file.resolve()] is each]
    by_path: dict[str, MediaFile] = {}
    for each in found:
        other = by_path.setdefault(each.path, each)
        if other is not each:
            raise IngestError(
                f"{other.file} and {each.file} would both have the path {each.path} in the table; "
                f"name a folder that both are in"
            )
    if not found:
        raise IngestError(
            f"{', '.join(map(str, tops))}: no media files; their suffixes are {listing(MEDIA_SUFFIXES, most=60)}"
        )
    return found, others


@dataclass(frozen=True, slots=True, kw_only=True)
class _Loaded:
    """A media file that was hashed and probed: a probe, a failure, or neither where the content was there already."""

    media: MediaFile
    sha256: str
    data: bytes | None
    probe: Probe | None
    error: Exception | None


def _load(media: MediaFile, known: frozenset[str]) -> _Loaded:
    data: bytes | None = None
    digest = ""
    try:
        media.path.encode()
        if media.size_bytes <= IN_MEMORY_BYTES:
            data = media.file.read_bytes()
            digest = hashlib.sha256(data).hexdigest()
        else:
            with media.file.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
        probed = None if digest in known else probe(media.file if data is None else data)
    except UnicodeEncodeError:
        error = MediaError("the file's name is not UTF-8; rename it")
        return _Loaded(media=media, sha256="", data=None, probe=None, error=error)
    except (MediaError, OSError) as error:
        return _Loaded(media=media, sha256=digest, data=None, probe=None, error=error)
    return _Loaded(media=media, sha256=digest, data=data, probe=probed, error=None)


def _load_all(files: Sequence[MediaFile], known: frozenset[str], num_threads: int) -> Iterator[_Loaded]:
    """Yield each file hashed and probed, in order; a few are under way at a time, bounded in number and bytes."""
    pool = ThreadPoolExecutor(num_threads, thread_name_prefix="cutlist-ingest")
    waiting: deque[tuple[int, Future[_Loaded]]] = deque()
    held = 0
    try:
        for media in files:
            while waiting and (len(waiting) >= 4 * num_threads or held + media.size_bytes > COMMIT_BYTES):
                size, future = waiting.popleft()
                held -= size
                yield future.result()
            waiting.append((media.size_bytes, pool.submit(_load, media, known)))
            held += media.size_bytes
        while waiting:
            yield waiting.popleft()[1].result()
    finally:
        pool.shutdown(cancel_futures=True)


def _walk(top: Path) -> Iterator[Path]:
    """Yield the files of a folder at any depth, sorted, without hidden ones; links to folders are followed, once."""
    seen: set[Path] = set()

    def unreadable(error: OSError) -> None:
        raise IngestError(f"{error.filename}: the folder cannot be read: {error.strerror}")

    for folder, folders, names in os.walk(top, onerror=unreadable, followlinks=True):
        real = Path(folder).resolve()
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(each for each in folders if not each.startswith("."))
        shown = (Path(folder) / name for name in sorted(names) if not name.startswith("."))
        yield from (file for file in shown if file.is_file())


def _rows(batch: Sequence[_Loaded], metadata: Metadata | None) -> pa.Table:
    """Return files as rows of a table, with a blob column for each kind of media among them."""
    probes = [each.probe for each in batch if each.probe is not None]
    assert len(probes) == len(batch)
    names: list[pa.Field] = []
    columns: list[Any] = []

    def add(name: str, kind: pa.DataType, values: list[Any]) -> None:
        names.append(pa.field(name, kind))
        columns.append(pa.array(values, type=kind))

    add("id", pa.string(), [each.sha256[:16] for each in batch])
    add("path", pa.string(), [each.media.path for each in batch])
    add("kind", pa.string(), [each.kind for each in probes])
    for kind in dict.fromkeys(each.kind for each in probes):
        blobs = [
            (each.media.file.absolute().as_uri() if each.data is None else each.data) if probed.kind == kind else None
            for each, probed in zip(batch, probes, strict=True)
        ]
        names.append(blob_field(kind, kind))
        columns.append(blob_array(blobs))
    add("size_bytes", pa.int64(), [each.media.size_bytes for each in batch])
    add("sha256", pa.string(), [each.sha256 for each in batch])
    facts = [asdict(each) for each in probes]
    for name, kind in _PROBED.items():
        add(name, kind, [fact[name] for fact in facts])
    table = pa.table(columns, schema=pa.schema(names))
    if metadata is not None:
        taken = metadata.table.take(pa.array([metadata.row(each.media) for each in batch], type=pa.int64()))
        for each in taken.schema:
            table = table.append_column(each, taken.column(each.name))
    return table


def _progress(show: bool | None) -> Progress:
    console = Console(stderr=True)
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("files"),
        TimeRemainingColumn(),
        console=console,
        disable=not (console.is_terminal if show is None else show),
    )


def ingest(
    store: Store,
    sources: Iterable[str | os.PathLike[str]],
    *,
    table: str,
    metadata: Metadata | None = None,
    kinds: Collection[str] = KINDS,
    num_threads: int | None = None,
    progress: bool | None = None,
) -> IngestReport:
    """Add media files to a table, and say what was done.

    A file whose content (SHA-256) is in the table already is left out, so a second run adds only what is new, and a
    run that was stopped goes on. Files that cannot be probed are recorded in `_failures`. Each commit is whole.

    Args:
        sources: Files and folders.
        table: Made if it is not there.
        metadata: Columns to join by path.
        kinds: Which of `video`, `image` and `audio` to add; others are counted and left out.
        num_threads: Threads that hash and probe; default one for each core.
        progress: Whether to show a progress bar; default: where standard error is a terminal.

    Raises:
        IngestError: for sources that are not there, or a table or metadata that does not fit.
    """
    if not table.isidentifier() or table.startswith("_"):
        raise IngestError(f'"{table}" is no name for a table; expected letters, digits and _, a letter first')
    alike = next((name for name in store.table_names() if name.lower() == table.lower() and name != table), None)
    if alike is not None:
        raise IngestError(f"there is a table {alike} already, and SQL does not tell {table} from it; choose one name")
    unknown = sorted(set(kinds) - set(KINDS))
    if unknown or not kinds:
        raise IngestError(f"kinds {listing(unknown)}: expected some of {', '.join(KINDS)}")
    files, others = find_media(sources)
    known = _known_hashes(store, table)
    if metadata is not None and sum(metadata.row(each) is not None for each in files) == 0:
        raise IngestError(
            f"{metadata.file}: none of its paths is one of the files; expected paths like {files[0].path}"
        )
    added = num_bytes = duplicates = already = failed = without = 0
    version: int | None = None
    batch: list[_Loaded] = []
    batch_bytes = 0
    new: set[str] = set()
    failures: list[Mapping[str, Any]] = []

    def commit() -> None:
        nonlocal version, added, num_bytes, batch_bytes, without
        if batch:
            rows = _rows(batch, metadata)
            version = store.append(table, rows, message=f"ingest {len(batch)} files").version
            added += len(batch)
            num_bytes += batch_bytes
            if metadata is not None:
                without += sum(metadata.row(each.media) is None for each in batch)
            batch.clear()
            batch_bytes = 0
        if failures:
            store.record_failures(failures)
            failures.clear()

    with _progress(progress) as bar:
        task = bar.add_task(f"ingest {table}", total=len(files))
        for loaded in _load_all(files, known, num_threads or num_cores()):
            size = loaded.media.size_bytes
            if loaded.error is not None:
                failed += 1
                failures.append(_failure(table, loaded))
            elif loaded.sha256 in known:
                already += 1
            elif loaded.probe is not None and loaded.probe.kind not in kinds:
                others += 1
            elif loaded.sha256 in new:
                duplicates += 1
            else:
                if batch and (batch_bytes + size > COMMIT_BYTES or len(batch) >= COMMIT_ROWS):
                    commit()
                new.add(loaded.sha256)
                batch.append(loaded)
                batch_bytes += size
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
    )


def _known_hashes(store: Store, table: str) -> frozenset[str]:
    """Return the SHA-256 of every row of a table, none if it is not there."""
    there = store.find(table)
    if there is None:
        return frozenset()
    if "sha256" not in there.schema.names:
        raise IngestError(f"table {table} was not made by ingest (it has no column sha256); choose another name")
    return frozenset(there.dataset.to_table(columns=["sha256"])["sha256"].to_pylist())


def _failure(table: str, loaded: _Loaded) -> dict[str, Any]:
    return {
        "table": table,
        "path": loaded.media.path.encode(errors="backslashreplace").decode(),
        "stage": "probe",
        "error_type": type(loaded.error).__name__,
        "message": str(loaded.error),
    }


assert {each.name for each in fields(Probe)} == {"kind", *_PROBED}, "a probe and the columns of a table must agree"
