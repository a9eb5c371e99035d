"""Video pixels have the colours that the tags say: against the standards' formulas in floating point, on flat frames.

- Matrix BT.601, BT.709, BT.2020; limited and full range; 8 and 10 bits; with and without resizing.
- Untagged is BT.601 and limited, at any size.
- PQ and HLG are tone-mapped by the rule that colour.py states, here in float64, pixel by pixel.
"""

from __future__ import annotations

import io
from fractions import Fraction

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from cutlist.media import Op, decode
from cutlist.media.colour import to_sdr

BT709, UNTAGGED, BT601, BT2020 = 1, 2, 6, 9
LIMITED, FULL = 1, 2
PQ, HLG = 16, 18
LUMA = {BT709: (0.2126, 0.0722), BT601: (0.299, 0.114), BT2020: (0.2627, 0.0593), UNTAGGED: (0.299, 0.114)}
"""Weights of red and blue in luma: ITU-R BT.709-6, BT.601-7, BT.2020-2."""

YUV = [(81, 90, 240), (145, 54, 34), (41, 240, 110), (120, 100, 160), (235, 128, 128), (16, 128, 128), (180, 140, 90)]


def rgb(yuv: tuple[int, int, int], matrix: int, color_range: int, bits: int) -> NDArray[np.float64]:
    """Return R'G'B' in [0, 1] of a colour given in 8-bit steps."""
    kr, kb = LUMA[matrix]
    scale, top = 2 ** (bits - 8), 2**bits - 1
    y, u, v = (scale * each for each in yuv)
    if color_range == FULL:
        luma, blue, red = y / top, (u - 128 * scale) / top, (v - 128 * scale) / top
    else:
        luma, blue, red = (
            (y - 16 * scale) / (219 * scale),
            (u - 128 * scale) / (224 * scale),
            (v - 128 * scale) / (224 * scale),
        )
    r, b = luma + 2 * (1 - kr) * red, luma + 2 * (1 - kb) * blue
    found: NDArray[np.float64] = np.clip([r, (luma - kr * r - kb * b) / (1 - kr - kb), b], 0, 1)
    return found


