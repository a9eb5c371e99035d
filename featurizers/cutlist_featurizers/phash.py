"""Perceptual hashes: 64 bits that stay nearly the same when a picture is scaled or encoded anew; to find duplicates."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from cutlist.backfill import Batch, featurizer
from cutlist_featurizers.frames import as_clip
from cutlist_featurizers.luma import luma_bt601
from cutlist_featurizers.rows import each_row

_DCT = 2 * np.cos(np.pi / 64 * np.outer(np.arange(8), 2 * np.arange(32) + 1))
"""The first 8 rows of the DCT-II of 32 samples, not normalised."""


def dct_hash(frame: NDArray[np.uint8]) -> int:
    """Return the pHash of one picture: which of its 64 lowest frequencies are stronger than their median.

    The luma (BT.601) is scaled to 32 × 32, as `shrink` does it; of its two-dimensional DCT-II the 8 × 8 coefficients of
    the lowest frequencies are kept, the mean included; a bit is 1 where a coefficient is greater than the median of the
    64. The bits are in rows from the lowest vertical frequency, each from the lowest horizontal one, the first bit the
    most significant: the number is `int(str(imagehash.phash(picture)), 16)` of the library ImageHash.

    A picture without any detail has hash 0 or 2⁶³, whatever it shows: leave those out before joining by distance.

    Source: C. Zauner, "Implementation and benchmarking of perceptual image hash functions", 2010; ImageHash 4.3.

    Args:
        frame: RGB, shape (3, H, W), H and W at least 1.

    Returns:
        A number in [0, 2⁶⁴).

    Examples:
        >>> import numpy as np
        >>> ramp = np.broadcast_to(np.arange(0, 256, 2, dtype=np.uint8), (3, 96, 128))
        >>> f"{dct_hash(ramp):016x}", f"{dct_hash(ramp[:, :, ::-1]):016x}"
        ('8000000000000000', 'd500000000000000')
    """
    small = shrink(luma_bt601(frame), height=32, width=32)
    # Coefficients that are 0, as a flat or symmetric picture has them, are up to 1e-9 in floating point.
    low = np.round(_DCT @ small @ _DCT.T, 6)
    return _number(low > np.median(low))


def gradient_hash(frame: NDArray[np.uint8]) -> int:
    """Return the dHash of one picture: where it becomes brighter from left to right.

    The luma (BT.601) is scaled to 9 × 8, as `shrink` does it; a bit is 1 where a pixel is brighter than its left
    neighbour. The bits are in rows from the top left, the first bit the most significant: the number is
    `int(str(imagehash.dhash(picture)), 16)` of the library ImageHash.

    Source: N. Krawetz, "Kind of like that", hackerfactor.com, 2013; ImageHash 4.3.

    Args:
        frame: RGB, shape (3, H, W), H and W at least 1.

    Returns:
        A number in [0, 2⁶⁴).

    Examples:
        >>> import numpy as np
        >>> ramp = np.broadcast_to(np.arange(0, 256, 2, dtype=np.uint8), (3, 96, 128))
        >>> f"{gradient_hash(ramp):016x}", f"{gradient_hash(ramp[:, :, ::-1]):016x}"
        ('ffffffffffffffff', '0000000000000000')
    """
    small = shrink(luma_bt601(frame), height=8, width=9)
    return _number(small[:, 1:] > small[:, :-1])


def shrink(grey: NDArray[np.uint8], *, height: int, width: int) -> NDArray[np.float64]:
    """Return a grey picture scaled to `height` × `width`, as Pillow's Lanczos filter does it: integers in [0, 255].

    Source: Pillow, libImaging/Resample.c: the filter is widened by the factor of scaling, and the picture is rounded
    after the rows and again after the columns.

    Args:
        grey: Shape (H, W), H and W at least 1.
    """
    rows: NDArray[np.float64] = np.rint(grey @ _lanczos(grey.shape[1], width).T).clip(0, 255)
    both: NDArray[np.float64] = np.rint(_lanczos(grey.shape[0], height) @ rows).clip(0, 255)
    return both


def _lanczos(before: int, after: int) -> NDArray[np.float64]:
    """Return the weights, shape (after, before), of the old samples in each new one; they add up to 1."""
    scale = before / after
    wide = max(scale, 1.0)
    centres = (np.arange(after)[:, np.newaxis] + 0.5) * scale
    distances = (np.arange(before) + 0.5 - centres) / wide
    weights: NDArray[np.float64] = np.where(np.abs(distances) < 3, np.sinc(distances) * np.sinc(distances / 3), 0)
    weights /= weights.sum(axis=1, keepdims=True)
    return weights


def _number(bits: NDArray[np.bool_]) -> int:
    """Return 64 bits as a number, the first the most significant."""
    return int.from_bytes(np.packbits(bits).tobytes(), "big")


OUTPUTS = (pa.field("phash", pa.uint64()), pa.field("dhash", pa.uint64()))


@featurizer(
    version=1,
    inputs=("resize(frames(video, 1), 256, 256) AS frames", "resize(image, 256, 256) AS frames"),
    outputs=OUTPUTS,
)
def phash(batch: Batch) -> dict[str, list[Any]]:
    """`phash` and `dhash` of an image, or of the middle frame of a video; of more frames, that in the middle.

    Pictures are alike where few bits differ: `bit_count(xor(a.phash, b.phash)) <= 10`. Measured on 100 real photos:
    copies (JPEG at quality 40, WebP at 50, scaled by 1/8, 1/2 and 3/2) are at most 4 bits away by pHash and 3 by dHash;
    of all pairs of different photos, none is less than 14 away by pHash, and one in a thousand is within 10 by dHash.

    They are scaled to 256 × 256 while they are decoded, which is twice as fast on photos and more on large ones. Of 150
    real photos 143 then have the very pHash that ImageHash gives of the whole photo, and 7 differ from it in 2 bits;
    127 have its dHash, 22 differ in 1 bit and one in 2. `dct_hash` and `gradient_hash` of the whole photos are those of
    ImageHash.
    """
    return each_row(_of_row, batch["frames"], OUTPUTS)


def _of_row(frames: NDArray[np.uint8]) -> dict[str, Any]:
    clip = as_clip(frames, "phash")
    middle = clip[len(clip) // 2]
    return {"phash": dct_hash(middle), "dhash": gradient_hash(middle)}
