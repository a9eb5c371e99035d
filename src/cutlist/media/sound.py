"""The sound of a video or an audio file at a rate that is asked for, aligned with the frames.

Sample k of the whole sound is at k / rate seconds after the first displayed frame, or, where there is no video, after
the first sample. Timestamps place the samples, to the nearest sample of the file's own rate: sound that starts late, or
has a gap of more than a tenth of a second, has silence there. A clip has the samples with a ≤ t < b, up to the end of
the video: where the video goes on and the sound does not, silence.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import TYPE_CHECKING, NamedTuple, cast

import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from numpy.typing import NDArray

from cutlist.errors import MediaError
from cutlist.media.frames import Frames
from cutlist.media.source import MAX_OUTPUT_BYTES, Source, audio_stream, open_container, packets_of, video_stream
from cutlist.media.timeline import interval, settle

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from av.audio.stream import AudioStream
    from av.container import InputContainer

    from cutlist.media.reference import Op

MIN_RATE, MAX_RATE = 1000, 768_000

_PREROLL = Fraction(1, 2)
"""Seconds decoded before a clip that is sought: codecs build each packet on the one or two before it."""

_JUMP = Fraction(1, 10)
"""Seconds that a timestamp may be away from where the samples before it end; further away, the timestamp counts."""

_SINC_TAPS = 64
"""Samples beyond each end of a clip that resampling looks at, at the lower of the two rates; FFmpeg's filter has 32."""


_SURE = 2
"""Seconds before the end that the header tells up to which a video goes on for sure; later, its packets are asked."""


class _Film(NamedTuple):
    """Of the video: when its first frame is displayed, in the container's seconds, and when its last one ends after it.

    The end is None where it need not be known.
    """

    origin: Fraction
    end: Fraction | None


class _Sound(NamedTuple):
    """Decoded samples by place: float32 (channels, n) each, place 0 at time zero; `end` where the last sample ends."""

    rate: int
    parts: list[tuple[int, NDArray[np.float32]]]
    end: int


def decode_sound(source: Source, ops: Sequence[Op]) -> NDArray[np.float32]:
    """Return what `audio` among `ops` asks for: float32 (channels, samples) in [-1, 1], C-contiguous.

    Clips count, before and after it. Operations on the picture, `at_fps` and `frames` may come before it and change
    nothing; after it they are refused. Without a clip, the sound lasts as long as the video.

    Raises:
        MediaError: if the bytes cannot be decoded, there is no sound, or the operations do not fit.
    """
    place = next(i for i, op in enumerate(ops) if op.name == "audio")
    rate = _rate(ops[place])
    clips = [op for op in ops if op.name in ("clip", "random_clip")]
    for op in ops[place + 1 :]:
        if op not in clips:
            raise MediaError(f"{op} after {ops[place]}: sound has no frames and no pixels; apply it to the video")
    is_random = any(op.name == "random_clip" for op in clips)
    film = _film(source, None if is_random else _overlap(clips)[1])
    if is_random and film is not None and film.end is not None:
        clips = list(settle(clips, film.end))
    elif is_random:
        whole = _decode(source, film, Fraction(0), None)
        clips = list(settle(clips, Fraction(whole.end, whole.rate)))
    start, stop = _overlap(clips)
    if film is not None and film.end is not None:
        stop = film.end if stop is None else min(stop, film.end)
    sound = _decode(source, film, start, stop)
    if film is None:
        end = Fraction(sound.end, sound.rate)
        stop = end if stop is None else min(stop, end)
    assert stop is not None
    first, last = math.ceil(start * rate), math.ceil(stop * rate)
    if first >= last:
        what = clips[-1] if clips else ops[place]
        raise MediaError(f"{what}: no sample in it; the {'sound' if film is None else 'video'} lasts {float(stop):g} s")
    return _at_rate(sound, rate, first, last)


def _overlap(clips: Sequence[Op]) -> tuple[Fraction, Fraction | None]:
    """Return the [start, stop) that all clips share; stop is None where it is infinite."""
    start, stop = Fraction(0), None
    for clip in clips:
        low, high = interval(clip)
        start, stop = max(start, low), high if stop is None else stop if high is None else min(stop, high)
    return start, stop


def _rate(op: Op) -> int:
    (rate,) = op.args
    if rate != int(rate) or not MIN_RATE <= rate <= MAX_RATE:
        raise MediaError(f"{op}: the sample rate must be a whole number in [{MIN_RATE}, {MAX_RATE}]")
    return int(rate)


def _film(source: Source, stop: Fraction | None) -> _Film | None:
    """Return the times of the video, or None where there is none.

    Reads the packets of the whole file, unless the header says that the video goes on well after `stop`.
    """
    with open_container(source) as container:
        stream = video_stream(container)
        if stream is None:
            return None
        frames = Frames(container, stream)
        stamp = frames.first.dts if frames.first.pts is None else frames.first.pts
        base = frames.first.time_base or Fraction(0)
        told = (stream.duration or 0) * (stream.time_base or Fraction(0))
        goes_on = frames.can_seek and stop is not None and stop + _SURE < told
        return _Film((stamp or 0) * base, None if goes_on else frames.scan().end)


