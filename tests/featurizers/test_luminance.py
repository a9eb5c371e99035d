"""Luminance against OpenCV's and numpy's arithmetic, and against FFmpeg's signalstats at limited range."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av.filter
import cv2
import numpy as np
import pytest
from av.video.frame import VideoFrame
from numpy.typing import NDArray
from tests.featurizers.pictures import flat, interleaved, noise, photos, real_frames

from cutlist_featurizers import luminance
from cutlist_featurizers.luma import luma_bt601, luma_bt709
from cutlist_featurizers.luminance import exposure

WEIGHTS = np.array([[0.2126, 0.7152, 0.0722]])
"""Recommendation ITU-R BT.709-6, item 3.2."""


def of_opencv(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return BT.709 luma, rounded, of shape (H, W)."""
    return np.asarray(cv2.transform(interleaved(picture), WEIGHTS), np.uint8).reshape(picture.shape[1:])


def signalstats(frame: NDArray[np.uint8], *names: str) -> list[float]:
    """Return what FFmpeg's filter says of a frame, as BT.709 at limited range, with full-size chroma."""
    graph = av.filter.Graph()
    video = VideoFrame.from_ndarray(interleaved(frame), format="rgb24").reformat(
        format="yuv444p", dst_colorspace="ITU709", dst_color_range="MPEG"
    )
    source = graph.add_buffer(width=video.width, height=video.height, format=video.format, time_base=Fraction(1))
    stats, sink = graph.add("signalstats"), graph.add("buffersink")
    source.link_to(stats)
    stats.link_to(sink)
    graph.configure()
    graph.push(video)
    pulled = graph.pull()
    return [float(pulled.metadata[f"lavfi.signalstats.{name}"]) for name in names]


def test_luma_of_bt601_is_the_grey_of_opencv(shared_media: Path) -> None:
    for picture in [noise(3, 300, 200), *photos(shared_media, 10)]:
        assert np.array_equal(luma_bt601(picture), cv2.cvtColor(interleaved(picture), cv2.COLOR_RGB2GRAY))


def test_luma_of_bt709_is_rounded_right() -> None:
    """The weights have 24 bits, so only a sum within 1e-4 of a half may be rounded to the other side."""
    picture = noise(3, 300, 200)
    exact = np.tensordot(WEIGHTS[0], picture.astype(float), axes=1)
    near_half = np.abs(exact % 1 - 0.5) < 1e-4
    assert np.array_equal(luma_bt709(picture)[~near_half], np.rint(exact)[~near_half])
    assert np.abs(luma_bt709(picture) - exact).max() < 0.5001


@pytest.mark.parametrize("level", [0, 1, 16, 127, 128, 235, 254, 255])
def test_grey_keeps_its_level(level: int) -> None:
    seen = exposure(flat(level, level, level))
    assert (seen.mean, seen.p5, seen.p95) == (level, level, level)
    assert (seen.over_exposed, seen.under_exposed) == (float(level >= 253), float(level <= 8))


@pytest.mark.parametrize(("colour", "level"), [((255, 0, 0), 54), ((0, 255, 0), 182), ((0, 0, 255), 18)])
def test_pure_colours(colour: tuple[int, int, int], level: int) -> None:
    assert exposure(flat(*colour)).mean == level
    assert exposure(flat(*colour)).over_exposed == 0


def test_photos_equal_opencv_and_numpy(shared_media: Path) -> None:
    """OpenCV adds in float32, and rounds one pixel in a thousand to the other side."""
    for photo in photos(shared_media, 40):
        luma = of_opencv(photo)
        seen = exposure(photo)
        assert seen.mean == pytest.approx(luma.mean(), abs=1e-3)
        assert seen.p5 == np.percentile(luma, 5, method="inverted_cdf")
        assert seen.p95 == np.percentile(luma, 95, method="inverted_cdf")
        assert seen.over_exposed == pytest.approx((luma >= 253).mean(), abs=1e-3)
        assert seen.under_exposed == pytest.approx((luma <= 8).mean(), abs=1e-3)


def test_frames_of_a_video_equal_signalstats(shared_media: Path) -> None:
    """At limited range a level is 219/255 of one, so FFmpeg rounds to 1.16 levels here: the means agree to 0.6."""
    clip = real_frames(shared_media, 5)
    limited = [signalstats(frame, "YAVG")[0] for frame in clip]
    full = [(level - 16) * 255 / 219 for level in limited]
    assert exposure(clip).per_frame == pytest.approx(full, abs=0.6)


def test_percentiles_count_pixels_exactly() -> None:
    picture = flat(100, 100, 100, height=4, width=5)
    picture[:, 0, 0] = 0
    picture[:, 3, 4] = 255
    seen = exposure(picture)
    assert (seen.p5, seen.p95) == (0, 100)  # 1 of 20 pixels is 5 %; 19 are 95 %
    assert (seen.over_exposed, seen.under_exposed) == (0.05, 0.05)


def test_featurizer_has_all_columns() -> None:
    clip = np.stack([flat(0, 0, 0), flat(255, 255, 255), flat(255, 255, 255), flat(20, 20, 20)])
    assert luminance({"frames": [clip]}) == {
        "luminance": [132.5],
        "luminance_p5": [0],
        "luminance_p95": [255],
        "over_exposed": [0.5],
        "under_exposed": [0.25],
        "luminance_per_frame": [[0.0, 255.0, 255.0, 20.0]],
    }
