"""Compares the planned path with a decode of the whole file, on random clips of every real video.

    python -m tests.media.every_clip --num 200 --seconds 3600

The whole file is decoded once, by the container path, to times and checksums of its frames; clips, frames and frame
rates are then picked from these and compared with what planned decoding gives. One request in eight has operations on
the picture, too, and is compared with `decode`. Some damaged VP8 gives other pixels each time that FFmpeg decodes it.
"""

from __future__ import annotations

import argparse
import csv
import random
import sys
import time
import zlib
from collections import Counter
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, cast

import numpy as np

from cutlist.errors import MediaError
from cutlist.media import Op, PacketIndex, decode, decode_planned, index_packets, plan_video
from cutlist.media.frames import open_video, orientation
from cutlist.media.planned import PromiseError
from cutlist.media.timeline import TEMPORAL, pick

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

MEDIA = Path(__file__).parents[3] / "shared" / "media"

MAX_PIXELS = 2_000_000_000
"""Files of more pixels in all frames are left out: five, of an hour of still 1080p or 4K, out of 330."""


def random_ops(rng: random.Random, seconds: float) -> list[Op]:
    """Return operations on time that may be asked of a video of this length: mostly short clips, some past the end."""
    ops: list[Op] = []
    if rng.random() < 0.9:
        start = rng.uniform(-0.1, 1.05) * seconds
        length = rng.choice([0.05, 0.3, 1.0, 2.0, rng.uniform(0, 1) * seconds])
        ops.append(Op("clip", (start, start + length)))
    if rng.random() < 0.3:
        ops.append(Op("frames", (rng.choice([1, 2, 3, 8, 16]),)))
    if rng.random() < 0.3:
        ops.insert(rng.randrange(len(ops) + 1), Op("at_fps", (rng.choice([0.7, 1.0, 5.0, 12.5, 30.0]),)))
    return ops


def by_plan(data: bytes, index: PacketIndex, ops: Sequence[Op]) -> NDArray[np.uint8]:
    """Return what the planned path gives, from nothing but the ranges of its plan."""
    plan = plan_video(index, ops)
    return decode_planned(index, plan, [data[offset : offset + size] for offset, size in plan.ranges])


def outcome(make: Callable[[], object]) -> object:
    """Return what `make` returns, or the message of its MediaError."""
    try:
        return make()
    except PromiseError:
        return None
    except MediaError as error:
        return str(error)


class Film(NamedTuple):
    """The displayed frames of a whole file: seconds and checksum of each, and when the last one ends."""

    times: list[Fraction]
    checksums: list[int]
    end: Fraction


def watch(data: bytes) -> Film:
    """Return the frames of a file, decoded from its start."""
    film = Film([], [], Fraction(0))
    with open_video(data) as frames:
        for shown in frames.shown():
            pixels = cast("NDArray[np.uint8]", shown.frame.to_ndarray(format="rgb24"))
            film.times.append(shown.start)
            film.checksums.append(checksum(orientation(shown.frame).turn(pixels).transpose(2, 0, 1)))
            film = film._replace(end=max(film.end, shown.end))
    return film


def checksum(pixels: NDArray[np.uint8]) -> int:
    return zlib.crc32(pixels.tobytes())


def agrees(data: bytes, film: Film, index: PacketIndex, ops: Sequence[Op]) -> bool:
    """Return whether the planned path gives the frames of the film, or the error of the container path."""
    planned = outcome(lambda: by_plan(data, index, ops))
    if not isinstance(planned, np.ndarray):
        expected = outcome(lambda: decode(data, ops))
        return isinstance(expected, str) and planned == expected
    if any(op.name not in TEMPORAL for op in ops):
        return np.array_equal(planned, cast("NDArray[np.uint8]", decode(data, ops)))
    return [checksum(frame) for frame in planned] == [film.checksums[i] for i in pick(film.times, film.end, ops)]


def main() -> None:
    """Compare until the time is over, and tell what was found."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else None)
    parser.add_argument("--num", type=int, default=200, help="requests per file")
    parser.add_argument("--seconds", type=float, default=3600, help="stop after so long")
    parser.add_argument("--per-file", type=float, default=20, help="seconds for the requests of one file")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--media", type=Path, default=MEDIA)
    args = parser.parse_args()
    stop = time.monotonic() + args.seconds
    counts: Counter[str] = Counter()
    refused: Counter[str] = Counter()
    with (args.media / "MANIFEST.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["kind"] == "video"]
    for row in rows:
        if time.monotonic() > stop:
            counts["files left for want of time"] += 1
            continue
        if float(row["n_frames"] or 0) * float(row["width"] or 0) * float(row["height"] or 0) > MAX_PIXELS:
            counts["files left out, too long"] += 1
            continue
        data = (args.media / row["file"]).read_bytes()
        try:
            index = index_packets(data)
            film = watch(data)
        except MediaError:
            counts["files that are no video"] += 1
            continue
        if not isinstance(index, PacketIndex):
            counts["files refused"] += 1
            refused[index.reason] += 1
            continue
        counts["files indexed"] += 1
        compare(row["file"], data, film, index, args, counts)
    counts.update({f"refused: {reason}": count for reason, count in refused.items()})
    say(*(f"{count:8} {what}" for what, count in counts.items()))


def say(*lines: str) -> None:
    """Write lines for whoever runs this program."""
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()


def compare(
    name: str, data: bytes, film: Film, index: PacketIndex, args: argparse.Namespace, counts: Counter[str]
) -> None:
    """Compare random requests of one file; add to `counts`."""
    rng = random.Random(f"{args.seed} {name}")
    stop = time.monotonic() + args.per_file
    for number in range(args.num):
        ops = random_ops(rng, float(index.end))
        if number % 8 == 0:
            ops.append(Op("resize_short", (rng.randint(20, 100),)))
        elif number % 100 == 1:
            ops = []
        if time.monotonic() > stop:
            counts["files cut short for want of time"] += 1
            return
        planned = outcome(lambda ops=ops: by_plan(data, index, ops))  # type: ignore[misc]
        counts["requests compared"] += 1
        if planned is None:
            counts["of these back to the container, as the packets broke the promise"] += 1
        elif not agrees(data, film, index, ops):
            same = all(watch(data) == film for _ in range(3))
            counts["of these WRONG" if same else "of these in files that FFmpeg decodes differently each time"] += 1
            if same:
                say(f"WRONG {name} {' '.join(map(str, ops))}")


if __name__ == "__main__":
    main()
