"""Folders for temporary files that do not stay, also where the process that made one is killed."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
import weakref
from pathlib import Path

PREFIX = "cutlist-tmp-"
"""Of their names, in the folder of temporary files."""


class TemporaryFolder:
    """A folder that is removed by `close`, when it is forgotten, and at exit; after a kill, when another is made.

    It is locked as long as this process, or one that `lock` was passed on to, has it open.

    Examples:
        >>> folder = TemporaryFolder()
        >>> folder.path.is_dir()
        True
        >>> folder.close()
        >>> folder.path.exists()
        False
    """

    def __init__(self) -> None:
        """Make one, and remove those that nobody has open."""
        root = Path(tempfile.gettempdir())
        for left in root.glob(f"{PREFIX}*"):
            _remove_if_free(left)
        unnamed = Path(tempfile.mkdtemp(prefix="cutlist-"))
        self.lock = os.open(unnamed, os.O_RDONLY)
        with contextlib.suppress(OSError):  # a file system without locks: no other is removed there, either
            fcntl.flock(self.lock, fcntl.LOCK_EX)
        self.path = unnamed.rename(root / unnamed.name.replace("cutlist-", PREFIX))  # it is locked: others may see it
        self._end = weakref.finalize(self, _remove, self.path, self.lock)

    def close(self) -> None:
        """Remove the folder and what is in it."""
        self._end()


def _remove(path: Path, lock: int) -> None:
    shutil.rmtree(path, ignore_errors=True)
    os.close(lock)


def _remove_if_free(path: Path) -> None:
    try:
        lock = os.open(path, os.O_RDONLY)
    except OSError:  # gone, or somebody else's
        return
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(path, ignore_errors=True)
    except OSError:
        pass  # it is used
    finally:
        os.close(lock)