def flat(
    yuv: tuple[int, int, int],
    *,
    matrix: int,
    color_range: int,
    layout: str = "yuv420p",
    transfer: int = 2,
    size: tuple[int, int] = (64, 48),
) -> bytes:
    """Return a video of one flat frame, lossless and tagged."""
    deep = layout.endswith("10le")
    frame = av.VideoFrame(*size, layout)
    for plane, value in zip(frame.planes, yuv, strict=True):
        values = np.full(plane.buffer_size // (2 if deep else 1), 4 * value if deep else value, "<u2" if deep else "u1")
        plane.update(values.tobytes())
    frame.colorspace, frame.color_range, frame.color_trc = matrix, color_range, transfer
    frame.pts, frame.time_base = 0, Fraction(1, 25)
    file = io.BytesIO()
    with av.open(file, "w", format="matroska") as output:
        stream = output.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = *size, layout
        context = stream.codec_context
        context.colorspace, context.color_range, context.color_trc = matrix, color_range, transfer
        output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return file.getvalue()


def colour(data: bytes, *ops: Op) -> NDArray[np.int64]:
    """Return the colour of a flat video."""
    pixels = decode(data, ops)
    assert isinstance(pixels, np.ndarray)
    assert pixels.dtype == np.uint8
    assert np.ptp(pixels.reshape(3, -1), axis=1).max() <= 1
    return pixels[0, :, 5, 5].astype(np.int64)


@pytest.mark.parametrize("ops", [[], [Op("resize", (32, 24))], [Op("center_crop", (40, 40)), Op("resize", (16, 16))]])
@pytest.mark.parametrize(("layout", "error"), [("yuv420p", 3), ("yuv420p10le", 3), ("yuv444p", 1), ("yuv444p10le", 1)])
@pytest.mark.parametrize("color_range", [LIMITED, FULL])
@pytest.mark.parametrize("matrix", [BT601, BT709, BT2020])
def test_tags_decide(matrix: int, color_range: int, layout: str, error: int, ops: list[Op]) -> None:
    for yuv in YUV:
        expected = 255 * rgb(yuv, matrix, color_range, 10 if layout.endswith("10le") else 8)
        got = colour(flat(yuv, matrix=matrix, color_range=color_range, layout=layout), *ops)
        assert np.abs(got - expected).max() <= error + 0.5, yuv


@pytest.mark.parametrize("size", [(64, 48), (1280, 720), (1920, 1080)])
def test_untagged_is_bt601_and_limited_at_any_size(size: tuple[int, int]) -> None:
    for yuv in YUV[:3]:
        got = colour(flat(yuv, matrix=UNTAGGED, color_range=0, size=size))
        assert np.abs(got - 255 * rgb(yuv, BT601, LIMITED, 8)).max() <= 3.5


def sdr(values: NDArray[np.float64], transfer: int) -> NDArray[np.float64]:
    """Return SDR values in [0, 255] of R'G'B' in [0, 1], by the rule, in float64."""
    if transfer == PQ:
        root = values ** (32 / 2523)
        light = (np.maximum(root - 3424 / 4096, 0) / (2413 / 128 - 2392 / 128 * root)) ** (16384 / 2610) * 10_000
    else:
        scene = np.where(values <= 0.5, values**2 / 3, (np.exp((values - 0.55991073) / 0.17883277) + 0.28466892) / 12)
        light = 1000 * (scene @ [0.2627, 0.6780, 0.0593]) ** 0.2 * scene
    to_709 = np.linalg.inv(primaries(0.64, 0.33, 0.30, 0.60, 0.15, 0.06)) @ primaries(
        0.708, 0.292, 0.17, 0.797, 0.131, 0.046
    )
    linear = np.maximum(to_709 @ (light / 203), 0)
    most = linear.max()
    if most > 0.5:
        over = 2 * most - 1
        linear *= (0.5 + 0.5 * over / (1 + over)) / most
    result: NDArray[np.float64] = 255 * linear ** (1 / 2.4)
    return result


def primaries(*xy: float) -> NDArray[np.float64]:
    """Return the matrix from linear RGB to XYZ for red, green and blue primaries and the white D65."""
    columns = np.array([[x / y, 1, (1 - x - y) / y] for x, y in zip(xy[::2], xy[1::2], strict=True)]).T
    white = np.array([0.3127 / 0.3290, 1, (1 - 0.3127 - 0.3290) / 0.3290])
    found: NDArray[np.float64] = columns * np.linalg.solve(columns, white)
    return found


@given(st.tuples(*[st.integers(0, 65_535)] * 3), st.sampled_from([PQ, HLG]))
def test_hdr_is_mapped_by_the_rule(pixel: tuple[int, int, int], transfer: int) -> None:
    got = to_sdr(np.array([[pixel]], np.uint16), transfer)[0, 0]
    assert np.abs(got - sdr(np.array(pixel) / 65_535, transfer)).max() <= 1.1


@pytest.mark.parametrize("transfer", [PQ, HLG])
@pytest.mark.parametrize("ops", [[], [Op("resize", (20, 20))]])
def test_hdr_video(transfer: int, ops: list[Op]) -> None:
    for yuv in YUV:
        data = flat(yuv, matrix=BT2020, color_range=LIMITED, layout="yuv420p10le", transfer=transfer)
        expected = sdr(rgb(yuv, BT2020, LIMITED, 10), transfer)
        assert np.abs(colour(data, *ops) - expected).max() <= 4, yuv


def test_white_is_lighter_than_grey_and_highlights_are_kept_apart() -> None:
    steps = to_sdr(np.repeat(np.arange(0, 65_536, 4096, dtype=np.uint16)[None, :, None], 3, axis=2), PQ)[0, :, 0]
    assert (np.diff(steps.astype(int)) >= 0).all()
    assert len(set(steps[8:].tolist())) == 8
