"""Freezes against videos that stand still at known times, and against freezedetect's rule written out in numpy.

- A freeze is clipped to exactly its frames.
- Noise under the threshold is a freeze, noise over it is none.
- A video has the same values alone and in any batch; one that cannot be decoded fails alone.
"""

from __future__ import annotations

import io
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray
from tests.featurizers.footage import footage, noise, real_videos, sounded

from cutlist.errors import MediaError
from cutlist.media import Op, decode
from cutlist.media.frames import open_video
from cutlist_featurizers.filters import SPANS
from cutlist_featurizers.freeze import detect_freezes, freeze

FPS = 10


def staged(*parts: tuple[str, int]) -> list[NDArray[np.uint8]]:
    """Return pictures: of each ("moving" or "still", number) that many."""
    lumas: list[NDArray[np.uint8]] = []
    for kind, number in parts:
        still = noise(48, 64, seed=1000 + len(lumas))
        lumas += [still if kind == "still" else noise(48, 64, seed=len(lumas) + k) for k in range(number)]
    return lumas


def spans(data: bytes, **options: float) -> list[tuple[float, float]]:
    return [(each["start_seconds"], each["stop_seconds"]) for each in detect_freezes(data, **options).freezes]


def near(expected: list[tuple[float, float]], abs: float = 1e-9) -> list[tuple[Any, Any]]:
    return [(pytest.approx(start, abs=abs), pytest.approx(stop, abs=abs)) for start, stop in expected]


def rule(data: bytes, least: float, noise: float = 0.001) -> list[tuple[float, float]]:
    """Return the freezes of a video of 8-bit planar YUV, by comparing all samples with those of the first frame."""
    reference: list[NDArray[np.int16]] = []
    changes: list[Fraction] = []
    with open_video(data) as frames:
        for start, end, frame in frames.shown():
            planes = [np.frombuffer(bytes(p), np.uint8).reshape(-1, p.line_size)[:, : p.width] for p in frame.planes]
            samples = [plane.astype(np.int16) for plane in planes]
            total = sum(plane.size for plane in planes)
            differences = [np.abs(a - b).sum(dtype=np.int64) for a, b in zip(samples, reference, strict=bool(changes))]
            if not changes or sum(differences) / total / 256 > noise:
                reference = samples
                changes.append(start)
            last = end
    return [(float(a), float(b)) for a, b in pairwise([*changes, last]) if float(b - a) >= least]


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ([("moving", 10), ("still", 25), ("moving", 15)], [(1.0, 3.5)]),
        ([("still", 20), ("moving", 5), ("still", 30)], [(0.0, 2.0), (2.5, 5.5)]),
        ([("moving", 10), ("still", 20)], [(1.0, 3.0)]),
        ([("moving", 10), ("still", 19), ("moving", 5)], []),
        ([("still", 19)], []),
        ([("still", 20)], [(0.0, 2.0)]),
        ([("still", 20), ("still", 20)], [(0.0, 2.0), (2.0, 4.0)]),
        ([("moving", 30)], []),
    ],
)
def test_freezes_at_known_times(parts: list[tuple[str, int]], expected: list[tuple[float, float]]) -> None:
    data = footage(staged(*parts), fps=FPS, container="mp4", codec="libx264", options={"qp": "0"}, pix_fmt="yuv420p")
    assert spans(data) == near(expected)
    share = sum(stop - start for start, stop in expected) / (sum(number for _, number in parts) / FPS)
    assert detect_freezes(data).freeze_share == pytest.approx(share)


def test_a_clip_of_a_freeze_has_its_frames() -> None:
    lumas = staged(("moving", 7), ("still", 70), ("moving", 8))
    data = footage(lumas, times_ms=[round(k * 1001 / 30) for k in range(85)], codec="libx264", options={"qp": "0"})
    ((start, stop),) = spans(data)
    clip = decode(data, [Op("clip", (start, stop))])
    assert len(clip) == 70
    assert np.all(clip == clip[0])


def test_frames_that_last_long_are_freezes() -> None:
    data = footage(staged(("moving", 4)), times_ms=[0, 100, 3100, 3200], codec="libx264", options={"qp": "0"})
    assert spans(data) == near([(0.1, 3.1)], abs=1e-3)


@pytest.mark.parametrize(("step", "is_freeze"), [(0, True), (1, True), (2, False)])
def test_noise(step: int, is_freeze: bool) -> None:
    still = noise(48, 64)
    lumas = []
    for k in range(30):
        luma = still.copy()
        luma[:12, :64] += np.uint8(step * (k % 2))  # an eighth of all samples of 4:2:0 … by 1 level: 0.0006
        lumas.append(luma)
    assert bool(spans(footage(lumas, fps=FPS))) == is_freeze
    assert spans(footage(lumas, fps=FPS), noise=0.01) == [(0.0, 3.0)]


def test_min_seconds() -> None:
    data = footage(staged(("moving", 3), ("still", 5), ("moving", 3)), fps=FPS)
    assert spans(data) == []
    assert spans(data, min_seconds=0.5) == near([(0.3, 0.8)])


def test_equals_the_rule_on_real_videos(shared_media: Path) -> None:
    compared = freezes = 0
    for path in real_videos(shared_media, at_most_seconds=5, each_of=1):
        data = path.read_bytes()
        with open_video(data) as frames:
            if frames.first.format.name not in ("yuv420p", "yuv422p", "yuv444p", "yuvj420p") or not frames.is_in_order:
                continue
            if frames.first.width % 2 or frames.first.height % 2 or frames.first.width > 1280:
                continue
        expected = rule(data, least=0.1)
        assert spans(data, min_seconds=0.1) == near(expected, abs=1e-9), path.name
        compared += 1
        freezes += len(expected)
    assert compared >= 10
    assert freezes >= 5


@pytest.mark.parametrize("size", [(1, 1), (2, 2), (1, 2000), (2000, 4)])
def test_small_and_short(size: tuple[int, int]) -> None:
    data = footage([np.full(size, 50, np.uint8)], pix_fmt="yuv444p", fps=1)
    assert detect_freezes(data) == (0.0, [])


def test_no_duration() -> None:
    file = io.BytesIO()
    with av.open(file, "w", format="rawvideo") as output:
        stream = output.add_stream("mpeg4", rate=10)
        stream.width = stream.height = 16
        output.mux(stream.encode(av.VideoFrame(16, 16, "yuv420p")))
        output.mux(stream.encode(None))
    found = detect_freezes(file.getvalue(), min_seconds=0)
    assert 0 <= found.freeze_share <= 1


def test_fits_its_column() -> None:
    columns = freeze({"video": [footage(staged(("still", 30)), fps=FPS)]})
    assert pa.array(columns["freezes"], SPANS).to_pylist() == columns["freezes"]


def test_refuses_sound() -> None:
    with pytest.raises(MediaError, match="no video stream in the file"):
        detect_freezes(sounded(np.zeros((2, 4800), np.float32)))


def test_rows_do_not_depend_on_each_other() -> None:
    videos = [footage(staged(("moving", 5), ("still", number)), fps=FPS) for number in (20, 40)]
    batch = freeze({"video": [videos[0], b"nothing of the kind", videos[1]]})
    for row, video in ((0, videos[0]), (2, videos[1])):
        assert {name: values[row] for name, values in batch.items()} == detect_freezes(video)._asdict()
    assert all(isinstance(values[1], MediaError) for values in batch.values())
