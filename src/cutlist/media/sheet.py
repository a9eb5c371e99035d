"""A contact sheet: many pictures and clips, with captions, as one image to look at."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from cutlist.errors import MediaError

if TYPE_CHECKING:
    from collections.abc import Sequence

Picture = Image.Image
"""A picture, as Pillow has it: a notebook shows it, and `save` writes it."""

_BACKGROUND = (24, 25, 28)
_CELL = (36, 38, 43)
_TEXT = (222, 223, 227)
_GAP = 12
_PAD = 6
_FONT_SIZE = 13
_CAPTION_LINES = 3
_STRIP_FRAMES = 4


def contact_sheet(
    tiles: Sequence[NDArray[np.uint8]], captions: Sequence[str], *, columns: int | None = None, tile: int = 224
) -> Image.Image:
    """Return one RGB picture of all tiles, each letterboxed in a square cell with its caption below.

    Args:
        tiles: uint8 pictures (3, H, W), or clips (T, 3, H, W), of which up to four evenly spaced
            frames share the cell.
        captions: One text for each tile; long ones are wrapped to three lines and then cut.
        columns: Tiles in a row; by default about square.
        tile: Width and height of a cell in pixels, at least 32.

    Raises:
        MediaError: if the tiles and captions differ in number, there are none, or a shape is another.

    Examples:
        >>> contact_sheet([np.zeros((3, 48, 64), np.uint8)] * 3, ["a", "b", "c"], columns=3, tile=100).width
        348
    """
    if len(tiles) != len(captions):
        raise MediaError(f"contact_sheet: {len(tiles)} tiles and {len(captions)} captions; each tile needs one")
    if not tiles or tile < 32 or (columns is not None and columns < 1):
        raise MediaError("contact_sheet: needs at least one tile, one column, and cells of at least 32 pixels")
    columns = min(columns or math.ceil(math.sqrt(len(tiles))), len(tiles))
    font = ImageFont.load_default(size=_FONT_SIZE)
    texts = [_wrap(caption, font, tile - 2 * _PAD) for caption in captions]
    line_height = _FONT_SIZE + 4
    rows = [texts[at : at + columns] for at in range(0, len(texts), columns)]
    heights = [tile + 2 * _PAD + line_height * max(map(len, row)) for row in rows]
    size = columns * (tile + _GAP) + _GAP, sum(heights) + _GAP * (len(rows) + 1)
    sheet = Image.new("RGB", size, _BACKGROUND)
    draw = ImageDraw.Draw(sheet)
    top = _GAP
    for number, (row, height) in enumerate(zip(rows, heights, strict=True)):
        for column, lines in enumerate(row):
            left = _GAP + column * (tile + _GAP)
            draw.rounded_rectangle((left, top, left + tile - 1, top + height - 1), radius=4, fill=_CELL)
            sheet.paste(_cell(tiles[number * columns + column], tile), (left, top))
            for at, line in enumerate(lines):
                draw.text((left + _PAD, top + tile + _PAD + at * line_height), line, font=font, fill=_TEXT)
        top += height + _GAP
    return sheet


def thumbnail(pixels: NDArray[np.uint8], side: int) -> Image.Image:
    """Return a picture, uint8 (3, H, W), as an image of which the longer side has at most so many pixels."""
    picture = Image.fromarray(np.ascontiguousarray(pixels.transpose(1, 2, 0)))
    picture.thumbnail((side, side))
    return picture


def _cell(pixels: NDArray[np.uint8], tile: int) -> Image.Image:
    """Return a square picture: one frame letterboxed, or the frames of a clip in a grid that wastes little."""
    if pixels.ndim not in (3, 4) or pixels.shape[-3] != 3 or 0 in pixels.shape:
        raise MediaError(f"contact_sheet: a tile of shape {pixels.shape}; (3, H, W) or (T, 3, H, W) would be right")
    frames = pixels[None] if pixels.ndim == 3 else pixels
    count = min(len(frames), _STRIP_FRAMES)
    shown = [frames[(2 * i + 1) * len(frames) // (2 * count)] for i in range(count)]
    height, width = shown[0].shape[1:]
    # Tall frames stand side by side, wide ones one over the other, others two by two: whichever shows them largest.
    across = max(range(1, count + 1), key=lambda n: min(tile / n / width, tile / math.ceil(count / n) / height))
    down = math.ceil(count / across)
    scale = min((tile - 2 * (across - 1)) / across / width, (tile - 2 * (down - 1)) / down / height)
    size = max(round(width * scale), 1), max(round(height * scale), 1)
    cell = Image.new("RGB", (tile, tile), _CELL)
    left = (tile - across * size[0] - 2 * (across - 1)) // 2
    top = (tile - down * size[1] - 2 * (down - 1)) // 2
    for at, frame in enumerate(shown):
        picture = Image.fromarray(np.ascontiguousarray(frame.transpose(1, 2, 0))).resize(size, Image.Resampling.BICUBIC)
        cell.paste(picture, (left + at % across * (size[0] + 2), top + at // across * (size[1] + 2)))
    return cell


def _wrap(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int) -> list[str]:
    """Return at most three lines that fit in `width` pixels; what is cut off ends in an ellipsis."""
    lines: list[str] = []
    words = text.split()
    while words and len(lines) < _CAPTION_LINES:
        fits = _longest(words, font, width)
        if fits:
            lines.append(" ".join(words[:fits]))
            words = words[fits:]
        else:  # one word wider than the line
            chars = max(_longest(list(words[0]), font, width, joiner=""), 1)
            lines.append(words[0][:chars])
            words[0] = words[0][chars:]
    if words:
        last = lines[-1]
        while last and font.getlength(last + "…") > width:
            last = last[:-1]
        lines[-1] = last.rstrip() + "…"
    return lines


def _longest(
    parts: Sequence[str], font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int, *, joiner: str = " "
) -> int:
    """Return how many of the first parts fit in `width` pixels when joined."""
    count = 0
    while count < len(parts) and font.getlength(joiner.join(parts[: count + 1])) <= width:
        count += 1
    return count
