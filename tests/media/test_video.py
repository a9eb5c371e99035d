"""What clip, at_fps, frames and the operations on the picture mean, on videos of known frames."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
import pytest
from tests.media.films import HEIGHT, WIDTH, film, grey

from cutlist.errors import MediaError
from cutlist.media import Op, decode, probe

if TYPE_CHECKING:
    from collections.abc import Sequence

STEADY = film(range(0, 4000, 125))
"""32 frames, 8 a second, a keyframe every 10: frame k at k/8 s."""

UNEVEN = film([0, 125, 250, 1000, 1125, 2000, 2500])


def shown(data: bytes, *ops: Op) -> list[int]:
    """Return which frames come out, by their grey."""
    video = decode(data, ops)
    assert isinstance(video, np.ndarray)
    assert video.dtype == np.uint8
    assert video.flags.c_contiguous
    return [min(range(64), key=lambda k: abs(grey(k) - float(frame.mean()))) for frame in video]


@pytest.mark.parametrize("container", ["mp4", "mov", "matroska", "mpegts"])
@pytest.mark.parametrize(("start", "stop"), [(0.0, 1.0), (1.0, 1.5), (1.25, 1.375), (2.1, 3.3), (3.0, 99.0)])
def test_clip_holds_the_frames_that_start_in_it(container: str, start: float, stop: float) -> None:
    data = STEADY if container == "mp4" else film(range(0, 4000, 125), container=container)
    assert shown(data, Op("clip", (start, stop))) == [k for k in range(32) if start <= k / 8 < stop]


@pytest.mark.parametrize(
    ("ops", "frames"),
    [
        ([Op("frames", (4,))], [4, 12, 20, 28]),
        ([Op("frames", (1,))], [16]),
        ([Op("clip", (1.0, 2.0)), Op("frames", (2,))], [10, 14]),
        ([Op("clip", (1.0, 1.25)), Op("frames", (4,))], [8, 8, 9, 9]),
        ([Op("clip", (1.0, 2.0)), Op("at_fps", (4.0,))], [8, 10, 12, 14]),
        ([Op("clip", (1.0625, 1.5)), Op("at_fps", (8.0,))], [9, 9, 10, 11]),
        ([Op("clip", (1.0, 1.25)), Op("at_fps", (16.0,))], [8, 8, 9, 9]),
        ([Op("clip", (3.5, 99.0)), Op("at_fps", (4.0,))], [28, 30]),
        ([Op("at_fps", (1.0,)), Op("clip", (1.0, 3.0))], [8, 16]),
        ([Op("at_fps", (1.0,)), Op("frames", (2,))], [8, 24]),
        ([Op("frames", (8,)), Op("at_fps", (1.0,))], [2, 6, 14, 22]),
        ([Op("clip", (2.0, float("inf"))), Op("frames", (1,))], [24]),
    ],
)
def test_operations_on_time(ops: list[Op], frames: list[int]) -> None:
    assert shown(STEADY, *ops) == frames


def test_variable_frame_rate_goes_by_time() -> None:
    assert shown(UNEVEN, Op("clip", (0.25, 2.0))) == [2, 3, 4]
    assert shown(UNEVEN, Op("at_fps", (2.0,)))[:5] == [0, 2, 3, 4, 5]
    assert shown(UNEVEN, Op("clip", (0.2, 2.1)), Op("at_fps", (4.0,)))[:4] == [2, 2, 2, 2]


@pytest.mark.parametrize(
    ("ops", "size"),
    [
        ([Op("resize", (32, 20))], (20, 32)),
        ([Op("resize_short", (24,))], (24, 32)),
        ([Op("resize_short", (5,))], (5, 7)),
        ([Op("crop", (1, 2, 30, 11))], (11, 30)),
        ([Op("center_crop", (33, 21))], (21, 33)),
        ([Op("resize_short", (24,)), Op("center_crop", (24, 24))], (24, 24)),
        ([Op("crop", (0, 0, 40, 40)), Op("resize", (7, 9)), Op("crop", (1, 1, 3, 3))], (3, 3)),
    ],
)
def test_operations_on_the_picture_give_this_size(ops: list[Op], size: tuple[int, int]) -> None:
    video = decode(STEADY, [Op("frames", (2,)), *ops])
    assert isinstance(video, np.ndarray)
    assert video.shape == (2, 3, *size)
    assert abs(float(video[0].mean()) - grey(8)) < 3


def test_crop_takes_the_pixels_it_names() -> None:
    data = film(range(0, 500, 125), noise=True)
    whole, part = decode(data, []), decode(data, [Op("crop", (5, 7, 11, 13))])
    assert isinstance(whole, np.ndarray)
    assert np.array_equal(part, whole[:, :, 7:20, 5:16])


@pytest.mark.parametrize(
    ("ops", "message"),
    [
        ([Op("clip", (9.0, 10.0))], r"clip\(9.0, 10.0\): no frame starts in \[9.0, 10.0\) s; the video lasts 4 s"),
        ([Op("clip", (0.01, 0.02))], "the next starts at 0.125 s"),
        ([Op("clip", (2.0, 1.0))], "start must be before stop"),
        ([Op("clip", (float("nan"), 1.0))], "start must be before stop"),
        ([Op("frames", (4,)), Op("clip", (0.0, 0.25))], "no frame starts in .* the video lasts 4 s"),
        ([Op("at_fps", (0.0,))], "frames per second must be a positive number"),
        ([Op("at_fps", (1e9,))], "4000000000 frames; the limit is 1000000"),
        ([Op("frames", (0,))], "the number of frames must be a whole number"),
        ([Op("resize", (0, 4))], "at least 1 pixel"),
        ([Op("resize", (1.5, 4))], "whole numbers"),
        ([Op("resize", (10**6, 10**6))], "over the limit of 178956970 pixels"),
        ([Op("frames", (10**6,)), Op("resize", (1000, 1000))], "take a shorter clip"),
        ([Op("crop", (60, 0, 5, 5))], r"crop\(60, 0, 5, 5\): outside the picture, which is 64x48"),
        ([Op("crop", (-1, 0, 5, 5))], "outside the picture"),
        ([Op("center_crop", (65, 5))], "outside the picture, which is 64x48"),
        ([Op("raw"), Op("clip", (0.0, 1.0))], r"raw gives the undecoded bytes; .* clip\(0, 1\)"),
        ([Op("rezise", (1, 1))], "no operation 'rezise'; did you mean \"resize\""),
    ],
)
def test_what_does_not_fit_is_said(ops: list[Op], message: str) -> None:
    with pytest.raises(MediaError, match=message):
        decode(STEADY, ops)


def test_raw_is_the_bytes() -> None:
    assert decode(STEADY, [Op("raw")]) == STEADY
    assert decode(io.BytesIO(STEADY), [Op("raw")]) == STEADY


class Counting(io.BytesIO):
    """A file that counts the bytes read from it."""

    num_read = 0

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        self.num_read += len(data)
        return data


def test_a_clip_of_a_long_file_reads_its_own_part() -> None:
    data = film(range(0, 30_000, 40), size=(320, 240), noise=True, gop=25)
    file = Counting(data)
    got = decode(file, [Op("clip", (15.0, 16.0))])
    assert isinstance(got, np.ndarray)
    assert len(got) == 25
    assert len(data) > 8 << 20
    assert file.num_read < len(data) / 5
    assert np.array_equal(got, decode(data, [Op("clip", (15.0, 16.0))]))


@pytest.mark.parametrize("keep", [0.3, 0.7, 0.95])
def test_a_file_cut_short_is_a_media_error_or_fewer_frames(keep: float) -> None:
    data = film(range(0, 4000, 125), container="matroska", noise=True)
    short = decode(data[: int(len(data) * keep)], [])
    assert isinstance(short, np.ndarray)
    assert 0 < len(short) < 32


@pytest.mark.parametrize(
    ("times_ms", "fps", "seconds"), [(range(0, 4000, 125), 8.0, 4.0), ([0, 125, 250, 1000], 4 / 1.75, 1.75)]
)
def test_probe_of_a_video(times_ms: Sequence[int], fps: float, seconds: float) -> None:
    found = probe(film(times_ms, b_frames=0))  # MP4 has no room for the display length of reordered frames
    assert (found.kind, found.width, found.height, found.rotation) == ("video", WIDTH, HEIGHT, 0)
    assert (found.codec, found.pix_fmt, found.container, found.has_audio) == ("h264", "yuv420p", "mp4", False)
    assert found.num_frames == len(times_ms)
    assert found.duration_seconds == pytest.approx(seconds)
    assert found.fps == pytest.approx(fps, rel=0.01)
    assert found.bit_rate
    assert found.sample_rate is None
