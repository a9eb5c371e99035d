"""Animated pictures: in a column of videos all frames with their durations, elsewhere the first."""

from __future__ import annotations

import csv
import io

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from tests.media.test_exact import MEDIA

from cutlist.errors import MediaError
from cutlist.media import Op, decode

MILLISECONDS = [100, 50, 200, 30, 120]
FORMATS: dict[str, dict[str, object]] = {"GIF": {}, "PNG": {}, "WEBP": {"lossless": True}, "AVIF": {"quality": 95}}


def animated(name: str, durations: list[int] = MILLISECONDS, **options: object) -> bytes:
    pictures = [Image.new("RGB", (20, 10), (40 * k, 0, 200)) for k in range(len(durations))]
    file = io.BytesIO()
    extra = {**FORMATS[name], "save_all": True, "append_images": pictures[1:], "duration": durations, **options}
    pictures[0].save(file, name, **extra)
    return file.getvalue()


def video(data: bytes, *ops: Op) -> NDArray[np.uint8]:
    got = decode(data, ops, kind="video")
    assert isinstance(got, np.ndarray)
    assert got.dtype == np.uint8
    assert got.flags.c_contiguous
    return got


def reds(data: bytes, *ops: Op) -> list[int]:
    return [round(float(frame[0].mean()) / 40) for frame in video(data, *ops)]


@pytest.mark.parametrize("name", FORMATS)
def test_every_frame_comes_with_its_time(name: str) -> None:
    data = animated(name)
    assert video(data).shape == (5, 3, 10, 20)
    assert reds(data) == [0, 1, 2, 3, 4]
    assert reds(data, Op("clip", (0.09, 0.35))) == [1, 2]
    assert reds(data, Op("at_fps", (10.0,))) == [0, 1, 2, 2, 4]
    assert reds(data, Op("frames", (3,))) == [0, 2, 4]
    assert video(data, Op("resize", (6, 4)), Op("frames", (2,))).shape == (2, 3, 4, 6)
    assert reds(data, Op("random_clip", (0.2, 0.0))) == [0, 1, 2]


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("kind", [None, "image"])
def test_elsewhere_the_first_frame_counts(name: str, kind: str | None) -> None:
    got = decode(animated(name), [], kind=kind)
    assert isinstance(got, np.ndarray)
    assert got.shape == (3, 10, 20)
    assert got[0].max() < 5


def test_frames_that_say_no_time_last_a_tenth_of_a_second() -> None:
    assert reds(animated("GIF", [0, 10, 500]), Op("clip", (0.09, 0.19))) == [1]


def test_a_default_image_is_no_frame() -> None:
    assert reds(animated("PNG", MILLISECONDS[:4], default_image=True)) == [1, 2, 3]


def test_a_still_picture_is_one_frame() -> None:
    file = io.BytesIO()
    Image.new("RGB", (8, 6), (80, 0, 0)).save(file, "PNG")
    assert video(file.getvalue()).shape == (1, 3, 6, 8)
    assert reds(file.getvalue(), Op("clip", (0.0, 2.0)), Op("frames", (4,))) == [2, 2, 2, 2]


def test_what_does_not_fit_is_said() -> None:
    with pytest.raises(MediaError, match="a picture in a column of videos has no sound"):
        video(animated("GIF"), Op("audio", (8000,)))
    with pytest.raises(MediaError, match=r"no frame starts in \[9.0, 10.0\) s; the video lasts 0.5 s"):
        video(animated("GIF"), Op("clip", (9.0, 10.0)))
    with pytest.raises(MediaError, match="cannot be decoded"):
        video(animated("GIF")[:-40])


@pytest.mark.skipif(not (MEDIA / "MANIFEST.csv").exists(), reason="no ../shared/media beside the repository")
def test_odd_pictures_are_frames_or_media_errors() -> None:
    with (MEDIA / "MANIFEST.csv").open(newline="") as file:
        names = [
            row["file"] for row in csv.DictReader(file) if row["kind"] == "image" and row["subset"] == "robustness"
        ]
    several = 0
    for name in names:
        if not name.lower().endswith((".gif", ".png", ".webp", ".avif", ".tif", ".ico")):
            continue
        for kind in ("video", "tensor"):
            try:
                got = decode((MEDIA / name).read_bytes(), [], kind=kind)
            except MediaError:
                continue
            assert isinstance(got, np.ndarray)
            several += kind == "video" and got.shape[0] > 1
    assert several > 10
