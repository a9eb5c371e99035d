"""Black borders: the part of the picture inside a letterbox or a pillarbox, ready to be cropped."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from cutlist.backfill import Batch, featurizer
from cutlist_featurizers.frames import FULL_SIZE, FULL_SIZE_BATCH, as_clip
from cutlist_featurizers.luma import luma_bt709
from cutlist_featurizers.rows import each_row

BLACK = 24
"""The highest luma that is black: the number of FFmpeg's cropdetect, its `limit` of 24/255. There the mean of a line
has to exceed it, in luma at limited range, whose black is 16; here any pixel has to, and black is 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """A rectangle of a picture, in pixels, its top left corner at (x, y)."""

    x: int
    y: int
    width: int
    height: int


def content_box(frames: NDArray[np.uint8], *, black: int = BLACK) -> Box:
    """Return the smallest rectangle outside which every pixel of every frame is black; the whole picture if all are.

    A pixel is as bright as its brightest frame. Nothing is rounded to multiples of 2 or 16, as cropdetect does. No
    brighter pixel is ever lost: what a dark scene hides in all frames is, and one bright speck, such as a logo in the
    border, keeps its lines. The bars of lossy codecs are black enough: at low bitrates, their ringing beside the
    picture keeps up to three lines of a bar.

    Args:
        frames: RGB, shape (3, H, W) for an image or (T, 3, H, W) for a clip; T, H and W at least 1.
        black: The highest BT.709 luma that is black, in [0, 255].

    Raises:
        ValueError: if `frames` has another shape or is not uint8.

    Examples:
        >>> import numpy as np
        >>> letterbox = np.zeros((3, 90, 160), dtype=np.uint8)
        >>> letterbox[:, 11:79] = 128
        >>> content_box(letterbox)
        Box(x=0, y=11, width=160, height=68)
    """
    clip = as_clip(frames, "black_borders")
    lit = luma_bt709(clip[0]) > black
    for frame in clip[1:]:
        lit |= luma_bt709(frame) > black
    rows, columns = np.flatnonzero(lit.any(axis=1)), np.flatnonzero(lit.any(axis=0))
    if not len(rows):
        return Box(x=0, y=0, width=clip.shape[3], height=clip.shape[2])
    x, y = int(columns[0]), int(rows[0])
    return Box(x=x, y=y, width=int(columns[-1]) + 1 - x, height=int(rows[-1]) + 1 - y)


OUTPUTS = (
    pa.field("crop_x", pa.int32()),
    pa.field("crop_y", pa.int32()),
    pa.field("crop_width", pa.int32()),
    pa.field("crop_height", pa.int32()),
    pa.field("border_share", pa.float32()),
)


@featurizer(version=1, inputs=FULL_SIZE, outputs=OUTPUTS, batch_size=FULL_SIZE_BATCH)
def black_borders(batch: Batch) -> dict[str, list[Any]]:
    """The box inside black borders, for `crop(video, crop_x, crop_y, crop_width, crop_height)`, and what they take.

    It is in pixels of the picture as it is displayed, at full resolution, over five frames, so the crop comes before
    any resize. A video without borders has a box of its whole picture, and one that is all black, too. `border_share`,
    the share of the area outside the box, is in [0, 1).
    """
    return each_row(_of_row, batch["frames"], OUTPUTS)


def _of_row(frames: NDArray[np.uint8]) -> dict[str, Any]:
    box = content_box(frames)
    return {
        "crop_x": box.x,
        "crop_y": box.y,
        "crop_width": box.width,
        "crop_height": box.height,
        "border_share": 1 - box.width * box.height / (frames.shape[-2] * frames.shape[-1]),
    }
