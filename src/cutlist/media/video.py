"""Video bytes to the frames that a reference asks for, exact by timestamp.

The frames are those of opening the whole file, decoding everything from the start, and picking by time. What the
packets promise decides which frames are converted while decoding; where the decoder does not keep the promise, the file
is decoded once more with the times that it really gave.
"""

from __future__ import annotations

from contextlib import suppress
from fractions import Fraction
from typing import TYPE_CHECKING

import av
from numpy.typing import NDArray

from cutlist.errors import MediaError
from cutlist.media.canvas import Canvas
from cutlist.media.frames import Frames, Promise, open_video
from cutlist.media.timeline import Wanted, no_frames, pick, places_of, wanted_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from cutlist.media.reference import Op
    from cutlist.media.source import Source


def decode_video(source: Source, ops: Sequence[Op]) -> NDArray[np.uint8]:
    """Return the frames that `ops` select: uint8 (T, 3, H, W), RGB, C-contiguous, turned as displayed.

    Operations on time apply in their order, and those on the picture in theirs; neither kind sees the other. Resizing
    is bicubic with antialiasing, inside FFmpeg where it is the first operation on the picture.

    Raises:
        MediaError: if the bytes cannot be decoded, or the operations do not fit them.
    """
    wanted = wanted_of(ops)
    promise: Promise | None = None
    for _ in range(2):
        result = _decode(source, wanted, promise)
        if not isinstance(result, Promise):
            return result
        promise = result
    raise MediaError("decoding the video twice gave different times")


def _decode(source: Source, wanted: Wanted, promise: Promise | None) -> NDArray[np.uint8] | Promise:
    """Return the frames, or the times that the decoder really gave if by these others are wanted."""
    with open_video(source) as frames:
        if wanted.start <= 0 or not frames.can_seek:
            return _convert(frames, wanted, promise)
        with suppress(av.FFmpegError):  # it may need parameter sets that are in packets before it
            if frames.seek(wanted.start):
                return _convert(frames, wanted, promise)
    with open_video(source) as frames:
        return _convert(frames, wanted, promise)


def _convert(frames: Frames, wanted: Wanted, promise: Promise | None) -> NDArray[np.uint8] | Promise:
    start, stop = wanted.start, wanted.stop
    promised = promise or frames.promise(stop)
    starts = promised.starts
    if wanted.clip:
        starts = [time for time in starts if start <= time and (stop is None or time < stop)]
    picks = pick(starts, promised.end, wanted.temporal) if starts else []
    places = places_of(picks)
    canvas = Canvas(len(picks), wanted.spatial)
    actual: list[Fraction] = []
    end, follows = Fraction(0), None
    for shown in frames.shown(stop):
        end = max(end, shown.end)
        if stop is not None and shown.start >= stop:
            follows = shown.start if follows is None else follows
        elif wanted.clip is None or shown.start >= start:
            if len(actual) in places:
                canvas.put(shown.frame, places[len(actual)])
            actual.append(shown.start)
    if wanted.clip and not actual:
        lasts = f"the video lasts {float(end):g} s" if follows is None else f"the next starts at {float(follows):g} s"
        raise no_frames(wanted.clip, lasts)
    if canvas.pixels is None or pick(actual, end, wanted.temporal) != picks:
        return Promise(actual, end)
    return canvas.pixels
