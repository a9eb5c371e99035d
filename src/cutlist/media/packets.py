"""The packet index of a video: what it takes to decode any part of it without its container.

`cutlist.media.indexing` makes one, `cutlist.media.planned` decodes by it. Stored it takes about 4 bytes a packet.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cutlist.errors import MediaError
from cutlist.media.frames import TURNS, Orientation

if TYPE_CHECKING:
    from collections.abc import Sequence

VERSION = 1
"""Of the stored form. Changing what is stored or what it means is a PACKET INDEX FORMAT CHANGE in the changelog."""

_MAGIC = b"PKT"
_PREFIX = struct.Struct("<3sBI")
"""Magic, version, CRC-32 of the rest; the rest is deflated: `_HEAD`, names, extradata, columns."""

_HEAD = struct.Struct("<I II 5H Bb 4s II q qQ BI")
"""Packets; width, height; colour; reorder depth, turn; tag; time base; origin; end; bytes of decoder and extradata."""

_LIMIT = 2**61
"""Of times, offsets and sizes, so that sums of two of them fit in 64 bits."""

_MAX_REORDER_DEPTH = 16
"""Of all codecs; FFmpeg's H.264 decoder ends the process where more than these are to be held back."""


class Colour(NamedTuple):
    """FFmpeg's numbers for what the samples mean, as the container or the first frame says it."""

    range: int
    space: int
    primaries: int
    transfer: int
    chroma_location: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PacketIndex:
    """Every packet of a file's video stream, in decoding order, and what a decoder must know that they do not say.

    Attributes:
        decoder: FFmpeg's name of the decoder: h264, hevc, libdav1d, vp9, …
        extradata: The codec's setup bytes.
        tag: The container's four bytes for the codec; some decoders take hints from it.
        width: Pixels that the decoder is told; it needs them where the stream has none, or is to be cropped.
        height: Pixels that the decoder is told.
        colour: What the decoder is told, for streams that do not say it themselves.
        reorder_depth: Frames that the decoder holds back to put them in order of display.
        turn: How every frame is turned; None where each frame says so itself, or needs none.
        time_base: Seconds of one tick.
        origin: Ticks of the first displayed frame: time zero.
        end: When the last frame ends, in seconds since `origin`.
        pts: Ticks at which each packet's frame is displayed: int64 (packets,).
        offsets: Byte of the file at which each packet starts: int64 (packets,).
        sizes: Bytes of each packet: int64 (packets,).
        checks: Last byte of each packet's CRC-32, so that a file that has changed since is noticed: uint8 (packets,).
        is_start: Whether decoding may start at the packet and every frame from its own on is right: bool (packets,).
        is_shown: Whether the packet gives a frame that is displayed: bool (packets,).
    """

    decoder: str
    extradata: bytes
    tag: bytes
    width: int
    height: int
    colour: Colour
    reorder_depth: int
    turn: Orientation | None
    time_base: Fraction
    origin: int
    end: Fraction
    pts: NDArray[np.int64]
    offsets: NDArray[np.int64]
    sizes: NDArray[np.int64]
    checks: NDArray[np.uint8]
    is_start: NDArray[np.bool_]
    is_shown: NDArray[np.bool_]

    def __post_init__(self) -> None:
        """Check that the values can be those of a file.

        Raises:
            MediaError: if not.
        """
        columns = (self.pts, self.offsets, self.sizes, self.checks, self.is_start, self.is_shown)
        ends = (self.end.numerator, self.end.denominator)
        times = (int(np.min(self.pts, initial=0)), int(np.max(self.pts, initial=0)), self.origin, *ends)
        wrong = (
            "columns of different lengths"
            if len({len(column) for column in columns}) > 1
            else "a time out of range"
            if self.time_base <= 0 or max(map(abs, times)) > _LIMIT
            else f"a reorder depth of {self.reorder_depth}"
            if not 0 <= self.reorder_depth <= _MAX_REORDER_DEPTH
            else "no packet is shown"
            if not np.any(self.is_shown)
            else "a packet outside of any file"
            if any(np.any(each < 0) or np.any(each > _LIMIT) for each in (self.sizes, self.offsets))
            else None
        )
        if wrong:
            raise MediaError(f"packet index: {wrong}")

    def __repr__(self) -> str:
        size = f"{self.width}x{self.height}, {float(self.end):g} s"
        return f"PacketIndex({self.decoder}, {size}, {len(self)} packets, {int(self.is_start.sum())} starts)"

    def __len__(self) -> int:
        """Return the number of packets."""
        return len(self.pts)

    def seconds(self, ticks: int) -> Fraction:
        """Return the time since the first displayed frame."""
        return (ticks - self.origin) * self.time_base

    def displayed(self) -> NDArray[np.intp]:
        """Return the packets whose frames are displayed, in order of display: positions in the columns."""
        shown = np.flatnonzero(self.is_shown)
        return shown[np.argsort(self.pts[shown], kind="stable")]

    def to_bytes(self) -> bytes:
        """Return the index in its stored form, which is the same for equal indexes."""
        decoder = self.decoder.encode("ascii")
        head = _HEAD.pack(
            *(len(self), self.width, self.height, *self.colour, self.reorder_depth),
            *(-1 if self.turn is None else TURNS.index(self.turn), self.tag),
            *(self.time_base.numerator, self.time_base.denominator, self.origin),
            *(self.end.numerator, self.end.denominator, len(decoder), len(self.extradata)),
        )
        gaps = self.offsets - np.concatenate(([0], (self.offsets + self.sizes)[:-1]))
        flags = self.is_start + 2 * self.is_shown.astype(np.int64)
        columns = (np.diff(self.pts, prepend=0), gaps, self.sizes, self.checks.view(np.int8).astype(np.int64), flags)
        payload = _deflate(b"".join((head, decoder, self.extradata, *map(_narrow, columns))))
        return _PREFIX.pack(_MAGIC, VERSION, zlib.crc32(payload)) + payload

    @classmethod
    def from_bytes(cls, data: bytes) -> PacketIndex:
        """Return the index whose `to_bytes()` is `data`.

        Raises:
            MediaError: if the bytes are damaged, no packet index, or of another version.

        Examples:
            >>> PacketIndex.from_bytes(b"PKT\\x09....")
            Traceback (most recent call last):
            cutlist.errors.MediaError: packet index: version 9, and this cutlist reads version 1; make the index anew
        """
        try:
            magic, version, crc = _PREFIX.unpack_from(data)
        except struct.error as error:
            raise MediaError(f"packet index: {len(data)} bytes are too few") from error
        if magic != _MAGIC:
            raise MediaError("packet index: the bytes are something else")
        if version != VERSION:
            raise MediaError(
                f"packet index: version {version}, and this cutlist reads version {VERSION}; make the index anew"
            )
        if zlib.crc32(data[_PREFIX.size :]) != crc:
            raise MediaError("packet index: the bytes are damaged (their checksum differs)")
        try:
            return cls._unpack(zlib.decompress(data[_PREFIX.size :], wbits=-15))
        except (struct.error, zlib.error, ValueError, IndexError, ZeroDivisionError) as error:
            raise MediaError(f"packet index: the bytes are damaged ({error})") from error

    @classmethod
    def _unpack(cls, payload: bytes) -> PacketIndex:
        length, width, height, *rest = _HEAD.unpack_from(payload)
        *colour, reorder_depth, turn, tag, base, per, origin, end, end_per, decoder_bytes, extradata_bytes = rest
        names = _HEAD.size + decoder_bytes
        columns = names + extradata_bytes
        steps, gaps, sizes, checks, flags = _widen(memoryview(payload)[columns:], length, 5)
        ends = np.cumsum(gaps + sizes)
        return cls(
            decoder=payload[_HEAD.size : names].decode("ascii"),
            extradata=payload[names:columns],
            tag=tag,
            width=width,
            height=height,
            colour=Colour(*colour),
            reorder_depth=reorder_depth,
            turn=None if turn < 0 else TURNS[turn],
            time_base=Fraction(base, per),
            origin=origin,
            end=Fraction(end, end_per),
            pts=np.cumsum(steps),
            offsets=ends - sizes,
            sizes=sizes,
            checks=checks.astype(np.uint8),
            is_start=flags & 1 > 0,
            is_shown=flags & 2 > 0,
        )


