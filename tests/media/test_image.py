"""Images come out as upright RGB of the size that the file shows, whatever their mode and format."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageCms

from cutlist.errors import MediaError
from cutlist.media import Op, decode, probe, sniff
from cutlist.media.image import HAS_HEIF


def encode(image: Image.Image, name: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, name, **options)
    return file.getvalue()


def pixels(data: bytes, *ops: Op) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    got = decode(data, ops)
    assert isinstance(got, np.ndarray)
    assert got.dtype == np.uint8
    assert got.flags.c_contiguous
    return got


@pytest.mark.parametrize(
    ("mode", "colour", "rgb"),
    [
        ("RGB", (10, 20, 30), (10, 20, 30)),
        ("RGBA", (10, 20, 30, 0), (10, 20, 30)),
        ("L", 77, (77, 77, 77)),
        ("LA", (77, 0), (77, 77, 77)),
        ("1", 1, (255, 255, 255)),
        ("I;16", 0x1234, (0x12, 0x12, 0x12)),
        ("P", 0, (0, 0, 0)),
    ],
)
def test_modes(mode: str, colour: float | tuple[int, ...], rgb: tuple[int, int, int]) -> None:
    data = encode(Image.new(mode, (5, 4), colour), "PNG")
    assert pixels(data).shape == (3, 4, 5)
    assert pixels(data)[:, 0, 0].tolist() == list(rgb)


@pytest.mark.parametrize(
    ("mode", "value", "grey"), [("F", 0.5, 128), ("F", 200.0, 200), ("I", 0xABCD, 0xAB), ("I", -5, 0)]
)
def test_deep_modes_are_scaled(mode: str, value: float, grey: int) -> None:
    assert pixels(encode(Image.new(mode, (2, 2), value), "TIFF"))[0, 0, 0] == grey


def test_cmyk_is_converted() -> None:
    assert pixels(encode(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "TIFF"))[:, 0, 0].tolist() == [255, 0, 0]


RAMP = Image.merge("RGB", [Image.linear_gradient("L").rotate(turn).resize((64, 48)) for turn in (0, 90, 180)])
"""Smooth in each channel, so that a codec that loses keeps it."""


@pytest.mark.parametrize(
    ("name", "options", "error"),
    [
        ("JPEG", {"quality": 95}, 6),
        ("JPEG", {"quality": 95, "progressive": True}, 6),
        ("PNG", {}, 0),
        ("WEBP", {"lossless": True}, 0),
        ("WEBP", {"quality": 95}, 12),
        ("AVIF", {"quality": 95}, 8),
        ("TIFF", {"compression": "tiff_lzw"}, 0),
        ("TIFF", {"compression": "tiff_deflate"}, 0),
        ("JPEG2000", {}, 2),
        ("BMP", {}, 0),
        ("HEIF", {"quality": 95}, 12),
    ],
)
def test_formats(name: str, options: dict[str, object], error: int) -> None:
    if name == "HEIF" and not HAS_HEIF:
        pytest.skip("needs pillow-heif")
    got = pixels(encode(RAMP, name, **options)).astype(int)
    assert np.abs(got - np.asarray(RAMP).transpose(2, 0, 1)).max() <= error


@pytest.mark.parametrize("progressive", [False, True])
def test_cmyk_jpegs_of_adobe_are_inverted(progressive: bool) -> None:
    """Pillow writes them as Photoshop does: inverted, with Adobe's marker."""
    data = encode(Image.new("CMYK", (16, 16), (0, 200, 255, 0)), "JPEG", quality=100, progressive=progressive)
    assert b"Adobe" in data
    assert np.abs(pixels(data)[:, 8, 8].astype(int) - [255, 55, 0]).max() <= 3


@pytest.mark.parametrize("mode", ["P", "RGB", "L", "1"])
def test_transparent_colours_are_kept(mode: str) -> None:
    picture = RAMP.convert(mode)
    colour = (0, 0, 0) if mode == "RGB" else 0
    assert np.array_equal(pixels(encode(picture, "PNG", transparency=colour)), pixels(encode(picture, "PNG")))


