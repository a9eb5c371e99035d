"""Resizing and cropping at once give what they give one after another.

- Of a picture that is no JPEG: to 1 of 255 steps, for any chain of operations (a crop before a resize: exactly).
- Of a JPEG that is reduced while it is decoded: close to that, at its edges too, and whatever is outside of a crop does
  not show.
"""

from __future__ import annotations

import io
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from cutlist.errors import MediaError
from cutlist.media import Op, decode
from cutlist.media.geometry import passes, steps

NUMBERS = st.floats(0, 1, exclude_max=True)
SIDES = st.integers(1, 60)
OPS = [
    st.builds(lambda *args: Op("resize", args), SIDES, SIDES),
    st.builds(lambda *args: Op("resize_short", args), SIDES),
    st.builds(lambda *args: Op("crop", args), st.integers(0, 9), st.integers(0, 9), SIDES, SIDES),
    st.builds(lambda *args: Op("center_crop", args), SIDES, SIDES),
    st.builds(lambda *args: Op("random_crop", args), SIDES, SIDES, NUMBERS, NUMBERS),
    st.builds(lambda *args: Op("random_flip", args), st.just(0.5), NUMBERS),
]
NOISE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (70, 90, 3), np.uint8))


def encode(picture: Image.Image, name: str, **options: object) -> bytes:
    file = io.BytesIO()
    picture.save(file, name, **options)
    return file.getvalue()


def one_by_one(picture: Image.Image, ops: list[Op]) -> NDArray[np.int64]:
    for size, corner, flip in steps(*picture.size, ops):
        if flip:
            picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        elif corner is None:
            picture = picture.resize(size, Image.Resampling.BICUBIC)
        else:
            picture = picture.crop((*corner, corner[0] + size[0], corner[1] + size[1]))
    return np.asarray(picture).transpose(2, 0, 1).astype(np.int64)


PNG = encode(NOISE, "PNG")


@given(st.lists(st.integers(0, 5), unique=True, max_size=6).flatmap(lambda which: st.tuples(*(OPS[i] for i in which))))
def test_any_chain_gives_what_its_steps_give(ops: tuple[Op, ...]) -> None:
    try:
        expected = one_by_one(NOISE, list(ops))
    except MediaError as error:
        with pytest.raises(MediaError, match=str(error)[:20].replace("(", r"\(").replace(")", r"\)")):
            decode(PNG, ops)
        return
    got = decode(PNG, ops)
    assert isinstance(got, np.ndarray)
    assert got.shape == expected.shape
    worst = np.abs(got - expected).max()
    names = ["scale" if op.name.startswith("resize") else "cut" for op in ops if op.name != "random_flip"]
    assert worst <= (1 if ("scale", "cut") in pairwise(names) else 0) * (2 if names.count("scale") > 1 else 1)


STORED = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
"""What makes an upright picture the stored one."""


def photo(width: int, height: int) -> Image.Image:
    """Return something smooth with edges, as photographs are."""
    y, x = np.mgrid[:height, :width]
    waves = np.stack([np.sin(x / 37 + y / 91), np.cos(x / 59), np.sin(y / 43)], axis=2) * 90 + 128
    waves[(x // 200 + y // 170) % 2 == 0] *= 0.7
    return Image.fromarray(waves.astype(np.uint8))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(
    "ops",
    [
        [Op("resize", (100, 75))],
        [Op("resize_short", (130,)), Op("center_crop", (120, 110))],
        [Op("crop", (333, 101, 601, 503)), Op("resize", (64, 48))],
        [Op("random_crop", (777, 600, 0.99, 0.5)), Op("center_crop", (701, 555)), Op("resize_short", (61,))],
        [
            Op("crop", (0, 0, 900, 700)),
            Op("resize_short", (80,)),
            Op("crop", (10, 5, 60, 60)),
            Op("random_flip", (1.0, 0.5)),
        ],
    ],
)
def test_a_reduced_jpeg_is_close(ops: list[Op], orientation: int) -> None:
    upright = photo(1217, 909)
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = upright.transpose(STORED[orientation]) if orientation > 1 else upright
    got = decode(encode(stored, "JPEG", quality=97, subsampling=0, exif=exif), ops)
    assert isinstance(got, np.ndarray)
    error = np.abs(got - one_by_one(upright, ops))
    assert error.mean() < 1.5
    assert np.percentile(error, 99) < 16


def test_what_is_outside_of_a_crop_does_not_show() -> None:
    picture = Image.new("RGB", (1024, 1024), (255, 255, 255))
    picture.paste((40, 80, 120), (256, 256, 768, 768))
    got = decode(encode(picture, "JPEG", quality=97), [Op("crop", (256, 256, 512, 512)), Op("resize", (32, 32))])
    assert isinstance(got, np.ndarray)
    assert np.abs(got - np.array([40, 80, 120])[:, None, None]).max() <= 3


def test_only_what_is_kept_is_scaled() -> None:
    (one,) = passes(
        steps(4000, 3000, [Op("resize_short", (256,)), Op("center_crop", (224, 224)), Op("crop", (0, 0, 9, 9))])
    )
    assert (one.size, one.part) == ((341, 256), (58, 16, 67, 25))
