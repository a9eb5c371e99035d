"""Freezes: when the picture of a video stands still."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa

from cutlist.backfill import Batch, featurizer
from cutlist.media.frames import open_video
from cutlist_featurizers.filters import SPANS, Span, at_most, end_after, filtered
from cutlist_featurizers.videos import WHOLE_VIDEO, WHOLE_VIDEO_BATCH, each_video

if TYPE_CHECKING:
    from cutlist.media.source import Source

NOISE = 0.001
"""FFmpeg's default, -60 dB: the mean absolute difference, over all samples, as a part of their range."""

MIN_SECONDS = 2.0
"""FFmpeg's default: a freeze lasts at least so long."""


class Freezes(NamedTuple):
    """The freezes of one video; see `detect_freezes`."""

    freeze_share: float
    freezes: list[Span]


def detect_freezes(source: Source, *, noise: float = NOISE, min_seconds: float = MIN_SECONDS) -> Freezes:
    """Return when the picture of a video stands still, as FFmpeg's freezedetect finds it.

    A freeze begins with a frame and goes on while frames differ from that frame by at most `noise`; it stops where the
    first frame starts that differs by more, or at the end of the video. A freeze is kept if it lasts `min_seconds` or
    more. One thing is not as in FFmpeg, which never learns when the last frame ends: the last frame's duration counts,
    so that two seconds of one picture are a freeze of two seconds.

    A slow drift is a freeze until it has gone so far from its first frame, then another one.

    Source: libavfilter/vf_freezedetect.c of FFmpeg.

    Args:
        source: The whole file as bytes, or a seekable binary file.
        noise: In [0, 1].
        min_seconds: At least 0.

    Returns:
        `freezes`, half-open, in order, each from the start of a frame to the start of another or to the end, as exact
        as `detect_scenes` has them; `freeze_share` in [0, 1] of the duration, 0 where that is 0.

    Raises:
        MediaError: if the bytes cannot be decoded.
    """
    changes: list[Fraction] = []
    last = end = Fraction(0)
    with open_video(source) as frames:
        # With a duration of 0 every frame that differs from the one before it that did so ends a freeze.
        for shown in filtered(frames, "freezedetect", f"noise={noise}:duration=0"):
            if not changes or "lavfi.freezedetect.freeze_end" in shown.frame.metadata:
                changes.append(shown.start)
            last, end = max(last, shown.start), max(end, shown.end)
    limits = sorted({*changes, end})  # sorted: in AVI, and in damaged files, times go back and forth
    spans = [(start, stop) for start, stop in pairwise(limits) if float(stop - start) >= min_seconds]
    frozen = sum((stop - start for start, stop in spans), Fraction(0))
    return Freezes(
        float(frozen / end) if end else 0.0,
        [
            Span(start_seconds=at_most(start), stop_seconds=end_after(last, end) if stop == end else at_most(stop))
            for start, stop in spans
        ],
    )


OUTPUTS = (pa.field("freeze_share", pa.float32()), pa.field("freezes", SPANS))


@featurizer(inputs=WHOLE_VIDEO, outputs=OUTPUTS, batch_size=WHOLE_VIDEO_BATCH, parallel=True)
def freeze(batch: Batch) -> dict[str, list[Any]]:
    """Freezes of videos; see `detect_freezes`."""
    return each_video(detect_freezes, batch["video"], OUTPUTS)
