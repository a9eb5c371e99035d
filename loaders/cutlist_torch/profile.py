"""Where the time of a loader goes, when nothing but the loader takes any."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cutlist.settings import num_cores

if TYPE_CHECKING:
    from cutlist_torch.loader import Loader


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What some steps took. `decode_seconds` and `process_seconds` are summed over threads, the others are not.

    Attributes:
        num_steps: Steps that were made.
        num_samples: Samples in them.
        num_threads: That decode.
        seconds: From the first step asked for to the last one had.
        read_seconds: Of the thread that reads.
        decode_seconds: Of media to arrays.
        process_seconds: Of row processors.
        collate_seconds: Of rows to tensors, in the training loop's own thread.
        wait_seconds: That the loop waited for rows.
        num_bytes: Read from the storage, or the cache.
        num_reads: Calls.
        num_planned: Media that were read by packet.
        decoded_bytes: Of the batches' tensors.
        hit_rate: Share of the reads that the cache answered; None without a cache.
    """

    num_steps: int
    num_samples: int
    num_threads: int
    seconds: float
    read_seconds: float
    decode_seconds: float
    process_seconds: float
    collate_seconds: float
    wait_seconds: float
    num_bytes: int
    num_reads: int
    num_planned: int
    decoded_bytes: int
    hit_rate: float | None = None

    @property
    def busy(self) -> float:
        """Threads that were decoding or processing, on average."""
        return (self.decode_seconds + self.process_seconds) / max(self.seconds, 1e-9)

    @property
    def advice(self) -> str:
        """What bounds the loader, and what would help, in a sentence."""
        of = f"{self.busy:.1f} of {self.num_threads} threads busy"
        if self.collate_seconds > 0.5 * self.seconds:
            return (
                f"bound by collating ({self.collate_seconds / self.seconds:.0%} of the time): "
                f"smaller pictures, or DataLoader workers, share it out"
            )
        if self.busy < 0.7 * self.num_threads and self.read_seconds > 0.7 * self.seconds:
            rate = self.num_bytes / self.seconds / 1e6
            cache = "" if self.hit_rate is not None else "; cache_bytes=… keeps remote media on this machine"
            return f"bound by reading ({rate:,.1f} MB/s in {self.num_reads:,} calls, {of}){cache}"
        if self.process_seconds > self.decode_seconds:
            share = self.process_seconds / (self.decode_seconds + self.process_seconds)
            return f"bound by row processors ({share:.0%} of the work, {of}): make them cheaper, or do it on the GPU"
        size = self.decoded_bytes / max(self.num_samples, 1)
        resize = f"; a sample is {size / 1e6:,.1f} MB decoded: resize() or frames() in SQL would make it less"
        return f"bound by decoding ({of}){resize if size > 10e6 else '; more cores or machines would share it out'}"

    def __str__(self) -> str:
        hits = "" if self.hit_rate is None else f", {self.hit_rate:.0%} from the cache"
        lines = (
            f"{self.num_steps:,} steps, {self.num_samples:,} samples in {self.seconds:.2f} s: "
            f"{self.num_samples / max(self.seconds, 1e-9):,.1f} samples/s",
            f"read     {self.read_seconds:8.2f} s   {self.num_bytes / 1e6:,.1f} MB in {self.num_reads:,} calls{hits}",
            f"decode   {self.decode_seconds:8.2f} s   in {self.num_threads} threads, {self.num_planned:,} by packet",
            f"process  {self.process_seconds:8.2f} s   in the same threads",
            f"collate  {self.collate_seconds:8.2f} s",
            f"wait     {self.wait_seconds:8.2f} s",
            self.advice,
        )
        return "\n".join(lines)


def measure(loader: Loader, count: int) -> Profile:
    """Return where the time went in some steps, made as fast as they can be; the loader stays where it is.

    Args:
        loader: That makes them.
        count: How many, from its current one on, at least 1; fewer where the epoch ends.
    """
    place = loader._epoch, loader._step, loader._iterator, loader._copied, loader.stats
    loader._iterator = mine = object()
    last = min(loader._step + count, len(loader))
    collated = decoded_bytes = 0
    collate_seconds = 0.0
    cache = loader._store.cache
    before = (cache.stats.num_hits, cache.stats.num_misses) if cache is not None else (0, 0)
    began = time.perf_counter()
    try:
        steps = range(loader._step, last)
        for batch in loader._batches(mine, loader._epoch, steps, num_threads=loader._num_threads):
            collated += 1
            decoded_bytes += batch.num_bytes
        seconds = time.perf_counter() - began
        stats = loader.stats
        collate_seconds = loader._collate_seconds
    finally:
        loader._epoch, loader._step, loader._iterator, loader._copied, loader.stats = place
    hit_rate = None
    if cache is not None:
        hits, misses = cache.stats.num_hits - before[0], cache.stats.num_misses - before[1]
        hit_rate = hits / max(hits + misses, 1)
    return Profile(
        num_steps=collated,
        num_samples=stats.num_samples,
        num_threads=loader._num_threads or num_cores(),
        seconds=seconds,
        read_seconds=stats.read_seconds,
        decode_seconds=stats.decode_seconds,
        process_seconds=stats.process_seconds,
        collate_seconds=collate_seconds,
        wait_seconds=stats.wait_seconds,
        num_bytes=stats.num_bytes,
        num_reads=stats.num_reads,
        num_planned=stats.num_planned,
        decoded_bytes=decoded_bytes,
        hit_rate=hit_rate,
    )
