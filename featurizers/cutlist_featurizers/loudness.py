"""Loudness: how loud a sound is to people, how much that varies, and how high its peaks are."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import av
import numpy as np
import pyarrow as pa
from av.audio.resampler import AudioResampler
from av.filter import Graph

from cutlist.backfill import Batch, featurizer
from cutlist.errors import MediaError
from cutlist.media.source import Source, audio_stream, open_container, packets_of
from cutlist_featurizers.videos import WHOLE_VIDEO, WHOLE_VIDEO_BATCH, each_video

if TYPE_CHECKING:
    from collections.abc import Iterator

    from av.audio.frame import AudioFrame
    from av.audio.stream import AudioStream
    from av.container import InputContainer

SILENCE_LUFS = -70.0
"""The absolute gate of BS.1770: the loudness of what is softer, and of sounds under 0.4 s, the length of a block."""

SILENCE_DBTP = -150.0
"""The peak of digital silence, and of what is lower: the least step of 24 bits is at -138.5."""

PEAK_RATE = 192_000
"""Samples per second in which peaks are looked for: four times 48 kHz, as in BS.1770, annex 2."""


class Loudness(NamedTuple):
    """The loudness of one medium; see `measure_loudness`."""

    loudness_lufs: float | None
    loudness_range_lu: float | None
    true_peak_dbtp: float | None


def measure_loudness(source: Source) -> Loudness:
    """Return the loudness of the first audio stream of a video or a sound, by FFmpeg's ebur128.

    All of the stream counts, at its own rate and with its own channels, from its first sample to its last; what lasts
    longer than the pictures, too. Blocks that are not whole at the end are left out.

    - `loudness_lufs`: integrated loudness, gated, ITU-R BS.1770-4 and EBU R 128; at least -70. Broadcast aims at -23,
      streaming at -14 to -16.
    - `loudness_range_lu`: from the 10th to the 95th percentile of the loudness of 3 s, gated, EBU Tech 3342; 0 for
      sounds of under 3 s.
    - `true_peak_dbtp`: the highest absolute sample at 192 kHz, of all channels, in decibels to full scale; at least
      -150. Over 0 where a peak between samples is clipped.

    Source: libavfilter/f_ebur128.c of FFmpeg; the peak is looked for here by the same resampling, as FFmpeg gives it to
    a thousandth of full scale only.

    Args:
        source: The whole file as bytes, or a seekable binary file.

    Returns:
        The three numbers, all None where there is no audio stream.

    Raises:
        MediaError: if the bytes cannot be decoded, or the audio stream has no sample.
    """
    with open_container(source) as container:
        stream = audio_stream(container)
        if stream is None:
            return Loudness(None, None, None)
        meter = _Meter()
        for frame in _planar(container, stream):
            meter.add(frame)
        return meter.result()


class _Meter:
    """Takes frames of planar floats, all of one rate and layout."""

    def __init__(self) -> None:
        self._graph: Graph | None = None
        self._upsample: AudioResampler | None = None
        self._integrated, self._range, self._peak = SILENCE_LUFS, 0.0, 0.0

    def add(self, frame: AudioFrame) -> None:
        if self._graph is None or self._upsample is None:
            self._graph = _graph(frame)
            self._upsample = AudioResampler(format="fltp", layout=frame.layout, rate=PEAK_RATE)
        self._graph.push(frame)
        self._read(self._graph)
        self._hear(self._upsample.resample(frame))

    def result(self) -> Loudness:
        if self._graph is None or self._upsample is None:
            raise MediaError("loudness: no decodable sample in the audio stream")
        self._graph.push(None)
        self._read(self._graph)
        self._hear(self._upsample.resample(None))
        peak = 20 * math.log10(self._peak) if self._peak > 0 else SILENCE_DBTP
        return Loudness(max(self._integrated, SILENCE_LUFS), self._range, max(peak, SILENCE_DBTP))

    def _read(self, graph: Graph) -> None:
        while True:
            try:
                metadata = graph.pull().metadata
            except (av.BlockingIOError, av.EOFError):
                return
            if "lavfi.r128.I" in metadata:  # of each tenth of a second, the last one if it is whole
                self._integrated = float(metadata["lavfi.r128.I"])
                self._range = float(metadata["lavfi.r128.LRA"])

    def _hear(self, frames: list[AudioFrame]) -> None:
        for frame in frames:
            self._peak = max(self._peak, float(np.abs(frame.to_ndarray()).max(initial=0)))


def _graph(frame: AudioFrame) -> Graph:
    graph = Graph()
    graph.threads = 1  # callers run many side by side
    source = graph.add_abuffer(
        sample_rate=frame.sample_rate, format=frame.format, layout=frame.layout, time_base=frame.time_base
    )
    meter = graph.add("ebur128", "metadata=1:framelog=quiet")
    graph.link_nodes(source, meter, graph.add("abuffersink")).configure()
    return graph


def _planar(container: InputContainer, stream: AudioStream) -> Iterator[AudioFrame]:
    """Yield the decoded samples as planar floats, one after another whatever their timestamps say."""
    planar = AudioResampler(format="fltp")
    for packet in packets_of(container, stream):
        for frame in packet.decode():
            frame.pts = None
            yield from planar.resample(frame)


OUTPUTS = (
    pa.field("loudness_lufs", pa.float32()),
    pa.field("loudness_range_lu", pa.float32()),
    pa.field("true_peak_dbtp", pa.float32()),
)


@featurizer(inputs=WHOLE_VIDEO, outputs=OUTPUTS, batch_size=WHOLE_VIDEO_BATCH, parallel=True)
def loudness(batch: Batch) -> dict[str, list[Any]]:
    """Loudness of videos; see `measure_loudness`."""
    return each_video(measure_loudness, batch["video"], OUTPUTS)