def _decode(source: Source, film: _Film | None, start: Fraction, stop: Fraction | None) -> _Sound:
    """Return the samples of [start, stop) seconds and more on both sides; all where stop is None."""
    with open_container(source) as container:
        stream = audio_stream(container)
        if stream is None:
            raise MediaError("the video has no sound" if film is not None else "neither video nor sound in the file")
        begin = start - _PREROLL
        if film is not None and begin > 0 and _counts_samples(container, stream):
            container.seek(math.floor((film.origin + begin) / cast("Fraction", stream.time_base)), stream=stream)
        return _collect(container, stream, film, start, stop)


def _counts_samples(container: InputContainer, stream: AudioStream) -> bool:
    """Return whether a timestamp says exactly which sample it is of, so that decoding may begin anywhere."""
    return container.format.name.startswith("mov") and stream.time_base == Fraction(1, stream.codec_context.sample_rate)


def _collect(
    container: InputContainer, stream: AudioStream, film: _Film | None, start: Fraction, stop: Fraction | None
) -> _Sound:
    rate = stream.codec_context.sample_rate
    origin = film.origin if film is not None else None
    parts: list[tuple[int, NDArray[np.float32]]] = []
    at: int | None = None
    size = 0
    for stamp, samples in _samples(container, stream):
        origin = (stamp or Fraction(0)) if origin is None else origin
        said = None if stamp is None else round((stamp - origin) * rate)
        if at is None or (said is not None and abs(said - at) > _JUMP * rate):
            at = said or 0
        if at + samples.shape[1] > (start - _PREROLL) * rate:
            parts.append((at, samples))
            size += samples.nbytes
        at += samples.shape[1]
        if size > MAX_OUTPUT_BYTES:
            raise MediaError(f"the sound takes more than {MAX_OUTPUT_BYTES} bytes; take a shorter clip")
        if stop is not None and at > (stop + _PREROLL) * rate:
            break
    if at is None:
        raise MediaError("no decodable sound in the audio stream")
    return _Sound(rate, parts, at)


def _samples(container: InputContainer, stream: AudioStream) -> Iterator[tuple[Fraction | None, NDArray[np.float32]]]:
    """Yield decoded samples, float32 (channels, samples), in order, each with the container's seconds of its first."""
    planar = AudioResampler(format="fltp")
    for packet in packets_of(container, stream):
        for frame in packet.decode():
            stamp = None if frame.pts is None or frame.time_base is None else frame.pts * frame.time_base
            frame.pts = None  # gaps between timestamps would be filled or refused
            for each in planar.resample(frame):
                yield stamp, cast("NDArray[np.float32]", each.to_ndarray())


def _at_rate(sound: _Sound, rate: int, first: int, last: int) -> NDArray[np.float32]:
    """Return samples [first, last) at a rate.

    What is resampled begins at a sample of the file whose time is also that of a sample at the new rate, so that
    samples do not depend on where a clip begins.
    """
    channels = sound.parts[0][1].shape[0] if sound.parts else 1
    period = sound.rate // math.gcd(sound.rate, rate)  # samples of the file from one such sample to the next
    margin = _SINC_TAPS * math.ceil(max(sound.rate / rate, 1))
    low = (math.floor(Fraction(first * sound.rate, rate)) - margin) // period * period
    high = math.ceil(Fraction(last * sound.rate, rate)) + margin
    if 4 * channels * max(high - low, last - first) > MAX_OUTPUT_BYTES:
        raise MediaError(f"the sound takes more than {MAX_OUTPUT_BYTES} bytes; take a shorter clip")
    whole = np.zeros((channels, high - low), np.float32)
    for at, samples in sound.parts:
        begin, end = max(at, low), min(at + samples.shape[1], high)
        if begin < end and samples.shape[0] == channels:
            whole[:, begin - low : end - low] = samples[:, begin - at : end - at]
    skipped = first - low * rate // sound.rate
    if rate != sound.rate:
        whole = np.stack([_resampled(channel, sound.rate, rate) for channel in whole])
    return np.clip(whole[:, skipped : skipped + last - first], -1.0, 1.0)


def _resampled(samples: NDArray[np.float32], old: int, new: int) -> NDArray[np.float32]:
    """Return one channel at another rate, float32 (samples,): the first sample is at the same time, FFmpeg's filter."""
    resampler = AudioResampler(format="fltp", layout="mono", rate=new)
    frame = AudioFrame.from_ndarray(samples[None], format="fltp", layout="mono")
    frame.sample_rate = old
    parts = [each.to_ndarray() for given in (frame, None) for each in resampler.resample(given)]
    return cast("NDArray[np.float32]", np.concatenate(parts, axis=1)[0])
