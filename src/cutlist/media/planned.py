"""Video by its packet index: which bytes a reference needs, and from those bytes to its frames, with no container.

The plan is arithmetic. Decoding checks that the decoder gives exactly the frames that the index promises; where it does
not, it says so, and the file is decoded through its container. Both ways give the same frames.
"""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, cast

import av
import numpy as np
from numpy.typing import NDArray

from cutlist.errors import MediaError
from cutlist.media.canvas import Canvas
from cutlist.media.source import MAX_FRAME_PIXELS, check_pixels, media_errors
from cutlist.media.timeline import no_frames, pick, places_of, settle, wanted_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from fractions import Fraction

    from av.video.codeccontext import VideoCodecContext
    from av.video.frame import VideoFrame

    from cutlist.media.packets import PacketIndex
    from cutlist.media.reference import Op
    from cutlist.media.timeline import Wanted

WASTE = 0.02
"""Bytes between needed packets, mostly sound, that are read to have fewer ranges: at most this part of the needed."""

_MAX_TICKS = 2**63 - 1


class PromiseError(MediaError):
    """The decoder gave other frames than the packet index promises: decode the file through its container."""


class Run(NamedTuple):
    """Packets [start, stop) to decode, from one that is safe to start at."""

    start: int
    stop: int


class ByteRange(NamedTuple):
    """Bytes [offset, offset + size) of the file."""

    offset: int
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoPlan:
    """What to read and to decode for one reference to a video.

    Attributes:
        runs: The packets to decode, ascending; packets in none are needed for nothing.
        packets: For each frame of the result the packet that gives it, with repeats.
        spatial: The operations on the picture, the first applied first.
        ranges: What to read: disjoint, ascending.
        needed_bytes: Bytes of the packets in `runs`.
    """

    runs: tuple[Run, ...]
    packets: tuple[int, ...]
    spatial: tuple[Op, ...]
    ranges: tuple[ByteRange, ...]
    needed_bytes: int

    @property
    def read_bytes(self) -> int:
        """Return the bytes of all ranges."""
        return sum(each.size for each in self.ranges)


def plan_video(index: PacketIndex, ops: Sequence[Op], *, waste: float = WASTE) -> VideoPlan:
    """Return what to read and to decode for `ops`, the first applied first.

    Of a clip that is from the last safe start before it to its last packet; where single frames are picked, parts in
    which none of them is are left out.

    Args:
        index: The video's packets.
        ops: Any of clip, at_fps, frames, and operations on the picture.
        waste: The smallest gaps between needed packets are read, too, as long as they sum up to at most this part of
            the needed bytes. 0.2 to 0.6 is what reading the sound between all pictures of small videos takes.

    Raises:
        MediaError: if no frame is selected, or a parameter of an operation on time is wrong.
    """
    wanted = wanted_of(settle(ops, index.end))
    packets = _picked(index, wanted)
    runs = _runs(index, np.unique(packets))
    ranges, needed = _ranges(index, runs, waste)
    return VideoPlan(runs=runs, packets=tuple(packets), spatial=wanted.spatial, ranges=ranges, needed_bytes=needed)


def decode_planned(index: PacketIndex, plan: VideoPlan, pieces: Sequence[bytes]) -> NDArray[np.uint8]:
    """Return the frames of a plan: uint8 (T, 3, H, W), RGB, C-contiguous, turned as displayed.

    Args:
        index: The index that the plan was made from.
        plan: What to decode.
        pieces: The bytes of each of the plan's ranges.

    Raises:
        PromiseError: if the packets give other frames than the index says, or none; the container may do better.
        MediaError: if a piece has not the length of its range, or the operations do not fit the picture.

    Examples:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from cutlist.media import Op, decode, decode_planned, index_packets, plan_video
        >>> from cutlist.media.synthetic import plan_clips, render_clip
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder) / "clip.mp4"
        ...     render_clip(plan_clips(3, seed=0)[2], path)
        ...     data = path.read_bytes()
        >>> index = index_packets(data)
        >>> ops = [Op("clip", (0.5, 1.0)), Op("resize", (64, 36))]
        >>> plan = plan_video(index, ops)
        >>> pieces = [data[offset : offset + size] for offset, size in plan.ranges]
        >>> bool((decode_planned(index, plan, pieces) == decode(data, ops)).all())
        True
    """
    with media_errors("cannot decode"):
        return _decode_planned(index, plan, pieces)


