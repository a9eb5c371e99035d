"""Animated pictures (GIF, APNG, WebP, AVIF) as video, with Pillow: all frames, each shown as long as the file says."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import ImageSequence

from cutlist.errors import MediaError
from cutlist.media.geometry import SPATIAL, apply, steps
from cutlist.media.image import open_image, to_rgb, turn, upright_size
from cutlist.media.source import Source, check_output
from cutlist.media.timeline import MAX_FRAMES, TEMPORAL, pick, settle

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PIL import Image

    from cutlist.media.reference import Op

_SHORTEST, _INSTEAD = Fraction(11, 1000), Fraction(1, 10)
"""A frame shown for less than the first lasts the second, in seconds: what browsers do, since many GIFs say 0."""


def decode_animation(source: Source, ops: Sequence[Op]) -> NDArray[np.uint8]:
    """Return the frames that `ops` select: uint8 (T, 3, H, W), RGB, C-contiguous, upright.

    A picture that is not animated is a video of one frame.

    Raises:
        MediaError: if the bytes cannot be decoded, or the operations do not fit them.
    """
    for op in ops:
        if op.name not in (*TEMPORAL, *SPATIAL):
            raise MediaError(f"{op}: a picture in a column of videos has no sound")
    temporal = [op for op in ops if op.name in TEMPORAL]
    spatial = [op for op in ops if op.name in SPATIAL]
    with open_image(source) as image:
        count = getattr(image, "n_frames", 1)
        todo = steps(*upright_size(image), spatial)
        width, height = todo[-1].size if todo else upright_size(image)
        if count > MAX_FRAMES:
            raise MediaError(f"{count} frames; the limit is {MAX_FRAMES}")
        check_output((count, 3, height, width))
        times, frames = [Fraction(0)], []
        for frame in ImageSequence.Iterator(image):
            frame.load()
            times.append(times[-1] + _seconds(frame))
            frames.append(np.asarray(apply(turn(image, to_rgb(frame.copy())), todo)))
    if getattr(image, "default_image", False) and len(frames) > 1:  # of an APNG: for programs that show no animations
        times, frames = [time - times[1] for time in times[1:]], frames[1:]
    end = times.pop()
    chosen = pick(times, end, settle(temporal, end))
    check_output((len(chosen), 3, height, width))
    pixels = np.empty((len(chosen), 3, height, width), np.uint8)
    for place, index in enumerate(chosen):
        pixels[place] = frames[index].transpose(2, 0, 1)
    return pixels


def _seconds(frame: Image.Image) -> Fraction:
    """Return how long the current frame is shown, to a microsecond."""
    seconds = Fraction(round(1000 * float(frame.info.get("duration") or 0)), 10**6)
    return seconds if seconds >= _SHORTEST else _INSTEAD
