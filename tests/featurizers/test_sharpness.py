"""Sharpness against OpenCV, on real and on drawn pictures, and against a convolution written out in Python floats."""

from __future__ import annotations

import statistics
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from tests.featurizers.pictures import flat, interleaved, noise, photos, real_frames

from cutlist_featurizers import sharpness
from cutlist_featurizers.sharpness import laplacian_variance

EXACT = 1e-12
"""Relative: both take the variance of the same integers, in float64 and in another order."""


def of_opencv(picture: NDArray[np.uint8]) -> float:
    """Return what everyone's recipe gives."""
    grey = cv2.cvtColor(interleaved(picture), cv2.COLOR_RGB2GRAY)
    return float(cv2.Laplacian(grey, cv2.CV_64F).var())


def brute_force(grey: NDArray[np.uint8]) -> float:
    """Return the population variance of the Laplacian of a grey picture of at least 2 × 2, pixel by pixel."""
    height, width = grey.shape
    level = grey.astype(int).tolist()

    def at(y: int, x: int) -> int:
        mirrored_y = -y if y < 0 else 2 * (height - 1) - y if y >= height else y
        mirrored_x = -x if x < 0 else 2 * (width - 1) - x if x >= width else x
        return int(level[mirrored_y][mirrored_x])

    return statistics.pvariance(
        at(y - 1, x) + at(y + 1, x) + at(y, x - 1) + at(y, x + 1) - 4 * at(y, x)
        for y in range(height)
        for x in range(width)
    )


def test_photos_equal_opencv(shared_media: Path) -> None:
    for photo in photos(shared_media, 40):
        assert laplacian_variance(photo) == pytest.approx([of_opencv(photo)], rel=EXACT)


def test_frames_of_a_video_equal_opencv(shared_media: Path) -> None:
    clip = real_frames(shared_media, 5)
    assert laplacian_variance(clip) == pytest.approx([of_opencv(frame) for frame in clip], rel=EXACT)


@pytest.mark.parametrize("size", [(1, 1), (1, 2), (2, 1), (2, 2), (1, 7), (3, 3), (17, 5), (2, 3000), (65, 64)])
def test_noise_of_any_size_equals_opencv(size: tuple[int, int]) -> None:
    picture = noise(3, *size)
    assert laplacian_variance(picture) == pytest.approx([of_opencv(picture)], rel=EXACT)


@pytest.mark.parametrize("size", [(2, 2), (4, 9), (17, 5)])
def test_grey_equals_brute_force(size: tuple[int, int]) -> None:
    grey = noise(*size, seed=1)
    assert laplacian_variance(np.stack([grey] * 3)) == pytest.approx([brute_force(grey)], rel=EXACT)


def test_blur_lowers_it() -> None:
    image = noise(3, 16, 16, seed=2)
    blurred = ((image[:, :, :-1].astype(np.uint16) + image[:, :, 1:]) // 2).astype(np.uint8)
    assert laplacian_variance(blurred) < laplacian_variance(image)


def test_featurizer_takes_the_median_and_keeps_all_frames() -> None:
    clip = np.stack([noise(3, 8, 8), *[flat(90, 90, 90, height=8, width=8)] * 3, noise(3, 8, 8, seed=1)])
    (value,), (per_frame,) = sharpness({"frames": [clip]}).values()
    assert value == 0.0
    assert per_frame == [laplacian_variance(clip[0])[0], 0.0, 0.0, 0.0, laplacian_variance(clip[4])[0]]


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 5])
def test_median_of_five_is_the_majority(count: int) -> None:
    clip = np.stack([noise(3, 8, 8, seed=i) if i < count else flat(9, 9, 9, height=8) for i in range(5)])
    assert (sharpness({"frames": [clip]})["sharpness"][0] >= 200) == (count >= 3)
