"""Work on many things in a pool of threads, with the results in order, and a watchdog that names what takes long."""

from __future__ import annotations

import threading
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

AHEAD = 8
"""Things under way for each thread, so that one that takes long does not hold up the others."""

SLOW_SECONDS = 600.0
"""How long one may take before it is named."""


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


def in_order(
    items: Iterable[T], work: Callable[[T], R], *, num_threads: int, name: Callable[[T], str]
) -> Iterator[tuple[T, R]]:
    """Yield each item and what `work` returns for it, in order; the threads are gone when the iterator is closed.

    Args:
        items: Taken as they are needed.
        work: Called in some thread; what it raises is raised here, in the item's turn.
        num_threads: At least 1.
        name: What a warning calls an item that takes very long.

    Examples:
        >>> list(in_order([3, 4], lambda n: n * n, num_threads=2, name=str))
        [(3, 9), (4, 16)]
    """
    watchdog = Watchdog(SLOW_SECONDS)

    def watched(item: T) -> R:
        with watchdog.over(lambda: name(item)):
            return work(item)

    pool = ThreadPoolExecutor(num_threads, thread_name_prefix="cutlist-pool")
    waiting: deque[tuple[T, Future[R]]] = deque()
    try:
        for item in items:
            if len(waiting) >= AHEAD * num_threads:
                first, future = waiting.popleft()
                yield first, watchdog.result(future)
            waiting.append((item, pool.submit(watched, item)))
        while waiting:
            first, future = waiting.popleft()
            yield first, watchdog.result(future)
    finally:
        pool.shutdown(cancel_futures=True)