def _deflate(data: bytes) -> bytes:
    return zlib.compress(data, 9, wbits=-15)


def _narrow(column: NDArray[np.int64]) -> bytes:
    """Return the width of a column's values in bytes, 1 to 8, then their first bytes, their second bytes, …

    Small negative numbers are small here, too: 0, -1, 1, -2, … are stored as 0, 1, 2, 3, …
    """
    values = ((column << 1) ^ (column >> 63)).astype("<u8")
    width = max((int(values.max(initial=0)).bit_length() + 7) // 8, 1)
    planes = values.view(np.uint8).reshape(-1, 8)[:, :width].T
    return bytes([width]) + planes.tobytes()


def _widen(data: memoryview, length: int, num_columns: int) -> Sequence[NDArray[np.int64]]:
    """Return the columns whose `_narrow` are `data`, one after another.

    Raises:
        ValueError: if they are not.
    """
    columns = []
    for _ in range(num_columns):
        width, stop = data[0], 1 + data[0] * length
        if not 1 <= width <= 8 or stop > len(data):
            raise ValueError(f"{length} packets of {width} bytes in {len(data)} bytes")
        values = np.zeros((length, 8), np.uint8)
        values[:, :width] = np.frombuffer(data[1:stop], np.uint8).reshape(width, length).T
        whole = values.view("<u8")[:, 0]
        columns.append((whole >> 1).astype(np.int64) ^ -(whole & 1).astype(np.int64))
        data = data[stop:]
    if data:
        raise ValueError(f"{len(data)} bytes too many")
    return columns
