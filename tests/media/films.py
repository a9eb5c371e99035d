"""Small videos and sounds of known content, made with PyAV for the tests of this folder."""

from __future__ import annotations

import io
from fractions import Fraction
from typing import TYPE_CHECKING, cast

import av
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from av.audio.stream import AudioStream
    from av.video.stream import VideoStream

WIDTH, HEIGHT = 64, 48


def grey(index: int) -> int:
    """Return the grey value of frame `index`; neighbours differ by 3, more than what the codec blurs."""
    return (16 + 3 * index) % 256


def film(
    times_ms: Sequence[int],
    *,
    container: str = "mp4",
    codec: str = "libx264",
    gop: int = 10,
    size: tuple[int, int] = (WIDTH, HEIGHT),
    b_frames: int = 3,
    noise: bool = False,
    moving: bool = False,
    options: dict[str, str] | None = None,
    pix_fmt: str = "yuv420p",
) -> bytes:
    """Return a video whose frame k is all `grey(k)`, or noise, or one noise that moves, and starts at times_ms[k].

    The last frame lasts as long as the one before it. `options` are the encoder's.
    """
    lasts = dict(zip(times_ms, np.diff([*times_ms, 2 * times_ms[-1] - times_ms[-2]]).tolist(), strict=True))
    file = io.BytesIO()
    rng = np.random.default_rng(0)
    still = rng.integers(0, 256, (size[1], size[0], 3), np.uint8)
    with av.open(file, "w", format=container) as output:
        stream = cast("VideoStream", output.add_stream(codec, rate=Fraction(1000), options=options or {}))
        stream.width, stream.height = size
        stream.pix_fmt = pix_fmt
        stream.codec_context.time_base = Fraction(1, 1000)
        stream.codec_context.gop_size = gop
        stream.codec_context.max_b_frames = b_frames
        for index, time_ms in enumerate(times_ms):
            pixels = np.full((size[1], size[0], 3), grey(index), np.uint8)
            if noise:
                pixels = rng.integers(0, 256, pixels.shape, np.uint8)
            elif moving:
                pixels = np.roll(still, 2 * index, axis=1)
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = time_ms, Fraction(1, 1000)
            for packet in stream.encode(frame):
                output.mux(packet)
        for packet in stream.encode(None):  # the encoder forgets how long the last frame lasts
            packet.duration = lasts[packet.pts or 0]
            output.mux(packet)
    return file.getvalue()


def tone(seconds: float, *, rate: int = 8000, container: str = "wav", codec: str = "pcm_s16le") -> bytes:
    """Return a mono ramp that goes up by one step of 16 bits each sample."""
    file = io.BytesIO()
    with av.open(file, "w", format=container) as output:
        stream = cast("AudioStream", output.add_stream(codec, rate=rate, layout="mono"))
        samples = np.arange(round(seconds * rate), dtype=np.int16)[None]
        frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
        output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return file.getvalue()
