"""Saturation: how colourful an image or a clip is."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from cutlist.backfill import Batch, featurizer
from cutlist_featurizers.frames import FULL_SIZE, FULL_SIZE_BATCH, as_clip
from cutlist_featurizers.rows import each_row

_ROWS = 64
"""Rows at a time: see `luma.py`."""


def hsv_saturation(frames: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return the mean HSV saturation of each frame: 0 for grey, 1 for pure colours.

    Of a pixel it is (max - min) / max over R, G and B, and 0 for black; OpenCV's 8-bit HSV has 255 times that. Nearly
    black pixels count like the others, though the noise in them has every saturation: see `luminance` for how many.

    Source: A. R. Smith, "Color gamut transform pairs", SIGGRAPH 1978.

    Args:
        frames: RGB, shape (3, H, W) for an image or (T, 3, H, W) for a clip; T, H and W at least 1.

    Returns:
        Shape (T,), in [0, 1].

    Raises:
        ValueError: if `frames` has another shape or is not uint8.

    Examples:
        >>> import numpy as np
        >>> red_and_pink = np.array([[[200, 200]], [[0, 100]], [[0, 100]]], dtype=np.uint8)
        >>> hsv_saturation(red_and_pink).tolist()
        [0.75]
    """
    return np.array([_mean(frame) for frame in as_clip(frames, "saturation")])


def _mean(frame: NDArray[np.uint8]) -> float:
    """Return the mean saturation of one RGB frame of shape (3, H, W)."""
    total = 0.0
    for top in range(0, frame.shape[1], _ROWS):
        part = frame[:, top : top + _ROWS]
        most = part.max(axis=0)
        spread = most - part.min(axis=0)
        shares: NDArray[np.float32] = np.divide(spread, np.maximum(most, 1), dtype=np.float32)
        total += float(shares.sum(dtype=np.float64))
    return total / int(frame[0].size)


OUTPUTS = (
    pa.field("saturation", pa.float32()),
    pa.field("saturation_per_frame", pa.list_(pa.float32())),
)


@featurizer(version=1, inputs=FULL_SIZE, outputs=OUTPUTS, batch_size=FULL_SIZE_BATCH)
def saturation(batch: Batch) -> dict[str, list[Any]]:
    """`saturation`, the mean HSV saturation of five frames, in [0, 1], and `saturation_per_frame`.

    Step-Video-T2V has it among the scores of its clips (arXiv 2502.10248). The frames have their full resolution: of
    real photos scaled to 256 × 256 it moves by up to 0.07, since neighbours of different colours are mixed.
    """
    return each_row(_of_row, batch["frames"], OUTPUTS)


def _of_row(frames: NDArray[np.uint8]) -> dict[str, Any]:
    per_frame = hsv_saturation(frames)
    return {"saturation": float(per_frame.mean()), "saturation_per_frame": per_frame.tolist()}
