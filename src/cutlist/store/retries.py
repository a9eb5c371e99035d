"""What goes wrong in a read is of one of two kinds: of the row, which no second try mends, or of the storage."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

import tenacity

from cutlist.errors import StorageError

T = TypeVar("T")

LANCE_ERRORS = (OSError, ValueError, RuntimeError)
"""What Lance raises; which of the three says little."""

_OF_ROW = re.compile(
    r"Not found: "  # an external file, or a file of the table
    r"|could not resolve all requested row IDs"
    r"|Blob range .* is invalid|exceeds blob size"
    r"|returned \d+ bytes, expected \d+ bytes"  # the object is shorter than the row says; a cut body reads otherwise
    r"|failed to fill whole buffer"  # the same of a local file
    r"|Invalid range .* for object of size"
    r"|416 Range Not Satisfiable"
    r"|LocalFileSystem error: (Is|Not) a directory",
    re.IGNORECASE,
)
_OF_STORAGE = re.compile(r"LanceError\(IO\)|HTTP error|Error performing")


def is_of_storage(error: BaseException) -> bool:
    """Return whether an error of Lance is of the storage: a later try may do better, and the row is not to blame.

    What cannot be told is of the storage if it is an OSError or RuntimeError. So is a refusal (403): credentials that
    ran out must not pass for bad rows.

    Examples:
        >>> is_of_storage(ValueError("Not found: media/7.mp4")), is_of_storage(OSError("LanceError(IO): HTTP error"))
        (False, True)
    """
    if not isinstance(error, LANCE_ERRORS) or _OF_ROW.search(str(error)):
        return False
    return not isinstance(error, ValueError) or _OF_STORAGE.search(str(error)) is not None


def first_line(error: BaseException) -> str:
    """Return what a Lance error says, without the places in Lance's sources and without what URLs may have of secrets.

    Examples:
        >>> first_line(OSError("GET https://me:pw@host/a.mp4?X-Amz-Signature=abc failed, /src/x.rs:1:2"))
        'GET https://host/a.mp4 failed'
    """
    text = str(error).splitlines()[0] if str(error) else type(error).__name__
    text = re.sub(r",? /[^ ]*\.rs:\d+:\d+", "", text)
    return re.sub(r"(\w+://)(?:[^\s/@]*@)?([^\s?]*)(?:\?[^\s]*)?", r"\1\2", text)


def place_of(table: str, version: int, rows: Iterable[int], column: str) -> str:
    """Return what an error names: the table at its version, the first few rows, and the column.

    Examples:
        >>> place_of("videos", 3, [7, 8, 8, 9, 10, 11], "video")
        'videos@3, row ids 7, 8, 9 and 2 more, column video'
    """
    distinct = list(dict.fromkeys(int(row) for row in rows))
    more = f" and {len(distinct) - 3} more" if len(distinct) > 3 else ""
    named = f"row id{'s' if len(distinct) > 1 else ''} {', '.join(map(str, distinct[:3]))}{more}"
    return f"{table}@{version}, {named}, column {column}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """How long to try: at most `attempts` times, and no more once `seconds` have passed. Waits grow from about
    `wait_seconds` to 20 s, each times a random number below 1."""

    attempts: int = 5
    seconds: float = 300.0
    wait_seconds: float = 1.0

    def __call__(self, call: Callable[[], T], what: Callable[[], str], stop: threading.Event | None = None) -> T:
        """Return what a call returns, tried again where the storage fails.

        Args:
            call: Raises the errors of Lance.
            what: Says what is read; asked for when it has failed for good.
            stop: Once it is set, nothing is tried again, and nobody waits for that.

        Raises:
            StorageError: if the storage failed each time. Errors of a row are raised as they are, at once.
        """
        began = time.monotonic()
        event = stop or threading.Event()
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception(is_of_storage),
            stop=tenacity.stop_any(
                tenacity.stop_after_attempt(self.attempts),
                tenacity.stop_before_delay(self.seconds),
                tenacity.stop_when_event_set(event),
            ),
            wait=tenacity.wait_random_exponential(multiplier=self.wait_seconds, max=20),
            sleep=tenacity.sleep_using_event(event),
        )
        try:
            return retrying(call)
        except tenacity.RetryError as error:
            last = error.last_attempt
            cause = last.exception()
            assert cause is not None
            times = "1 attempt" if last.attempt_number == 1 else f"{last.attempt_number} attempts"
            said = f"{what()}: {first_line(cause)} ({times} in {time.monotonic() - began:.1f} s)"
            raise StorageError(said) from None
