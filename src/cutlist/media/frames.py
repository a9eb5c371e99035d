"""The displayed frames of a video and their exact times, from the start or from a keyframe that is safe to start at.

A frame's time is its pts, or its dts where the file gives no pts, or else one frame later than the frame before;
seconds count from the first displayed frame. The decoder's order is the order of display.
"""

from __future__ import annotations

import math
from contextlib import contextmanager
from fractions import Fraction
from itertools import chain, product, starmap
from struct import unpack
from typing import TYPE_CHECKING, NamedTuple, TypeAlias, cast

from av.sidedata.sidedata import Type
from numpy.typing import NDArray

from cutlist.errors import MediaError
from cutlist.media.bitstream import is_shown, starts_clean
from cutlist.media.source import (
    MAX_FRAME_PIXELS,
    NoVideoError,
    Source,
    check_pixels,
    open_container,
    packets_of,
    video_stream,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    import numpy as np
    from av.buffer import Buffer
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

VideoPacket: TypeAlias = "Packet[VideoStream]"

_SEEKABLE = ("mov", "matroska")
"""First names of the FFmpeg formats whose index and timestamps are good for seeking: MP4, MOV; Matroska, WebM."""

_SEEKS = 8
"""How many keyframes to try, each before the last, until one is safe; then decoding starts at the file's start."""


_MAX_TICKS = 2**62


class Orientation(NamedTuple):
    """How a decoded frame becomes the displayed one: rows and columns swapped first, then flipped."""

    transpose: bool = False
    flip_x: bool = False
    flip_y: bool = False

    def size(self, width: int, height: int) -> tuple[int, int]:
        """Return the displayed size of a frame decoded at this size, or the reverse."""
        return (height, width) if self.transpose else (width, height)

    def turn(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return uint8 (H, W, 3) pixels as displayed, as a view."""
        if self.transpose:
            pixels = pixels.swapaxes(0, 1)
        return pixels[:: -1 if self.flip_y else 1, :: -1 if self.flip_x else 1]


_TURNS = (
    Orientation(),
    Orientation(transpose=True, flip_x=True),
    Orientation(flip_x=True, flip_y=True),
    Orientation(transpose=True, flip_y=True),
)
"""The orientation of a clockwise turn by 0, 90, 180 and 270 degrees."""

TURNS = tuple(starmap(Orientation, product((False, True), repeat=3)))
"""All eight orientations; a stored packet index holds positions in this."""


def orientation(frame: VideoFrame) -> Orientation:
    """Return the orientation that the frame's display matrix asks for, the nearest of the eight."""
    try:
        matrix = cast("Mapping[Type, Buffer]", frame.side_data)[Type.DISPLAYMATRIX]
    except KeyError:
        return Orientation()
    except ValueError:  # PyAV 18.1 fails on a frame with side data newer than its list; mirroring is lost then
        return _TURNS[round(-frame.rotation / 90) % 4]
    a, b, _, c, d, *_ = unpack("9i", bytes(matrix)[:36])
    if max(abs(b), abs(c)) > max(abs(a), abs(d)):
        return Orientation(transpose=True, flip_x=c < 0, flip_y=b < 0)
    return Orientation(flip_x=a < 0, flip_y=d < 0)


class Shown(NamedTuple):
    """One displayed frame and its exact [start, end) in seconds."""

    start: Fraction
    end: Fraction
    frame: VideoFrame


class Promise(NamedTuple):
    """What the packets say of frames before they are decoded: their starts in order, and when the last one ends."""

    starts: list[Fraction]
    end: Fraction


class Frames:
    """The displayed frames of an open video stream; the first is decoded at once, to know time zero.

    Attributes:
        stream: The open stream.
        time_base: Seconds of one tick.
        spacing: Seconds from frame to frame on average, 0 if the file does not say.
        reorder_depth: Frames that the decoder holds back, as the file's header and first packets have it.
        is_in_order: Whether the times of the frames ascend.
        first: The first displayed frame.
        origin: Its ticks, time zero.
    """

    def __init__(self, container: InputContainer, stream: VideoStream) -> None:
        codec = stream.codec_context
        check_pixels(codec.width, codec.height, MAX_FRAME_PIXELS)
        self._container = container
        self.stream = stream
        self._codec = codec.codec.canonical_name
        self.time_base = stream.time_base or Fraction(1, 90_000)
        self.spacing = 1 / stream.average_rate if stream.average_rate else Fraction(0)
        self.reorder_depth = codec.reorder_depth
        # AVI stores no pts: those that FFmpeg makes up for B-frames go back and forth, so no time says "past the end".
        self.is_in_order = container.format.name != "avi"
        self._demux()
        self.first = self._decode_first()
        self.origin = stamp(self.first) or 0

    def _demux(self) -> None:
        self._packets = packets_of(self._container, self.stream)
        self._read: list[VideoPacket] = []
        self._num_fed = 0
        self._ready: list[VideoFrame] = []

    def _decode_first(self) -> VideoFrame:
        for packet in self._packets:
            self._read.append(packet)
            self._num_fed += 1
            self._ready.extend(packet.decode())
            if self._ready:
                return self._ready[0]
        raise MediaError("no decodable frame in the video stream")

    def seek(self, start: Fraction) -> bool:
        """Go to the nearest keyframe at or before `start` seconds from which the frames are provably right.

        Returns:
            Whether there is one. If not, the container is somewhere else and must be opened anew.
        """
        wanted = min(self.origin + math.floor(start / self.time_base), _MAX_TICKS)
        at = wanted
        for _ in range(_SEEKS):
            self._container.seek(at, stream=self.stream)
            self._demux()
            packet = next(self._packets)
            if packet.pts is None or packet.dts is None:
                return False
            if packet.pts <= wanted and self._is_safe(packet):
                self._read.append(packet)
                return True
            at = min(at, packet.pts, packet.dts) - 1
            if at < self.origin:
                return False
        return False

    def _is_safe(self, packet: VideoPacket) -> bool:
        if not packet.is_keyframe or packet.is_discard or packet.is_corrupt:
            return False
        return starts_clean(self._codec, self.stream.codec_context.extradata, bytes(packet))

    @property
    def can_seek(self) -> bool:
        """Whether the container is of a kind in which `seek` may be tried."""
        return self._container.format.name.startswith(_SEEKABLE)

    def promise(self, stop: Fraction | None = None) -> Promise:
        """Return what the packets up to `stop` seconds say of the frames in them.

        Packets read here are decoded by `shown` later: no byte is read twice.
        """
        limit = None if stop is None else self.origin + stop / self.time_base
        for packet in self._packets:
            self._read.append(packet)
            if limit is not None and packet.dts is not None and packet.dts >= limit:
                break
        return self._promised(self._read)

    def scan(self) -> Promise:
        """Return what all packets of the file say of the frames, keeping none: nothing can be decoded afterwards."""
        return self._promised(self.packets())

    def packets(self) -> Iterator[VideoPacket]:
        """Yield every packet of the file, keeping none: nothing can be decoded afterwards."""
        return chain(self._read, self._packets)

    def _promised(self, packets: Iterable[VideoPacket]) -> Promise:
        stamps = sorted(
            (pts, packet.duration or 0)
            for packet in packets
            if (pts := stamp(packet)) is not None
            and not packet.is_discard
            and is_shown(self._codec, memoryview(packet))
        )
        starts = [(pts - self.origin) * self.time_base for pts, _ in stamps]
        end = starts[-1] + (stamps[-1][1] * self.time_base or self.spacing) if starts else Fraction(0)
        return Promise(starts, end)

    def shown(self, stop: Fraction | None = None) -> Iterator[Shown]:
        """Yield the displayed frames in order, ending with the first that starts at or after `stop` seconds.

        Can be walked once.
        """
        unfed = chain(self._read[self._num_fed :], self._packets)
        decoded = chain.from_iterable(packet.decode() for packet in unfed)
        start = -self.spacing
        for frame in chain(self._ready, decoded):
            pts = stamp(frame)
            start = start + self.spacing if pts is None else (pts - self.origin) * self.time_base
            yield Shown(start, start + (frame.duration * self.time_base or self.spacing), frame)
            if stop is not None and start >= stop and self.is_in_order:
                return


@contextmanager
def open_video(source: Source) -> Iterator[Frames]:
    """Open the video in `source`; what goes wrong inside, too, is raised as MediaError."""
    with open_container(source) as container:
        stream = video_stream(container)
        if stream is None:
            raise NoVideoError("no video stream in the file")
        yield Frames(container, stream)


def stamp(timed: VideoFrame | VideoPacket) -> int | None:
    """Return the pts, or the dts where there is none, in units of the time base."""
    return timed.dts if timed.pts is None else timed.pts
