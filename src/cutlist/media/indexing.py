"""From a video file to its packet index, where it can be shown that decoding by it gives the file's frames.

Shown for every file: each packet's bytes are in the file as they are; the decoder is told what the container tells it,
and its first frame is the same; the depth of reordering loses no frame. What the packets promise of the other frames is
checked while decoding; `verify` checks it for all of them beforehand, which costs decoding the file twice.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from cutlist.errors import MediaError
from cutlist.media.bitstream import is_shown, parameter_sets, starts_clean
from cutlist.media.frames import Frames, open_video, orientation, stamp
from cutlist.media.packets import Colour, PacketIndex
from cutlist.media.planned import PromiseError, Run, begins_of, decode_run
from cutlist.media.source import NoVideoError, read_head, sniff
from cutlist.media.tensor import is_tensor

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from av.video.frame import VideoFrame

    from cutlist.media.source import Source

_MAX_SHIFT = 64
"""How far behind a packet's stated position its bytes may start: 4 in Matroska and WebM, none in MP4, MOV and AVI."""


_CHROMA_LOCATIONS = 7
"""FFmpeg's numbers for where chroma is sampled: 0 unspecified, 1 left, 2 center, 3 top left …"""


@dataclass(frozen=True, slots=True)
class Unplanned:
    """Why a video is read through its container.

    Attributes:
        reason: In words, for people.
    """

    reason: str


class _UnplannedError(MediaError):
    """Stops the indexing of a video; its text is the reason."""


class _Row(NamedTuple):
    """What is kept of one packet; the names that the index has, too, mean the same there."""

    pts: int
    duration: int
    position: int
    size: int
    check: int
    is_start: bool
    is_shown: bool
    is_discarded: bool


UNPLANNED = b"!"
"""What stands before the reason in the stored form of an index that cannot be."""


def stored_index(source: Source) -> bytes:
    """Return the packet index of a medium as it is stored beside it, or why it has none, after `UNPLANNED`.

    Raises:
        OSError: if the source cannot be read; nothing else.

    Examples:
        >>> stored_index(b"P6 2 1 255 RGBrgb")
        b'!not a video'
    """
    try:
        head = read_head(source)
        if is_tensor(head) or sniff(head) != "av":
            return UNPLANNED + b"not a video"
        index = index_packets(source)
    except NoVideoError:
        return UNPLANNED + b"not a video"
    except MediaError as error:
        return UNPLANNED + str(error).encode()
    return UNPLANNED + index.reason.encode() if isinstance(index, Unplanned) else index.to_bytes()


def index_packets(source: Source, *, verify: bool = False) -> PacketIndex | Unplanned:
    """Return the packet index of a video, or why it cannot have one.

    Every byte is read once, and once more where `source` is a file.

    Args:
        source: The whole file as bytes, or a seekable binary file.
        verify: Whether to decode the whole file both ways, and refuse it where one frame differs.

    Raises:
        MediaError: if it is no video that can be decoded; `NoVideoError` if there is none in the file.
    """
    try:
        with open_video(source) as frames:
            index = _index(source, frames)
            index = _compared(source, index, frames.first)
        if verify:
            with open_video(source) as frames:
                _verify(source, index, frames)
    except _UnplannedError as error:
        return Unplanned(str(error))
    return index


def _index(source: Source, frames: Frames) -> PacketIndex:
    if not frames.is_in_order and frames.reorder_depth:
        raise _UnplannedError("the file does not say in which order its frames are displayed")
    codec = frames.stream.codec_context
    extradata = codec.extradata or b""
    rows: list[_Row] = []
    shifts: Sequence[int] = range(_MAX_SHIFT + 1)
    for packet, row in _rows(frames):
        rows.append(row)
        shifts = _shifts(source, row.position, packet, shifts)
        if not shifts:
            raise _UnplannedError(f"the bytes of packet {len(rows) - 1} are not in the file as they are decoded")
    shown = [row for row in rows if row.is_shown]
    times = [row.pts for row in shown]
    if not shown:
        raise _UnplannedError("no packet is shown")
    if len({*times, *(row.pts for row in rows if row.is_discarded)}) < len(times) + sum(r.is_discarded for r in rows):
        raise _UnplannedError("two frames have one time")
    if codec.codec.canonical_name == "h264" and _depth(times) > frames.reorder_depth:
        raise _UnplannedError("frames are reordered more than the file's header and first packets say")
    columns = dict(zip(_Row._fields, map(np.array, zip(*rows, strict=True)), strict=True))
    try:
        return PacketIndex(
            decoder=codec.codec.name,
            extradata=extradata,
            tag=codec.codec_tag.encode("ascii", "replace"),
            width=codec.width,
            height=codec.height,
            colour=Colour(
                int(codec.color_range),
                int(codec.colorspace),
                int(codec.color_primaries),
                int(codec.color_trc),
                chroma_location=0,
            ),
            reorder_depth=frames.reorder_depth,
            turn=None,
            time_base=frames.time_base,
            origin=frames.origin,
            end=max(
                (row.pts - frames.origin) * frames.time_base + (row.duration * frames.time_base or frames.spacing)
                for row in shown
            ),
            pts=columns["pts"],
            offsets=columns["position"] + shifts[0],
            sizes=columns["size"],
            checks=columns["check"].astype(np.uint8),
            is_start=columns["is_start"],
            is_shown=columns["is_shown"],
        )
    except MediaError as error:
        raise _UnplannedError(str(error)) from error


