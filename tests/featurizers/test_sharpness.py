"""Sharpness against a convolution written out pixel by pixel in Python floats."""

from __future__ import annotations

import statistics

import numpy as np
import pytest
from numpy.typing import NDArray

from cutlist_featurizers import sharpness

KERNEL = ((0, 1, 0), (1, -4, 1), (0, 1, 0))


def brute_force(image: NDArray[np.uint8]) -> float:
    """Return the population variance of the Laplacian of the luma of an RGB image of shape (3, H, W)."""
    _, height, width = image.shape
    red, green, blue = image.astype(int).tolist()
    luma = [[0.299 * red[y][x] + 0.587 * green[y][x] + 0.114 * blue[y][x] for x in range(width)] for y in range(height)]
    responses: list[float] = [
        sum(KERNEL[dy][dx] * luma[y + dy][x + dx] for dy in range(3) for dx in range(3))
        for y in range(height - 2)
        for x in range(width - 2)
    ]
    return statistics.pvariance(responses)


def noise(*shape: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


@pytest.mark.parametrize(("height", "width"), [(3, 3), (4, 9), (17, 5)])
def test_image_equals_brute_force(height: int, width: int) -> None:
    image = noise(3, height, width)
    assert sharpness(image) == pytest.approx(brute_force(image), rel=1e-5)


def test_clip_is_the_mean_of_its_frames() -> None:
    clip = noise(4, 3, 6, 7, seed=1)
    assert sharpness(clip) == pytest.approx(statistics.fmean(brute_force(frame) for frame in clip), rel=1e-5)


def test_blur_lowers_it() -> None:
    image = noise(3, 16, 16, seed=2)
    blurred = ((image[:, :, :-1].astype(np.uint16) + image[:, :, 1:]) // 2).astype(np.uint8)
    assert sharpness(blurred) < sharpness(image)


@pytest.mark.parametrize("shape", [(8, 8), (8, 8, 3), (2, 8, 8, 3), (1, 2, 3, 8, 8)])
def test_refuses_other_shapes(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"expected uint8 RGB of shape \(3, H, W\) or \(T, 3, H, W\)"):
        sharpness(np.zeros(shape, dtype=np.uint8))


def test_refuses_floats() -> None:
    with pytest.raises(ValueError, match="frames have dtype float32"):
        sharpness(np.zeros((3, 8, 8), dtype=np.float32))


@pytest.mark.parametrize("shape", [(3, 2, 8), (3, 8, 2), (0, 3, 8, 8)])
def test_refuses_too_small(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="at least one frame of 3 × 3 pixels or more"):
        sharpness(np.zeros(shape, dtype=np.uint8))
