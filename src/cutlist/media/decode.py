"""From the bytes of one media value and its operations to an array: the one door to the decoders."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from cutlist.errors import MediaError, listing, suggest
from cutlist.media.animation import decode_animation
from cutlist.media.audio import decode_audio
from cutlist.media.geometry import SPATIAL
from cutlist.media.image import decode_image
from cutlist.media.registry import decoder_of, register
from cutlist.media.sound import decode_sound
from cutlist.media.source import NoVideoError, Source, as_file, media_errors, read_head, sniff
from cutlist.media.tensor import decode_tensor, is_tensor
from cutlist.media.timeline import TEMPORAL
from cutlist.media.video import decode_video

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cutlist.media.reference import Op

__all__ = ["decode", "sniff"]

Decoded = NDArray[Any] | bytes
"""What decoding gives: pixels, samples, a tensor, or for `raw` the bytes."""

_KNOWN = (*TEMPORAL, *SPATIAL, "audio", "raw")


def decode(source: Source, ops: Sequence[Op], *, kind: str | None = None) -> Decoded:
    """Return the media after its operations, applied in order.

    What the bytes are is read from the bytes. An image gives uint8 (3, H, W) and a video uint8 (T, 3, H, W), RGB,
    C-contiguous and turned as displayed; audio gives float32 (channels, samples) in [-1, 1] at its own rate; a tensor
    its own dtype and shape; `raw`, alone, gives the undecoded bytes. Safe to call from many threads; each call decodes
    on its own thread only.

    Args:
        source: The whole file as bytes, or a seekable binary file. Of a file only what is needed is read: for a clip of
            an MP4, MOV, WebM or Matroska its header and its own part, where the video can be entered in the middle.
        ops: The operations, the first applied first; random ones are resolved (`cutlist.media.resolve`).
        kind: What the column says its media are. `video` makes a picture a video, of one frame or, animated, of all;
            `tensor` makes it the values that it stores; what was registered (`cutlist.media.register`) is decoded so.

    Raises:
        MediaError: if the bytes cannot be decoded, or the operations do not fit them; nothing else.

    Examples:
        >>> from cutlist.media import Op
        >>> decode(b"P6 2 1 255 RGBrgb", [Op("crop", (1, 0, 1, 1))]).tolist()
        [[[114]], [[103]], [[98]]]
    """
    for op in ops:
        if op.name not in _KNOWN:
            raise MediaError(f"no operation {op.name!r}{suggest(op.name, _KNOWN)} It has: {listing(_KNOWN)}")
    with media_errors("cannot decode"):
        if any(op.name == "raw" for op in ops):
            return _raw(source, ops)
        if kind is None:
            return _by_bytes(source, ops)
        decoder = decoder_of(kind)
        if decoder is not None:
            return decoder(source, ops)
        try:
            return _by_bytes(source, ops)
        except MediaError as error:
            raise MediaError(f"{error} (and no decoder is registered for kind {kind!r})") from error


def _by_bytes(source: Source, ops: Sequence[Op], picture: Callable[..., Decoded] = decode_image) -> Decoded:
    """Return the media decoded as what its bytes are.

    Args:
        picture: What decodes a picture.
    """
    head = read_head(source)
    if is_tensor(head):
        return decode_tensor(source, ops)
    if sniff(head) == "image":
        return picture(source, ops)
    if any(op.name == "audio" for op in ops):
        return decode_sound(source, ops)
    try:
        return decode_video(source, ops)
    except NoVideoError:
        return decode_audio(source, ops)


register("image", _by_bytes)
register("audio", _by_bytes)
register("video", partial(_by_bytes, picture=decode_animation))
register("tensor", decode_tensor)


def _raw(source: Source, ops: Sequence[Op]) -> bytes:
    if len(ops) > 1:
        others = ", ".join(str(op) for op in ops if op.name != "raw")
        raise MediaError(f"raw gives the undecoded bytes; it cannot be combined with {others}")
    return source if isinstance(source, bytes) else as_file(source).read()
