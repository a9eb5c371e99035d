"""Small copies of pictures, clips and sound, encoded so that every browser shows them from a page alone."""

from __future__ import annotations

import io
import wave
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import av
import av.codec.codec
import numpy as np

from cutlist.media.sheet import thumbnail

if TYPE_CHECKING:
    from numpy.typing import NDArray

SIDE = 256
"""Pixels of the longer side of a preview, at most."""

CLIP_BYTES = 200_000
"""Size of an encoded clip, at most."""

_ENCODERS: dict[str, tuple[str, dict[str, str]]] = {
    "libvpx": ("webm", {"deadline": "realtime", "cpu-used": "8", "qmin": "4", "qmax": "60"}),
    "libx264": ("mp4", {"preset": "veryfast", "profile": "baseline"}),
}
"""Encoder → container and options, the preferred first: VP8, which browsers without licensed codecs play, too; H.264
for an FFmpeg without it."""

_MOST_BITS = 600_000
"""A second, at most."""

_QUALITIES = (12, 28, 44, 51)
"""CRF, tried in turn until a clip is small enough."""


def picture_bytes(pixels: NDArray[np.uint8], side: int = SIDE) -> bytes:
    """Return a picture, uint8 (3, H, W), as JPEG: as it is, or with the longer side of so many pixels.

    Examples:
        >>> picture_bytes(np.zeros((3, 48, 64), np.uint8))[:3].hex()
        'ffd8ff'
    """
    file = io.BytesIO()
    thumbnail(pixels, side).save(file, "JPEG", quality=80)
    return file.getvalue()


def clip_bytes(frames: NDArray[np.uint8], fps: float, side: int = SIDE) -> tuple[bytes, str] | None:
    """Return frames as a small video, with its MIME type; None if they do not fit in `CLIP_BYTES`.

    Every frame is there, in order; an odd last row or column of pixels is not, as video has colours for two by two.

    Args:
        frames: uint8 (T, 3, H, W), RGB.
        fps: Frames per second that it is played at.
        side: Pixels of the longer side, at most.

    Examples:
        >>> clip_bytes(np.zeros((4, 3, 32, 48), np.uint8), 8)[1]
        'video/webm'
    """
    name = next(each for each in _ENCODERS if _is_there(each))
    small = [np.asarray(thumbnail(each, side)) for each in frames]
    height, width = (size // 2 * 2 for size in small[0].shape[:2])
    if min(height, width) < 2:
        return None
    pixels = [np.ascontiguousarray(each[:height, :width]) for each in small]
    for quality in _QUALITIES:
        data = _encoded(pixels, fps, name, quality)
        if len(data) <= CLIP_BYTES:
            return data, f"video/{_ENCODERS[name][0]}"
    return None


def sound_bytes(samples: NDArray[np.floating[Any]], sample_rate: int) -> bytes:
    """Return sound, float (channels, samples) in [-1, 1], as WAV: one channel of 16-bit samples, the mean of all.

    Examples:
        >>> len(sound_bytes(np.zeros((2, 8000), np.float32), 8000))
        16044
    """
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(sample_rate)
        out.writeframes((np.clip(samples.mean(axis=0), -1, 1) * 32767).astype("<i2").tobytes())
    return file.getvalue()


def _is_there(encoder: str) -> bool:
    try:
        av.codec.codec.Codec(encoder, "w")
    except av.codec.codec.UnknownCodecError:
        return False
    return True


def _encoded(pixels: list[NDArray[np.uint8]], fps: float, name: str, quality: int) -> bytes:
    rate = Fraction(fps).limit_denominator(1000)
    container, options = _ENCODERS[name]
    file = io.BytesIO()
    with av.open(file, "w", format=container) as out:
        stream = out.add_stream(name, rate=rate, options={**options, "crf": str(quality)})
        assert isinstance(stream, av.VideoStream)
        stream.height, stream.width = pixels[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        stream.codec_context.thread_count = 1  # several are encoded at a time
        stream.bit_rate = _MOST_BITS  # VP8's is a constrained quality: CRF, and no more bits than these
        for number, each in enumerate(pixels):
            frame = av.VideoFrame.from_ndarray(each, format="rgb24")
            frame.pts, frame.time_base = number, 1 / rate
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return file.getvalue()
