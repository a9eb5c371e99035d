"""Audio bytes to samples, at the rate and with the channels that the file has."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import chain
from typing import TYPE_CHECKING, cast

import numpy as np
from av.audio.resampler import AudioResampler
from numpy.typing import NDArray

from cutlist.errors import MediaError
from cutlist.media.source import MAX_OUTPUT_BYTES, Source, audio_stream, open_container, packets_of
from cutlist.media.timeline import interval, settle

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from av.audio.frame import AudioFrame
    from av.audio.stream import AudioStream
    from av.container import InputContainer

    from cutlist.media.reference import Op


def decode_audio(source: Source, ops: Sequence[Op]) -> NDArray[np.float32]:
    """Return the samples of the first audio stream: float32 (channels, samples) in [-1, 1], C-contiguous.

    Sample k is at k / sample rate seconds. `clip(a, b)` keeps those with a ≤ t < b; decoding always starts at the
    file's start, since most audio codecs build on what came before.

    Raises:
        MediaError: if the bytes cannot be decoded, or an operation is not `clip`.
    """
    with open_container(source) as container:
        stream = audio_stream(container)
        if stream is None:
            raise MediaError("neither a video nor an audio stream in the file")
        for op in ops:
            if op.name not in ("clip", "random_clip"):
                raise MediaError(
                    f"{op}: this is audio, and {op.name} works on pictures; "
                    f"audio takes clip and raw, random_clip and audio"
                )
        if not any(op.name == "random_clip" for op in ops):
            return _clipped(container, stream, ops)
        rate = stream.codec_context.sample_rate
        end = Fraction(sum(samples.shape[1] for samples in _samples(container, stream)), rate)
    return decode_audio(source, settle(ops, end))


def check_audio(source: Source) -> int:
    """Decode all samples of the first audio stream, keeping none; return how many there are.

    Raises:
        MediaError: if there is no such stream, or a part of it cannot be decoded.
    """
    with open_container(source) as container:
        stream = audio_stream(container)
        if stream is None:
            raise MediaError("neither a video nor an audio stream in the file")
        count: int = sum(samples.shape[1] for samples in _samples(container, stream))
        if count == 0:
            raise MediaError("no decodable audio")
        return count


def _clipped(container: InputContainer, stream: AudioStream, ops: Sequence[Op]) -> NDArray[np.float32]:
    rate = stream.codec_context.sample_rate
    start, stop = 0, None
    for op in ops:
        low, high = interval(op)
        start = max(start, math.ceil(low * rate))
        if high is not None:
            stop = math.ceil(high * rate) if stop is None else min(stop, math.ceil(high * rate))
    parts: list[NDArray[np.float32]] = []
    at = 0
    for samples in _samples(container, stream):
        first, last = max(start - at, 0), samples.shape[1] if stop is None else min(stop - at, samples.shape[1])
        at += samples.shape[1]
        if first < last:
            parts.append(samples[:, first:last])
        if 4 * samples.shape[0] * (at - start) > MAX_OUTPUT_BYTES:
            raise MediaError(f"the audio takes more than {MAX_OUTPUT_BYTES} bytes; take a shorter clip")
        if stop is not None and at >= stop:
            break
    if not parts:
        what = f"{ops[0]}: no sample in the clip; the audio lasts {at / rate:g} s" if ops else "no decodable audio"
        raise MediaError(what)
    return np.clip(np.concatenate(parts, axis=1), -1.0, 1.0)


def _samples(container: InputContainer, stream: AudioStream) -> Iterator[NDArray[np.float32]]:
    """Yield the decoded samples, float32 (channels, samples), in order."""
    resampler = AudioResampler(format="fltp")
    decoded = chain.from_iterable(packet.decode() for packet in packets_of(container, stream))
    for frame in cast("Iterator[AudioFrame]", decoded):
        frame.pts = None  # gaps between timestamps would be filled or refused; samples follow one another
        for planar in resampler.resample(frame):
            yield cast("NDArray[np.float32]", planar.to_ndarray())
