"""Entropy: how many levels of brightness an image or a clip uses, and how evenly; low for slides and blank frames."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from cutlist.backfill import Batch, featurizer
from cutlist_featurizers.frames import FULL_SIZE, FULL_SIZE_BATCH, as_clip
from cutlist_featurizers.luma import luma_histograms
from cutlist_featurizers.rows import each_row


def luma_entropy(frames: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return the Shannon entropy of the luma of each frame: 0 for a flat picture, 8 where all levels are as frequent.

    It is - Σ p log₂ p over the 256 levels of BT.709 luma, p the share of the pixels with that level; the places of the
    pixels do not count. FFmpeg's filter `entropy` gives the same of a grey frame.

    Source: C. E. Shannon, "A mathematical theory of communication", 1948.

    Args:
        frames: RGB, shape (3, H, W) for an image or (T, 3, H, W) for a clip; T, H and W at least 1.

    Returns:
        Shape (T,), in bits, in [0, 8].

    Raises:
        ValueError: if `frames` has another shape or is not uint8.

    Examples:
        >>> import numpy as np
        >>> four_levels = np.broadcast_to(np.array([0, 60, 120, 180], dtype=np.uint8), (3, 2, 4))
        >>> luma_entropy(four_levels).tolist()
        [2.0]
    """
    histograms = luma_histograms(as_clip(frames, "entropy"))
    share = histograms / histograms.sum(axis=1, keepdims=True)
    bits = share * np.log2(share, where=share > 0, out=np.zeros_like(share))
    total: NDArray[np.float64] = bits.sum(axis=1)
    return np.abs(total)  # it is at most 0, and a flat picture has 0, not -0


OUTPUTS = (
    pa.field("entropy", pa.float32()),
    pa.field("entropy_per_frame", pa.list_(pa.float32())),
)


@featurizer(version=1, inputs=FULL_SIZE, outputs=OUTPUTS, batch_size=FULL_SIZE_BATCH)
def entropy(batch: Batch) -> dict[str, list[Any]]:
    """`entropy`, the mean over five frames of the entropy of their luma in bits, in [0, 8], and `entropy_per_frame`.

    The frames have their full resolution: scaling makes levels that were not there, and moves the entropy of real
    photos by up to half a bit.
    """
    return each_row(_of_row, batch["frames"], OUTPUTS)


def _of_row(frames: NDArray[np.uint8]) -> dict[str, Any]:
    per_frame = luma_entropy(frames)
    return {"entropy": float(per_frame.mean()), "entropy_per_frame": per_frame.tolist()}
