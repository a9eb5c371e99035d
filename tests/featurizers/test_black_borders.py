"""Black borders: bars of known sizes, lossy ones too, and a search line by line in Python."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, cast

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from tests.featurizers.pictures import decoded, flat, noise, photos, real_frames

from cutlist.media import Op
from cutlist_featurizers import black_borders
from cutlist_featurizers.black_borders import Box, content_box

if TYPE_CHECKING:
    from av.video.stream import VideoStream


def slow_box(clip: NDArray[np.uint8], black: int) -> Box:
    """Return the box by looking at one line after another, from each side, at grey frames of shape (T, H, W)."""
    _, height, width = clip.shape
    top, bottom, left, right = 0, height, 0, width
    if max(clip.reshape(-1).tolist()) <= black:
        return Box(x=0, y=0, width=width, height=height)
    while max(clip[:, top].reshape(-1).tolist()) <= black:
        top += 1
    while max(clip[:, bottom - 1].reshape(-1).tolist()) <= black:
        bottom -= 1
    while max(clip[:, :, left].reshape(-1).tolist()) <= black:
        left += 1
    while max(clip[:, :, right - 1].reshape(-1).tolist()) <= black:
        right -= 1
    return Box(x=left, y=top, width=right - left, height=bottom - top)


def framed(clip: NDArray[np.uint8], box: Box, *, height: int, width: int) -> NDArray[np.uint8]:
    """Return frames, shape (T, 3, box.height, box.width), put into black ones."""
    out = np.zeros((len(clip), 3, height, width), np.uint8)
    out[:, :, box.y : box.y + box.height, box.x : box.x + box.width] = clip
    return out


def encoded(clip: NDArray[np.uint8], codec: str, **options: str) -> bytes:
    """Return frames as an MP4 file, at 8 frames a second."""
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as output:
        stream = cast("VideoStream", output.add_stream(codec, rate=8, options=options))
        stream.height, stream.width, stream.pix_fmt = clip.shape[2], clip.shape[3], "yuv420p"
        for frame in clip:
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame.transpose(1, 2, 0)), format="rgb24")
            output.mux(stream.encode(picture))
        output.mux(stream.encode())
    return file.getvalue()


@pytest.mark.parametrize(
    "box",
    [
        Box(x=0, y=11, width=64, height=26),  # a letterbox
        Box(x=13, y=0, width=37, height=48),  # a pillarbox
        Box(x=3, y=5, width=7, height=11),
        Box(x=0, y=1, width=64, height=47),  # at the top only
        Box(x=0, y=0, width=63, height=48),  # at the right only
        Box(x=63, y=47, width=1, height=1),
        Box(x=0, y=0, width=64, height=48),  # none
    ],
)
def test_bars_are_found_to_the_pixel(box: Box) -> None:
    clip = framed(np.full((2, 3, box.height, box.width), 25, np.uint8), box, height=48, width=64)
    assert content_box(clip) == box
    assert content_box(clip[0]) == box


@given(
    size=st.tuples(st.integers(1, 3), st.integers(1, 7), st.integers(1, 7)),
    lit=st.lists(st.tuples(st.integers(0, 2), st.integers(0, 6), st.integers(0, 6)), max_size=3),
    black=st.integers(0, 254),
)
def test_equals_the_slow_search(size: tuple[int, int, int], lit: list[tuple[int, int, int]], black: int) -> None:
    grey = np.full(size, black, np.uint8)
    for place in lit:
        grey[tuple(np.minimum(place, np.array(size) - 1))] = black + 1
    clip = np.broadcast_to(grey[:, np.newaxis], (size[0], 3, *size[1:]))
    assert content_box(clip, black=black) == slow_box(grey, black)


@pytest.mark.parametrize("level", [0, 24])
def test_all_black_is_kept_whole(level: int) -> None:
    assert black_borders({"frames": [np.full((5, 3, 9, 16), level, np.uint8)]}) == {
        "crop_x": [0],
        "crop_y": [0],
        "crop_width": [16],
        "crop_height": [9],
        "border_share": [0.0],
    }


def test_any_frame_counts() -> None:
    clip = np.zeros((3, 3, 20, 30), np.uint8)
    clip[0, :, 4, 7] = clip[2, :, 15, 25] = 200
    assert content_box(clip) == Box(x=7, y=4, width=19, height=12)


@pytest.mark.parametrize(("colour", "is_black"), [((0, 0, 255), True), ((255, 0, 0), False), ((24, 24, 24), True)])
def test_level_is_of_luma(colour: tuple[int, int, int], is_black: bool) -> None:
    """The luma of blue is 18, that of red 54."""
    box, whole = Box(x=2, y=1, width=4, height=3), Box(x=0, y=0, width=9, height=7)
    clip = framed(flat(*colour, height=3, width=4)[np.newaxis], box, height=7, width=9)
    assert content_box(clip) == (whole if is_black else box)


def test_photos_without_borders_lose_nothing_bright(shared_media: Path) -> None:
    for photo in photos(shared_media, 40):
        box = content_box(photo)
        outside = np.array(photo)
        outside[:, box.y : box.y + box.height, box.x : box.x + box.width] = 0
        assert (np.tensordot([0.2126, 0.7152, 0.0722], outside, axes=1) < 24.51).all()


@pytest.mark.parametrize("box", [Box(x=0, y=45, width=640, height=270), Box(x=62, y=0, width=640, height=270)])
@pytest.mark.parametrize(
    ("codec", "options", "most"),
    [
        ("libx264", {"crf": "18"}, 1),
        ("libx264", {"crf": "35"}, 3),
        ("mpeg4", {"b": "400k"}, 3),
        ("libvpx-vp9", {"crf": "40", "b": "0", "deadline": "realtime", "cpu-used": "8"}, 3),
    ],
)
def test_bars_of_lossy_codecs(shared_media: Path, box: Box, codec: str, options: dict[str, str], most: int) -> None:
    """The ringing of low bitrates keeps up to three lines of a bar; chroma of half size, one at an odd place."""
    real = real_frames(shared_media, 8, Op("resize", (640, 270)))
    clip = decoded(encoded(framed(real, box, height=270 + 2 * box.y, width=640 + 2 * box.x), codec, **options))
    found = content_box(clip)
    assert box.x - most <= found.x <= box.x
    assert box.y - most <= found.y <= box.y
    assert 640 <= found.width <= 640 + (2 * most if box.x else 0)
    assert 270 <= found.height <= 270 + (2 * most if box.y else 0)


def test_featurizer_gives_the_arguments_of_crop() -> None:
    clip = framed(noise(1, 3, 30, 64) // 2 + 100, Box(x=0, y=9, width=64, height=30), height=48, width=64)
    row = {name: values[0] for name, values in black_borders({"frames": [clip]}).items()}
    assert row == {"crop_x": 0, "crop_y": 9, "crop_width": 64, "crop_height": 30, "border_share": 0.375}
    file = encoded(clip, "ffv1")
    crop = Op("crop", (row["crop_x"], row["crop_y"], row["crop_width"], row["crop_height"]))
    assert decoded(file, crop).shape == (1, 3, 30, 64)
    assert (decoded(file, crop) > 24).all()
