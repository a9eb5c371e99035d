"""The frames that featurizers of pixels are given: an image is a clip of one frame."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FULL_SIZE = ("frames(video, 5) AS frames", "image AS frames")
"""What a measure reads whose value depends on the resolution: five frames of a video, or the image, not scaled."""

FULL_SIZE_BATCH = 8
"""Rows at a time: five frames in full HD are 31 MB, and their measures gain nothing from larger batches."""


def as_clip(frames: NDArray[np.uint8], measure: str) -> NDArray[np.uint8]:
    """Return frames of shape (T, 3, H, W), a view: an image gets a T of 1.

    Args:
        frames: RGB, shape (3, H, W) for an image or (T, 3, H, W) for a clip; T, H and W at least 1.
        measure: What is to be measured, for the error.

    Raises:
        ValueError: if `frames` has another shape or is not uint8.

    Examples:
        >>> import numpy as np
        >>> as_clip(np.zeros((3, 4, 6), dtype=np.uint8), "sharpness").shape
        (1, 3, 4, 6)
    """
    if frames.dtype != np.uint8 or frames.ndim not in (3, 4) or frames.shape[-3] != 3 or frames.size == 0:
        raise ValueError(
            f"{measure}: frames have dtype {frames.dtype} and shape {frames.shape}; "
            "expected uint8 RGB of shape (3, H, W) or (T, 3, H, W), with one frame of one pixel or more"
        )
    return frames if frames.ndim == 4 else frames[np.newaxis]
