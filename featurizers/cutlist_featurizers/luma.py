"""Luma, the brightness of a pixel as it is stored, as 8-bit integers: by the weights of BT.601 and of BT.709."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_ROWS = 64
"""Rows at a time: the temporaries of full-HD rows then stay in the cache, and those of a 64-megapixel image small."""

_BT601 = (9798, 19235, 3735)
"""0.299, 0.587 and 0.114 times 2¹⁵, rounded: the precision of OpenCV."""

_BT709 = (3566836, 11999065, 1211315)
"""0.2126, 0.7152 and 0.0722 times 2²⁴, rounded: the most that 32 bits hold. Their sum is 2²⁴: grey stays as it is."""


def luma_bt601(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the luma of ITU-R BT.601, 0.299 R + 0.587 G + 0.114 B, rounded: what OpenCV's `COLOR_RGB2GRAY` gives.

    Args:
        frame: RGB, shape (3, H, W).

    Returns:
        Shape (H, W), in [0, 255].

    Examples:
        >>> import numpy as np
        >>> luma_bt601(np.array([[[255, 9]], [[0, 9]], [[0, 9]]], dtype=np.uint8)).tolist()
        [[76, 9]]
    """
    return _weighted(frame, _BT601, 15)


def luma_bt709(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the luma of ITU-R BT.709, 0.2126 R + 0.7152 G + 0.0722 B, rounded.

    Args:
        frame: RGB, shape (3, H, W).

    Returns:
        Shape (H, W), at full range: black is 0 and white 255, whatever range the video was stored with.

    Examples:
        >>> import numpy as np
        >>> luma_bt709(np.array([[[255, 9]], [[0, 9]], [[0, 9]]], dtype=np.uint8)).tolist()
        [[54, 9]]
    """
    return _weighted(frame, _BT709, 24)


def luma_histograms(clip: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return how many pixels of each frame have each BT.709 luma.

    Args:
        clip: RGB, shape (T, 3, H, W).

    Returns:
        Shape (T, 256); each row adds up to H × W.
    """
    return np.stack([np.bincount(luma_bt709(frame).reshape(-1), minlength=256) for frame in clip]).astype(np.int64)


def _weighted(frame: NDArray[np.uint8], weights: tuple[int, int, int], bits: int) -> NDArray[np.uint8]:
    """Return the sum of the channels times their weights in units of 2 ** -bits, rounded half up."""
    red, green, blue, half, shift = np.array([*weights, 1 << (bits - 1), bits], np.uint32)
    out = np.empty(frame.shape[1:], np.uint8)
    for top in range(0, len(out), _ROWS):
        part = frame[:, top : top + _ROWS].astype(np.uint32)
        out[top : top + _ROWS] = (part[0] * red + part[1] * green + part[2] * blue + half) >> shift
    return out
