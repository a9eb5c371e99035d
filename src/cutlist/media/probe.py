"""What a media file holds: size, length, rate, codecs, as ingest stores it in columns."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from cutlist.errors import MediaError
from cutlist.media.frames import Frames, orientation
from cutlist.media.image import exif_orientation, open_image, upright_size
from cutlist.media.source import (
    MEDIA_SUFFIXES,
    NoVideoError,
    Source,
    audio_stream,
    check_pixels,
    container_name,
    media_errors,
    open_container,
    packets_of,
    read_head,
    sniff,
    video_stream,
)

if TYPE_CHECKING:
    from av.container import InputContainer

__all__ = ["MEDIA_SUFFIXES", "Probe", "probe"]

_EXIF_DEGREES = {3: 180, 4: 180, 5: 90, 6: 90, 7: 270, 8: 270}
"""Clockwise degrees of each EXIF orientation, its mirroring left aside."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """What one file holds; None where a field does not apply to its kind.

    Attributes:
        kind: What decoding the file gives.
        width: Pixels as displayed: turned, but not scaled by the pixels' aspect.
        height: Pixels as displayed.
        fps: Frames per second, on average.
        duration_seconds: From the start of the first displayed frame to the end of the last; of audio its length.
        num_frames: Displayed frames; 1 for an image.
        codec: FFmpeg's name of the codec (h264, hevc, av1, …), or Pillow's of the format (jpeg, png, …).
        pix_fmt: FFmpeg's name of the pixel format, or Pillow's of the mode.
        bit_rate: Bits per second of the whole file.
        rotation: Clockwise degrees from the stored picture to the displayed one: 0, 90, 180 or 270.
        has_audio: Whether there is an audio stream.
        audio_codec: FFmpeg's name of the audio codec.
        sample_rate: Audio samples per second.
        num_channels: Audio channels.
        container: Short name of the file format: mp4, mov, webm, matroska, mpegts, …
    """

    kind: Literal["video", "image", "audio"]
    width: int | None = None
    height: int | None = None
    fps: float | None = None
    duration_seconds: float | None = None
    num_frames: int | None = None
    codec: str | None = None
    pix_fmt: str | None = None
    bit_rate: int | None = None
    rotation: int | None = None
    has_audio: bool = False
    audio_codec: str | None = None
    sample_rate: int | None = None
    num_channels: int | None = None
    container: str | None = None


def probe(source: Source | str | Path) -> Probe:
    """Return what a file holds.

    Of a video every packet is read and the first frame decoded, so that what probes well is no empty shell; of audio
    the first frame is decoded; of an image the header is read.

    Args:
        source: The file's bytes, a seekable binary file, or the path of a local file.

    Raises:
        MediaError: if it is no media that can be decoded; the message says what it is, where that is known.

    Examples:
        >>> image = probe(b"P6 2 1 255 RGBrgb")
        >>> image.kind, image.width, image.height, image.codec
        ('image', 2, 1, 'ppm')
    """
    if isinstance(source, (str, Path)):
        with media_errors(f"{source}"), Path(source).open("rb") as file:
            return _probe(file)
    with media_errors("cannot probe"):
        return _probe(source)


def _probe(source: Source) -> Probe:
    head = read_head(source)
    if sniff(head) == "image":
        return _probe_image(source)
    with open_container(source) as container:
        container_format = "webm" if b"webm" in head[:64] else container_name(container)
        return (_probe_video if video_stream(container) else _probe_audio)(container, container_format)


def _probe_image(source: Source) -> Probe:
    with open_image(source) as image:
        width, height = upright_size(image)
        name = (image.format or "").lower()
        return Probe(
            kind="image",
            width=width,
            height=height,
            num_frames=1,
            codec="jpeg" if name == "mpo" else name,
            pix_fmt=image.mode,
            rotation=_EXIF_DEGREES.get(exif_orientation(image), 0),
        )


def _probe_video(container: InputContainer, container_format: str) -> Probe:
    stream = video_stream(container)
    sound = container.streams.audio[0].codec_context if container.streams.audio else None
    if stream is None:
        raise NoVideoError("no video stream in the file")
    frames = Frames(container, stream)
    first = frames.first
    check_pixels(first.width, first.height)
    width, height = orientation(first).size(first.width, first.height)
    starts, end = frames.scan()
    seconds = float(end)
    counted = len(starts) / seconds if seconds else 0.0
    stated = float(stream.average_rate or 0)
    return Probe(
        kind="video",
        width=width,
        height=height,
        # The header's rate is exact where it is right: 30000/1001, not what milliseconds add up to.
        fps=stated if abs(stated - counted) <= 0.01 * counted else counted,
        duration_seconds=seconds,
        num_frames=len(starts),
        codec=stream.codec_context.codec.canonical_name,
        pix_fmt=first.format.name,
        bit_rate=_bit_rate(container, seconds),
        rotation=-first.rotation % 360,
        has_audio=bool(container.streams.audio),
        audio_codec=sound.codec.canonical_name if sound else None,  # None, too, for a codec that FFmpeg does not know
        sample_rate=sound.sample_rate if sound else None,
        num_channels=sound.channels if sound else None,
        container=container_format,
    )


def _probe_audio(container: InputContainer, container_format: str) -> Probe:
    stream = audio_stream(container)
    if stream is None:
        raise MediaError("neither a video nor an audio stream in the file")
    seconds, decoded = 0.0, False
    base = stream.time_base or Fraction(1, stream.codec_context.sample_rate)
    start: int | None = None
    for packet in packets_of(container, stream):
        decoded = decoded or bool(packet.decode())
        if packet.pts is not None and not packet.is_discard:
            start = packet.pts if start is None else start
            seconds = max(seconds, float((packet.pts + (packet.duration or 0) - start) * base))
    if not decoded:
        raise MediaError("no decodable frame in the audio stream")
    codec = stream.codec_context
    return Probe(
        kind="audio",
        duration_seconds=seconds,
        codec=codec.codec.canonical_name,
        bit_rate=_bit_rate(container, seconds),
        has_audio=True,
        audio_codec=codec.codec.canonical_name,
        sample_rate=codec.sample_rate,
        num_channels=codec.channels,
        container=container_format,
    )


def _bit_rate(container: InputContainer, seconds: float) -> int | None:
    """Return bits per second of the file, as the container says or as its size and length make."""
    stated = container.bit_rate
    if stated and stated > 0:
        return int(stated)
    return round(container.size * 8 / seconds) if seconds > 0 and container.size > 0 else None
