"""Gives damaged copies of small files to everything that reads media: `python -m tests.media.mutants --num 20000`.

A mutant is a real file with bits flipped, its end cut off, the start of another file, blocks repeated, zeroed or left
out, or numbers changed; its number and the seed say which. It goes to `probe`, `stored_index`, `examine` and to
`decode` with random operations, in processes of their own with a limit of memory. What may come back is a result or a
MediaError, in time; where the mutant has a packet index, its frames must be those of the container. A mutant for which
that does not hold is saved, and tried again by `--first NUMBER --num 1`.
"""

from __future__ import annotations

import argparse
import io
import multiprocessing
import random
import resource
import sys
import tempfile
import threading
import time
import zlib
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from PIL import Image
from tests.media.every_clip import MEDIA, by_plan, say
from tests.media.films import film, tone

from cutlist.errors import MediaError
from cutlist.media import Op, PacketIndex, Probe, decode, examine, probe, resolve
from cutlist.media.geometry import SPATIAL
from cutlist.media.indexing import UNPLANNED, stored_index
from cutlist.media.planned import PromiseError
from cutlist.media.timeline import TEMPORAL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from multiprocessing.connection import Connection

FOLDERS = ("images", "videos", "robustness")

MAX_FILE_BYTES = 200_000
"""Larger files are not mutated: few of their bytes are headers, and they take long."""

MAX_PIXELS = 200_000_000
"""Videos of more in all frames are decoded to a small size: 50 KB may well be 20 s of 1080p, which take 3.7 GB."""

MEMORY_BYTES = 4 << 30
"""Address space of a process: what wants more fails, and is told."""

MUTANTS_PER_PROCESS = 500

_HEAD_BYTES = 2048
_PNG = b"\x89PNG\r\n\x1a\n"


def flipped(chance: random.Random, data: bytearray, other: bytes) -> bytearray:
    """Return the file with some bits flipped."""
    for _ in range(chance.choice((1, 4, 16, 64))):
        data[_place(chance, data)] ^= 1 << chance.randrange(8)
    return data


def truncated(chance: random.Random, data: bytearray, other: bytes) -> bytearray:
    return data[: chance.randrange(1, len(data) + 1)]


def spliced(chance: random.Random, data: bytearray, other: bytes) -> bytearray:
    """Return the file with the start of another, which may be longer or shorter than what it replaces."""
    return bytearray(other[: _place(chance, other)] + data[_place(chance, data) :])


def repeated(chance: random.Random, data: bytearray, other: bytes) -> bytearray:
    start, stop = _block(chance, data)
    return data[:stop] + data[start:stop] * chance.choice((1, 1, 2, 50)) + data[stop:]


def zeroed(chance: random.Random, data: bytearray, other: bytes) -> bytearray:
    start, stop = _block(chance, data)
    return data[:start] + bytes(stop - start) + data[stop:]


def shortened(chance: random.Random, data: bytearray, other: bytes) -> bytearray:
    start, stop = _block(chance, data)
    return data[:start] + data[stop:]


