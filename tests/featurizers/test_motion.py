"""Motion against vmafmotion written out in numpy, and against NeMo Curator's measure of motion vectors over cv2.

- Static videos have no motion, exactly; a moving square has the motion that follows from its area.
- Vectors of a pan are its displacement; codecs without vectors have None.
- A video has the same values alone and in any batch; one that cannot be decoded fails alone.
"""

from __future__ import annotations

import io
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from av.codec.context import Flags2
from av.sidedata.sidedata import Type
from numpy.typing import NDArray
from tests.featurizers.footage import footage, lumas_of, noise, real_videos, sounded

from cutlist.errors import MediaError
from cutlist_featurizers.motion import measure_motion, motion
from cutlist_featurizers.motion_vectors import VectorField

GAUSSIAN = np.array([0.054488685, 0.244201342, 0.402619947, 0.244201342, 0.054488685])
"""The 5 taps that VMAF publishes."""


def blurred(luma: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return the luma convolved with the Gaussian, in exact arithmetic, mirrored at the borders."""
    height, width = luma.shape
    padded = np.pad(luma.astype(np.float64), 2, mode="reflect")
    rows = sum(tap * padded[k : k + height] for k, tap in enumerate(GAUSSIAN))
    return np.asarray(sum(tap * np.asarray(rows)[:, k : k + width] for k, tap in enumerate(GAUSSIAN)))


def vmafmotion(lumas: list[NDArray[np.uint8]]) -> list[float]:
    pictures = [blurred(luma) for luma in lumas]
    return [0.0, *(float(np.abs(b - a).mean()) for a, b in pairwise(pictures))]


def nemo(data: bytes) -> tuple[float, float] | None:
    """Return global mean and least patch as NeMo Curator has them, vector by vector; None where there are none."""
    fields: list[NDArray[np.float32]] = []
    with av.open(io.BytesIO(data), "r") as container:
        stream = container.streams.video[0]
        stream.codec_context.flags2 |= Flags2.export_mvs
        seconds = int((container.duration or 0) / 1_000_000) or 30
        step = max(1, round(float(stream.average_rate or stream.base_rate or 30) / 2.0))
        for number, frame in enumerate(container.decode(stream)):
            side_data: Any = frame.side_data
            if number % step == 0 and Type.MOTION_VECTORS in {each.type for each in side_data}:
                fields.append(painted(side_data[Type.MOTION_VECTORS].to_ndarray(), frame.height, frame.width))
            if len(fields) >= max(10, round(2.0 * seconds * 0.5)):
                break
    if not fields:
        return None
    average = np.mean(fields, axis=0) / sum(fields[0].shape)
    return float(average.mean()), float(cv2.resize(average, None, fx=1 / 256, fy=1 / 256).min())


def painted(vectors: NDArray[Any], height: int, width: int) -> NDArray[np.float32]:
    field = np.zeros((height, width), np.float32)
    for size in ((8, 8), (16, 16), (16, 8), (8, 16)):
        for each in vectors:
            if (each["w"], each["h"]) != size:
                continue
            length = float(np.hypot(float(each["motion_x"]), float(each["motion_y"]))) / float(each["motion_scale"])
            for y in range(int(each["dst_y"]) - size[1] // 2, int(each["dst_y"]) + size[1] // 2):
                left, right = int(each["dst_x"]) - size[0] // 2, int(each["dst_x"]) + size[0] // 2
                columns = np.clip(np.arange(left, right), 0, width - 1)
                field[min(max(y, 0), height - 1), columns] = length
    return field


def test_equals_vmafmotion_of_noise() -> None:
    lumas = [noise(98, 130, seed=k) for k in range(6)]
    measured = measure_motion(footage(lumas))
    # FFmpeg gives hundredths and cuts fractions of 1/128 off; at the right and lower border it repeats the edge, where
    # VMAF mirrors about it: two of its 130 columns and 98 rows.
    assert measured.motion_per_frame == pytest.approx(vmafmotion(lumas), rel=0.01)
    assert measured.motion == pytest.approx(np.mean(measured.motion_per_frame), rel=1e-12)


def test_equals_vmafmotion_on_real_videos(shared_media: Path) -> None:
    compared = 0
    for path in real_videos(shared_media, at_most_seconds=3, each_of=1):
        data = path.read_bytes()
        with av.open(io.BytesIO(data), "r") as container:
            stream = container.streams.video[0]
            if (
                stream.codec_context.pix_fmt not in ("yuv420p", "yuv422p", "yuv444p", "yuvj420p")
                or len(container.streams.video) > 1
            ):
                continue
        lumas = lumas_of(data, 12)
        measured = measure_motion(data).motion_per_frame[:12]
        assert measured == pytest.approx(vmafmotion(lumas), rel=0.01, abs=0.015), path.name
        compared += 1
    assert compared >= 10


@pytest.mark.parametrize("codec", ["ffv1", "libx264", "mpeg4"])
def test_a_still_video_has_none(codec: str) -> None:
    measured = measure_motion(footage([np.full((288, 288), 90, np.uint8)] * 40, codec=codec))
    assert measured.motion == 0.0
    assert measured.motion_per_frame == [0.0] * 40
    assert measured.motion_vectors_mean in (0.0, None)


def test_a_moving_square_has_twice_its_area() -> None:
    lumas = [np.full((96, 128), 16, np.uint8) for _ in range(4)]
    for k, luma in enumerate(lumas):
        luma[32:64, 16 + 24 * k : 32 + 24 * k] = 216  # 32 × 16 pixels, 200 levels, and no overlap of the blurred ones
    expected = 2 * 200 * 32 * 16 / (96 * 128)
    # The blur keeps the sum, up to fractions of 1/128 that are cut off.
    assert measure_motion(footage(lumas)).motion_per_frame == pytest.approx([0, *[expected] * 3], rel=0.002, abs=1e-9)


def test_the_rate_of_frames_matters() -> None:
    ramp = np.tile(np.arange(0, 256, dtype=np.uint8), (64, 2))
    fast = [np.roll(np.minimum(ramp, 255 - ramp), k, axis=1) for k in range(32)]
    whole, half = measure_motion(footage(fast, fps=30)), measure_motion(footage(fast[::2], fps=15))
    assert half.motion_per_frame[5] == pytest.approx(2 * whole.motion_per_frame[5], rel=0.03)


@pytest.mark.parametrize("codec", ["libx264", "mpeg4"])
def test_vectors_of_a_pan_are_its_displacement(codec: str) -> None:
    still = cv2.GaussianBlur(noise(512, 2048), (0, 0), 3)
    levels = cv2.normalize(still, np.empty_like(still), 30, 220, cv2.NORM_MINMAX).astype(np.uint8)
    pan = [np.ascontiguousarray(levels[:, 6 * k : 6 * k + 512]) for k in range(14)]
    options = {"bf": "0", "refs": "1"} if codec == "libx264" else {"qscale": "2", "flags": "+qscale"}
    measured = measure_motion(footage(pan, fps=2, codec=codec, options=options, gop=100))
    assert measured.motion_vectors_mean == pytest.approx(6 / 1024, rel=0.03)
    assert measured.motion_vectors_patch_min == pytest.approx(6 / 1024, rel=0.03)


@pytest.mark.parametrize("codec", ["ffv1", "mjpeg", "libvpx-vp9"])
def test_codecs_without_vectors_have_none(codec: str) -> None:
    pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    measured = measure_motion(footage([noise(64, 64, seed=k) for k in range(4)], codec=codec, pix_fmt=pix_fmt))
    assert measured.motion_vectors_mean is None
    assert measured.motion_vectors_patch_min is None
    assert measured.motion > 1


def test_a_side_under_256_has_a_mean_and_no_patch() -> None:
    still = noise(254, 512)
    measured = measure_motion(footage([np.roll(still, 4 * k, axis=1) for k in range(4)], fps=2, codec="libx264"))
    assert measured.motion_vectors_mean is not None
    assert measured.motion_vectors_patch_min is None


def test_vectors_equal_nemo_curator(shared_media: Path) -> None:
    compared = 0
    for path in real_videos(shared_media, at_most_seconds=4, each_of=1):
        data = path.read_bytes()
        with av.open(io.BytesIO(data), "r") as container:
            if len(container.streams.video) > 1 or container.streams.video[0].width > 1280:
                continue
        measured, expected = measure_motion(data), nemo(data)
        assert (measured.motion_vectors_mean is None) == (expected is None), path.name
        if expected is None or measured.motion_vectors_mean is None:
            continue
        assert measured.motion_vectors_mean == pytest.approx(expected[0], rel=1e-5), path.name
        if measured.motion_vectors_patch_min is not None:
            assert measured.motion_vectors_patch_min == pytest.approx(expected[1], rel=1e-5, abs=1e-12), path.name
            compared += 1
    assert compared >= 3


@pytest.mark.parametrize("size", [(256, 256), (360, 640), (384, 640), (720, 1280), (1080, 1920), (300, 897)])
def test_patches_are_those_of_cv2(size: tuple[int, int]) -> None:
    field = VectorField(*size)
    field.lengths += np.random.default_rng(0).random(size)
    field.num_frames = 3
    shrunk = cv2.resize(field.lengths / 3, None, fx=1 / 256, fy=1 / 256)
    assert field.patch_min() == pytest.approx(float(shrunk.min()), rel=1e-6)


def test_frames_of_another_size_are_converted() -> None:
    small, large = ([noise(size, size, seed=k) for k in range(5)] for size in (64, 128))
    joined = b"".join(
        footage(lumas, codec="mpeg2video", container="mpeg2video", options={"b": "4M"}) for lumas in (small, large)
    )
    measured = measure_motion(joined)
    assert len(measured.motion_per_frame) >= 9  # where they are joined, the decoder may lose one
    assert all(0 <= score < 255 for score in measured.motion_per_frame)


def test_one_frame() -> None:
    assert measure_motion(footage([noise(8, 8)])) == (0.0, [0.0], None, None)


def test_extreme_shapes() -> None:
    lumas = [noise(4, 2048, seed=k) for k in range(3)]
    # Four rows are all border, half of which FFmpeg mirrors in its own way.
    assert measure_motion(footage(lumas)).motion_per_frame == pytest.approx(vmafmotion(lumas), rel=0.2)


@pytest.mark.parametrize("size", [(1, 1), (2, 2), (2, 64), (64, 2), (4096, 4096)])
def test_refuses_sizes_that_ffmpeg_measures_wrongly(size: tuple[int, int]) -> None:
    data = footage([np.full(size, 16, np.uint8)], pix_fmt="yuv444p")
    with pytest.raises(MediaError, match="expected at least 3 a side and at most 16777215 in all"):
        measure_motion(data)


def test_refuses_sound() -> None:
    with pytest.raises(MediaError, match="no video stream in the file"):
        measure_motion(sounded(np.zeros((2, 4800), np.float32)))


def test_rows_do_not_depend_on_each_other() -> None:
    videos = [footage([noise(32, 32, seed=seed + k) for k in range(3)]) for seed in (0, 9)]
    batch = motion({"video": [videos[0], b"nothing of the kind", videos[1]]})
    for row, video in ((0, videos[0]), (2, videos[1])):
        assert {name: values[row] for name, values in batch.items()} == measure_motion(video)._asdict()
    assert all(isinstance(values[1], MediaError) for values in batch.values())
