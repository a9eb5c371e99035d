"""Motion vectors that an encoder has left in a stream, as NeMo Curator and Cosmos-Curate measure motion by them.

Source: NeMo Curator, nemo_curator/stages/video/filtering/motion_vector_backend.py (2025), `decode_for_motion`,
`motion_vectors_to_flowfield` and `check_if_small_motion`; their thresholds are 0.00098 and 1e-6.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from av.sidedata.sidedata import Type
from numpy.typing import NDArray

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

    from cutlist.media.frames import Frames

TARGET_FPS = 2
"""Frames per second that are looked at."""

TARGET_SHARE = 0.5
"""Part of the duration that is looked at, from the start."""

MIN_FRAMES = 10
"""Frames with vectors that are looked at, if there are so many, however short the video."""

PATCH = 256
"""Pixels of a patch's side."""

BLOCKS = ((8, 8), (16, 16), (16, 8), (8, 16))
"""Width and height of the blocks that count, in the order in which they are painted: all that FFmpeg exports."""


class VectorField:
    """Lengths of motion vectors, pixel by pixel, summed over frames.

    Attributes:
        lengths: Sum over frames of length / (width + height) of the vector at each pixel: float64 (H, W).
        num_frames: Frames in it.
    """

    def __init__(self, height: int, width: int) -> None:
        self.lengths = np.zeros((height, width), np.float64)
        self.num_frames = 0

    def add(self, vectors: NDArray[Any]) -> None:
        """Add one frame's vectors.

        Args:
            vectors: FFmpeg's AVMotionVector by PyAV's names, shape (n,): the vector is motion_x, motion_y over
                motion_scale, in pixels; the block of w × h pixels is around dst_x, dst_y. Where blocks overlap, as of
                frames with two references, the last one counts; what lies outside the picture is moved to its border.
        """
        height, width = self.lengths.shape
        field = np.zeros((height, width), np.float32)
        length = np.hypot(vectors["motion_x"], vectors["motion_y"]) / np.maximum(vectors["motion_scale"], 1)
        for block_width, block_height in BLOCKS:
            chosen = (vectors["w"] == block_width) & (vectors["h"] == block_height)
            columns = vectors["dst_x"][chosen, None] + np.arange(-block_width // 2, block_width // 2)
            rows = vectors["dst_y"][chosen, None] + np.arange(-block_height // 2, block_height // 2)
            place = (np.clip(rows, 0, height - 1)[:, :, None], np.clip(columns, 0, width - 1)[:, None, :])
            field[place] = length[chosen, None, None]
        self.lengths += field / (width + height)
        self.num_frames += 1

    def mean(self) -> float | None:
        """Return the mean over pixels and frames, or None where no frame has vectors."""
        return float(self.lengths.mean() / self.num_frames) if self.num_frames else None

    def patch_min(self) -> float | None:
        """Return the least of the patches' values, or None where no frame has vectors or a side has under 256 pixels.

        A patch's value is the mean over frames and over the four pixels in its middle: that is what shrinking the
        picture to 1/256 by `cv2.resize`, bilinear and without antialiasing, looks at. There are round(W / 256) by
        round(H / 256) patches, halves rounded to even.
        """
        if not self.num_frames or min(self.lengths.shape) < PATCH:
            return None
        rows, columns = (_middles(size) for size in self.lengths.shape)
        middles = self.lengths[np.ix_(rows.ravel(), columns.ravel())]
        patches = middles.reshape(len(rows), 2, len(columns), 2).mean(axis=(1, 3))
        return float(patches.min() / self.num_frames)


def _middles(size: int) -> NDArray[np.intp]:
    """Return the two pixels in the middle of each patch along a side: shape (patches, 2), the last one clamped."""
    first = PATCH * np.arange(round(size / PATCH), dtype=np.intp) + PATCH // 2 - 1
    return np.minimum(np.stack([first, first + 1], axis=1), size - 1, dtype=np.intp)


class Sampling(NamedTuple):
    """Which frames are looked at: every `step`-th from the first, until `most` of them had vectors."""

    step: int
    most: int


def sampling_of(frames: Frames, duration_us: int | None) -> Sampling:
    """Return which frames are looked at, by the frame rate and the container's duration in microseconds.

    As in the source, the duration is in whole seconds, and 30 where it is unknown or under one.
    """
    rate = frames.stream.average_rate or frames.stream.base_rate or Fraction(30)
    seconds = (duration_us or 0) // 1_000_000 or 30
    return Sampling(
        max(1, round(float(rate) / TARGET_FPS)), max(MIN_FRAMES, round(TARGET_FPS * seconds * TARGET_SHARE))
    )


def vectors_of(frame: VideoFrame) -> NDArray[Any] | None:
    """Return the vectors of a decoded frame, shape (n,), or None where it has none; see `VectorField.add`."""
    side_data: Any = frame.side_data
    try:
        return np.asarray(side_data[Type.MOTION_VECTORS].to_ndarray())
    except (KeyError, ValueError):  # ValueError: PyAV 18.1 fails on side data newer than its list
        return None
