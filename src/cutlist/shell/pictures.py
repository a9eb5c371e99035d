"""Media as pictures in the cells of a table, by whatever the terminal can: kitty, sixel or half blocks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, BinaryIO, cast

import numpy as np
from rich.text import Text

from cutlist.errors import CutlistError
from cutlist.fitting import PICTURE_WIDTH
from cutlist.media import Op, decode
from cutlist.media.reference import MediaRef, to_ref
from cutlist.media.sheet import thumbnail
from cutlist.store import Blobs
from cutlist.values import is_reference

if TYPE_CHECKING:
    from rich.console import RenderableType

    from cutlist import Session
    from cutlist.shell.answers import Draw

SIDE = 256
"""Pixels of the longer side, at most."""


def drawing(session: Session) -> Draw:
    """Return what draws a value, if it is an image or a video: the first frame that its operations leave.

    Raises:
        ImportError: if textual-image is not installed.
    """
    from textual_image.renderable import Image  # asks the terminal what it can when it is imported

    def draw(value: Any, kind: str) -> RenderableType | None:
        ref = to_ref(value) if is_reference(value) else None
        if ref is None:
            return None
        try:
            pixels = picture(session, ref)
        except CutlistError as error:
            return Text(str(error)[:120], style="red")
        return (
            None
            if pixels is None
            else cast("RenderableType", Image(thumbnail(pixels, SIDE), width=PICTURE_WIDTH, height="auto"))
        )

    return draw


def picture(session: Session, ref: MediaRef) -> np.ndarray[Any, Any] | None:
    """Return a frame of a medium, uint8 (3, H, W); None if it is no image or video.

    Raises:
        MediaError: if it cannot be decoded.
    """
    source = session.sources[ref.source]
    if source.kind not in ("image", "video") or any(op.name in ("raw", "audio", "as_file") for op in ref.ops):
        return None
    ops = ref.ops
    if source.kind == "video" and not any(op.name == "frames" for op in ops):
        ops = (*ops, Op("frames", (1,)))
    table = session.table_at(source.table, source.version)
    file = Blobs(table, source.column).open(ref.row)
    pixels = file.given_to(lambda opened: decode(cast("BinaryIO", opened), ops, kind=source.kind))
    if not isinstance(pixels, np.ndarray) or pixels.dtype != np.uint8:
        return None
    return pixels[0] if pixels.ndim == 4 else pixels
