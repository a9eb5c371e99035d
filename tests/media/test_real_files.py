"""Real files, good and broken: sizes are those of the manifest, and what fails fails as MediaError, nothing else."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from tests.media.test_exact import MEDIA

from cutlist.errors import MediaError
from cutlist.media import Op, decode, probe

pytestmark = pytest.mark.skipif(
    not (MEDIA / "MANIFEST.csv").exists(), reason="no ../shared/media beside the repository"
)


def rows(subset: str) -> list[dict[str, str]]:
    with (MEDIA / "MANIFEST.csv").open(newline="") as file:
        return [row for row in csv.DictReader(file) if row["subset"] == subset]


def test_good_images_have_the_size_of_the_manifest() -> None:
    wrong = []
    for row in rows("images"):
        data = (MEDIA / row["file"]).read_bytes()
        size = int(row["height"]), int(row["width"])
        upright = size[::-1] if row["exif_orientation"] in ("5", "6", "7", "8") else size
        got, found = decode(data, []), probe(data)
        assert isinstance(got, np.ndarray)
        if not got.shape == (3, found.height, found.width) == (3, *upright):
            wrong.append((row["file"], got.shape, found, upright))
    assert not wrong


def test_videos_probe_as_the_manifest_says() -> None:
    wrong = []
    for row in rows("videos"):
        found = probe(MEDIA / row["file"])
        size = {int(row["width"]), int(row["height"])}
        turned = -int(row["rotation"] or 0) % 360
        same = (found.num_frames, found.rotation, found.kind) == (int(row["n_frames"]), turned, "video")
        if not same or {found.width, found.height} != size:
            wrong.append((row["file"], found))
    assert not wrong


@pytest.mark.parametrize("kind", ["image", "video"])
def test_broken_and_odd_files_give_pixels_or_a_media_error(kind: str) -> None:
    decoded = 0
    for row in rows("robustness"):
        if row["kind"] != kind:
            continue
        data = (MEDIA / row["file"]).read_bytes()
        try:
            probe(data)
            got = decode(
                data, [Op("resize", (32, 32))] if kind == "image" else [Op("frames", (2,)), Op("resize", (8, 8))]
            )
        except MediaError:
            continue
        assert isinstance(got, np.ndarray)
        decoded += 1
    assert decoded > 20
