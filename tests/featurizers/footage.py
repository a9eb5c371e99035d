"""Videos and sounds of known content for the tests of this folder, made with PyAV, and the real ones."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, cast

import av
import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from av.video.stream import VideoStream

LOSSLESS = "ffv1"


def footage(
    lumas: Iterable[NDArray[np.uint8]],
    *,
    fps: int = 30,
    codec: str = LOSSLESS,
    container: str = "matroska",
    times_ms: Sequence[int] | None = None,
    gop: int = 12,
    pix_fmt: str = "yuv420p",
    options: dict[str, str] | None = None,
) -> bytes:
    """Return a video of grey pictures, whose luma (H, W) is exact in a lossless codec; chroma is 128.

    Frame k starts at k / fps seconds, or at times_ms[k] + 500 ms, so that time zero is not the container's.
    """
    file = io.BytesIO()
    with av.open(file, "w", format=container) as output:
        stream = cast("VideoStream", output.add_stream(codec, rate=fps, options=options or {}))
        base = Fraction(1, 1000) if times_ms is not None else Fraction(1, fps)
        stream.codec_context.time_base = base
        stream.codec_context.gop_size = gop
        for index, luma in enumerate(lumas):
            if index == 0:
                stream.height, stream.width = luma.shape
                stream.pix_fmt = pix_fmt
            frame = as_frame(luma, pix_fmt)
            frame.pts, frame.time_base = (index if times_ms is None else times_ms[index] + 500), base
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return file.getvalue()


def as_frame(luma: NDArray[np.uint8], pix_fmt: str = "yuv420p") -> av.VideoFrame:
    """Return a grey picture of 8 bits in a planar YUV format, its samples as they are."""
    height, width = luma.shape
    frame = av.VideoFrame(width, height, pix_fmt)
    for number, plane in enumerate(frame.planes):
        samples = np.full((plane.height, plane.line_size), 128, np.uint8)
        if number == 0:
            samples[:, :width] = luma
        plane.update(samples.tobytes())
    return frame


def sounded(samples: NDArray[np.float32], *, rate: int = 48_000, layout: str = "stereo") -> bytes:
    """Return a WAV of 32-bit floats: samples of shape (channels, n)."""
    file = io.BytesIO()
    with av.open(file, "w", format="wav") as output:
        stream = output.add_stream("pcm_f32le", rate=rate, layout=layout)
        if samples.shape[1]:
            packed = np.ascontiguousarray(samples.T.reshape(1, -1), np.float32)
            frame = av.AudioFrame.from_ndarray(packed, format="flt", layout=layout)
            frame.sample_rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return file.getvalue()


def lumas_of(data: bytes, most: int | None = None) -> list[NDArray[np.uint8]]:
    """Return the luma (H, W) of a video's frames, of 8-bit planar YUV, with nothing but PyAV."""
    lumas: list[NDArray[np.uint8]] = []
    with av.open(io.BytesIO(data), "r") as container:
        container.streams.video[0].thread_type = "NONE"
        for frame in container.decode(video=0):
            plane = frame.planes[0]
            samples = np.frombuffer(bytes(plane), np.uint8).reshape(-1, plane.line_size)
            lumas.append(samples[: frame.height, : frame.width].copy())
            if len(lumas) == most:
                break
    return lumas


def noise(height: int, width: int, *, seed: int = 0) -> NDArray[np.uint8]:
    """Return uint8 (H, W) of uniform noise in [16, 236)."""
    return np.random.default_rng(seed).integers(16, 236, (height, width), np.uint8)


def real_videos(folder: Path, *, at_most_seconds: float, each_of: int = 2, audio: bool = False) -> list[Path]:
    """Return videos of the shared media that decode: the first few of each folder, codec, container and format."""
    found: dict[tuple[str, ...], list[Path]] = {}
    with (folder / "MANIFEST.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            is_short = row["subset"] == "videos" and float(row["duration_s"] or 1e9) <= at_most_seconds
            is_small = int(row["width"] or 1e9) <= 1920
            if is_short and is_small and (not audio or row["audio_codec"]):
                kind = (Path(row["file"]).parts[1], row["codec"], row["container"], row["pix_fmt"], row["audio_codec"])
                found.setdefault(kind, []).append(folder / row["file"])
    return [path for paths in found.values() for path in paths[:each_of]]