def _decode_planned(index: PacketIndex, plan: VideoPlan, pieces: Sequence[bytes]) -> NDArray[np.uint8]:
    for piece, (offset, size) in zip(pieces, plan.ranges, strict=True):
        if len(piece) != size:
            raise MediaError(f"bytes [{offset}, {offset + size}) of the file: {len(piece)} came; is it cut short?")
    check_pixels(index.width, index.height, MAX_FRAME_PIXELS)
    offsets = [each.offset for each in plan.ranges]
    views = [memoryview(piece) for piece in pieces]

    def payload(packet: int) -> memoryview:
        offset = int(index.offsets[packet])
        piece = int(np.searchsorted(offsets, offset, "right")) - 1
        start = offset - offsets[piece]
        return views[piece][start : start + int(index.sizes[packet])]

    places = places_of(plan.packets)
    canvas = Canvas(len(plan.packets), plan.spatial, index.turn)
    for run in plan.runs:
        for packet, frame in decode_run(index, run, payload):
            if packet in places:
                canvas.put(frame, places[packet])
    assert canvas.pixels is not None, "a plan has at least one frame"
    return canvas.pixels


def decode_run(
    index: PacketIndex, run: Run, payload: Callable[[int], bytes | memoryview]
) -> Iterator[tuple[int, VideoFrame]]:
    """Yield the displayed frames of a run from its start's own on, in order, each with the packet that gives it.

    Args:
        index: The video's packets.
        run: Which of them to decode.
        payload: From a packet's position in the index to its bytes.

    Raises:
        PromiseError: as soon as a frame is not the next that the index promises; when it is, nothing is missing.
    """
    span = slice(run.start, run.stop)
    shown = run.start + np.flatnonzero(index.is_shown[span] & (index.pts[span] >= _first(index, run.start)))
    promised = iter(shown[np.argsort(index.pts[shown], kind="stable")].tolist())
    silent = set(index.pts[span].tolist()) - set(index.pts[shown].tolist())
    for frame in _frames(index, run, payload):
        if frame.pts in silent:
            continue
        if frame.is_corrupt:
            raise PromiseError(f"the frame at {frame.pts} ticks is damaged; what hides that is taken from earlier ones")
        packet = next(promised, None)
        if packet is None or frame.pts != index.pts[packet]:
            due = None if packet is None else int(index.pts[packet])
            raise PromiseError(f"the packets gave a frame at {frame.pts} ticks where one at {due} was promised")
        yield packet, frame
    if (packet := next(promised, None)) is not None:
        raise PromiseError(f"the packets gave no frame at {int(index.pts[packet])} ticks, where one was promised")


def _first(index: PacketIndex, start: int) -> int:
    """Return the ticks from which the frames of a run are right; of the file's first packet on all are."""
    return int(index.pts[start]) if start else -_MAX_TICKS


def _frames(index: PacketIndex, run: Run, payload: Callable[[int], bytes | memoryview]) -> Iterator[VideoFrame]:
    try:
        decoder = open_decoder(index)
        for number in range(run.start, run.stop):
            data = payload(number)
            if zlib.crc32(data) & 255 != index.checks[number]:
                raise PromiseError(f"packet {number} is not what was indexed; has the file changed?")
            # Not av.Packet(data): decoders read up to 64 bytes past the end, and only these are zeros behind its own.
            packet = av.Packet(len(data))
            packet.update(cast("bytes", data))
            packet.pts, packet.time_base = int(index.pts[number]), index.time_base
            yield from decoder.decode(packet)
        yield from decoder.decode(None)
    except (av.FFmpegError, ValueError, OverflowError) as error:
        raise PromiseError(f"the packets cannot be decoded: {error}") from error


