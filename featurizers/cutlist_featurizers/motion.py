"""Motion: how much the picture changes from frame to frame, by pixels and by the encoder's motion vectors."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from av.codec.context import Flags2

from cutlist.backfill import Batch, featurizer
from cutlist.errors import MediaError
from cutlist.media.frames import Frames
from cutlist.media.source import NoVideoError, Source, open_container, video_stream
from cutlist_featurizers.filters import filtered
from cutlist_featurizers.motion_vectors import VectorField, sampling_of, vectors_of
from cutlist_featurizers.videos import WHOLE_VIDEO, WHOLE_VIDEO_BATCH, each_video

MIN_SIDE = 3
"""Pixels: vmafmotion writes outside of its buffers where a side has fewer (FFmpeg 8.1, libavfilter/vf_vmafmotion.c)."""

MAX_PIXELS = (1 << 24) - 1
"""Of a frame: vmafmotion's count of pixels overflows above it, and scores come out negative (FFmpeg 8.1)."""


class Motion(NamedTuple):
    """The motion of one video; see `measure_motion`."""

    motion: float
    motion_per_frame: list[float]
    motion_vectors_mean: float | None
    motion_vectors_patch_min: float | None


def measure_motion(source: Source) -> Motion:
    """Return the motion of a video.

    Every displayed frame is compared with the one before it, at the video's own frame rate and size: the same scene at
    60 frames a second scores about half of what it scores at 30. Compare videos of one rate, or multiply by `fps`.

    - `motion_per_frame` is FFmpeg's vmafmotion: the mean absolute difference of the luma of neighbouring frames, both
      blurred by the 5-tap Gaussian of VMAF, in 8-bit levels [0, 255], to two decimals as FFmpeg gives them. The first
      frame's is 0. Luma counts as it is stored, whether its range is full or limited; pixel formats other than YUV
      4:2:0, 4:2:2 and 4:4:4 of 8 and 10 bits are converted to one of these, as FFmpeg does it.
    - `motion` is the mean of it, with the first frame's 0: FFmpeg's "VMAF Motion avg". Thresholds in use: from 2.0
      (Movie Gen, EasyAnimate), two-sided (Open-Sora 2.0, which adds it to the caption).
    - `motion_vectors_mean` is the mean over pixels and frames of the length of the codec's motion vector divided by
      width + height, 0 where there is no vector. Looked at is every n-th frame, n the frame rate / 2 rounded, and of
      these the ones with vectors, until there are as many as half of the duration, in whole seconds, has at 2 frames a
      second, at least 10. Threshold in use: 0.00098 (NeMo Curator, Cosmos-Curate).
    - `motion_vectors_patch_min` is the least of the patches of 256 × 256 pixels, of which only the four pixels in the
      middle are looked at; see `VectorField.patch_min`. Threshold in use: 1e-6 (the same).

    The vectors are the encoder's choice, relative to whatever frame it refers to: compare files of one encoder. FFmpeg
    gives them of H.264, MPEG-1, 2 and 4, H.263 and their kin, and of no HEVC, VP8, VP9 or AV1. Keyframes have none:
    with one every 12 frames at 24 frames a second, nothing but keyframes is looked at, and both are None.

    Source of vmafmotion: libavfilter/vf_vmafmotion.c, after Z. Li et al., "Toward a practical perceptual video quality
    metric" (Netflix, 2016); of the vectors, `cutlist_featurizers.motion_vectors`.

    Args:
        source: The whole file as bytes, or a seekable binary file.

    Returns:
        `motion` in [0, 255], `motion_per_frame` of as many numbers as there are displayed frames, and the two of
        vectors, None where no frame that is looked at has vectors; the least patch, too, where a side is under 256.

    Raises:
        MediaError: if the bytes cannot be decoded, or frames have under 3 pixels a side or over 16777215 in all.
    """
    with open_container(source) as container:
        stream = video_stream(container)
        if stream is None:
            raise NoVideoError("no video stream in the file")
        stream.codec_context.flags2 |= Flags2.export_mvs
        frames = Frames(container, stream)
        width, height = frames.first.width, frames.first.height
        if min(width, height) < MIN_SIDE or width * height > MAX_PIXELS:
            raise MediaError(
                f"motion: frames have {width}x{height} pixels; "
                f"expected at least {MIN_SIDE} a side and at most {MAX_PIXELS} in all"
            )
        sampling = sampling_of(frames, container.duration)
        field = VectorField(height, width)
        scores: list[float] = []
        for shown in filtered(frames, "vmafmotion"):
            if len(scores) % sampling.step == 0 and field.num_frames < sampling.most:
                vectors = vectors_of(shown.frame)
                if vectors is not None:
                    field.add(vectors)
            scores.append(float(shown.frame.metadata["lavfi.vmafmotion.score"]))
    return Motion(float(np.mean(scores)), scores, field.mean(), field.patch_min())


OUTPUTS = (
    pa.field("motion", pa.float32()),
    pa.field("motion_per_frame", pa.list_(pa.float32())),
    pa.field("motion_vectors_mean", pa.float32()),
    pa.field("motion_vectors_patch_min", pa.float32()),
)


@featurizer(inputs=WHOLE_VIDEO, outputs=OUTPUTS, batch_size=WHOLE_VIDEO_BATCH, parallel=True)
def motion(batch: Batch) -> dict[str, list[Any]]:
    """Motion of videos; see `measure_motion`."""
    return each_video(measure_motion, batch["video"], OUTPUTS)
