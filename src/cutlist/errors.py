"""Every error that cutlist raises on purpose, under one base class.

    CutlistError
    ├── SettingsError      a setting, an argument or a file given by the user is not usable
    ├── CatalogError       a root, table, view or version that cannot be had
    │   └── NotFoundError  one that is not there
    ├── QueryError         SQL that cannot be parsed, bound, compiled or run; carries the place in the user's text
    │   └── NoQueryError   a name in the place of a query that no table or view has: a NotFoundError, too
    ├── SelectionError     a selection that is empty, damaged, or does not fit what it is used for
    ├── OrderError         a batch size, rank or shuffle that no order exists for
    ├── StateError         a checkpoint of another selection, seed, batch size or order
    ├── IngestError        sources or metadata that cannot be ingested
    ├── FeaturizerError    a featurizer that is not there, or does not make what it declares
    ├── MediaError         bytes that are gone or cannot be decoded, or decode parameters that do not fit them
    └── StorageError       a read that the storage failed, again and again; the rows are not to blame

    QueryWarning           a UserWarning: a query that is legal, and probably not what was meant

Each can be built from one string, so that it survives the trip out of a worker process unchanged.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class CutlistError(Exception):
    """Base of every error that cutlist raises on purpose."""


class SettingsError(CutlistError):
    """A setting, an argument or a file given by the user is not usable."""


class CatalogError(CutlistError):
    """A root, table, view or version that cannot be had: not there, or not to be read or written."""


class NotFoundError(CatalogError):
    """A root, table, view, version or saved selection that is not there."""


class QueryError(CutlistError):
    """SQL that cannot be parsed, bound, compiled or run."""


class NoQueryError(QueryError, NotFoundError):
    """A name in the place of a query that no table or view has."""


class QueryWarning(UserWarning):
    """A query that is legal, and probably not what was meant."""


class SelectionError(CutlistError):
    """A selection that is empty, damaged, or does not fit what it is used for."""


class OrderError(CutlistError):
    """A batch size, rank or shuffle that no order exists for."""


class StateError(CutlistError):
    """A checkpoint of another selection, seed, batch size or order."""


class IngestError(CutlistError):
    """Sources or metadata that cannot be ingested."""


class FeaturizerError(CutlistError):
    """A featurizer that is not there, or does not make what it declares."""


class MediaError(CutlistError):
    """Bytes that are gone or cannot be decoded, or decode parameters that do not fit them."""


class StorageError(CutlistError):
    """A read that the storage failed, again and again: time-outs, lost connections, refusals. No row is to blame."""


def suggest(name: str, known: Iterable[str]) -> str:
    """Return the end of a sentence about an unknown name: `; did you mean "x"?`, or `.` where no known name is near.

    Examples:
        >>> suggest("captoin", ["caption", "id"])
        '; did you mean "caption"?'
        >>> suggest("zzz", ["caption", "id"])
        '.'
    """
    by_lower = {each.lower(): each for each in known}
    near = difflib.get_close_matches(name.lower(), by_lower, n=1, cutoff=0.6)
    return f'; did you mean "{by_lower[near[0]]}"?' if near else "."


def listing(names: Iterable[str], *, most: int = 20) -> str:
    """Return names for a message: sorted, at most `most`, or `none`.

    Examples:
        >>> listing(["b", "a"])
        'a, b'
        >>> listing([])
        'none'
    """
    ordered = sorted(names)
    shown = ", ".join(ordered[:most]) or "none"
    return shown if len(ordered) <= most else f"{shown}, … ({len(ordered)} in all)"


def reason(error: Exception) -> str:
    """Return why a file cannot be read, written or run, without its name, which the message has already.

    Examples:
        >>> reason(FileNotFoundError(2, "No such file or directory", "a.sql"))
        'No such file or directory'
    """
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
