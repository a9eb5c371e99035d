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


class Pass(NamedTuple):
    """Steps that are done at once: cut, scale, cut again, mirror; None, or False, where there is no such step.

    A rectangle is (left, top, right, bottom) in pixels: `cut` of the input, `part` of the input scaled to `size`.
    """

    cut: tuple[int, int, int, int] | None = None
    size: tuple[int, int] | None = None
    part: tuple[int, int, int, int] | None = None
    flip: bool = False


def passes(todo: Sequence[Step]) -> list[Pass]:
    """Return the steps as few passes.

    Examples:
        >>> from cutlist.media import Op
        >>> passes(steps(640, 360, [Op("resize_short", (90,)), Op("center_crop", (90, 90))]))
        [Pass(cut=None, size=(160, 90), part=(35, 0, 125, 90), flip=False)]
    """
    done: list[Pass] = []
    now = Pass()
    for (width, height), corner, flip in todo:
        if now.flip or (corner is None and not flip and now.size is not None):
            done.append(now)
            now = Pass()
        if flip:
            now = now._replace(flip=True)
        elif corner is None:
            now = now._replace(size=(width, height))
        else:
            before = now.cut if now.size is None else now.part
            left, top = (corner[0] + before[0], corner[1] + before[1]) if before is not None else corner
            cut = left, top, left + width, top + height
            now = now._replace(cut=cut) if now.size is None else now._replace(part=cut)
    return [*done, now] if now != Pass() else done


class Reduced(NamedTuple):
    """How a picture is a smaller copy of one of `size`, for which steps were made.

    `by` of its pixels, each way, are one here; its top left corner is at `origin` here.
    """

    size: tuple[int, int]
    by: int = 1
    origin: tuple[float, float] = (0.0, 0.0)


def apply(picture: Image.Image, todo: Sequence[Step], reduced: Reduced | None = None) -> Image.Image:
    """Return the picture after the steps; a crop after a resize scales only what it keeps.

    Args:
        picture: What the first step is applied to, or a reduced copy of it if the first step that is no crop scales.
    """
    (width, height), by, (x, y) = reduced or Reduced(picture.size)
    for cut, scaled, part, flip in passes(todo):
        left, top, right, bottom = cut or (0, 0, width, height)
        box = left / by + x, top / by + y, right / by + x, bottom / by + y
        if cut is not None:  # what is outside of a crop must not show at its edges
            outer = math.floor(box[0]), math.floor(box[1]), math.ceil(box[2]), math.ceil(box[3])
            picture = picture.crop(outer)
            box = box[0] - outer[0], box[1] - outer[1], box[2] - outer[0], box[3] - outer[1]
        if scaled is not None:
            picture = _scaled(picture, box, scaled, part)
        if flip:
            picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        (width, height), by, (x, y) = Reduced(picture.size)
    return picture


def _scaled(
    picture: Image.Image,
    box: tuple[float, float, float, float],
    size: tuple[int, int],
    part: tuple[int, int, int, int] | None,
) -> Image.Image:
    """Return `part` of what the `box` of a picture is when scaled to `size`."""
    left, top, right, bottom = part or (0, 0, *size)
    across, down = (box[2] - box[0]) / size[0], (box[3] - box[1]) / size[1]
    inner = (
        box[0] + left * across,
        box[1] + top * down,
        min(box[0] + right * across, picture.width),
        min(box[1] + bottom * down, picture.height),
    )
    return picture.resize((right - left, bottom - top), Image.Resampling.BICUBIC, box=inner)


def enough(width: int, height: int, todo: Sequence[Step]) -> tuple[int, int] | None:
    """Return the size to which a picture may be reduced before the steps so that they still only shrink it, or None.

    Examples:
        >>> from cutlist.media import Op
        >>> enough(4000, 3000, steps(4000, 3000, [Op("crop", (0, 0, 2000, 3000)), Op("resize", (200, 200))]))
        (400, 200)
    """
    first = passes(todo)[0] if todo else Pass()
    if first.size is None:
        return None
    left, top, right, bottom = first.cut or (0, 0, width, height)
    return -(-width * first.size[0] // (right - left)), -(-height * first.size[1] // (bottom - top))
