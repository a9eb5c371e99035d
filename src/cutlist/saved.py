"""The saved selections of a root: a folder of files, found by the key of what was compiled or by their fingerprint."""

from __future__ import annotations

import contextlib
import warnings
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from cutlist.errors import CatalogError, NotFoundError, SelectionError
from cutlist.process.locks import alone
from cutlist.selection import Selection

MIN_FINGERPRINT = 4
"""Digits of a fingerprint that must be given, at least, to find a selection by it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    """The saved selections in a folder, which need not be there."""

    folder: Path

    def path(self, key: str) -> Path:
        """Return the file of the selection that was compiled for a key, whether it is there or not."""
        return self.folder / f"{key}.arrow"

    def load(self, key: str) -> Selection | None:
        """Return the selection that was saved for a key, or None; a damaged or outdated file is removed."""
        path = self.path(key)
        if not path.is_file():
            return None
        try:
            return Selection.load(path)
        except SelectionError as error:
            cause = error.__cause__
            if isinstance(cause, OSError) and cause.errno is not None:  # the system's, not Arrow's: it may be good
                raise
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)
            return None

    def alone(self, key: str) -> AbstractContextManager[None]:
        """Return a context that one process at a time is in, for each key."""
        return alone(self.folder / f"{key}.lock")

    def all(self) -> list[Selection]:
        """Return every saved selection, the newest first. A file that cannot be read is left out, with a warning."""
        found = []
        for path in self.folder.glob("*.arrow"):
            try:
                found.append((path.stat().st_mtime, Selection.load(path)))
            except (SelectionError, FileNotFoundError) as error:
                warnings.warn(f"{error}; left out", stacklevel=2)
        return [selection for _, selection in sorted(found, key=lambda each: each[0], reverse=True)]

    def find(self, fingerprint: str) -> Selection:
        """Return the saved selection whose fingerprint starts so.

        Raises:
            CatalogError: if none does, or several do; or fewer than four digits are given.
        """
        start = fingerprint.strip().lower().rstrip("…")
        if len(start) < MIN_FINGERPRINT:
            raise CatalogError(f'"{fingerprint}" is too short; give at least {MIN_FINGERPRINT} digits of a fingerprint')
        found = {each.fingerprint: each for each in self.all() if each.fingerprint.startswith(start)}
        if len(found) == 1:
            return found.popitem()[1]
        what = f"{len(found)} saved selections have a" if found else "no saved selection has a"
        more = f": {', '.join(each[:12] for each in sorted(found)[:5])}" if found else ""
        raise NotFoundError(
            f'{what} fingerprint that starts with "{start}"{more}; `cutlist selections list` shows those of this root'
        )