def open_decoder(index: PacketIndex) -> VideoCodecContext:
    """Return a decoder of one thread that knows what the container would have told it.

    Raises:
        PromiseError: if this FFmpeg has no such decoder.
    """
    try:
        decoder = cast("VideoCodecContext", av.CodecContext.create(index.decoder, "r"))
    except (av.FFmpegError, ValueError) as error:
        raise PromiseError(f"this FFmpeg has no decoder {index.decoder!r}") from error
    decoder.thread_type = "NONE"
    decoder.thread_count = 1
    decoder.extradata = index.extradata or None
    decoder.codec_tag = index.tag.decode("latin-1")
    decoder.width, decoder.height = index.width, index.height
    *tags, chroma_location = index.colour
    decoder.color_range, decoder.colorspace, decoder.color_primaries, decoder.color_trc = tags
    decoder.options = {"chroma_sample_location": str(chroma_location), "max_pixels": str(MAX_FRAME_PIXELS)}
    decoder.reorder_depth = index.reorder_depth
    return decoder


def _picked(index: PacketIndex, wanted: Wanted) -> list[int]:
    """Return the packet of each frame of the result, with repeats."""
    displayed = index.displayed()
    ticks = index.pts[displayed]
    low, high = 0, len(displayed)
    if wanted.clip:
        low = int(np.searchsorted(ticks, _ticks(index, wanted.start)))
        high = high if wanted.stop is None else int(np.searchsorted(ticks, _ticks(index, wanted.stop)))
        if low >= high:
            follows = f"the next starts at {float(index.seconds(int(ticks[high]))):g} s" if high < len(ticks) else ""
            raise no_frames(wanted.clip, follows or f"the video lasts {float(index.end):g} s")
    chosen = displayed[low:high]
    later = wanted.temporal[1:] if wanted.clip else wanted.temporal
    if all(op.name == "frames" for op in later):  # these go by number; exact times of an hour's frames would take 0.1 s
        picks = pick([index.end] * len(chosen), index.end, later)
    else:
        picks = pick([index.seconds(each) for each in ticks[low:high].tolist()], index.end, wanted.temporal)
    return [int(packet) for packet in chosen[picks]]


def _ticks(index: PacketIndex, seconds: Fraction) -> int:
    """Return the first tick at or after a time since the first displayed frame."""
    return max(-_MAX_TICKS, min(index.origin + math.ceil(seconds / index.time_base), _MAX_TICKS))


def begins_of(index: PacketIndex, packets: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return for each packet where to start decoding so that its frame is right: the last safe start, or packet 0."""
    safe = np.flatnonzero(index.is_start)
    safe = safe[index.pts[safe] >= np.maximum.accumulate(index.pts[safe])]  # a run may go on over later ones
    starts = np.concatenate(([0], safe))
    at = np.searchsorted(starts, packets, "right") - 1
    while np.any(late := (at > 0) & (index.pts[starts[at]] > index.pts[packets])):
        at[late] -= 1
    return starts[at]


def _runs(index: PacketIndex, packets: NDArray[np.intp]) -> tuple[Run, ...]:
    """Return what to decode for these packets, ascending; runs that touch are one."""
    runs: list[Run] = []
    for begin, packet in sorted(zip(begins_of(index, packets).tolist(), packets.tolist(), strict=True)):
        if runs and begin <= runs[-1].stop:
            runs[-1] = Run(runs[-1].start, max(runs[-1].stop, packet + 1))
        else:
            runs.append(Run(begin, packet + 1))
    return tuple(runs)


def _ranges(index: PacketIndex, runs: Sequence[Run], waste: float) -> tuple[tuple[ByteRange, ...], int]:
    """Return the ranges that hold the runs' packets, and how many bytes those are."""
    needed = np.concatenate([np.arange(run.start, run.stop) for run in runs])
    needed = needed[np.argsort(index.offsets[needed], kind="stable")]
    starts = index.offsets[needed]
    stops = np.maximum.accumulate(starts + index.sizes[needed])
    gaps = np.maximum(starts[1:] - stops[:-1], 0)
    needed_bytes = int(stops[-1] - starts[0] - gaps.sum())
    smallest = np.argsort(gaps, kind="stable")
    bridged = np.empty(len(gaps), np.bool_)
    bridged[smallest] = np.cumsum(gaps[smallest]) <= waste * needed_bytes
    cuts = np.flatnonzero(~bridged) + 1
    first, last = np.concatenate(([0], cuts)), np.concatenate((cuts, [len(starts)])) - 1
    pairs = zip(starts[first].tolist(), stops[last].tolist(), strict=True)
    return tuple(ByteRange(start, stop - start) for start, stop in pairs), needed_bytes
