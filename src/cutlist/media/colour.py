"""The colours of video frames as uint8 RGB: what FFmpeg's scaler does with a frame's tags, and HDR made SDR.

The tags decide: matrix BT.601, BT.709, BT.2020 (and SMPTE 240M, FCC), range limited or full. An untagged frame is
BT.601 and limited, whatever its size, as FFmpeg, PyAV, torchcodec, decord and OpenCV have it (players take BT.709 for
HD); one in a `yuvj` format is full. More than 8 bits are rounded to 8. Against the standards' matrices in floating
point the result is right to 3 of 255 steps (FFmpeg's fast path for 4:2:0), to 1 for 4:4:4.

HDR, which is a transfer tagged PQ (SMPTE 2084) or HLG (ARIB STD-B67), is tone-mapped by a simple rule, frame by frame,
with no memory and no metadata:

1. light: PQ by its EOTF; HLG by its inverse OETF and the OOTF of a display of 1000 cd/m² (gamma 1.2); in units of
   203 cd/m², the level of white that is not a highlight (ITU-R BT.2408);
2. colours: from the primaries of BT.2020 to those of BT.709, and what is below 0 is 0;
3. highlights: where the largest of R, G, B is m > 1/2, all three are scaled so that it becomes
   1/2 + 1/2 · u / (1 + u), u = 2m - 1: white is 3/4, and the brightest highlights come near to 1;
4. values: light ** (1 / 2.4), the display that SDR video is made for (ITU-R BT.1886), times 255, rounded.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, cast

import numpy as np
from av.video.reformatter import ColorTrc
from numpy.typing import NDArray

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

_WHITE = 203.0
"""cd/m² of white in HDR: ITU-R BT.2408-7, section 2."""

_TO_709 = np.array(
    [[1.660491, -0.587641, -0.072850], [-0.124550, 1.132900, -0.008349], [-0.018151, -0.100579, 1.118730]], np.float32
)
"""Linear light in the primaries of BT.2020 to those of BT.709: ITU-R BT.2407-0, section 2.2."""

_LUMA_2020 = np.array([0.2627, 0.6780, 0.0593], np.float32)
_ROWS = 128  # worked on at a time, so that temporaries stay small
_STEPS = 4096


def is_hdr(frame: VideoFrame) -> bool:
    """Return whether a frame is tagged PQ or HLG."""
    return frame.color_trc in (ColorTrc.SMPTE2084, ColorTrc.ARIB_STD_B67)


def to_sdr(pixels: NDArray[np.uint16], transfer: int) -> NDArray[np.uint8]:
    """Return HDR pixels as SDR, by the rule above.

    Args:
        pixels: uint16 (H, W, 3), R'G'B' of BT.2020 at full range.
        transfer: `ColorTrc.SMPTE2084` (PQ) or `ColorTrc.ARIB_STD_B67` (HLG).

    Returns:
        uint8 (H, W, 3), of BT.709.

    Examples:
        >>> black_white_peak = np.array([[[0] * 3, [38_055] * 3, [65_535] * 3]], np.uint16)
        >>> to_sdr(black_white_peak, ColorTrc.SMPTE2084)[0, :, 0].tolist()
        [0, 226, 254]
    """
    light = _light(int(transfer))
    out = np.empty(pixels.shape, np.uint8)
    for top in range(0, len(pixels), _ROWS):
        rgb = light[pixels[top : top + _ROWS]]
        if transfer == ColorTrc.ARIB_STD_B67:
            luma = rgb @ _LUMA_2020
            rgb *= (1000 / _WHITE) * np.power(luma, 0.2, where=luma > 0, out=np.zeros_like(luma))[..., None]
        rgb = np.maximum(rgb @ _TO_709.T, 0)
        most = rgb.max(axis=2, keepdims=True)
        over = np.maximum(2 * most - 1, 0)
        rgb *= np.minimum(0.5 + 0.5 * over / (1 + over), most) / np.maximum(most, 1e-9)
        out[top : top + _ROWS] = _values()[(np.sqrt(rgb) * (_STEPS - 1) + 0.5).astype(np.intp)]
    return out


@cache
def _light(transfer: int) -> NDArray[np.float32]:
    """Return the light of each of 65,536 values: PQ in units of white, HLG of the scene, [0, 1]."""
    value = np.arange(65_536) / 65_535
    if transfer == ColorTrc.SMPTE2084:  # SMPTE ST 2084:2014, equation 4.1
        root = value ** (1 / 78.84375)
        light = (np.maximum(root - 0.8359375, 0) / (18.8515625 - 18.6875 * root)) ** (1 / 0.1593017578125)
        return cast("NDArray[np.float32]", (light * 10_000 / _WHITE).astype(np.float32))
    a, b, c = 0.17883277, 0.28466892, 0.55991073  # ITU-R BT.2100-2, table 5
    light = np.where(value <= 0.5, value**2 / 3, (np.exp((value - c) / a) + b) / 12)
    return cast("NDArray[np.float32]", light.astype(np.float32))


@cache
def _values() -> NDArray[np.uint8]:
    """Return the 8-bit value for the square root of light, in steps: where it is dark, there are more of them."""
    root = np.arange(_STEPS) / (_STEPS - 1)
    return cast("NDArray[np.uint8]", (255 * root ** (2 / 2.4)).round().astype(np.uint8))
