"""The stages of reading, connected by bounded queues: one thread that reads, a pool that decodes."""

from __future__ import annotations

import queue
import threading
import time
import warnings
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from cutlist.errors import CutlistError, MediaError
from cutlist.reader.decoding import Decoder, Processor
from cutlist.reader.fetching import AnyPart, Fetched, Fetcher, Part
from cutlist.reader.stats import Failure, ReaderStats, UndecodableError
from cutlist.settings import num_cores

if TYPE_CHECKING:
    from cutlist.reader.rows import Row
    from cutlist.selection import Selection
    from cutlist.store import Store

Spare = Callable[[int, int, int], tuple[int, int] | None]
"""(number of a step among those read, of a sample in it, attempt) → the number of a selection and the position of what
takes the place of a sample that cannot be decoded; None: nothing does, and the step has a row less."""

MAX_ATTEMPTS = 20
"""Spares in turn that may fail, too, before the sample that they are for is an error."""

FEW = 10
"""Failures that are never too many."""


class Reader:
    """Reads and decodes the samples of selections."""

    def __init__(
        self,
        selections: Sequence[Selection],
        store: Store,
        *,
        processors: Sequence[Processor] = (),
        num_threads: int | None = None,
        prefetch_bytes: int = 512 * 2**20,
        seed: int = 0,
        spare: Spare | None = None,
        max_failures: float = 1.0,
    ):
        """Prepare to read; nothing is opened until then.

        Args:
            selections: The training sets that steps draw from.
            store: The root that their tables are in.
            processors: Applied to each row, in order; one row in, one row out.
            num_threads: Threads that decode; default one for each core.
            prefetch_bytes: Bound on the encoded bytes that are held, and on the bytes of steps decoded ahead; one step
                alone may need more.
            seed: Of what is random in decoding: `random_crop` and its like (`cutlist.media.resolve`).
            spare: What takes the place of a sample that cannot be decoded; None: it is an error.
            max_failures: Share of the samples, beyond the first few, that may fail before that is an error.
        """
        self.selections = tuple(selections)
        self.stats = ReaderStats()
        self.num_threads = num_threads or num_cores()
        self.failures: dict[Failure, None] = {}
        self._prefetch_bytes = prefetch_bytes
        self._recorded = 0
        self._store = store
        self._spare = spare
        self._max_failures = max_failures
        # Four windows live at a time: being read, waiting, being decoded, and decoded but not yet asked for.
        self._fetcher = Fetcher(selections, store, self.stats, window_bytes=max(prefetch_bytes // 4, 1), seed=seed)
        self._decoder = Decoder(self._fetcher, processors, self.stats)
        self._step_bytes = 0  # of the largest step so far, decoded

    def read(self, steps: Iterable[Sequence[AnyPart]]) -> Generator[list[Row], None, None]:
        """Yield the decoded rows of each step, in order: part after part, each in the order of its positions.

        Threads are started by the first `next` and gone when the generator ends, fails or is closed.

        Args:
            steps: The parts of each step.

        Raises:
            MediaError: where a sample cannot be read or decoded and has no spare, or too many cannot; names table,
                version, row id and column.
            StorageError: where the storage fails, again and again.
            SelectionError: if there is no such position or selection.
        """
        self._fetcher.open()
        self._fetcher.stop = stop = threading.Event()
        fetched: queue.Queue[list[Fetched] | BaseException | None] = queue.Queue(maxsize=1)
        arguments = (iter(steps), fetched, stop)
        fetcher = threading.Thread(target=self._fetch, args=arguments, name="cutlist-fetch", daemon=True)
        pool = ThreadPoolExecutor(self.num_threads, thread_name_prefix="cutlist-decode")
        ready: deque[Fetched] = deque()
        decoding: deque[list[Future[Row | None]]] = deque()
        failure: BaseException | None = None
        ended = False
        number = 0
        fetcher.start()
        try:
            while True:
                began = time.perf_counter()
                while len(decoding) < self._steps_ahead(decoding):
                    if not ready and not ended and not (decoding and fetched.empty()):
                        window = fetched.get()
                        ended = window is None or isinstance(window, BaseException)
                        if isinstance(window, BaseException):
                            failure = window  # raised when its turn comes, after the steps before it
                        else:
                            ready.extend(window or ())
                    if not ready:
                        break
                    step = ready.popleft()
                    samples = range(len(step.samples))
                    decoding.append([pool.submit(self._row, step, number, sample) for sample in samples])
                    number += 1
                if not decoding:
                    if failure is not None:
                        raise failure
                    if ended:
                        return
                    continue
                results = map(self._decoder.watchdog.result, decoding.popleft())
                rows = [row for row in results if row is not None]
                self._step_bytes = max(self._step_bytes, sum(map(_num_bytes, rows)))
                self.stats.add(wait_seconds=time.perf_counter() - began, num_samples=len(rows))
                self._check_failures()
                yield rows
        finally:
            stop.set()
            pool.shutdown(cancel_futures=True)
            fetcher.join()

    def record_failures(self) -> None:
        """Add the failures since the last call to the table `_failures`; each is there once.

        Warns:
            UserWarning: if the root cannot be written.
        """
        new = list(self.failures)[self._recorded :]
        if not new:
            return
        self._recorded += len(new)
        try:
            self._store.record_failures({**asdict(each), "stage": "decode"} for each in new)
        except CutlistError as error:
            warnings.warn(f"{len(new)} failures are not in _failures, which cannot be written: {error}", stacklevel=2)

    def _steps_ahead(self, decoding: Sequence[Sequence[Any]]) -> int:
        """Return how many steps to have under way: enough for every thread, as far as memory goes."""
        rows = len(decoding[0]) if decoding else 1
        wanted = max(2, -(-2 * self.num_threads // max(rows, 1)) + 1)
        if self._step_bytes == 0:  # how much a step takes is not known before the first is done
            return min(wanted, 2)
        return max(1, min(wanted, self._prefetch_bytes // self._step_bytes))

    def _fetch(self, steps: Iterator[Sequence[AnyPart]], out: queue.Queue[Any], stop: threading.Event) -> None:
        """Read windows of steps until there are no more, or until told to stop."""

        def put(item: Any) -> bool:
            while not stop.is_set():
                try:
                    out.put(item, timeout=0.05)
                    return True
                except queue.Full:
                    continue
            return False

        try:
            for window in self._fetcher.windows(steps):
                if stop.is_set() or not put(window):
                    return
            put(None)
        except BaseException as error:  # handed to the consumer, whatever it is
            put(error)

    # -- one sample ---------------------------------------------------------------------------------------------------

    def _row(self, step: Fetched, number: int, sample: int) -> Row | None:
        """Return the row of a sample, or of the spare that takes its place."""
        try:
            return self._decoder.row(step.samples[sample], step.blobs)
        except UndecodableError as error:
            if self._spare is None:
                raise
            return self._replaced(self._spare, error, number, sample, step.samples[sample].epoch)

    def _replaced(self, spare: Spare, error: UndecodableError, number: int, sample: int, epoch: int) -> Row | None:
        for attempt in range(MAX_ATTEMPTS):
            self.failures[error.failure] = None
            place = spare(number, sample, attempt)
            if place is None:
                self.stats.add(num_failed=1)
                return None
            selection, position = place
            step = self._fetcher.fetch([Part(selection, np.array([position], dtype=np.int64), epoch)])
            try:
                row = self._decoder.row(step.samples[0], step.blobs)
            except UndecodableError as another:
                error = another
                continue
            self.stats.add(num_failed=1, num_spares=1)
            return row
        raise MediaError(f"{MAX_ATTEMPTS} spares in turn cannot be decoded, either; the last: {error}") from error

    def _check_failures(self) -> None:
        failed = self.stats.num_failed
        tried = self.stats.num_samples + failed - self.stats.num_spares
        if failed <= max(FEW, self._max_failures * tried):
            return
        kinds = Counter(each.message.partition(":")[0] for each in list(self.failures))
        first = next(iter(self.failures))
        raise MediaError(
            f"{failed:,} of {tried:,} samples ({failed / tried:.1%}) cannot be decoded; max_failures is "
            f"{self._max_failures:.1%}. Most are: "
            + "; ".join(f"{what} ({count:,})" for what, count in kinds.most_common(3))
            + f". The first: {first.table}@{first.version}, row id {first.row_id}, column {first.column}: "
            f"{first.message}. `SELECT * FROM _failures` has them all"
        )


def _num_bytes(row: Row) -> int:
    """Return about how much memory the arrays and bytes of a row take."""

    def of(value: Any) -> int:
        if isinstance(value, list | tuple):
            return sum(map(of, value))
        if isinstance(value, dict):
            return sum(map(of, value.values()))
        return int(getattr(value, "nbytes", 0)) or (len(value) if isinstance(value, bytes) else 0)

    return of(row)
