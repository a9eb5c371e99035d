"""Sharpness: how much fine detail an image or a clip has, as one number that a query can filter on."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from cutlist.backfill import Batch, featurizer
from cutlist_featurizers.frames import FULL_SIZE, FULL_SIZE_BATCH, as_clip
from cutlist_featurizers.luma import luma_bt601
from cutlist_featurizers.rows import each_row


def laplacian_variance(frames: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return the variance of the Laplacian of the luma of each frame: 0 for a flat picture, more when sharp.

    The Laplacian is the 3 × 3 kernel `0 1 0 / 1 -4 1 / 0 1 0`, and the picture is mirrored at its border, the border's
    own pixels not repeated. This is `cv2.Laplacian(grey, cv2.CV_64F).var()` of OpenCV, with its grey of 8
    bits and its border, so that thresholds that were measured with it hold.

    The number grows with the contrast and falls with the resolution that a picture was scaled up to, so a threshold
    holds for one size.

    Source: the LAPV measure of focus, J. L. Pech-Pacheco, G. Cristóbal, J. Chamorro-Martínez and J. Fernández-Valdivia,
    "Diatom autofocusing in brightfield microscopy: a comparative study", ICPR 2000.

    Args:
        frames: RGB, shape (3, H, W) for an image or (T, 3, H, W) for a clip; T, H and W at least 1.

    Returns:
        Shape (T,), in squared luma levels (BT.601 luma in [0, 255]), each at least 0.

    Raises:
        ValueError: if `frames` has another shape or is not uint8.

    Examples:
        >>> import numpy as np
        >>> flat = np.full((3, 8, 8), 128, dtype=np.uint8)
        >>> laplacian_variance(flat).tolist()
        [0.0]
        >>> stripes = np.zeros((3, 8, 8), dtype=np.uint8)
        >>> stripes[:, :, ::2] = 255
        >>> laplacian_variance(stripes).tolist()
        [260100.0]
    """
    return np.array([_laplacian(luma_bt601(frame)).var(dtype=np.float64) for frame in as_clip(frames, "sharpness")])


def _laplacian(grey: NDArray[np.uint8]) -> NDArray[np.int16]:
    """Return the Laplacian, in [-1020, 1020], of the same shape (H, W)."""
    padded = np.pad(grey.astype(np.int16), 1, mode="reflect")
    neighbours = padded[:-2, 1:-1] + padded[2:, 1:-1] + padded[1:-1, :-2] + padded[1:-1, 2:]
    return neighbours - 4 * padded[1:-1, 1:-1]


OUTPUTS = (
    pa.field("sharpness", pa.float32()),
    pa.field("sharpness_per_frame", pa.list_(pa.float32())),
)


@featurizer(version=1, inputs=FULL_SIZE, outputs=OUTPUTS, batch_size=FULL_SIZE_BATCH)
def sharpness(batch: Batch) -> dict[str, list[Any]]:
    """`sharpness`, the median over five frames of the variance of the Laplacian, and `sharpness_per_frame`.

    The frames have their full resolution, which thresholds that were published refer to. Open-Sora 2.0 decides by the
    majority of five frames (arXiv 2503.09642), and the median is that majority: it is at least a threshold exactly if
    three of the five frames are.
    """
    return each_row(_of_row, batch["frames"], OUTPUTS)


def _of_row(frames: NDArray[np.uint8]) -> dict[str, Any]:
    per_frame = laplacian_variance(frames)
    return {"sharpness": float(np.median(per_frame)), "sharpness_per_frame": per_frame.tolist()}
