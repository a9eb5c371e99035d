"""Scenes: where a video is cut, as spans of time that `clip` takes."""

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

THRESHOLD = 10.0
"""FFmpeg's default; its manual calls 8 to 14 good."""


class Scenes(NamedTuple):
    """The scenes of one video; see `detect_scenes`."""

    scenes: list[Span]
    scene_scores_per_frame: list[float]


def detect_scenes(source: Source, *, threshold: float = THRESHOLD) -> Scenes:
    """Return the scenes of a video: spans between hard cuts, which are found by FFmpeg's scdet.

    A frame's score is min(d, |d - e|), where d is the mean absolute difference of its luma to the frame before it, in
    percent of the range, and e is the d of that frame: high where the picture changes much, and more than it did just
    before. A frame begins a scene if its score is at least `threshold`. Fades are no cuts, and neither is the frame
    after a cut: of two cuts in a row the second is missed. The scores are kept, to three decimals as FFmpeg gives
    them, for other thresholds.

    Scenes are half-open and partition the frames: the first starts at 0, each starts with a frame, where the one before
    it stops, and the last stops at the end of the last frame. A start is the greatest double that is not after the
    frame's exact time, so that `clip(video, start_seconds, stop_seconds)` has all of a scene's frames and no others.
    (In AVI with B-frames times go back and forth; there, too, each frame is in one clip, but maybe the neighbour's.)

    Source: libavfilter/vf_scdet.c of FFmpeg.

    Args:
        source: The whole file as bytes, or a seekable binary file.
        threshold: Score in (0, 100] at which a scene begins.

    Returns:
        `scenes`, at least one, in order; `scene_scores_per_frame` in [0, 100] of each displayed frame, the first 0.

    Raises:
        MediaError: if the bytes cannot be decoded.
    """
    starts: list[Fraction] = []
    scores: list[float] = []
    end = Fraction(0)
    with open_video(source) as frames:
        for shown in filtered(frames, "scdet"):
            starts.append(shown.start)
            scores.append(float(shown.frame.metadata["lavfi.scd.score"]))
            end = max(end, shown.end)
    # A set, in order: in AVI, and in damaged files, times go back and forth.
    cuts = {at_most(start) for start, score in zip(starts, scores, strict=True) if score >= threshold and start > 0}
    limits = [0.0, *sorted(cuts), end_after(max(starts), end)]
    return Scenes([Span(start_seconds=a, stop_seconds=b) for a, b in pairwise(limits)], scores)


OUTPUTS = (pa.field("scenes", SPANS), pa.field("scene_scores_per_frame", pa.list_(pa.float32())))


@featurizer(inputs=WHOLE_VIDEO, outputs=OUTPUTS, batch_size=WHOLE_VIDEO_BATCH, parallel=True)
def scenes(batch: Batch) -> dict[str, list[Any]]:
    """Scenes of videos; see `detect_scenes`."""
    return each_video(detect_scenes, batch["video"], OUTPUTS)
