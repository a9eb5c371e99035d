"""Video bytes to the frames that a reference asks for, exact by timestamp.

The frames are those of opening the whole file, decoding everything from the start, and picking by time. What the
packets promise decides which frames are converted while decoding; where the decoder does not keep the promise, the file
is decoded once more with the times that it really gave.
"""

from __future__ import annotations

from collections import defaultdict
from fractions import Fraction
from typing import TYPE_CHECKING, NamedTuple, cast

import numpy as np
from av.video.reformatter import Interpolation, VideoReformatter
from numpy.typing import NDArray
from PIL import Image

from cutlist.errors import MediaError
from cutlist.media.colour import is_hdr, to_sdr
from cutlist.media.frames import Frames, Promise, open_video, orientation
from cutlist.media.geometry import apply, steps
from cutlist.media.source import Source, check_output, check_pixels
from cutlist.media.timeline import TEMPORAL, interval, no_frames, pick, settle

if TYPE_CHECKING:
    from collections.abc import Sequence

    from av.video.frame import VideoFrame

    from cutlist.media.reference import Op


class _Wanted(NamedTuple):
    """What is asked for; `clip` only where it comes first, since then nothing outside it can be shown."""

    clip: Op | None
    start: Fraction
    stop: Fraction | None
    temporal: tuple[Op, ...]
    spatial: tuple[Op, ...]


def decode_video(source: Source, ops: Sequence[Op]) -> NDArray[np.uint8]:
    """Return the frames that `ops` select: uint8 (T, 3, H, W), RGB, C-contiguous, turned as displayed.

    Operations on time apply in their order, and those on the picture in theirs; neither kind sees the other. Resizing
    is bicubic with antialiasing, inside FFmpeg where it is the first operation on the picture.

    Raises:
        MediaError: if the bytes cannot be decoded, or the operations do not fit them.
    """
    if any(op.name == "random_clip" for op in ops):
        with open_video(source) as frames:
            ops = settle(ops, frames.scan().end)
    temporal = tuple(op for op in ops if op.name in TEMPORAL)
    spatial = tuple(op for op in ops if op.name not in TEMPORAL)
    clip = temporal[0] if temporal and temporal[0].name == "clip" else None
    start, stop = interval(clip) if clip else (Fraction(0), None)
    wanted = _Wanted(clip, start, stop, temporal, spatial)
    promise: Promise | None = None
    for _ in range(2):
        result = _decode(source, wanted, promise)
        if not isinstance(result, Promise):
            return result
        promise = result
    raise MediaError("decoding the video twice gave different times")


def _decode(source: Source, wanted: _Wanted, promise: Promise | None) -> NDArray[np.uint8] | Promise:
    """Return the frames, or the times that the decoder really gave if by these others are wanted."""
    with open_video(source) as frames:
        if wanted.start <= 0 or not frames.can_seek or frames.seek(wanted.start):
            return _convert(frames, wanted, promise)
    with open_video(source) as frames:
        return _convert(frames, wanted, promise)


def _convert(frames: Frames, wanted: _Wanted, promise: Promise | None) -> NDArray[np.uint8] | Promise:
    start, stop = wanted.start, wanted.stop
    promised = promise or frames.promise(stop)
    starts = promised.starts
    if wanted.clip:
        starts = [time for time in starts if start <= time and (stop is None or time < stop)]
    picks = pick(starts, promised.end, wanted.temporal) if starts else []
    places = defaultdict(list)
    for place, index in enumerate(picks):
        places[index].append(place)

    canvas = _Canvas(len(picks), wanted.spatial)
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


class _Canvas:
    """The result, filled frame by frame; its size is that of the first frame put in."""

    def __init__(self, num_frames: int, spatial: Sequence[Op]) -> None:
        self.pixels: NDArray[np.uint8] | None = None
        self._num_frames = num_frames
        self._spatial = spatial
        self._reformatter = VideoReformatter()

    def put(self, frame: VideoFrame, places: Sequence[int]) -> None:
        """Convert the frame and store it at each of `places`."""
        pixels = self._convert(frame)
        shape = (self._num_frames, 3, *pixels.shape[:2])
        if self.pixels is None:
            check_output(shape)
            self.pixels = np.empty(shape, np.uint8)
        if shape != self.pixels.shape:
            height, width = self.pixels.shape[2:]
            raise MediaError(
                f"the picture changes size within the clip, {width}x{height} to {shape[3]}x{shape[2]}; "
                "resize(video, width, height) first gives one size"
            )
        for channel in range(3):  # three 2-d copies are faster than one transposed copy
            self.pixels[places[0], channel] = pixels[:, :, channel]
        for place in places[1:]:
            self.pixels[place] = self.pixels[places[0]]

    def _convert(self, frame: VideoFrame) -> NDArray[np.uint8]:
        """Return uint8 (H, W, 3) pixels, turned and after the operations on the picture."""
        check_pixels(frame.width, frame.height)
        layout = "rgb48le" if is_hdr(frame) else "rgb24"
        turn = orientation(frame)
        todo = steps(*turn.size(frame.width, frame.height), self._spatial)
        if todo and todo[0].scales:
            width, height = turn.size(*todo[0].size)
            todo = todo[1:]
            rgb = self._reformatter.reformat(
                frame, width, height, layout, interpolation=Interpolation.BICUBIC, threads=1
            )
        else:
            # PyAV's own default here, so that the pixels are those of frame.to_ndarray(format="rgb24")
            rgb = self._reformatter.reformat(frame, format=layout, threads=1)
        values = rgb.to_ndarray()
        if is_hdr(frame):
            values = to_sdr(cast("NDArray[np.uint16]", values), frame.color_trc)
        pixels = turn.turn(cast("NDArray[np.uint8]", values))
        return np.asarray(apply(Image.fromarray(pixels), todo)) if todo else pixels