def renumbered(chance: random.Random, data: bytearray, other: bytes) -> bytearray:
    """Return the file with one number changed, where there are some one that may be a length or a place in the file."""
    width = chance.choice((1, 2, 4, 8))
    order: Any = chance.choice(("big", "little"))
    for _ in range(100):
        at = _place(chance, data)
        value = int.from_bytes(data[at : at + width], order)
        if 0 < value <= len(data):
            break
    limit = 256**width
    choices = (0, 1, value - 1, value + 1, value * 2, value * 1000, limit // 2 - 1, limit // 2, limit - 1, limit - 8)
    data[at : at + width] = (chance.choice(choices) % limit).to_bytes(width, order)
    return data


MUTATIONS: tuple[Callable[[random.Random, bytearray, bytes], bytearray], ...] = (
    *(flipped, flipped, truncated, spliced, repeated, zeroed, shortened, renumbered, renumbered, renumbered),
)


def _place(chance: random.Random, data: bytes | bytearray) -> int:
    """Return a place in a file, every second time near its start, where most headers are."""
    return chance.randrange(min(len(data), _HEAD_BYTES) if chance.random() < 0.5 else len(data))


def _block(chance: random.Random, data: bytearray) -> tuple[int, int]:
    start = _place(chance, data)
    return start, start + chance.choice((1, 8, 100, 4096))


def _checksums_mended(data: bytes) -> bytes:
    """Return a PNG whose chunks have the right checksums, so that more than the checksum is tried."""
    parts, at = [_PNG], len(_PNG)
    while at + 12 <= len(data):
        stop = at + 8 + int.from_bytes(data[at : at + 4], "big")
        chunk = data[at:stop]
        parts += [chunk, zlib.crc32(chunk[4:]).to_bytes(4, "big")]
        at = stop + 4
    return b"".join(parts)


class Mutant(NamedTuple):
    """A damaged file, the name of the one that it was made of, and how."""

    name: str
    how: str
    data: bytes


def mutant(files: Mapping[str, bytes], seed: int, number: int) -> Mutant:
    """Return a mutant; every ending of names is as likely as every other."""
    chance = random.Random(f"{seed} {number}")
    by_suffix: dict[str, list[str]] = defaultdict(list)
    for name in sorted(files):
        by_suffix[Path(name).suffix.lower()].append(name)
    name, other = (chance.choice(by_suffix[chance.choice(sorted(by_suffix))]) for _ in range(2))
    data, how = bytearray(files[name]), []
    for _ in range(chance.choice((1, 1, 2, 3))):
        change = chance.choice(MUTATIONS)
        data = change(chance, data or bytearray(1), files[other])
        how.append(change.__name__ + (f" ({other})" if change is spliced else ""))
    whole = bytes(data)
    mended = whole.startswith(_PNG) and chance.random() < 0.7
    return Mutant(name, ", ".join(how), _checksums_mended(whole) if mended else whole)


def random_ops(chance: random.Random) -> list[Op]:
    """Return operations, many of which make sense together and some of which do not."""
    ops: list[Op] = []
    is_video = chance.random() < 0.6
    if is_video and chance.random() < 0.7:
        start = chance.choice((0.0, 0.0, 0.1, 1.0, 5.0, 1e6, -1.0))
        clips = (Op("clip", (start, start + chance.choice((0.05, 1.0, 1e3, 1e9)))), Op("random_clip", (0.5,)))
        ops.append(chance.choice((*clips[:1], *clips)))
    if is_video and chance.random() < 0.3:
        ops.append(Op("frames", (chance.choice((1, 3, 16)),)))
    if is_video and chance.random() < 0.2:
        ops.append(Op("at_fps", (chance.choice((0.5, 5.0, 30.0)),)))
    pictures = (
        *(Op("resize", (32, 48)), Op("resize_short", (40,)), Op("resize", (1, 1)), Op("random_flip", (0.5,))),
        *(Op("crop", (1, 2, 8, 8)), Op("center_crop", (16, 16)), Op("random_crop", (24, 24))),
    )
    ops += chance.sample(pictures, chance.choice((0, 0, 1, 2)))
    if is_video and chance.random() < 0.2:
        ops.append(Op("audio", (chance.choice((8000, 16_000, 44_100, 48_000)),)))
    return [] if chance.random() < 0.1 else ops


class Seen(NamedTuple):
    """What became of a mutant: outcomes by what was called, in words; of what is wrong, the reasons."""

    outcomes: dict[str, str]
    wrong: tuple[str, ...]
    seconds: float = 0.0
    peak_bytes: int = 0


def tried(data: bytes, chance: random.Random) -> Seen:
    """Return what everything that reads media makes of these bytes."""
    outcomes: dict[str, str] = {}
    wrong: list[str] = []

    def call(name: str, function: Callable[[], Any]) -> Any:
        try:
            result = function()
            outcomes[name] = "result"
        except MediaError as error:
            outcomes[name] = "MediaError"
            if "MemoryError" in str(error) and not _again(function, error):
                wrong.append(f"{name}: out of memory: {error}")
            result = error
        except Exception as error:
            outcomes[name] = type(error).__name__
            wrong.append(f"{name}: {type(error).__name__}: {error}")
            result = None
        return result

    source: Any = data if chance.random() < 0.8 else io.BytesIO(data)
    found = call("probe", lambda: probe(source))
    pixels = (found.num_frames or 0) * (found.width or 0) * (found.height or 0) if isinstance(found, Probe) else 0

    def drawn(sample: int) -> list[Op]:
        """Return random operations; of a video that takes gigabytes they end in a small size."""
        ops = list(resolve(random_ops(chance), seed=0, epoch=0, sample=sample))
        is_large = pixels > MAX_PIXELS and not any(op.name == "audio" for op in ops)
        return [*ops, Op("resize", (16, 16))] if is_large else ops

    stored = call("stored_index", lambda: stored_index(source))
    call("examine", lambda: examine(source))
    for number, kind in enumerate((None, chance.choice(("image", "video", "audio", "tensor")))):
        ops = [] if kind == "tensor" else drawn(number)
        call(f"decode as {kind}", lambda ops=ops, kind=kind: decode(source, ops, kind=kind))  # type: ignore[misc]
    if stored and not stored.startswith(UNPLANNED):
        index = PacketIndex.from_bytes(stored)
        ops = [op for op in drawn(2) if op.name in (*TEMPORAL, *SPATIAL)]
        planned = call("planned", lambda: by_plan(data, index, ops))
        container = call("container", lambda: decode(data, ops))
        if isinstance(planned, PromiseError):
            outcomes["planned"] = "PromiseError"
        elif isinstance(planned, np.ndarray) and isinstance(container, MediaError):
            outcomes["planned"] = "result; the container decodes more, and fails"
        elif not _same(planned, container):
            if all(_same(container, call("container", lambda: decode(data, ops))) for _ in range(3)):
                wrong.append(f"planned and container differ: {' '.join(map(str, ops))}")
            else:
                outcomes["planned"] = "FFmpeg decodes it differently each time"
    return Seen(outcomes, tuple(wrong))


def _again(function: Callable[[], Any], error: MediaError) -> bool:
    """Return whether it fails in the same way with more memory: FFmpeg says so, too, of sizes that are absurd."""
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (hard, hard))
    try:
        function()
    except MediaError as other:
        return str(other) == str(error)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
    return False