@pytest.mark.parametrize("missing", [1, 2, 100, 600])
@pytest.mark.parametrize(
    ("name", "options"), [("JPEG", {}), ("JPEG", {"progressive": True}), ("PNG", {}), ("WEBP", {})]
)
def test_what_is_cut_short_is_an_error_and_no_half_picture(name: str, options: dict[str, object], missing: int) -> None:
    data = encode(RAMP, name, **options)
    if name == "PNG" and missing < 100:
        missing = 40  # the last 12 bytes hold nothing
    with pytest.raises(MediaError, match=r"cannot be decoded|not an image that Pillow can open"):
        decode(data[: -min(missing, len(data) // 2)], [])


def test_icc_profiles_are_not_applied() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("XYZ")).tobytes()
    assert np.array_equal(pixels(encode(RAMP, "PNG", icc_profile=profile)), np.asarray(RAMP).transpose(2, 0, 1))


@pytest.mark.parametrize("name", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_comes_before_operations(name: str, orientation: int) -> None:
    image = Image.new("RGB", (64, 32), (0, 0, 0))
    image.paste((255, 255, 255), (0, 0, 32, 16))  # white at the stored top left
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encode(image, name, exif=exif)
    upright = pixels(data)
    assert upright.shape == ((3, 64, 32) if orientation > 4 else (3, 32, 64))
    height, width = upright.shape[1:]
    corner = {1: (0, 0), 2: (0, 1), 3: (1, 1), 4: (1, 0), 5: (0, 0), 6: (0, 1), 7: (1, 1), 8: (1, 0)}[orientation]
    y, x = (height // 8 if not corner[0] else height * 7 // 8), (width // 8 if not corner[1] else width * 7 // 8)
    assert upright[0, y, x] > 200
    assert upright.mean() < 90
    found = probe(data)
    assert (found.width, found.height) == (width, height)
    assert pixels(data, Op("resize_short", (8,))).shape == ((3, 16, 8) if orientation > 4 else (3, 8, 16))


def test_a_jpeg_shrinks_while_decoding_to_the_same_picture() -> None:
    ramp = np.linspace(0, 255, 1024).astype(np.uint8)
    picture = Image.fromarray(np.stack([np.tile(ramp, (512, 1))] * 3, axis=2))
    small = pixels(encode(picture, "JPEG", quality=95), Op("resize", (64, 32)))
    exact = np.asarray(picture.resize((64, 32), Image.Resampling.BICUBIC)).transpose(2, 0, 1)
    assert np.abs(small.astype(int) - exact).max() <= 4


def test_only_the_first_frame_of_an_animation_counts() -> None:
    frames = [Image.new("RGB", (8, 6), (shade, 0, 0)) for shade in (250, 100)]
    data = encode(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert pixels(data)[0, 0, 0] == 250
    assert probe(data).num_frames == 1


@pytest.mark.parametrize(
    ("op", "message"),
    [
        (Op("clip", (0.0, 1.0)), "this is an image, and clip works on video; images take resize, resize_short"),
        (Op("frames", (2,)), "this is an image, and frames works on video"),
        (Op("crop", (4, 0, 5, 5)), "outside the picture, which is 8x6"),
    ],
)
def test_what_does_not_fit_an_image_is_said(op: Op, message: str) -> None:
    with pytest.raises(MediaError, match=message):
        decode(encode(Image.new("RGB", (8, 6)), "PNG"), [op])


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "empty: 0 bytes"),
        (b"\n<!DOCTYPE html><html>403</html>", "the bytes are an HTML page"),
        (b"<?xml version='1.0'?><Error/>", "an XML document"),
        (b'{"error": "not found"}', "a JSON document"),
        (b"version https://git-lfs.github.com/spec/v1", "a Git LFS pointer"),
        (b"#EXTM3U\nfile:///etc/passwd", "a playlist"),
        (b"\xff\xd8\xff\xe0 and no more", "not an image that Pillow can open"),
        (b"\xff\x0a\x00\x00", "no decoder for JPEG XL"),
        (bytes(range(7, 200)), "not an image, video or audio file that FFmpeg or Pillow can open"),
        (encode(Image.new("RGB", (300, 300)), "JPEG")[:1000], "JPEG image cannot be decoded: .*truncated"),
    ],
)
def test_what_is_no_image_is_said(data: bytes, message: str) -> None:
    with pytest.raises(MediaError, match=message):
        decode(data, [])


def test_a_bomb_is_refused_by_its_header() -> None:
    header = b"P6 20000 20000 255\n"
    with pytest.raises(MediaError, match=r"exceeds limit|over the limit"):
        probe(header + bytes(100))


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"\xff\xd8\xff\xe1", "image"),
        (b"\x00\x00\x00\x1cftypheic", "image"),
        (b"\x00\x00\x00\x1cftypavif", "image"),
        (b"\x00\x00\x00\x1cftypisom", "av"),
        (b"RIFF\x00\x00\x00\x00WEBPVP8 ", "image"),
        (b"RIFF\x00\x00\x00\x00WAVEfmt ", "av"),
        (b"\x00\x00\x01\xba\x44\x00", "av"),
        (b"\x1a\x45\xdf\xa3", "av"),
        (b"G@\x00\x10", "av"),
        (b"", "av"),
    ],
)
def test_sniff(head: bytes, kind: str) -> None:
    assert sniff(head) == kind
