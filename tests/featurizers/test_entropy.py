"""Entropy against FFmpeg's filter of that name, and pictures whose entropy is a whole number."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av.filter
import numpy as np
import pytest
from av.video.frame import VideoFrame
from numpy.typing import NDArray
from tests.featurizers.pictures import flat, noise, photos, real_frames

from cutlist_featurizers import entropy
from cutlist_featurizers.entropy import luma_entropy
from cutlist_featurizers.luma import luma_bt709

SINGLE = 1e-5
"""FFmpeg adds up to 256 terms in float32, to a sum of up to 8."""


def of_ffmpeg(picture: NDArray[np.uint8]) -> float:
    """Return what FFmpeg says of a picture's luma as a grey frame."""
    graph = av.filter.Graph()
    video = VideoFrame.from_ndarray(luma_bt709(picture), format="gray")
    source = graph.add_buffer(width=video.width, height=video.height, format=video.format, time_base=Fraction(1))
    measure, sink = graph.add("entropy"), graph.add("buffersink")
    source.link_to(measure)
    measure.link_to(sink)
    graph.configure()
    graph.push(video)
    return float(graph.pull().metadata["lavfi.entropy.entropy.normal.Y"])


def test_photos_equal_ffmpeg(shared_media: Path) -> None:
    for photo in photos(shared_media, 40):
        assert luma_entropy(photo) == pytest.approx([of_ffmpeg(photo)], abs=SINGLE)


@pytest.mark.parametrize("size", [(1, 1), (2, 2), (3, 50), (300, 200)])
def test_noise_equals_ffmpeg(size: tuple[int, int]) -> None:
    picture = noise(3, *size)
    assert luma_entropy(picture) == pytest.approx([of_ffmpeg(picture)], abs=SINGLE)


def test_frames_of_a_video_equal_ffmpeg(shared_media: Path) -> None:
    clip = real_frames(shared_media, 5)
    assert luma_entropy(clip) == pytest.approx([of_ffmpeg(frame) for frame in clip], abs=SINGLE)


@pytest.mark.parametrize("bits", range(9))
def test_equally_frequent_levels(bits: int) -> None:
    levels = (np.arange(256) % 2**bits).astype(np.uint8)
    assert luma_entropy(np.broadcast_to(levels, (3, 4, 256))).tolist() == [bits]


def test_flat_is_zero_and_not_minus_zero() -> None:
    assert str(luma_entropy(flat(3, 200, 7))[0]) == "0.0"


def test_places_do_not_count() -> None:
    picture = np.stack([noise(16, 16)] * 3)
    shuffled = np.random.default_rng(1).permutation(picture.reshape(3, -1), axis=1).reshape(picture.shape)
    assert luma_entropy(shuffled) == luma_entropy(picture)


def test_featurizer_takes_the_mean_and_keeps_all_frames() -> None:
    half = flat(0, 0, 0, height=2)
    half[:, 1] = 255
    clip = np.stack([half, flat(9, 9, 9, height=2)])
    assert entropy({"frames": [clip]}) == {"entropy": [0.5], "entropy_per_frame": [[1.0, 0.0]]}