def _same(one: object, other: object) -> bool:
    """Return whether two results are the same array, or both an error."""
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        return np.array_equal(one, other)
    return isinstance(one, MediaError) and isinstance(other, MediaError)


def serve(connection: Connection) -> None:
    """Say that there is room, then try the mutants that come."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, 4 * MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    connection.send(None)
    for data, seed in iter(connection.recv, None):
        Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
        before, start = _peak_bytes(), time.process_time()
        seen = tried(data, random.Random(seed))
        connection.send(seen._replace(seconds=time.process_time() - start, peak_bytes=_peak_bytes() - before))


def _peak_bytes() -> int:
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) * 1024


class Server:
    """A process that tries mutants one by one, and is started anew where it crashed, hung or is old."""

    def __init__(self, limit_seconds: float) -> None:
        self._limit = limit_seconds
        self._process: Any = None
        self._age = 0

    def tried(self, data: bytes, seed: str) -> Seen:
        """Return what became of a mutant."""
        if self._process is None or self._age >= MUTANTS_PER_PROCESS:
            self.stop()
            self._start()
        self._age += 1
        try:
            self._connection.send((data, seed))
            if self._connection.poll(self._limit):
                seen: Seen = self._connection.recv()
                return seen
            what = f"hang: more than {self._limit:g} s"
        except (EOFError, ConnectionError):
            self._process.join()
            what = f"crash: exit status {self._process.exitcode}"
        self.stop()
        return Seen({"process": what.split(":")[0]}, (what,))

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=serve, args=(theirs,), daemon=True)
        self._process.start()
        theirs.close()
        self._connection.recv()
        self._age = 0

    def stop(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._connection.close()
        self._process = None


@dataclass(kw_only=True)
class Report:
    """What became of all mutants that were tried."""

    num_tried: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    slowest: list[tuple[float, int]] = field(default_factory=list)
    largest: list[tuple[int, int]] = field(default_factory=list)

    def add(self, number: int, seen: Seen) -> None:
        self.num_tried += 1
        self.outcomes.update(f"{name}: {what}" for name, what in seen.outcomes.items())
        self.slowest = sorted([*self.slowest, (seen.seconds, number)])[-5:]
        self.largest = sorted([*self.largest, (seen.peak_bytes, number)])[-5:]

    def lines(self) -> Iterator[str]:
        """Yield what to tell people."""
        yield from (f"{count:8} {what}" for what, count in sorted(self.outcomes.items()))
        yield from (f"mutant {number} took {seconds:.1f} s of processor time" for seconds, number in self.slowest)
        yield from (f"mutant {number} took {size / 1e6:.0f} MB" for size, number in self.largest)
        yield f"{self.num_tried} mutants, {len(self.wrong)} wrong"


def try_all(
    files: Mapping[str, bytes],
    numbers: Sequence[int],
    *,
    seed: int = 0,
    jobs: int = 1,
    seconds: float = 3600,
    limit_seconds: float = 20,
    save: Path | None = None,
) -> Report:
    """Return what became of mutants.

    Args:
        files: Name → content.
        numbers: Of the mutants.
        seed: Of the mutants.
        jobs: Processes.
        seconds: No mutant is begun later.
        limit_seconds: One that takes longer hangs.
        save: A folder for mutants that are wrong, which are also told at once; None tells and saves nothing.
    """
    report, lock, todo = Report(), threading.Lock(), iter(numbers)
    stop = time.monotonic() + seconds

    def work() -> None:
        server = Server(limit_seconds)
        while time.monotonic() < stop:
            with lock:
                number = next(todo, None)
            if number is None:
                break
            seen = server.tried(mutant(files, seed, number).data, f"{seed} {number} ops")
            with lock:
                report.add(number, seen)
                for reason in seen.wrong:
                    report.wrong.append(_told(files, seed, number, reason, save))
        server.stop()

    threads = [threading.Thread(target=work) for _ in range(jobs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return report


def _told(files: Mapping[str, bytes], seed: int, number: int, reason: str, save: Path | None) -> str:
    found = mutant(files, seed, number)
    line = f"mutant {number} of seed {seed}: {found.name}, {found.how}: {reason}"
    if save is not None:
        save.mkdir(parents=True, exist_ok=True)
        (save / f"{seed}-{number}-{Path(found.name).name}").write_bytes(found.data)
        say(line)
    return line


@cache
def made_files() -> dict[str, bytes]:
    """Return a small file of each kind that is easily made."""
    files: dict[str, bytes] = {}
    noise = np.random.default_rng(0).integers(0, 256, (24, 32, 3), np.uint8)
    picture = Image.fromarray(noise)
    other = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    for kind in ("png", "jpeg", "tiff", "bmp", "webp", "avif", "gif", "jp2", "tga", "ppm", "ico", "dds", "sgi"):
        file = io.BytesIO()
        more: dict[str, Any] = {"save_all": True, "append_images": [other]} if kind in ("gif", "webp", "png") else {}
        picture.save(file, Image.registered_extensions()[f".{kind}"], **more)
        files[f"made/picture.{kind}"] = file.getvalue()
    file = io.BytesIO()
    picture.save(file, "TIFF", compression="tiff_lzw")
    files["made/lzw.tif"] = file.getvalue()
    for name, codec, container in (
        *(("h264.mp4", "libx264", "mp4"), ("h264.mkv", "libx264", "matroska"), ("h264.ts", "libx264", "mpegts")),
        *(("vp9.webm", "libvpx-vp9", "webm"), ("mjpeg.avi", "mjpeg", "avi"), ("mpeg4.mov", "mpeg4", "mov")),
    ):
        pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        files[f"made/{name}"] = film(
            range(0, 800, 40), container=container, codec=codec, b_frames=0, moving=True, pix_fmt=pix_fmt
        )
    files["made/tone.wav"] = tone(0.5)
    files["made/tone.flac"] = tone(0.5, container="flac", codec="flac")
    file = io.BytesIO()
    np.save(file, noise)
    files["made/noise.npy"] = file.getvalue()
    header = b'{"noise":{"dtype":"U8","shape":[24,32,3],"data_offsets":[0,2304]}}'
    files["made/noise.safetensors"] = len(header).to_bytes(8, "little") + header + noise.tobytes()
    return files


def small_files(media: Path) -> dict[str, bytes]:
    """Return the small files of a folder, and those that are made."""
    paths = (path for folder in FOLDERS for path in (media / folder).rglob("*") if path.is_file())
    small = (path for path in paths if 0 < path.stat().st_size <= MAX_FILE_BYTES)
    return {str(path.relative_to(media)): path.read_bytes() for path in small} | made_files()


def main() -> None:
    """Try mutants until the time is over, and tell what was found; 1 is the exit status where something is wrong."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else None)
    parser.add_argument("--num", type=int, default=20_000, help="mutants")
    parser.add_argument("--first", type=int, default=0, help="number of the first one")
    parser.add_argument("--seconds", type=float, default=1500, help="stop after so long")
    parser.add_argument("--limit", type=float, default=20, help="seconds after which a mutant hangs")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    parser.add_argument("--media", type=Path, default=MEDIA)
    parser.add_argument("--save", type=Path, default=Path(tempfile.gettempdir()) / "cutlist-mutants")
    args = parser.parse_args()
    report = try_all(
        small_files(args.media),
        range(args.first, args.first + args.num),
        seed=args.seed,
        jobs=args.jobs,
        seconds=args.seconds,
        limit_seconds=args.limit,
        save=args.save,
    )
    say(*report.lines())
    if report.wrong:
        say(f"the wrong ones are in {args.save}")
        sys.exit(1)


if __name__ == "__main__":
    main()
