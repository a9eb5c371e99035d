"""The shape that operations alone decide.

- Sound: where a shape is told, decoding gives it, for any medium of the kind that can be decoded so: of any size,
  length and rate, turned, animated.
- Complete: one is told wherever a size is set, and for a video a number of frames after whatever changes it.
- A parameter that is not known changes nothing but whether a shape is told.
- In a plan, the shape of a bucket is that of every one of its samples.
"""

from __future__ import annotations

import io
import itertools
import math
import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from PIL import Image
from tests.media.films import film

import cutlist
from cutlist.errors import MediaError
from cutlist.media import Op, decode
from cutlist.media.shapes import fixed_shape
from cutlist.media.synthetic import Clip, plan_pictures, render_clip, render_picture
from cutlist.order import Batching
from cutlist.reader import Reader

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.conftest import Made

SIDES = st.integers(1, 40)
NUMBERS = st.floats(0, 1, exclude_max=True)
OPS: dict[str, st.SearchStrategy[tuple[float, ...]]] = {
    "clip": st.tuples(st.sampled_from([0.0, 0.1, 0.25]), st.sampled_from([0.3, 0.5, 2.0])),
    "at_fps": st.tuples(st.sampled_from([2.5, 10.0, 60.0])),
    "frames": st.tuples(st.integers(1, 20)),
    "resize": st.tuples(SIDES, SIDES),
    "resize_short": st.tuples(SIDES),
    "crop": st.tuples(st.integers(0, 8), st.integers(0, 8), SIDES, SIDES),
    "center_crop": st.tuples(SIDES, SIDES),
    "random_clip": st.tuples(st.sampled_from([0.2, 0.5, 2.0]), NUMBERS),
    "random_crop": st.tuples(SIDES, SIDES, NUMBERS, NUMBERS),
    "random_flip": st.tuples(st.just(0.5), NUMBERS),
}
TEMPORAL = ("clip", "random_clip", "at_fps", "frames")
SIZED = ("resize", "crop", "center_crop", "random_crop")


def chains(names: Sequence[str]) -> st.SearchStrategy[list[Op]]:
    """Return chains of operations, each at most once, in any order."""
    some = st.lists(st.sampled_from(list(names)), unique=True, max_size=6)
    return some.flatmap(lambda chosen: st.tuples(*(parameters(name) for name in chosen))).map(list)


def parameters(name: str) -> st.SearchStrategy[Op]:
    return OPS[name].map(lambda args: Op(name, args))


def image(width: int, height: int, format: str, *, orientation: int = 1) -> bytes:
    file = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = orientation
    pictures = [Image.new("RGB", (width, height), (i, 9 * i, 200)) for i in range(3)]
    more: dict[str, Any] = {"save_all": True, "append_images": pictures[1:]} if format == "GIF" else {"exif": exif}
    pictures[0].save(file, format, **more)
    return file.getvalue()


VIDEOS = {
    "10 frames a second": film(range(0, 1000, 100)),
    "portrait, of uneven times": film([0, 40, 200, 210, 520, 600, 690], size=(36, 64)),
    "two frames": film([0, 33], size=(16, 16), container="matroska"),
}
IMAGES = {
    "landscape": image(64, 48, "PNG"),
    "turned": image(50, 30, "JPEG", orientation=6),
    "small": image(7, 5, "PNG"),
    "animated": image(48, 64, "GIF"),
}


def agrees(data: bytes, kind: str, ops: Sequence[Op]) -> bool:
    """Check that what is decoded has the shape that is told; return whether it can be decoded."""
    try:
        shape = fixed_shape(kind, ops)
        decoded = decode(data, ops)
    except MediaError:
        return False
    assert isinstance(decoded, np.ndarray)
    assert shape in (None, decoded.shape)
    return True


@pytest.mark.parametrize("name", VIDEOS)
@given(ops=chains(list(OPS)))
def test_videos_have_the_shape_that_is_told(name: str, ops: list[Op]) -> None:
    assume(agrees(VIDEOS[name], "video", ops))


@pytest.mark.parametrize("name", IMAGES)
@given(ops=chains(["resize", "resize_short", "crop", "center_crop", "random_crop", "random_flip"]))
def test_images_have_the_shape_that_is_told(name: str, ops: list[Op]) -> None:
    assume(agrees(IMAGES[name], "image", ops))


@given(ops=chains(list(OPS)), kind=st.sampled_from(["video", "image"]))
def test_a_shape_is_told_wherever_one_is_set(ops: list[Op], kind: str) -> None:
    has_size = any(op.name in SIZED for op in ops)
    times = [op.name for op in ops if op.name in TEMPORAL]
    try:
        shape = fixed_shape(kind, ops)
    except MediaError:
        return
    assert (shape is not None) == (has_size and (kind == "image" or times[-1:] == ["frames"]))
    assert shape is None or len(shape) == (3 if kind == "image" else 4)
    assert shape is None or all(type(each) is int for each in shape)


@given(ops=chains(list(OPS)), kind=st.sampled_from(["video", "image"]), data=st.data())
def test_parameters_that_are_not_known_tell_no_other_shape(ops: list[Op], kind: str, data: st.DataObject) -> None:
    blurred = [Op(op.name, tuple(math.nan if data.draw(st.booleans()) else each for each in op.args)) for op in ops]
    try:
        known = fixed_shape(kind, ops)
    except MediaError:
        return
    assert fixed_shape(kind, blurred) in (None, known)


