"""Results that are not in their table yet, kept in a file such that a process that is killed has not computed in vain.

They are committed many at a time: a commit writes the whole column of each fragment that it touches. What is computed
between two commits is added to an Arrow stream, batch by batch, as long as that takes a small share of the time; so the
batch under way is what `kill -9` costs.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

SHARE = 0.02
"""Of the time, how much writing may take: where batches come faster, several are written together."""

SUFFIX = ".arrows"


class Checkpoint:
    """Results of one run, in memory and in a file of a folder."""

    def __init__(self, folder: Path, schema: pa.Schema, *, key: str, version: int, identity: str):
        """Make one; its file is made when it is first written. `schema` and `version` are kept as attributes.

        Args:
            schema: Of the results.
            key: Tells what the values depend on; results under another key are not found again.
            version: Of the table that was read.
            identity: Of the table at that version (`Table.identity`).
        """
        self.schema = schema.with_metadata({"key": key, "version": str(version), "identity": identity})
        self.version = version
        self._folder = folder
        self._file: Path | None = None
        self._writer: pa.RecordBatchStreamWriter | None = None
        self._sink: pa.NativeFile | None = None
        self._held: list[pa.RecordBatch] = []
        self._next = 0.0
        self.num_rows = 0
        self.num_bytes = 0

    def add(self, batch: pa.RecordBatch) -> None:
        """Add results; from time to time, write what was added."""
        self._held.append(batch)
        self.num_rows += batch.num_rows
        self.num_bytes += batch.nbytes
        began = time.monotonic()
        if began >= self._next:
            self._save()
            ended = time.monotonic()
            self._next = ended + (ended - began) / SHARE

    def _save(self) -> None:
        if self._writer is None:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._file = self._folder / f"{os.getpid()}-{time.time_ns()}{SUFFIX}"
            self._sink = pa.OSFile(str(self._file), "wb")
            self._writer = pa.ipc.new_stream(self._sink, self.schema)
        assert self._sink is not None
        for batch in self._held:
            self._writer.write_batch(batch)
        self._sink.flush()
        self._held.clear()

    def results(self) -> pa.Table:
        """Return all that was added since the last `clear`."""
        written = [] if self._file is None else list(_batches(self._file))
        return pa.Table.from_batches([*written, *self._held], schema=self.schema)

    def clear(self) -> None:
        """Forget what was added, as it is in the table now."""
        if self._writer is not None and self._sink is not None and self._file is not None:
            self._writer.close()
            self._sink.close()
            self._file.unlink(missing_ok=True)
        self._writer = self._sink = self._file = None
        self._held.clear()
        self.num_rows = self.num_bytes = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """The results of a run that was killed, their file, and which table was read at which version."""

    file: Path
    version: int
    identity: str
    results: pa.Table


def left_behind(folder: Path, key: str) -> Iterator[Left]:
    """Yield what runs that were killed have left.

    Files under another key, which nobody can use any more, are deleted. The last batch of a file may be cut.
    """
    for file in sorted(folder.glob(f"*{SUFFIX}")) if folder.is_dir() else ():
        if not file.is_file():
            continue
        batches = list(_batches(file))
        said = (batches[0].schema.metadata if batches else None) or {}
        if said.get(b"key") != key.encode():
            file.unlink(missing_ok=True)
            continue
        yield Left(
            file=file,
            version=int(said[b"version"]),
            identity=said[b"identity"].decode(),
            results=pa.Table.from_batches(batches),
        )


def _batches(file: Path) -> Iterator[pa.RecordBatch]:
    """Yield the batches of a stream, up to where it is whole."""
    with contextlib.suppress(pa.ArrowException, OSError, StopIteration):
        reader = pa.ipc.open_stream(pa.memory_map(str(file)))
        while True:
            yield reader.read_next_batch()
