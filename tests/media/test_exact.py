"""Decoded clips equal those of decoding the whole file and picking frames by time.

Over every real video that decodes (../shared/media), with clips at the start, in the middle, at the end and at
random places of a fixed seed. Files too long to hold are compared up to a limit.
"""

from __future__ import annotations

import csv
import io
import random
import zlib
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import av
import pytest
from av.video.reformatter import ColorTrc
from av.video.stream import VideoStream

from cutlist.media import Op, decode
from cutlist.media.colour import to_sdr
from cutlist.media.frames import orientation

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MEDIA = Path(__file__).parents[3] / "shared" / "media"
MAX_PIXELS = 20_000_000
"""How many pixels of one file are decoded for the comparison."""

MAX_FRAMES = 5_000
"""How many frames of one folder are; `make clips` has no limit."""


def videos() -> list[str]:
    manifest = MEDIA / "MANIFEST.csv"
    if not manifest.exists():
        return []
    with manifest.open(newline="") as file:
        return [row["file"] for row in csv.DictReader(file) if row["subset"] == "videos"]


class Film(NamedTuple):
    """Times and checksums of the frames of a whole file, and whether these are all."""

    frames: list[tuple[Fraction, int]]
    complete: bool


def checksum(chw: NDArray[np.uint8]) -> int:
    return zlib.crc32(chw.tobytes())


def shown(frame: av.VideoFrame) -> NDArray[np.uint8]:
    """Return the pixels that PyAV gives; of HDR those of the rule for it, which test_colour.py is about."""
    if frame.color_trc in (ColorTrc.SMPTE2084, ColorTrc.ARIB_STD_B67):
        return to_sdr(frame.to_ndarray(format="rgb48le"), frame.color_trc)  # type: ignore[arg-type]
    return frame.to_ndarray(format="rgb24")  # type: ignore[return-value]


def watch(data: bytes, max_frames: int) -> Film:
    """Decode from the start with nothing but PyAV; the times as the design defines them."""
    frames: list[tuple[Fraction, int]] = []
    pixels = 0
    with av.open(io.BytesIO(data), "r") as container:
        stream = container.streams.best("video")
        assert isinstance(stream, VideoStream)
        # One thread: with slices on threads FFmpeg's VP8 decoder gave other pixels from run to run.
        stream.thread_type = "NONE"
        base, origin = stream.time_base or Fraction(1), None
        for frame in container.decode(stream):
            pts = frame.pts if frame.pts is not None else frame.dts
            assert pts is not None
            origin = pts if origin is None else origin
            turned = orientation(frame).turn(shown(frame))
            frames.append(((pts - origin) * base, checksum(turned.transpose(2, 0, 1))))
            pixels += frame.width * frame.height
            if pixels > MAX_PIXELS or len(frames) == max_frames:
                return Film(frames, complete=False)
    return Film(frames, complete=True)


def clips(film: Film, seed: str) -> list[tuple[float, float]]:
    last = float(film.frames[-1 if film.complete else len(film.frames) * 4 // 5][0])  # what follows may be shown before
    rng = random.Random(seed)
    end = last + 5 if film.complete else last
    chosen = [(0.0, last / 8), (last * 0.5, last * 0.6), (last * 0.9, end)]
    start = rng.uniform(0, last)
    chosen.append((start, min(start + 0.3, end)))
    exact = [float(time) for time, _ in rng.choices(film.frames, k=2)]
    return [*chosen, (min(exact), max(exact))]


@pytest.mark.skipif(not videos(), reason="no ../shared/media beside the repository")
@pytest.mark.parametrize("folder", sorted({name.split("/")[1] for name in videos()}))
def test_clips_equal_a_decode_of_the_whole_file(folder: str) -> None:
    wrong = []
    names = [each for each in videos() if each.split("/")[1] == folder]
    for name in names:
        data = (MEDIA / name).read_bytes()
        film = watch(data, MAX_FRAMES // len(names))
        for start, stop in clips(film, name):
            if not start < stop:
                continue
            wanted = [crc for time, crc in film.frames if Fraction(start) <= time < Fraction(stop)]
            if not wanted:
                with pytest.raises(Exception, match="no frame starts in"):
                    decode(data, [Op("clip", (start, stop))])
                continue
            got = decode(data, [Op("clip", (start, stop))])
            assert not isinstance(got, bytes)
            if [checksum(frame) for frame in got] != wanted:
                wrong.append((name, start, stop, len(wanted), got.shape))
    assert not wrong