@pytest.mark.parametrize(
    ("kind", "ops", "shape"),
    [
        ("video", [], None),
        ("image", [], None),
        ("image", [Op("resize", (320, 180))], (3, 180, 320)),
        ("video", [Op("resize", (320, 180))], None),
        ("video", [Op("frames", (16,))], None),
        ("video", [Op("frames", (16,)), Op("resize", (320, 180))], (16, 3, 180, 320)),
        ("video", [Op("resize", (320, 180)), Op("clip", (0.0, 1.0)), Op("frames", (16,))], (16, 3, 180, 320)),
        ("video", [Op("resize", (320, 180)), Op("frames", (16,)), Op("clip", (0.0, 1.0))], None),
        ("video", [Op("frames", (16,)), Op("at_fps", (8.0,)), Op("resize", (4, 4))], None),
        ("image", [Op("resize", (320, 180)), Op("resize_short", (90,))], (3, 90, 160)),
        ("image", [Op("resize_short", (90,)), Op("resize", (320, 180))], (3, 180, 320)),
        ("image", [Op("resize_short", (90,))], None),
        ("image", [Op("resize", (100, 33)), Op("resize_short", (10,)), Op("crop", (1, 2, 3, 4))], (3, 4, 3)),
        ("image", [Op("crop", (5, 6, 30, 20)), Op("resize_short", (11,))], (3, 11, 17)),
        ("image", [Op("resize", (math.nan, 180)), Op("center_crop", (8, 9))], (3, 9, 8)),
        ("image", [Op("center_crop", (8, 9)), Op("resize", (math.nan, 180))], None),
        ("image", [Op("crop", (math.nan, math.nan, 8, 9))], (3, 9, 8)),
        ("image", [Op("resize", (8, 9)), Op("resize_short", (math.nan,))], None),
        ("image", [Op("resize", (8, 9)), Op("resize_short", (math.nan,)), Op("center_crop", (2, 3))], (3, 3, 2)),
        ("video", [Op("clip", (math.nan, math.nan)), Op("frames", (2,)), Op("resize", (8, 9))], (2, 3, 9, 8)),
        ("video", [Op("frames", (math.nan,)), Op("resize", (8, 9))], None),
        ("image", [Op("raw")], None),
        ("image", [Op("random_crop", (8, 9)), Op("random_flip", (0.5,))], (3, 9, 8)),
        ("video", [Op("frames", (2,)), Op("resize", (8, 9)), Op("audio", (8000,))], None),
        ("video", [Op("frames", (2,)), Op("random_crop", (8, math.nan))], None),
        ("tensor", [], None),
        ("audio", [Op("resize", (8, 9))], None),
        (None, [Op("resize", (8, 9)), Op("frames", (2,))], None),
    ],
)
def test_shapes(kind: str | None, ops: list[Op], shape: tuple[int, ...] | None) -> None:
    assert fixed_shape(kind, ops) == shape


def test_rendered_media_of_every_codec(tmp_path: Path) -> None:
    """Large ones, which are shrunk while they are decoded."""
    pictures = plan_pictures(8, seed=3)
    orders = list(itertools.permutations([Op("resize_short", (60,)), Op("center_crop", (50, 40))]))
    for number, picture in enumerate(pictures):
        path = tmp_path / f"{number}{'.png' if number % 2 else '.jpg'}"
        render_picture(picture, path)
        for ops in orders:
            assert fixed_shape("image", ops) == ((3, 40, 50) if ops[1].name == "center_crop" else (3, 60, 75))
            assert agrees(path.read_bytes(), "image", ops)
    for codec, suffix in (("h264", ".mp4"), ("h264", ".mkv"), ("mjpeg", ".avi")):
        clip = Clip(
            picture=pictures[0],
            motion="stays still",
            codec=codec,
            suffix=suffix,
            fps=10,
            num_frames=9,
            gop_frames=4,
            tone_hertz=None,
        )
        path = tmp_path / f"{codec}{suffix}"
        render_clip(clip, path)
        for ops in orders:
            temporal = [Op("clip", (0.2, 0.75)), Op("frames", (5,))]
            assert fixed_shape("video", [*ops, *temporal]) in ((5, 3, 40, 50), (5, 3, 60, 75))
            assert agrees(path.read_bytes(), "video", [*ops, *temporal])


@pytest.mark.parametrize(
    "query",
    [
        "SELECT clip(video, 0, 0.6).frames(3 + width // 1000).resize(16 + height % 7, 24) AS m, "
        "(width // 1000) || '-' || height % 7 AS b FROM my_videos",
        "SELECT resize_short(image, 40).center_crop(8 * (1 + width % 3), 32) AS m, width % 3 AS b FROM my_images",
        "SELECT resize(image, 64, 48).random_crop(8 * (1 + width % 3), 32) AS m, width % 3 AS b FROM my_images",
        "SELECT crop(resize(image, 64, 48), width % 9, 0, 20, 30) AS m, height // 400 AS b FROM my_images",
        "SELECT frames(video, 2).resize_short(32) AS m, width > height AS b FROM my_videos",
    ],
)
def test_a_plans_shapes_are_those_of_the_samples(made: Made, tmp_path: Path, query: str) -> None:
    root = shutil.copytree(made.root, tmp_path / "data")
    with cutlist.connect(root, views=made.views) as session:
        plans = session.plan(query, Batching(batch_size=1, bucket_by="b"))
        selection = session.compile(query)
        steps = [[(0, np.arange(len(selection)))]]
        rows = [row for rows in Reader([selection], session.store).read(steps) for row in rows]
    assert len(plans) > 1
    for plan in plans:
        shapes = {"×".join(map(str, row["m"].shape)) for row in rows if str(row["b"]).lower() == plan.bucket}
        assert shapes
        if "resize_short(32)" in query:
            assert plan.shape == "m varies"
        else:
            assert {f"m {each}" for each in shapes} == {plan.shape}
