"""Pointers: blobs that stay where they are, as a URI and a range of its bytes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import lance
from lance.file import LanceFileSession

_EXTERNAL = 3
"""How Lance numbers blobs that are pointers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pointer:
    """Bytes of a file outside the table.

    Attributes:
        uri: `file:///…`, `s3://…`, percent-encoded.
        position: First byte.
        size_bytes: At least 1.
    """

    uri: str
    position: int
    size_bytes: int

    @classmethod
    def of(cls, descriptor: Mapping[str, Any] | None) -> Pointer | None:
        """Return the pointer that a blob's descriptor is, or None for NULL and for bytes in the table."""
        if descriptor is None or descriptor["kind"] != _EXTERNAL:
            return None
        return cls(uri=descriptor["blob_uri"], position=descriptor["position"], size_bytes=descriptor["size"])

    def blob(self) -> lance.Blob:
        """Return it as Lance stores it."""
        return lance.Blob.from_uri(self.uri, position=self.position, size=self.size_bytes)

    def problem(self, storage_options: Mapping[str, str] | None = None) -> str | None:
        """Return what is wrong if the bytes are not there, or not in a file of the size that it had; else None.

        Contents are not hashed again, so a file of another content but the same size is not noticed. The size of an
        object that is longer than it was is not either.

        Examples:
            >>> Pointer(uri="file:///no/such.mp4", position=0, size_bytes=9).problem()
            'file:///no/such.mp4 is not there; was it moved or deleted?'
        """
        if not self.uri.startswith("file://"):
            return self._remote_problem(storage_options)
        try:
            with Path(unquote(urlsplit(self.uri).path)).open("rb") as file:
                return self._misfit(file.seek(0, 2))
        except FileNotFoundError:
            return self._gone()
        except OSError as error:
            return f"{self.uri} cannot be read: {error.strerror}"

    def _gone(self) -> str:
        return f"{self.uri} is not there; was it moved or deleted?"

    def _misfit(self, size_bytes: int) -> str | None:
        end = self.position + self.size_bytes
        if end > size_bytes:
            return (
                f"{self.uri} has {size_bytes:,} bytes, and the row's are {self.position:,} to {end:,}; was it replaced?"
            )
        if self.position == 0 and size_bytes > end:  # a whole file: no member of a shard is at its start
            return f"{self.uri} has {size_bytes:,} bytes, and had {end:,} when it was ingested; was it replaced?"
        return None

    def _remote_problem(self, storage_options: Mapping[str, str] | None) -> str | None:
        last = self.position + self.size_bytes - 1
        try:
            LanceFileSession(self.uri, dict(storage_options or {}) or None).read_range("", last, 1)
        except (OSError, ValueError, RuntimeError) as error:
            text = str(error)
            if "Not found" in text:
                return self._gone()
            if "416" in text or "InvalidRange" in text:
                return f"{self.uri} has fewer than {last + 1:,} bytes, where the row's end; was it replaced?"
        return None  # it is there, or cannot be asked for now
