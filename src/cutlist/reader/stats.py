"""What a reader has done, and the media that it could not decode."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from cutlist.errors import MediaError


@dataclass(slots=True)
class ReaderStats:
    """What a reader has done. Bytes and reads are those of media and of late values: a read is one call for many whole
    blobs or values, or one read of a blob that is read in part. `decode_seconds` and `process_seconds`, of row
    processors, are summed over threads; `wait_seconds` is the time that the consumer of rows waited for them.
    `num_failed` is how many samples could not be decoded, `num_spares` how many of them were replaced."""

    num_samples: int = 0
    num_failed: int = 0
    num_spares: int = 0
    num_bytes: int = 0
    num_reads: int = 0
    read_seconds: float = 0.0
    decode_seconds: float = 0.0
    process_seconds: float = 0.0
    wait_seconds: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def add(self, **amounts: float) -> None:
        """Add to counters by name; safe from any thread."""
        with self._lock:
            for name, amount in amounts.items():
                setattr(self, name, getattr(self, name) + amount)


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A stored medium that cannot be read or decoded, as `_failures` has it."""

    table: str
    version: int
    row_id: int
    column: str
    error_type: str
    message: str


class UndecodableError(MediaError):
    """A stored medium that cannot be read or decoded, and never will be; `failure` says which."""

    failure: Failure
