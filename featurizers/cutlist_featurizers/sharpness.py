"""Sharpness: how much fine detail an image or a clip has, as one number that a query can filter on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

LUMA_BT601 = np.array([0.299, 0.587, 0.114], dtype=np.float32)
"""Weights of red, green and blue in the luma of ITU-R BT.601."""


def sharpness(frames: NDArray[np.uint8]) -> float:
    """Return the variance of the Laplacian of the luma, the mean over frames: 0 for a flat picture, more when sharp.

    The Laplacian is the 3 × 3 kernel `0 1 0 / 1 -4 1 / 0 1 0`, taken where it fits (the one-pixel border is left out).
    The number grows with the contrast and falls with the resolution that a picture was scaled up to, so compare only
    pictures of one size: resize them in the query.

    Source: the LAPV measure of focus, J. L. Pech-Pacheco, G. Cristóbal, J. Chamorro-Martínez and J. Fernández-Valdivia,
    "Diatom autofocusing in brightfield microscopy: a comparative study", ICPR 2000.

    Args:
        frames: RGB, shape (3, H, W) for an image or (T, 3, H, W) for a clip; T at least 1, H and W at least 3.

    Returns:
        The variance in squared luma levels (luma in [0, 255]), at least 0.

    Raises:
        ValueError: if `frames` has another shape or is not uint8.

    Examples:
        >>> import numpy as np
        >>> flat = np.full((3, 8, 8), 128, dtype=np.uint8)
        >>> sharpness(flat)
        0.0
        >>> stripes = np.zeros((3, 8, 8), dtype=np.uint8)
        >>> stripes[:, :, ::2] = 255
        >>> sharpness(stripes)
        260100.0
    """
    if frames.dtype != np.uint8 or frames.ndim not in (3, 4) or frames.shape[-3] != 3:
        raise ValueError(
            f"sharpness: frames have dtype {frames.dtype} and shape {frames.shape}; "
            "expected uint8 RGB of shape (3, H, W) or (T, 3, H, W)"
        )
    if frames.shape[-2] < 3 or frames.shape[-1] < 3 or (frames.ndim == 4 and frames.shape[0] == 0):
        raise ValueError(
            f"sharpness: frames have shape {frames.shape}; expected at least one frame of 3 × 3 pixels or more"
        )
    clip = frames if frames.ndim == 4 else frames[np.newaxis]
    # One frame at a time: a clip of full-HD frames in float32 would take 8 MB a frame and a temporary or two beside it.
    return float(np.mean([_laplacian_variance(frame) for frame in clip]))


def _laplacian_variance(frame: NDArray[np.uint8]) -> float:
    """Return the variance of the Laplacian of one RGB frame of shape (3, H, W)."""
    luma = np.tensordot(LUMA_BT601, frame.astype(np.float32), axes=1)
    neighbours = luma[:-2, 1:-1] + luma[2:, 1:-1] + luma[1:-1, :-2] + luma[1:-1, 2:]
    laplacian = neighbours - 4 * luma[1:-1, 1:-1]
    return float(laplacian.var(dtype=np.float64))
