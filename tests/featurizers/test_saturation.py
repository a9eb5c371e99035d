"""Saturation against OpenCV's conversion to HSV."""

from __future__ import annotations

import colorsys
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from tests.featurizers.pictures import flat, interleaved, noise, photos, real_frames

from cutlist_featurizers import saturation
from cutlist_featurizers.saturation import hsv_saturation


def of_opencv(picture: NDArray[np.uint8]) -> float:
    """Return the mean saturation of OpenCV's HSV in floating point."""
    hsv = cv2.cvtColor(interleaved(picture).astype(np.float32) / 255, cv2.COLOR_RGB2HSV)
    return float(hsv[:, :, 1].mean(dtype=np.float64))


def test_photos_equal_opencv(shared_media: Path) -> None:
    """OpenCV adds 1.2e-7 to the divisor, at least 1/255: its saturation is less by at most 3e-5."""
    for photo in photos(shared_media, 40):
        assert hsv_saturation(photo) == pytest.approx([of_opencv(photo)], abs=3e-5)


def test_photos_equal_8_bit_hsv(shared_media: Path) -> None:
    """What most scripts do: 8-bit HSV, whose saturation is rounded to 1/255."""
    for photo in photos(shared_media, 40):
        hsv = cv2.cvtColor(interleaved(photo), cv2.COLOR_RGB2HSV)
        assert hsv_saturation(photo) * 255 == pytest.approx([hsv[:, :, 1].mean()], abs=0.5)


def test_frames_of_a_video_equal_opencv(shared_media: Path) -> None:
    clip = real_frames(shared_media, 5)
    assert hsv_saturation(clip) == pytest.approx([of_opencv(frame) for frame in clip], abs=3e-5)


@pytest.mark.parametrize(
    "colour", [(0, 0, 0), (255, 255, 255), (77, 77, 77), (255, 0, 0), (0, 1, 0), (200, 100, 50), (1, 2, 3)]
)
def test_one_colour_equals_the_standard_library(colour: tuple[int, int, int]) -> None:
    _, expected, _ = colorsys.rgb_to_hsv(*colour)
    assert hsv_saturation(flat(*colour)) == pytest.approx([expected], rel=1e-6)


@pytest.mark.parametrize("size", [(1, 1), (2, 2), (64, 3), (65, 3), (200, 1)])
def test_noise_of_any_size_equals_opencv(size: tuple[int, int]) -> None:
    picture = noise(3, *size)
    assert hsv_saturation(picture) == pytest.approx([of_opencv(picture)], abs=3e-5)


def test_featurizer_takes_the_mean_and_keeps_all_frames() -> None:
    clip = np.stack([flat(255, 0, 0), flat(9, 9, 9), flat(0, 0, 0), flat(0, 80, 0)])
    assert saturation({"frames": [clip]}) == {"saturation": [0.5], "saturation_per_frame": [[1.0, 0.0, 0.0, 1.0]]}
