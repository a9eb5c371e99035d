"""Perceptual hashes against the library ImageHash, and over copies of real photos.

Distances are Hamming distances, in bits of 64.
"""

from __future__ import annotations

import io
from itertools import combinations
from pathlib import Path

import duckdb
import imagehash
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from tests.featurizers.pictures import decoded, flat, interleaved, noise, photo_files, real_frames

from cutlist.media import Op
from cutlist_featurizers import phash
from cutlist_featurizers.phash import dct_hash, gradient_hash, shrink

SCALED = Op("resize", (256, 256))
"""What the featurizer asks for in SQL."""


def of_imagehash(picture: Image.Image) -> tuple[int, int]:
    """Return pHash and dHash."""
    return int(str(imagehash.phash(picture)), 16), int(str(imagehash.dhash(picture)), 16)


def hashes(frame: NDArray[np.uint8]) -> tuple[int, int]:
    return dct_hash(frame), gradient_hash(frame)


def distances(one: tuple[int, int], other: tuple[int, int]) -> tuple[int, int]:
    return (one[0] ^ other[0]).bit_count(), (one[1] ^ other[1]).bit_count()


def saved(picture: Image.Image, kind: str, **options: int) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def test_whole_photos_equal_imagehash(shared_media: Path) -> None:
    """The pixels are Pillow's to a level, now and then: of 150 photos all agreed in every bit, so one may differ."""
    differ = []
    for file in photo_files(shared_media, 60):
        photo = decoded(file.read_bytes())
        differ.append(max(distances(hashes(photo), of_imagehash(Image.fromarray(interleaved(photo))))))
    assert sorted(differ)[-2] == 0
    assert max(differ) <= 2


@pytest.mark.parametrize("size", [(100, 120), (32, 33), (9, 8), (480, 640)])
def test_noise_equals_imagehash(size: tuple[int, int]) -> None:
    picture = noise(3, *size)
    assert hashes(picture) == of_imagehash(Image.fromarray(interleaved(picture)))


def test_scaled_photos_are_near_imagehash(shared_media: Path) -> None:
    """What the featurizer gives, of pictures scaled to 256 × 256 while they are decoded, against whole photos."""
    differ = []
    for file in photo_files(shared_media, 60):
        whole = Image.fromarray(interleaved(decoded(file.read_bytes())))
        differ.append(max(distances(hashes(decoded(file.read_bytes(), SCALED)), of_imagehash(whole))))
    assert np.mean(differ) < 1
    assert max(differ) <= 4


@pytest.mark.parametrize("size", [(32, 32), (8, 9), (1, 1), (2, 2), (5, 300), (300, 5), (333, 111)])
def test_shrinking_is_that_of_pillow(size: tuple[int, int]) -> None:
    """First the rows, then the columns; Pillow does the cheaper direction first. It rounds its weights, to 22 bits."""
    grey = noise(*size)
    for height, width in ((32, 32), (8, 9)):
        rows = Image.fromarray(grey).resize((width, grey.shape[0]), Image.Resampling.LANCZOS)
        expected = np.asarray(rows.resize((width, height), Image.Resampling.LANCZOS), float)
        assert np.abs(shrink(grey, height=height, width=width) - expected).max() <= 1


def test_copies_are_near_and_other_photos_far(shared_media: Path) -> None:
    """A copy is at most 10 bits away by either hash, another photo more than 10 by pHash, and mostly by dHash."""
    originals = []
    for file in photo_files(shared_media, 24):
        photo = Image.fromarray(interleaved(decoded(file.read_bytes())))
        original = hashes(decoded(file.read_bytes(), SCALED))
        for copy in (
            saved(photo, "JPEG", quality=40),
            saved(photo, "WEBP", quality=50),
            saved(photo.resize((photo.width // 2, photo.height // 2)), "JPEG", quality=75),
            saved(photo.resize((photo.width * 3 // 2, photo.height * 3 // 2)), "JPEG", quality=75),
        ):
            assert max(distances(hashes(decoded(copy, SCALED)), original)) <= 10
        originals.append(original)
    apart = np.array([distances(*pair) for pair in combinations(originals, 2)])
    assert apart[:, 0].min() > 10
    assert np.percentile(apart[:, 1], 5) > 10


@pytest.mark.parametrize(("level", "expected"), [(0, 0), (1, 1 << 63), (128, 1 << 63), (255, 1 << 63)])
def test_flat_pictures(level: int, expected: int) -> None:
    assert hashes(flat(level, level, level)) == (expected, 0)


def test_mirrored_halves_have_no_odd_frequencies() -> None:
    """They are 0 exactly, and the median lies among them: a rounding error must not decide."""
    half = noise(3, 32, 16)
    bits = np.array(list(f"{dct_hash(np.concatenate([half, half[:, :, ::-1]], axis=2)):064b}"), int).reshape(8, 8)
    assert not bits[:, 1::2].any()


def test_bits_are_in_rows_from_the_first() -> None:
    """Waves of one frequency: their coefficient, and the mean's, are the only ones above 0, the median."""
    phase = np.pi * (np.arange(32) + 0.5) / 32
    for row, column in ((0, 1), (1, 0), (3, 5), (7, 7)):
        wave = 128 + 100 * np.outer(np.cos(row * phase), np.cos(column * phase))
        expected = 1 << 63 | 1 << (63 - 8 * row - column)
        assert dct_hash(np.stack([np.rint(wave).astype(np.uint8)] * 3)) & expected == expected
    step = np.zeros((3, 8, 9), np.uint8)
    step[:, 2, 4:] = 200  # in row 2, the fifth pixel is brighter than the fourth
    assert gradient_hash(step) == 1 << (63 - 8 * 2 - 3)


def test_featurizer_takes_the_frame_in_the_middle(shared_media: Path) -> None:
    clip = real_frames(shared_media, 3)
    values = phash({"frames": [clip, clip[1], clip[:1]]})
    assert values["phash"] == [dct_hash(clip[1]), dct_hash(clip[1]), dct_hash(clip[0])]
    assert values["dhash"] == [gradient_hash(clip[1]), gradient_hash(clip[1]), gradient_hash(clip[0])]


def test_sql_counts_the_bits() -> None:
    found = duckdb.sql("SELECT bit_count(xor(18446744073709551615::UBIGINT, 1023::UBIGINT))")
    assert found is not None
    assert found.fetchall() == [(54,)]
