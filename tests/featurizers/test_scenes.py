"""Scenes against cuts at known frames, and against scdet's score written out in numpy.

- Scenes partition the frames: clips of all of them have each frame once, of real videos too.
- The score is the one that FFmpeg documents; a threshold in SQL over the scores finds the same cuts.
- A video has the same values alone and in any batch; one that cannot be decoded fails alone.
"""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray
from tests.featurizers.footage import footage, lumas_of, noise, real_videos, sounded

from cutlist.errors import MediaError
from cutlist.media import Op, decode
from cutlist.media.frames import open_video
from cutlist_featurizers.filters import SPANS
from cutlist_featurizers.scenes import detect_scenes, scenes

NTSC_MS = [round(k * 1001 / 30) for k in range(40)]
"""Times that are no multiples of each other, and that doubles do not hold exactly."""


def levels(*runs: tuple[int, int]) -> list[NDArray[np.uint8]]:
    """Return flat pictures: of each (level, number) that many."""
    return [np.full((48, 64), level, np.uint8) for level, number in runs for _ in range(number)]


def scores_of(lumas: list[NDArray[np.uint8]]) -> list[float]:
    changes = [0.0, *(100 * float(np.abs(b.astype(int) - a).mean()) / 256 for a, b in pairwise(lumas))]
    return [0.0, *(min(now, abs(now - before)) for before, now in pairwise(changes))]


def partitions(data: bytes, threshold: float = 10.0) -> list[int]:
    """Return how many frames the clip of each scene has; all of them together are those of the video."""
    found = detect_scenes(data, threshold=threshold)
    size = Op("resize", (16, 16))
    whole = decode(data, [size])
    parts = [decode(data, [Op("clip", (each["start_seconds"], each["stop_seconds"])), size]) for each in found.scenes]
    assert len(whole) == len(found.scene_scores_per_frame)
    with open_video(data) as frames:
        if frames.is_in_order:
            assert np.array_equal(np.concatenate(parts), whole)
    assert sorted(map(bytes, np.concatenate(parts))) == sorted(map(bytes, whole))
    assert found.scenes[0]["start_seconds"] == 0.0
    assert all(a["stop_seconds"] == b["start_seconds"] for a, b in pairwise(found.scenes))
    return [len(part) for part in parts]


@pytest.mark.parametrize("codec", ["ffv1", "libx264", "mpeg4", "libvpx-vp9"])
@pytest.mark.parametrize("fps", [8, 24, 30, 59])
def test_cuts_are_found_at_their_frames(codec: str, fps: int) -> None:
    data = footage(levels((40, 7), (160, 5), (90, 9)), fps=fps, codec=codec)
    assert partitions(data) == [7, 5, 9]


@pytest.mark.parametrize("container", ["matroska", "mp4", "mpegts", "mov"])
def test_uneven_times(container: str) -> None:
    lumas = levels((40, 13), (160, 20), (90, 7))
    data = footage(lumas, times_ms=NTSC_MS, codec="libx264", container=container)
    assert partitions(data) == [13, 20, 7]
    starts = [each["start_seconds"] for each in detect_scenes(data).scenes]
    assert starts == pytest.approx([0, NTSC_MS[13] / 1000, NTSC_MS[33] / 1000], abs=1e-5)


def test_starts_are_not_after_the_frame() -> None:
    data = footage(levels(*((40 + 120 * (k % 2), 3) for k in range(10))), fps=30)
    with open_video(data) as frames:
        times = {shown.start for shown in frames.shown()}
    for each in detect_scenes(data).scenes:
        nearest = min(times, key=lambda time: abs(time - Fraction(each["start_seconds"])))
        assert 0 <= nearest - Fraction(each["start_seconds"]) < Fraction(1, 10**12)


def test_scores_equal_numpy() -> None:
    lumas = [noise(49, 65, seed=k) // (1 + k % 3) for k in range(12)]
    # FFmpeg gives thousandths.
    assert detect_scenes(footage(lumas)).scene_scores_per_frame == pytest.approx(scores_of(lumas), abs=0.0006)


def test_scores_equal_numpy_on_real_videos(shared_media: Path) -> None:
    compared = 0
    for path in real_videos(shared_media, at_most_seconds=6, each_of=1):
        data = path.read_bytes()
        with open_video(data) as frames:
            if frames.first.format.name not in ("yuv420p", "yuv422p", "yuv444p", "yuvj420p"):
                continue
        found = detect_scenes(data).scene_scores_per_frame[:40]
        assert found == pytest.approx(scores_of(lumas_of(data, 40)), abs=0.0006), path.name
        compared += 1
    assert compared >= 10


def test_scenes_partition_real_videos(shared_media: Path) -> None:
    cuts = 0
    for path in real_videos(shared_media, at_most_seconds=4)[::2]:
        # A low threshold, so that there are scenes of one frame, too.
        cuts += len(partitions(path.read_bytes(), threshold=0.4)) - 1
    assert cuts >= 10


def test_a_threshold_over_the_scores_finds_the_same_cuts() -> None:
    found = detect_scenes(footage(levels((40, 5), (70, 5), (160, 5)), fps=8))
    assert [k for k, score in enumerate(found.scene_scores_per_frame) if score >= 10] == [5, 10]
    again = detect_scenes(footage(levels((40, 5), (70, 5), (160, 5)), fps=8), threshold=20)
    assert [each["start_seconds"] for each in again.scenes] == [0, 10 / 8]


def test_a_flash_is_one_cut_and_a_fade_is_none() -> None:
    flash = levels((40, 6), (220, 1), (40, 6))
    assert partitions(footage(flash)) == [6, 7]
    fade = [np.full((48, 64), 30 + 5 * k, np.uint8) for k in range(40)]
    assert partitions(footage(fade)) == [40]


def test_frames_of_another_size_are_converted() -> None:
    joined = b"".join(
        footage([np.full((size, size), level, np.uint8)] * 8, codec="mpeg2video", container="mpeg2video")
        for size, level in ((64, 40), (128, 200))
    )
    assert len(detect_scenes(joined).scenes) == 2


@pytest.mark.parametrize("size", [(1, 1), (2, 2), (1, 2000), (2000, 4)])
@pytest.mark.parametrize("number", [1, 2])
def test_small_and_short(size: tuple[int, int], number: int) -> None:
    data = footage([np.full(size, 50, np.uint8)] * number, pix_fmt="yuv444p", fps=8)
    assert detect_scenes(data) == ([{"start_seconds": 0.0, "stop_seconds": number / 8}], [0.0] * number)


def test_fits_its_column() -> None:
    columns = scenes({"video": [footage(levels((40, 5), (160, 5)), fps=8)]})
    assert pa.array(columns["scenes"], SPANS).to_pylist() == columns["scenes"]


def test_refuses_sound() -> None:
    with pytest.raises(MediaError, match="no video stream in the file"):
        detect_scenes(sounded(np.zeros((2, 4800), np.float32)))


def test_rows_do_not_depend_on_each_other() -> None:
    videos = [footage(levels((40, 5), (160, number))) for number in (3, 6)]
    batch = scenes({"video": [videos[0], b"nothing of the kind", videos[1]]})
    for row, video in ((0, videos[0]), (2, videos[1])):
        assert {name: values[row] for name, values in batch.items()} == detect_scenes(video)._asdict()
    assert all(isinstance(values[1], MediaError) for values in batch.values())
