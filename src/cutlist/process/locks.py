"""One process at a time, over a file that all of them see."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import filelock


@contextlib.contextmanager
def alone(file: Path) -> Iterator[None]:
    """Return a context that one process at a time is in, for each file; where none can be written, every one is.

    Args:
        file: Made, with its folder, and deleted afterwards.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(file)
        lock.acquire()
    except (OSError, NotImplementedError):
        yield
        return
    try:
        yield
    finally:
        file.unlink(missing_ok=True)  # who waits for it has it open, and does not need its name
        lock.release()
