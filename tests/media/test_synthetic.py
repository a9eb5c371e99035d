"""Rendered media: every file decodes, and its caption says what is in it."""

from __future__ import annotations

import csv
import re
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from cutlist.errors import SettingsError
from cutlist.media.synthetic import (
    BACKGROUNDS,
    COLOURS,
    MOTIONS,
    SUBJECTS,
    Clip,
    Picture,
    plan_clips,
    plan_pictures,
    render_clip,
    render_media,
    render_picture,
)

RED_CIRCLE = Picture(subject="circle", colour="red", background="blue", texture="", width=320, height=180, seed=0)
MOVING = Clip(
    picture=RED_CIRCLE,
    motion="moves left to right",
    codec="h264",
    suffix=".mp4",
    fps=24,
    num_frames=24,
    gop_frames=12,
    tone_hertz=None,
)
CENTRE_MOVES = {
    "moves left to right": (1, 0),
    "moves right to left": (-1, 0),
    "moves top to bottom": (0, 1),
    "moves bottom to top": (0, -1),
    "stays still": (0, 0),
}


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the `captions.csv` of twelve videos and eight images."""
    return render_media(tmp_path_factory.mktemp("rendered"), num_videos=12, num_images=8)


def captions(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def decode(path: Path) -> list[NDArray[np.uint8]]:
    """Return the frames of a video as RGB, each uint8 of shape (H, W, 3)."""
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24").astype(np.uint8) for frame in container.decode(video=0)]


def centre(pixels: NDArray[np.uint8], colour: str) -> tuple[float, float]:
    """Return x and y of the middle of the pixels near a colour."""
    distance = np.abs(pixels.astype(int) - COLOURS[colour]).max(axis=-1)
    y, x = np.nonzero(distance < 40)
    return float(x.mean()), float(y.mean())


def test_captions_have_a_row_for_each_file(rendered: Path) -> None:
    rows = captions(rendered)
    files = sorted(each.relative_to(rendered.parent).as_posix() for each in rendered.parent.glob("*/*"))
    assert sorted(row["path"] for row in rows) == files
    assert len(files) == 20
    assert list(rows[0]) == ["path", "caption", "subject", "colour"]
    assert all(f"{row['colour']} {row['subject']}" in row["caption"] for row in rows)


def test_videos_are_as_captioned(rendered: Path) -> None:
    for row in captions(rendered)[:12]:
        with av.open(str(rendered.parent / row["path"])) as container:
            stream = container.streams.video[0]
            lines, fps = (int(number) for number in re.findall(r"(\d+)(?:p| fps)", row["caption"]))
            assert min(stream.width, stream.height) == lines
            assert (stream.height > stream.width) == ("portrait" in row["caption"])
            assert bool(container.streams.audio) == ("with a tone" in row["caption"])
            num_frames = sum(1 for _ in container.decode(stream))
            assert stream.average_rate == fps
            assert 1 <= num_frames / fps <= 4


def test_a_third_is_full_hd_and_codecs_are_mixed(rendered: Path) -> None:
    codecs, num_hd = set(), 0
    for row in captions(rendered)[:12]:
        with av.open(str(rendered.parent / row["path"])) as container:
            stream = container.streams.video[0]
            codecs.add(stream.codec_context.codec.canonical_name)
            num_hd += stream.width * stream.height >= 1080 * 1920
    assert num_hd == 4
    assert codecs == {"h264", "vp9", "av1", "mjpeg"}


def test_images_are_as_planned(rendered: Path) -> None:
    for row, picture in zip(captions(rendered)[12:], plan_pictures(8, seed=0), strict=True):
        with Image.open(rendered.parent / row["path"]) as image:
            assert image.size == (picture.width, picture.height)
            assert image.format == ("PNG" if row["path"].endswith(".png") else "JPEG")
            image.load()


@pytest.mark.parametrize("motion", MOTIONS)
@pytest.mark.parametrize("codec", ["h264", "vp9", "av1", "mjpeg"])
def test_shape_moves_as_captioned(tmp_path: Path, codec: str, motion: str) -> None:
    suffix = {"h264": ".mkv", "vp9": ".webm", "av1": ".mp4", "mjpeg": ".avi"}[codec]
    clip = replace(MOVING, codec=codec, suffix=suffix, motion=motion)
    render_clip(clip, tmp_path / f"clip{suffix}")
    frames = decode(tmp_path / f"clip{suffix}")
    assert len(frames) == clip.num_frames
    start, stop = centre(frames[0], "red"), centre(frames[-1], "red")
    # A pixel or two of error is the encoder's; the shape moves through all of the room there is.
    room = (320 - RED_CIRCLE.shape_size, 180 - RED_CIRCLE.shape_size)
    for axis, sign in enumerate(CENTRE_MOVES[motion]):
        assert stop[axis] - start[axis] == pytest.approx(sign * room[axis], abs=3)


def test_h264_has_b_frames(tmp_path: Path) -> None:
    render_clip(MOVING, tmp_path / "clip.mp4")
    with av.open(str(tmp_path / "clip.mp4")) as container:
        shown = [packet.pts for packet in container.demux(video=0) if packet.pts is not None]
    assert shown != sorted(shown)


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
def test_tone_has_the_pitch_and_length_asked_for(tmp_path: Path, suffix: str) -> None:
    render_clip(replace(MOVING, suffix=suffix, tone_hertz=440), tmp_path / f"clip{suffix}")
    with av.open(str(tmp_path / f"clip{suffix}")) as container:
        wave = np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)])
    assert len(wave) / 48_000 == pytest.approx(1, abs=0.05)
    assert np.abs(np.fft.rfft(wave)).argmax() * 48_000 / len(wave) == pytest.approx(440, abs=2)


@pytest.mark.parametrize("subject", SUBJECTS)
def test_picture_has_its_shape_and_background(tmp_path: Path, subject: str) -> None:
    picture = replace(RED_CIRCLE, subject=subject, background="teal")
    render_picture(picture, tmp_path / "image.png")
    pixels = np.asarray(Image.open(tmp_path / "image.png"))
    covered = (pixels == COLOURS["red"]).all(axis=-1)
    assert 0.3 < covered.sum() / picture.shape_size**2 < 0.9
    hues = pixels[~covered] / np.array(BACKGROUNDS["teal"])
    assert hues.min() > 0.5
    assert hues.max() <= 1


def test_same_seed_same_media(tmp_path: Path) -> None:
    first = render_media(tmp_path / "first", num_videos=2, num_images=2, seed=3)
    again = render_media(tmp_path / "again", num_videos=2, num_images=2, seed=3)
    assert first.read_text() == again.read_text()
    for row in captions(first):
        one, other = first.parent / row["path"], again.parent / row["path"]
        if row["path"].startswith("images/"):
            assert one.read_bytes() == other.read_bytes()
        else:
            assert all(map(np.array_equal, decode(one), decode(other)))


def test_more_media_adds_to_fewer() -> None:
    assert plan_clips(20, seed=1)[:5] == plan_clips(5, seed=1)
    assert plan_pictures(20, seed=1)[:5] == plan_pictures(5, seed=1)
    assert plan_clips(5, seed=1) != plan_clips(5, seed=2)


def test_progress_counts_every_file(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    render_media(tmp_path, num_videos=0, num_images=3, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 3), (2, 3), (3, 3)]


def test_refuses_negative_numbers(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="num_videos=-1; expected at least 0"):
        render_media(tmp_path, num_videos=-1, num_images=0)
    with pytest.raises(SettingsError, match="seed=-1; expected at least 0"):
        render_media(tmp_path, num_videos=0, num_images=0, seed=-1)