def _rows(frames: Frames) -> Iterator[tuple[bytes, _Row]]:
    """Yield the bytes and the row of each packet."""
    codec = frames.stream.codec_context
    name, extradata = codec.codec.canonical_name, codec.extradata
    # Of 4:4:4 H.264 every start but the first is refused: the decoder works around a bug of x264, whose version only
    # the first packet has.
    is_444 = name == "h264" and any(each in (codec.pix_fmt or "") for each in ("444", "gbr"))
    sets: set[bytes] = set()
    for packet in frames.packets():
        pts = stamp(packet)
        if packet.size == 0 and pts is None:  # the end of the stream
            continue
        if pts is None or packet.pos is None:
            raise _UnplannedError("a packet has no time, or no place in the file")
        if packet.size == 0 or packet.is_corrupt:
            raise _UnplannedError("a packet is empty or damaged")
        if extra := [each.data_type for each in packet.iter_sidedata()]:
            raise _UnplannedError(f"a packet comes with {', '.join(extra)}, which only the container gives the decoder")
        data = bytes(packet)
        own_sets = parameter_sets(name, extradata, data)
        sets |= own_sets
        shown = not packet.is_discard and is_shown(name, data)
        if shown and pts < frames.origin:
            raise _UnplannedError("a frame has a time before that of the first one")
        may_start = shown and packet.is_keyframe and sets == own_sets and not is_444
        start = may_start and starts_clean(name, extradata, data)
        check = zlib.crc32(data) & 255
        yield data, _Row(pts, packet.duration or 0, packet.pos, len(data), check, start, shown, packet.is_discard)


def _shifts(source: Source, position: int, packet: bytes, shifts: Sequence[int]) -> list[int]:
    """Return those of `shifts` by which the packet's bytes are behind its stated position."""
    window = _read(source, position, shifts[-1] + len(packet))
    return [shift for shift in shifts if window.startswith(packet, shift)]


def _read(source: Source, offset: int, size: int) -> bytes:
    """Return bytes of the file, and leave it where it is: FFmpeg is reading it."""
    if isinstance(source, bytes):
        return source[offset : offset + size]
    at = source.tell()
    source.seek(offset)
    data = source.read(size)
    source.seek(at)
    return data


def _depth(times: Sequence[int]) -> int:
    """Return the most frames that come before one that is displayed before them."""
    rank = np.argsort(np.argsort(np.array(times)))
    return int(np.max(np.arange(len(times)) - rank, initial=0))


def _compared(source: Source, index: PacketIndex, first: VideoFrame) -> PacketIndex:
    """Return the index, its frames turned and converted as the container's are, if its first frame is the container's.

    PyAV does not tell where a container says that chroma is sampled, so the places are tried.
    """
    checksum, turn, noise = _checksum(first), orientation(first), _noise(first)
    for location in range(_CHROMA_LOCATIONS):
        found = replace(index, colour=index.colour._replace(chroma_location=location))
        try:
            _, frame = next(_decode(source, found, Run(0, int(found.displayed()[0]) + 1)))
        except PromiseError as error:
            raise _UnplannedError(f"without the container {error}") from error
        if _checksum(frame) != checksum:
            raise _UnplannedError("without the container the first frame is another")
        own = orientation(frame)
        if _noise(frame) == noise:
            return found if turn == own else replace(found, turn=turn)
    raise _UnplannedError("without the container the colours are others")


def _noise(frame: VideoFrame) -> int:
    """Return a checksum of noise that is converted and resized as the frame would be; the frame is then noise."""
    random = np.random.default_rng(0)
    for plane in frame.planes:
        plane.update(random.integers(0, 256, plane.buffer_size, np.uint8).tobytes())
    half = frame.reformat(max(frame.width // 2, 1), max(frame.height // 2, 1), "rgb24", interpolation="BICUBIC")
    return zlib.crc32(half.to_ndarray().tobytes())


def _verify(source: Source, index: PacketIndex, frames: Frames) -> None:
    """Compare every frame, decoded from the start that a plan would choose, with the container's."""
    packets = index.displayed()
    begins = dict(zip(packets.tolist(), begins_of(index, packets).tolist(), strict=True))
    stops: dict[int, int] = {}
    for packet, begin in begins.items():
        stops[begin] = max(packet + 1, stops.get(begin, 0))
    decoded = (
        (index.seconds(int(index.pts[packet])), frame)
        for begin, stop in stops.items()
        for packet, frame in _decode(source, index, Run(begin, stop))
        if begins[packet] == begin
    )
    end = Fraction(0)
    try:
        for shown in frames.shown():
            start, frame = next(decoded, (None, None))
            end = max(end, shown.end)
            if frame is None or start != shown.start or _checksum(frame) != _checksum(shown.frame):
                raise _UnplannedError(f"without the container the frame at {float(shown.start):g} s is another")
        if next(decoded, None) is not None or end != index.end:
            raise _UnplannedError("without the container the video ends at another time")
    except PromiseError as error:
        raise _UnplannedError(f"without the container {error}") from error


def _decode(source: Source, index: PacketIndex, run: Run) -> Iterator[tuple[int, VideoFrame]]:
    return decode_run(index, run, lambda n: _read(source, int(index.offsets[n]), int(index.sizes[n])))


def _checksum(frame: VideoFrame) -> tuple[int, int, int]:
    """Return the size of a frame and a checksum of its pixels as they are converted."""
    return frame.width, frame.height, zlib.crc32(frame.to_ndarray(format="rgb24").tobytes())
