"""Image bytes to RGB pixels, with Pillow: upright, whatever the colour mode.

Alpha is dropped, not blended: the colour that the file stores is kept. ICC profiles are not applied. Of an animation
the first frame counts (`animation.py` has all). A file that is cut short is an error, never half a picture.
"""

from __future__ import annotations

import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms, UnidentifiedImageError

from cutlist.errors import MediaError
from cutlist.media.geometry import SPATIAL, Reduced, apply, enough, steps
from cutlist.media.quiet import silence
from cutlist.media.source import Source, as_file, check_pixels, media_errors, read_head

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cutlist.media.reference import Op

try:
    import pillow_heif
except ImportError:  # an optional extra
    HAS_HEIF = False
else:
    pillow_heif.register_heif_opener()
    HAS_HEIF = True

# Pillow warns from half its limit on; here sizes up to MAX_PIXELS are good and larger ones are errors.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
# What is odd in a file but can be decoded ("Invalid APNG, will use default PNG image") would be said once a file.
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")
silence()

_ALLOWED = (
    *("AVIF", "BMP", "CUR", "DDS", "DIB", "GIF", "HEIF", "ICNS", "ICO", "JPEG", "JPEG2000", "PNG", "PPM", "PSD", "QOI"),
    *("SGI", "TGA", "TIFF", "WEBP"),
)
Image.init()
_FORMATS = tuple(name for name in _ALLOWED if name in Image.OPEN)
"""The only Pillow formats that are opened: none that starts another program (EPS runs Ghostscript)."""

_ORIENTATION = 0x0112
"""The EXIF tag."""

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""How to turn an image of each EXIF orientation upright; from 5 on, width and height change places."""

_HEIF_BRANDS = (b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1")


@contextmanager
def open_image(source: Source) -> Iterator[Image.Image]:
    """Open an image, its header only; what goes wrong inside, too, is raised as MediaError.

    Raises:
        MediaError: if Pillow cannot open it, or it has more pixels than `MAX_PIXELS`.
    """
    head = read_head(source)
    if head[4:8] == b"ftyp" and head[8:12] in _HEIF_BRANDS and not HAS_HEIF:
        raise MediaError("a HEIC image needs pillow-heif: pip install pillow-heif")
    if head.startswith((b"\xff\x0a", b"\x00\x00\x00\x0cJXL ")):
        raise MediaError("Pillow has no decoder for JPEG XL; convert the image to PNG or JPEG")
    with media_errors("not an image that Pillow can open"):
        try:
            image = Image.open(as_file(source), formats=_FORMATS)
        except UnidentifiedImageError as error:  # its message is the address of a Python object
            raise MediaError("not an image that Pillow can open: it starts like one, and then is none") from error
    with image, media_errors(f"{image.format} image cannot be decoded"):
        check_pixels(*image.size)
        yield image


def exif_orientation(image: Image.Image) -> int:
    """Return the EXIF orientation still to be applied, 1 to 8; 1 where there is none or it cannot be read."""
    if image.format == "TIFF":
        return 1  # Pillow applies it by itself, to the size when opening and to the pixels when loading
    try:
        # The base class's method: the one for PNG decodes the whole image, to find EXIF behind the pixels.
        value = Image.Image.getexif(image).get(_ORIENTATION, 1)
    except Exception:  # damaged metadata is no reason to lose the picture
        return 1
    return value if value in range(1, 9) else 1


def upright_size(image: Image.Image) -> tuple[int, int]:
    """Return width and height after turning by the EXIF orientation."""
    width, height = image.size
    return (height, width) if exif_orientation(image) > 4 else (width, height)


def turn(image: Image.Image, picture: Image.Image) -> Image.Image:
    """Return a picture turned upright by the EXIF orientation of the image that it was made of."""
    orientation = exif_orientation(image)
    return picture.transpose(_TURNS[orientation]) if orientation in _TURNS else picture


def decode_image(source: Source, ops: Sequence[Op]) -> NDArray[np.uint8]:
    """Return an image after `ops`: uint8 (3, H, W), RGB, C-contiguous, turned upright by its EXIF orientation first.

    Where scaling comes first, or after crops, a JPEG is decoded at 1/2, 1/4 or 1/8 of its size, whichever is still
    large enough; and where a crop follows, only what it keeps is scaled. Without the former this gives what all steps
    give, one after another, to 1 of 255 steps; with it, pictures differ from that as those of two good filters do.

    Raises:
        MediaError: if the bytes cannot be decoded, or the operations do not fit them.
    """
    for op in ops:
        if op.name not in SPATIAL:
            what = "video and sound" if op.name == "audio" else "video"
            raise MediaError(f"{op}: this is an image, and {op.name} works on {what}; images take {', '.join(SPATIAL)}")
    with open_image(source) as image:
        orientation = exif_orientation(image)
        size = upright_size(image)
        todo = steps(*size, ops)
        least = enough(*size, todo)
        stored = image.width
        drafted = least and image.draft("RGB", least[::-1] if orientation > 4 else least)
        by = round(stored / drafted[1][2]) if drafted else 1
        image.load()
        picture = turn(image, to_rgb(image))
        reduced = Reduced(size, by, _origin(picture.size, size, by, orientation))
        return np.ascontiguousarray(np.asarray(apply(picture, todo, reduced)).transpose(2, 0, 1))


def _origin(reduced: tuple[int, int], size: tuple[int, int], by: int, orientation: int) -> tuple[float, float]:
    """Return where the top left corner of an upright picture is in its reduced copy.

    Where the size does not divide, the copy's last stored column or row is more than the picture has; once turned,
    these may be the first.
    """
    x, y = reduced[0] - size[0] / by, reduced[1] - size[1] / by
    return x if orientation in (2, 3, 6, 7) else 0.0, y if orientation in (3, 4, 7, 8) else 0.0


def to_rgb(image: Image.Image) -> Image.Image:
    """Return the image in RGB.

    16 bits keep their upper 8; 32-bit integers are taken as 16-bit values; floats are taken as [0, 1] if none is larger
    than 1, else as [0, 255].

    Examples:
        >>> to_rgb(Image.new("I;16", (1, 1), 0x1234)).getpixel((0, 0))
        (18, 18, 18)
    """
    if image.mode == "RGB":
        return image
    if image.mode == "LAB":
        profiles = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
        transform = ImageCms.buildTransform(*profiles, "LAB", "RGB")
        return ImageCms.applyTransform(image, transform) or image
    if image.mode == "I" or image.mode.startswith("I;16"):
        values = np.asarray(image).astype(np.int64)
        return Image.fromarray((values.clip(0, 0xFFFF) >> 8).astype(np.uint8)).convert("RGB")
    if image.mode == "F":
        values = np.nan_to_num(np.asarray(image))
        scale = 255.0 if values.max(initial=0.0) <= 1 else 1.0
        return Image.fromarray((values * scale).round().clip(0, 255).astype(np.uint8)).convert("RGB")
    image.info.pop("transparency", None)  # or Pillow warns that it cannot be kept
    return (image.convert("RGBA") if image.mode == "RGBa" else image).convert("RGB")
