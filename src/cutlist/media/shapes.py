"""The shape of what is decoded, where the operations alone decide it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from cutlist.media.geometry import steps

if TYPE_CHECKING:
    from cutlist.media.reference import Op


def fixed_shape(kind: str | None, ops: Sequence[Op]) -> tuple[int, ...] | None:
    """Return the shape that every medium of a kind has after operations, or None if it depends on the medium.

    Args:
        kind: `image`, `video`, `audio` or None.
        ops: In the order of application, random ones resolved or not; a parameter that is not known is NaN.

    Returns:
        (channels, height, width), for a video (frames, channels, height, width).

    Examples:
        >>> from cutlist.media import Op
        >>> fixed_shape("video", [Op("frames", (16,)), Op("resize", (320, 180))])
        (16, 3, 180, 320)
        >>> fixed_shape("video", [Op("resize", (320, 180))]) is None
        True
    """
    size: tuple[int, int] | None = None
    count: int | None = None
    for op in ops:
        known = not any(map(math.isnan, op.args))
        if op.name in ("raw", "audio", "as_file"):
            return None
        if op.name in ("resize", "crop", "center_crop", "random_crop"):
            width, height = op.args[:2] if op.name == "random_crop" else op.args[-2:]
            size = None if math.isnan(width) or math.isnan(height) else (int(width), int(height))
        elif op.name == "resize_short" and size is not None:
            size = steps(*size, [op])[-1].size if known else None
        elif op.name == "frames":
            count = int(op.args[0]) if known else None
        elif op.name in ("clip", "random_clip", "at_fps"):
            count = None
    if size is None or kind not in ("image", "video") or (kind == "video" and count is None):
        return None
    picture = (3, size[1], size[0])
    return picture if count is None or kind == "image" else (count, *picture)
