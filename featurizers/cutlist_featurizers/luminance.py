"""Luminance: how bright an image or a clip is, and how much of it is burnt out or lost in black."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from cutlist.backfill import Batch, featurizer
from cutlist_featurizers.frames import FULL_SIZE, FULL_SIZE_BATCH, as_clip
from cutlist_featurizers.luma import luma_histograms
from cutlist_featurizers.rows import each_row

OVER_EXPOSED = 253
"""The lowest luma that counts as burnt out: RawTherapee's threshold of clipped highlights (rtgui/options.cc), there of
the brightest channel, here of the luma, so that a saturated red is none."""

UNDER_EXPOSED = 8
"""The highest luma that counts as lost in black: RawTherapee's threshold of clipped shadows, in the same file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposure:
    """How bright a clip is, in luma levels from 0, black, to 255, white.

    Attributes:
        mean: Over all pixels of all frames.
        p5: The lowest level that at least 5 % of all pixels do not exceed.
        p95: The lowest level that at least 95 % do not exceed.
        over_exposed: Share of the pixels at `OVER_EXPOSED` or above, in [0, 1].
        under_exposed: Share of the pixels at `UNDER_EXPOSED` or below, in [0, 1].
        per_frame: float64 (T,), the mean of each frame.
    """

    mean: float
    p5: int
    p95: int
    over_exposed: float
    under_exposed: float
    per_frame: NDArray[np.float64]


def exposure(frames: NDArray[np.uint8]) -> Exposure:
    """Return how bright the frames are, by the luma of ITU-R BT.709 as an integer.

    Luma is of the values as they are stored, R'G'B' with their gamma, at full range: of a video stored at limited range
    16 is 0 here and 235 is 255. What FFmpeg's signalstats says, Y, is here (Y - 16) × 255 / 219.

    Args:
        frames: RGB, shape (3, H, W) for an image or (T, 3, H, W) for a clip; T, H and W at least 1.

    Raises:
        ValueError: if `frames` has another shape or is not uint8.

    Examples:
        >>> import numpy as np
        >>> picture = np.zeros((3, 4, 10), dtype=np.uint8)
        >>> picture[:, :, 5:] = 100
        >>> picture[:, :, 9:] = 255
        >>> seen = exposure(picture)
        >>> seen.mean, seen.p5, seen.p95, seen.over_exposed, seen.under_exposed
        (65.5, 0, 255, 0.1, 0.5)
    """
    histograms = luma_histograms(as_clip(frames, "luminance"))
    whole = histograms.sum(axis=0)
    pixels = int(whole.sum())
    reached = np.cumsum(whole) * 100  # in hundredths of a pixel: no rounding where a level is reached exactly
    levels = np.arange(256)
    return Exposure(
        mean=int(whole @ levels) / pixels,
        p5=int(np.searchsorted(reached, 5 * pixels)),
        p95=int(np.searchsorted(reached, 95 * pixels)),
        over_exposed=int(whole[OVER_EXPOSED:].sum()) / pixels,
        under_exposed=int(whole[: UNDER_EXPOSED + 1].sum()) / pixels,
        per_frame=histograms @ levels / histograms.sum(axis=1),
    )


OUTPUTS = (
    pa.field("luminance", pa.float32()),
    pa.field("luminance_p5", pa.float32()),
    pa.field("luminance_p95", pa.float32()),
    pa.field("over_exposed", pa.float32()),
    pa.field("under_exposed", pa.float32()),
    pa.field("luminance_per_frame", pa.list_(pa.float32())),
)


@featurizer(version=1, inputs=FULL_SIZE, outputs=OUTPUTS, batch_size=FULL_SIZE_BATCH)
def luminance(batch: Batch) -> dict[str, list[Any]]:
    """Mean, 5th and 95th percentile of the luma of five frames, and the shares that are burnt out or lost in black.

    `luminance` is the mean over the frames, in [0, 255]. The frames have their full resolution: of real
    photos scaled to 256 × 256 the mean stays to 0.1, while a percentile moves by up to 19 levels and a share by up to
    0.08.
    """
    return each_row(_of_row, batch["frames"], OUTPUTS)


def _of_row(frames: NDArray[np.uint8]) -> dict[str, Any]:
    seen = exposure(frames)
    return {
        "luminance": seen.mean,
        "luminance_p5": seen.p5,
        "luminance_p95": seen.p95,
        "over_exposed": seen.over_exposed,
        "under_exposed": seen.under_exposed,
        "luminance_per_frame": seen.per_frame.tolist(),
    }
