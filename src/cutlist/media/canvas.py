"""The array that decoded video frames are put into, each turned, resized and cropped on the way."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import numpy as np
from av.video.reformatter import Interpolation, VideoReformatter
from numpy.typing import NDArray
from PIL import Image

from cutlist.errors import MediaError
from cutlist.media.frames import Orientation, orientation
from cutlist.media.geometry import apply, steps
from cutlist.media.source import check_output, check_pixels

if TYPE_CHECKING:
    from collections.abc import Sequence

    from av.video.frame import VideoFrame

    from cutlist.media.reference import Op


class Canvas:
    """The result, filled frame by frame; its size is that of the first frame put in.

    Attributes:
        pixels: uint8 (T, 3, H, W), RGB, C-contiguous; None before the first frame is put in.
    """

    def __init__(self, num_frames: int, spatial: Sequence[Op], turn: Orientation | None = None) -> None:
        """Make one for `num_frames` frames, each turned by `turn`, or as it says itself where that is None."""
        self.pixels: NDArray[np.uint8] | None = None
        self._num_frames = num_frames
        self._spatial = spatial
        self._turn = turn
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
        turn = self._turn or orientation(frame)
        todo = steps(*turn.size(frame.width, frame.height), self._spatial)
        if todo and todo[0].corner is None:
            width, height = turn.size(*todo[0].size)
            todo = todo[1:]
            rgb = self._reformatter.reformat(
                frame, width, height, "rgb24", interpolation=Interpolation.BICUBIC, threads=1
            )
        else:
            # PyAV's own default here, so that the pixels are those of frame.to_ndarray(format="rgb24")
            rgb = self._reformatter.reformat(frame, format="rgb24", threads=1)
        pixels = turn.turn(cast("NDArray[np.uint8]", rgb.to_ndarray()))
        return np.asarray(apply(Image.fromarray(pixels), todo)) if todo else pixels
