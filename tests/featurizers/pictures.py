"""Pictures for the tests of this folder: drawn ones, real photos, and frames of real videos."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cutlist.media import Op, decode

if TYPE_CHECKING:
    from pathlib import Path


def noise(*shape: int, seed: int = 0) -> NDArray[np.uint8]:
    """Return every level as likely as every other, in each channel on its own."""
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def flat(red: int, green: int, blue: int, *, height: int = 6, width: int = 8) -> NDArray[np.uint8]:
    """Return a picture of one colour, shape (3, height, width)."""
    picture = np.empty((3, height, width), np.uint8)
    picture[:] = np.array([red, green, blue], np.uint8)[:, None, None]
    return picture


def interleaved(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a picture of shape (3, H, W) as OpenCV and Pillow have it: (H, W, 3)."""
    return np.ascontiguousarray(picture.transpose(1, 2, 0))


def photos(shared_media: Path, count: int) -> list[NDArray[np.uint8]]:
    """Return that many real photos of all sources, the same ones each time."""
    return [decoded(path.read_bytes()) for path in photo_files(shared_media, count)]


def photo_files(shared_media: Path, count: int) -> list[Path]:
    """Return the files of that many real photos, at even distances in the order of their names."""
    files = sorted(path for path in (shared_media / "images").rglob("*.jpg") if path.stat().st_size < 1_000_000)
    return files[:: max(len(files) // count, 1)][:count]


def real_frames(shared_media: Path, count: int, *ops: Op) -> NDArray[np.uint8]:
    """Return that many frames of one real video, in its own size where `ops` do not scale it."""
    files = (path for path in (shared_media / "videos").rglob("*.mp4") if 300_000 < path.stat().st_size < 800_000)
    return decoded(min(files).read_bytes(), Op("frames", (count,)), *ops)


def decoded(file: bytes, *ops: Op) -> NDArray[np.uint8]:
    """Return the pixels of a media file after operations."""
    pixels = decode(file, ops)
    assert not isinstance(pixels, bytes)
    return pixels
