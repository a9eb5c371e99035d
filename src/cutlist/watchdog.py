"""A watchdog: names the work that takes long, so that what hangs is not nameless."""

from __future__ import annotations

import threading
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")


class Watchdog:
    """Knows what the threads of a pool are working on, and names what takes longer than some seconds."""

    def __init__(self, seconds: float):
        self._seconds = seconds
        self._under_way: dict[int, tuple[Callable[[], str], float]] = {}
        self._named: set[float] = set()

    @contextmanager
    def over(self, name: Callable[[], str]) -> Iterator[None]:
        """Return a context in which this thread works on what `name` returns."""
        thread = threading.get_ident()
        self._under_way[thread] = name, time.monotonic()
        try:
            yield
        finally:
            del self._under_way[thread]

    def result(self, future: Future[T]) -> T:
        """Return the result of a future.

        Warns:
            UserWarning: while it is waited for, about what has been worked on for long; once for each.
        """
        while True:
            try:
                return future.result(timeout=self._seconds)
            except TimeoutError:
                if future.done():  # it was raised by the work
                    raise
            for name, began in list(self._under_way.values()):
                seconds = time.monotonic() - began
                if seconds >= self._seconds and began not in self._named:
                    self._named.add(began)
                    warnings.warn(f"{name()}: has taken {seconds:,.0f} s and is not decoded yet", stacklevel=2)
