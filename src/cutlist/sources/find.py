"""From the sources that a user names to samples: media files by their suffix, shards by their members."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pyarrow.fs

from cutlist.errors import IngestError, listing
from cutlist.media.probe import MEDIA_SUFFIXES
from cutlist.sources.files import File, LocalFile, MediaFile, ObjectFile, Sample, Span, object_store
from cutlist.sources.shards import SHARD_SUFFIX, compressed_message, index_shard, is_compressed


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What sources have.

    Attributes:
        samples: In order of their sources, and of their paths in each.
        failures: Path → what is wrong with a shard, a key of it, or a compressed one.
        num_other: Files that are no media by their suffix.
        left_out: Kind of member → how many members of shards are neither media nor columns.
    """

    samples: list[Sample] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)
    num_other: int
    left_out: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Listed:
    """A file that was named, or is in a folder that was: its path in the table is relative to the folder."""

    file: File
    path: str
    size_bytes: int


def find(
    sources: Iterable[str | os.PathLike[str]],
    *,
    storage_options: Mapping[str, str] | None = None,
    observe: Callable[[bytes], None] = lambda _: None,
) -> Found:
    """Return the media of files, folders and shards.

    In folders, at any depth, files are taken by their suffix and hidden ones are left out; a file that is named is
    taken whatever its suffix. A `.tar` is a shard. The path of a row is relative to the folder that was named.

    Args:
        sources: Paths, and URIs `file://`, `s3://` or `gs://`.
        storage_options: For an object store, as Lance takes them.
        observe: Given the bytes of each `.json` member of a shard.

    Raises:
        IngestError: if a source is not there, two files would have one path, or no media is found.
    """
    named = [os.fspath(source) for source in sources]
    listed, num_other = _without_twins([each for source in named for each in _listed(source, storage_options)])
    found = Found(num_other=num_other)
    for each in listed:
        if is_compressed(each.path):
            found.failures[each.path] = compressed_message(each.file)
        elif each.path.lower().endswith(SHARD_SUFFIX):
            shard = index_shard(each.file, each.path, each.size_bytes, observe)
            found.samples.extend(shard.samples)
            found.failures.update(shard.failures)
            found.left_out.update(shard.left_out)
        else:
            span = Span(file=each.file, position=0, size_bytes=each.size_bytes)
            found.samples.append(Sample(media=(MediaFile(span=span, path=each.path),)))
    if not found.samples and found.failures:
        path, message = next(iter(found.failures.items()))
        more = len(found.failures) - 1
        raise IngestError(f"{path}: {message}" + (f" (and {more:,} more like it)" if more else ""))
    if not found.samples:
        raise IngestError(
            f"{', '.join(named)}: no media files; their suffixes are {listing(MEDIA_SUFFIXES, most=60)}, "
            f"or {SHARD_SUFFIX} for shards of them"
        )
    return found


def _without_twins(listed: list[_Listed | None]) -> tuple[list[_Listed], int]:
    """Return the media files and shards, each once however often it is named, and the number of other files.

    Raises:
        IngestError: if two of them would have one path.
    """
    media = [each for each in listed if each is not None]
    files = {each.file.identity: each for each in reversed(media)}
    kept = [each for each in media if files[each.file.identity] is each]
    by_path: dict[str, _Listed] = {}
    for each in kept:
        other = by_path.setdefault(each.path, each)
        if other is not each:
            raise IngestError(
                f"{other.file} and {each.file} would both have the path {each.path} in the table; "
                f"name a folder that both are in"
            )
    return kept, len(listed) - len(media)


def _listed(source: str, storage_options: Mapping[str, str] | None) -> Iterator[_Listed | None]:
    """Yield the media files and shards of a source; None for each other file."""
    if "://" in source and not source.startswith("file://"):
        yield from _objects(source, storage_options)
        return
    top = Path(unquote(urlsplit(source).path) if source.startswith("file://") else source)
    if top.is_file():
        yield _Listed(file=LocalFile(top), path=top.name, size_bytes=top.stat().st_size)
    elif top.is_dir():
        for file in _walk(top):
            path = file.relative_to(top).as_posix()
            taken = _is_taken(path)
            yield _Listed(file=LocalFile(file), path=path, size_bytes=file.stat().st_size) if taken else None
    else:
        raise IngestError(f"{top}: no such file or folder")


def _is_taken(path: str) -> bool:
    suffix = Path(path).suffix.lower()
    return suffix in MEDIA_SUFFIXES or suffix == SHARD_SUFFIX or is_compressed(path)


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


def _objects(uri: str, storage_options: Mapping[str, str] | None) -> Iterator[_Listed | None]:
    """Yield the media files and shards of an object, or of all objects below a prefix, by key."""
    store, key = object_store(uri, storage_options)
    try:
        top = store.filesystem.get_file_info(key)
        if top.type == pyarrow.fs.FileType.File:
            yield _Listed(file=ObjectFile(store, key), path=top.base_name, size_bytes=top.size)
            return
        below = store.filesystem.get_file_info(pyarrow.fs.FileSelector(key, recursive=True, allow_not_found=True))
    except OSError as error:
        raise IngestError(f"{uri}: {str(error).splitlines()[0]}") from error
    objects = sorted((each.path, each.size) for each in below if each.type == pyarrow.fs.FileType.File)
    if not objects:
        raise IngestError(f"{uri}: no such object, and none below it")
    for path, size_bytes in objects:
        relative = path.removeprefix(key).lstrip("/")
        if any(part.startswith(".") for part in relative.split("/")):
            continue
        yield _Listed(file=ObjectFile(store, path), path=relative, size_bytes=size_bytes) if _is_taken(path) else None
