"""Keyframes: where decoding can begin, and how far apart that is."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa

from cutlist.backfill import Batch, featurizer
from cutlist.media.bitstream import is_shown
from cutlist.media.frames import open_video, stamp
from cutlist_featurizers.filters import at_most
from cutlist_featurizers.videos import WHOLE_VIDEO, WHOLE_VIDEO_BATCH, each_video

if TYPE_CHECKING:
    from cutlist.media.source import Source


class Keyframes(NamedTuple):
    """The keyframes of one video; see `find_keyframes`."""

    keyframe_seconds: list[float]
    num_keyframes: int
    max_keyframe_gap_seconds: float


def find_keyframes(source: Source) -> Keyframes:
    """Return when the keyframes of a video are displayed, by reading its packets; only the first frame is decoded.

    Keyframes are the packets that the container, or for streams without one FFmpeg's parser, flags so, and that are
    displayed. They are random access points as far as these can be believed: `PacketIndex.is_start` has those of which
    it is proven that every frame from there on decodes the same. To reach a frame, at most `max_keyframe_gap_seconds`
    are decoded in vain.

    Args:
        source: The whole file as bytes, or a seekable binary file.

    Returns:
        `keyframe_seconds` ascending, since the first displayed frame, each the greatest double that is not after the
        frame's exact time, as `clip` needs it; `num_keyframes`, their number; and `max_keyframe_gap_seconds`, the
        longest time from the start of the video or a keyframe to the next one or the end of the video.

    Raises:
        MediaError: if the bytes cannot be decoded.
    """
    with open_video(source) as frames:
        codec = frames.stream.codec_context.codec.canonical_name
        times: set[Fraction] = set()
        end = Fraction(0)
        for packet in frames.packets():
            pts = stamp(packet)
            if pts is None or packet.is_discard or not is_shown(codec, memoryview(packet)):
                continue
            start = (pts - frames.origin) * frames.time_base
            end = max(end, start + ((packet.duration or 0) * frames.time_base or frames.spacing))
            if packet.is_keyframe and start >= 0:  # before the first frame: of a group that is cut off
                times.add(start)
    starts = sorted(times)
    gap = max((after - before for before, after in pairwise([Fraction(0), *starts, end])), default=Fraction(0))
    return Keyframes([at_most(start) for start in starts], len(starts), float(gap))


OUTPUTS = (
    pa.field("keyframe_seconds", pa.list_(pa.float64())),
    pa.field("num_keyframes", pa.int32()),
    pa.field("max_keyframe_gap_seconds", pa.float32()),
)


@featurizer(inputs=WHOLE_VIDEO, outputs=OUTPUTS, batch_size=WHOLE_VIDEO_BATCH, parallel=True)
def keyframes(batch: Batch) -> dict[str, list[Any]]:
    """Keyframes of videos; see `find_keyframes`."""
    return each_video(find_keyframes, batch["video"], OUTPUTS)
