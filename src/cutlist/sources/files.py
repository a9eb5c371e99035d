"""Files that hold media, on this machine or in an object store, and the parts of them that are rows."""

from __future__ import annotations

import io
import os
import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeAlias, cast
from urllib.parse import quote

import pyarrow.fs

from cutlist.errors import IngestError

_LOCAL_BUFFER_BYTES = 16 * 1024
_OBJECT_BUFFER_BYTES = 256 * 1024
_OPEN_OBJECTS = 16

# What Lance calls a setting of S3 → what Arrow does; each may start with `aws_`, in either case.
_S3_OPTIONS = {
    "access_key_id": "access_key",
    "secret_access_key": "secret_key",
    "session_token": "session_token",
    "token": "session_token",
    "region": "region",
    "default_region": "region",
    "endpoint": "endpoint_override",
    "endpoint_url": "endpoint_override",
}


class Handle(Protocol):
    """An open file."""

    def read_at(self, nbytes: int, offset: int) -> bytes:
        """Return up to that many bytes from a place; safe to call from many threads."""
        ...

    def close(self) -> None:
        """Close the file, where no other reader has it."""
        ...


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A file on this machine, at the path that the user gave: links are not resolved."""

    path: Path

    def __str__(self) -> str:
        return str(self.path)

    @property
    def located(self) -> str:
        """The absolute path, without `..`."""
        parts = self.path.absolute().parts
        up = max((place for place, part in enumerate(parts, start=1) if part == ".."), default=0)
        return str(Path(*parts[:up]).resolve().joinpath(*parts[up:]) if up else self.path.absolute())

    @property
    def uri(self) -> str:
        """A `file://` URI, percent-encoded."""
        return Path(self.located).as_uri()

    @property
    def identity(self) -> str:
        """The same text for the same file, by whatever path."""
        return str(self.path.resolve())

    def handle(self) -> Handle:
        """Open the file."""
        return _LocalHandle(self.path)


class ObjectStore:
    """An object store. The objects read last stay open, as opening one is a request."""

    def __init__(self, scheme: str, filesystem: Any):
        self.scheme, self.filesystem = scheme, filesystem
        self._opened: OrderedDict[str, Any] = OrderedDict()
        self._lock = threading.Lock()

    def handle(self, key: str) -> _ObjectHandle:
        """Open an object."""
        with self._lock:
            opened = self._opened.pop(key, None)
        if opened is None:
            opened = self.filesystem.open_input_file(key)
        with self._lock:
            self._opened[key] = opened
            while len(self._opened) > _OPEN_OBJECTS:
                self._opened.popitem(last=False)
        return _ObjectHandle(opened)


@dataclass(frozen=True, slots=True)
class ObjectFile:
    """An object of an object store, by its bucket and key."""

    store: ObjectStore = field(repr=False)
    key: str

    def __str__(self) -> str:
        return self.located

    @property
    def located(self) -> str:
        """The URI as people write it, not encoded."""
        return f"{self.store.scheme}://{self.key}"

    @property
    def uri(self) -> str:
        """The URI, percent-encoded."""
        return f"{self.store.scheme}://{quote(self.key)}"

    @property
    def identity(self) -> str:
        """The same text for the same object."""
        return self.located

    def handle(self) -> Handle:
        """Open the object."""
        return self.store.handle(self.key)


File: TypeAlias = LocalFile | ObjectFile


def object_store(uri: str, storage_options: Mapping[str, str] | None) -> tuple[ObjectStore, str]:
    """Return the object store of a URI, and the bucket and key in it.

    Args:
        uri: `s3://…` or `gs://…`; the key as it is, not percent-encoded.
        storage_options: Of S3, as Lance takes them. What is not there comes from the environment, as AWS's own tools
            read it.

    Raises:
        IngestError: for another scheme.
    """
    scheme, _, key = uri.partition("://")
    key = key.strip("/")
    if scheme == "gs":
        return ObjectStore(scheme, pyarrow.fs.GcsFileSystem()), key
    if scheme != "s3":
        raise IngestError(f"{uri}: cannot read {scheme}://; expected a path, or a URI with s3:// or gs://")
    options = {name.lower().removeprefix("aws_"): value for name, value in (storage_options or {}).items()}
    given: dict[str, Any] = {_S3_OPTIONS[name]: value for name, value in options.items() if name in _S3_OPTIONS}
    if options.get("virtual_hosted_style_request", "").lower() == "true":
        given["force_virtual_addressing"] = True
    if options.get("skip_signature", "").lower() == "true":
        given["anonymous"] = True
    if given.get("endpoint_override", "").startswith("http://"):
        given["scheme"] = "http"
    return ObjectStore(scheme, pyarrow.fs.S3FileSystem(**given)), key


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A range of the bytes of a file."""

    file: File
    position: int
    size_bytes: int

    def open(self) -> io.BufferedReader:
        """Open the range as a file that can seek, and ends where the range does.

        Raises:
            OSError: if the file is not there, or cannot be read.
        """
        local = isinstance(self.file, LocalFile)
        return io.BufferedReader(_Window(self), _LOCAL_BUFFER_BYTES if local else _OBJECT_BUFFER_BYTES)

    def read(self) -> bytes:
        """Return the bytes.

        Raises:
            OSError: if the file cannot be read, or ends before the range does.
        """
        with self.open() as file:
            data = file.read()
        if len(data) != self.size_bytes:
            raise OSError(f"{self.file}: has become shorter while it was read")
        return data


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaFile:
    """The bytes of one medium: a file, or a member of a shard; and the path that its row will have."""

    span: Span
    path: str
    member: str = ""

    @property
    def size_bytes(self) -> int:
        """The size of the medium."""
        return self.span.size_bytes

    @property
    def located(self) -> str:
        """The absolute path or the URI; a member of a shard follows that of the shard."""
        return f"{self.span.file.located}/{self.member}" if self.member else self.span.file.located

    @property
    def named(self) -> str:
        """The path as the user gave it."""
        return f"{self.span.file}/{self.member}" if self.member else str(self.span.file)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """What becomes a row: one medium, or those of a key of a shard, whose other members become columns."""

    media: tuple[MediaFile, ...]
    fields: tuple[tuple[str, Span], ...] = ()

    @property
    def path(self) -> str:
        """The path of the first medium."""
        return self.media[0].path

    @property
    def size_bytes(self) -> int:
        """The size of all media together."""
        return sum(each.size_bytes for each in self.media)


class _LocalHandle:
    """A local file, read without moving a position."""

    def __init__(self, path: Path):
        self._file = path.open("rb", buffering=0)

    def read_at(self, nbytes: int, offset: int) -> bytes:
        return os.pread(self._file.fileno(), nbytes, offset)

    def close(self) -> None:
        self._file.close()


class _ObjectHandle:
    """An object that stays open for others."""

    def __init__(self, opened: Any):
        self._opened = opened

    def read_at(self, nbytes: int, offset: int) -> bytes:
        return cast("bytes", self._opened.read_at(nbytes, offset))

    def close(self) -> None:
        pass


class _Window(io.RawIOBase):
    """A range of a file, as a file."""

    def __init__(self, span: Span):
        super().__init__()
        self._file = span.file.handle()
        self._start, self._size, self._at = span.position, span.size_bytes, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        if base + offset < 0:
            raise ValueError(f"cannot seek to {base + offset}")
        self._at = base + offset
        return self._at

    def readinto(self, buffer: Any) -> int:
        wanted = max(0, min(len(buffer), self._size - self._at))
        if wanted == 0:
            return 0
        data = self._file.read_at(wanted, self._start + self._at)
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()
