"""The arithmetic of resizing and cropping, and its application to one picture: no files, no codecs.

Both images and video scale bicubic with a filter that widens when shrinking (antialiased): the default of Pillow and of
FFmpeg's scaler, so a picture and a video frame of the same scene get the same kind of pixels.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from PIL import Image

from cutlist.errors import MediaError
from cutlist.media.randomness import is_unresolved
from cutlist.media.source import check_pixels

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cutlist.media.reference import Op

SPATIAL = ("resize", "resize_short", "crop", "center_crop", "random_crop", "random_flip")
"""Names of the operations on the picture, in any order."""


class Step(NamedTuple):
    """One operation on a picture of known size: scale to `size`, or, where `corner` (x, y) is set, cut `size` there.

    Where `flip` is set, mirror left to right, and nothing else.
    """

    size: tuple[int, int]
    corner: tuple[int, int] | None
    flip: bool = False

    @property
    def scales(self) -> bool:
        """Whether it is a resize."""
        return self.corner is None and not self.flip


def steps(width: int, height: int, ops: Sequence[Op]) -> tuple[Step, ...]:
    """Return what `ops` do to a picture of this size, as pixels.

    `resize_short` keeps the aspect: the other side is rounded to the nearest pixel (halves up), and at least 1.

    Args:
        width: Pixels as displayed, after rotation.
        ops: Spatial operations, the first applied first; random ones are resolved.

    Raises:
        MediaError: if a size is not positive, a crop leaves the picture, or the result is over the pixel limit.

    Examples:
        >>> from cutlist.media import Op
        >>> steps(640, 360, [Op("resize_short", (90,)), Op("center_crop", (90, 90))])
        (Step(size=(160, 90), corner=None, flip=False), Step(size=(90, 90), corner=(35, 0), flip=False))
    """
    return tuple(_walk(width, height, ops))


def _walk(width: int, height: int, ops: Sequence[Op]) -> Iterator[Step]:
    for op in ops:
        if is_unresolved(op):
            raise MediaError(f"{op}: nothing is drawn for it yet; resolve(ops, seed=…, epoch=…, sample=…) does that")
        if op.name == "random_flip":
            probability, number = op.args
            if number < probability:
                yield Step((width, height), None, flip=True)
            continue
        pixels = op.args[:2] if op.name == "random_crop" else op.args
        args = tuple(int(arg) for arg in pixels)
        if args != pixels:
            raise MediaError(f"{op}: pixels must be whole numbers")
        corner: tuple[int, int] | None = None
        size = args[-2:]
        if op.name == "resize_short":
            (side,) = args
            short = min(width, height)
            size = tuple(
                side if each == short else max(1, (2 * each * side + short) // (2 * short)) for each in (width, height)
            )
        elif op.name == "center_crop":
            corner = ((width - size[0]) // 2, (height - size[1]) // 2)
        elif op.name == "random_crop":
            across, down = op.args[2:]
            corner = _share(across, width - size[0]), _share(down, height - size[1])
        elif op.name == "crop":
            corner = (args[0], args[1])
        if min(size) < 1:
            raise MediaError(f"{op}: width and height must be at least 1 pixel")
        if corner is not None and not _inside(corner, size, width, height):
            raise MediaError(f"{op}: outside the picture, which is {width}x{height} at this point")
        width, height = size
        check_pixels(width, height)
        yield Step((width, height), corner)


def _share(number: float, room: int) -> int:
    """Return a place in [0, room], all equally likely for a number in [0, 1); below 0 where there is no room."""
    return min(math.floor(number * (room + 1)), room)


def _inside(corner: tuple[int, int], size: tuple[int, ...], width: int, height: int) -> bool:
    x, y = corner
    return x >= 0 and y >= 0 and x + size[0] <= width and y + size[1] <= height


def apply(picture: Image.Image, todo: Sequence[Step]) -> Image.Image:
    """Return the picture after the steps."""
    for (width, height), corner, flip in todo:
        if flip:
            picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        elif corner is None:
            picture = picture.resize((width, height), Image.Resampling.BICUBIC)
        else:
            x, y = corner
            picture = picture.crop((x, y, x + width, y + height))
    return picture
