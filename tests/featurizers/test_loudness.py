"""Loudness against sines of known level and against BS.1770 and Tech 3342 written out in numpy, on real sound.

- A sine at 997 Hz has the loudness that the standard gives it by construction, at every rate and in every channel.
- Silence, and what is too short for a block, is at the stated floors, and never infinite.
- A video has the same values alone and in any batch; one that cannot be decoded fails alone.
"""

from __future__ import annotations

import io
import math
from pathlib import Path

import av
import numpy as np
import pytest
from av.audio.resampler import AudioResampler
from numpy.typing import NDArray
from tests.featurizers.footage import footage, noise, real_videos, sounded

from cutlist.errors import MediaError
from cutlist_featurizers.loudness import SILENCE_DBTP, SILENCE_LUFS, Loudness, loudness, measure_loudness


def sine(dbfs: float, *, seconds: float = 5.0, rate: int = 48_000, hertz: float = 997.0) -> NDArray[np.float32]:
    return (10 ** (dbfs / 20) * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def k_weighted(samples: NDArray[np.float32], rate: int) -> NDArray[np.float64]:
    """Return samples (channels, n) through both filters of BS.1770, by their impulse response over a second.

    The filters of 48 kHz are those of the standard, at other rates the ones with the same response (B. De Man,
    "Evaluation of implementations of the EBU R128 loudness measurement", 2018).
    """
    k, q, high = math.tan(math.pi * 1681.974450955533 / rate), 0.7071752369554196, 10 ** (3.999843853973347 / 20)
    middle = high**0.4996667741545416
    shelf = (
        (high + middle * k / q + k * k, 2 * (k * k - high), high - middle * k / q + k * k),
        (1 + k / q + k * k, 2 * (k * k - 1), 1 - k / q + k * k),
    )
    k, q = math.tan(math.pi * 38.13547087602444 / rate), 0.5003270373238773
    scale = 1 + k / q + k * k
    high_pass = ((scale, -2 * scale, scale), (scale, 2 * (k * k - 1), 1 - k / q + k * k))
    response = np.zeros(rate)
    response[0] = 1
    for (b0, b1, b2), (a0, a1, a2) in (shelf, high_pass):
        y = [0.0, 0.0]
        for n, x in enumerate(response):
            before = b1 * response[n - 1] * (n > 0) + b2 * response[n - 2] * (n > 1)
            y.append((b0 * x + before - a1 * y[-1] - a2 * y[-2]) / a0)
        response = np.array(y[2:])
    length = samples.shape[1]
    size = length + rate
    return np.asarray(np.fft.irfft(np.fft.rfft(samples, size) * np.fft.rfft(response, size), size)[:, :length])


def levels(samples: NDArray[np.float32], rate: int, seconds: float) -> NDArray[np.float64]:
    """Return the loudness of each block of a length, a tenth of a second apart; all channels weigh 1."""
    power = np.pad(np.cumsum(k_weighted(samples, rate) ** 2, axis=1).sum(axis=0), (1, 0))
    hop, size = rate // 10, round(seconds * rate)
    starts = np.arange(0, samples.shape[1] - size + 1, hop)
    return np.asarray(-0.691 + 10 * np.log10(np.maximum((power[starts + size] - power[starts]) / size, 1e-20)))


def gated(blocks: NDArray[np.float64], relative: float) -> NDArray[np.float64]:
    kept = blocks[blocks >= -70]
    if not len(kept):
        return kept
    level = -0.691 + 10 * math.log10(float(np.mean(10 ** ((kept + 0.691) / 10))))
    return np.asarray(kept[kept >= level + relative])


def bs1770(samples: NDArray[np.float32], rate: int) -> tuple[float, float]:
    """Return integrated loudness and range."""
    blocks, long = gated(levels(samples, rate, 0.4), -10), gated(levels(samples, rate, 3), -20)
    integrated = -0.691 + 10 * math.log10(np.mean(10 ** ((blocks + 0.691) / 10))) if len(blocks) else -70.0
    low, high = np.percentile(long, [10, 95]) if len(long) else (0.0, 0.0)
    return integrated, float(high - low)


def samples_of(path: Path) -> tuple[NDArray[np.float32], int]:
    """Return all samples of the first audio stream, with nothing but PyAV."""
    parts: list[NDArray[np.float32]] = []
    planar = AudioResampler(format="fltp")
    with av.open(str(path), "r") as container:
        stream = container.streams.audio[0]
        for frame in container.decode(stream):
            frame.pts = None
            parts += [each.to_ndarray().astype(np.float32) for each in planar.resample(frame)]
        return np.concatenate(parts, axis=1), stream.codec_context.sample_rate


@pytest.mark.parametrize("rate", [16_000, 22_050, 44_100, 48_000, 96_000])
@pytest.mark.parametrize("dbfs", [-23.0, -40.0, -3.0])
def test_a_sine_on_both_channels_has_its_level(dbfs: float, rate: int) -> None:
    measured = measure_loudness(sounded(np.stack([sine(dbfs, rate=rate)] * 2), rate=rate))
    # FFmpeg counts in hundredths, and has the filters of 48 kHz, of which others are derived.
    assert measured.loudness_lufs == pytest.approx(dbfs, abs=0.05)
    assert measured.loudness_range_lu == pytest.approx(0, abs=0.02)
    # A sine that begins at once has an overshoot when it is resampled.
    assert measured.true_peak_dbtp == pytest.approx(dbfs, abs=0.3)


def test_mono_counts_half() -> None:
    measured = measure_loudness(sounded(sine(-23)[None], layout="mono"))
    assert measured.loudness_lufs == pytest.approx(-23 - 10 * math.log10(2), abs=0.03)


@pytest.mark.parametrize(("channel", "gain"), [(0, 1.0), (2, 1.0), (3, 0.0), (4, 1.41), (5, 1.41)])
def test_surround_weighs_more_and_bass_nothing(channel: int, gain: float) -> None:
    samples = np.zeros((6, 48_000 * 5), np.float32)
    samples[channel] = sine(-20)
    expected = -20 - 10 * math.log10(2) + 10 * math.log10(gain) if gain else SILENCE_LUFS
    assert measure_loudness(sounded(samples, layout="5.1")).loudness_lufs == pytest.approx(expected, abs=0.03)


def test_the_gate_leaves_silence_out() -> None:
    samples = np.concatenate([sine(-20, seconds=10), np.zeros(48_000 * 30, np.float32)])
    assert measure_loudness(sounded(np.stack([samples] * 2))).loudness_lufs == pytest.approx(-20, abs=0.1)


def test_range_of_two_levels() -> None:
    """The first signal of EBU Tech 3342: 20 s at -20, then 20 s at -30, have a range of 10 LU."""
    samples = np.concatenate([sine(-20, seconds=20, hertz=1000), sine(-30, seconds=20, hertz=1000)])
    assert measure_loudness(sounded(np.stack([samples] * 2))).loudness_range_lu == pytest.approx(10, abs=1)


def test_peaks_between_samples() -> None:
    """A sine at a quarter of the rate, 45 degrees off, has samples 3 dB under its peak (EBU Tech 3341, test 16)."""
    n = np.arange(48_000 * 2)
    fade = np.minimum(1, np.minimum(n, n[::-1]) / 4800)
    samples = (0.5 * fade * np.sin(np.pi / 2 * n + np.pi / 4)).astype(np.float32)
    assert 20 * math.log10(np.abs(samples).max()) == pytest.approx(-9.03, abs=0.01)
    measured = measure_loudness(sounded(np.stack([samples] * 2)))
    assert measured.true_peak_dbtp == pytest.approx(-6.02, abs=0.1)


def test_equals_bs1770_on_real_sound(shared_media: Path) -> None:
    compared = 0
    for path in real_videos(shared_media, at_most_seconds=16, each_of=1, audio=True):
        samples, rate = samples_of(path)
        if samples.shape[0] > 2:
            continue
        measured = measure_loudness(path.read_bytes())
        integrated, spread = bs1770(samples, rate)
        assert measured.loudness_lufs == pytest.approx(max(integrated, -70), abs=0.1), path.name
        # The percentiles of a handful of blocks of 3 s may be neighbours.
        assert measured.loudness_range_lu == pytest.approx(spread, abs=0.5), path.name
        highest = 20 * math.log10(max(float(np.abs(samples).max()), 1e-9))
        assert measured.true_peak_dbtp is not None
        assert measured.true_peak_dbtp >= max(highest, SILENCE_DBTP) - 0.1, path.name
        compared += 1
    assert compared >= 5


@pytest.mark.parametrize("seconds", [0.001, 0.3, 5])
def test_silence_is_at_the_floors(seconds: float) -> None:
    measured = measure_loudness(sounded(np.zeros((2, round(48_000 * seconds)), np.float32)))
    assert measured == (SILENCE_LUFS, 0.0, SILENCE_DBTP)


def test_short_of_a_block_has_a_peak_only() -> None:
    measured = measure_loudness(sounded(np.stack([sine(-6, seconds=0.3)] * 2)))
    assert measured.loudness_lufs == SILENCE_LUFS
    assert measured.true_peak_dbtp == pytest.approx(-6, abs=0.3)


def test_no_sound_is_none() -> None:
    assert measure_loudness(footage([noise(48, 64)])) == (None, None, None)


def test_refuses_a_stream_without_samples() -> None:
    file = io.BytesIO()
    with av.open(file, "w", format="matroska") as output:
        video = output.add_stream("mpeg4", rate=10)
        video.width = video.height = 16
        output.add_stream("pcm_s16le", rate=8000, layout="mono")
        output.mux(video.encode(av.VideoFrame(16, 16, "yuv420p")))
        output.mux(video.encode(None))
    with pytest.raises(MediaError, match="no decodable sample in the audio stream"):
        measure_loudness(file.getvalue())


def test_values_are_finite_on_all_short_videos(shared_media: Path) -> None:
    for path in real_videos(shared_media, at_most_seconds=8, each_of=3, audio=True):
        with path.open("rb") as file:  # a file works as bytes do
            measured = measure_loudness(file)
        assert all(each is not None and math.isfinite(each) for each in measured), path.name


def test_rows_do_not_depend_on_each_other() -> None:
    sounds = [sounded(np.stack([sine(dbfs)] * 2)) for dbfs in (-30, -10)]
    batch = loudness({"video": [sounds[0], b"nothing of the kind", footage([noise(48, 64)]), sounds[1]]})
    for row, sound in ((0, sounds[0]), (3, sounds[1])):
        assert Loudness(*(values[row] for values in batch.values())) == measure_loudness(sound)
    assert all(isinstance(values[1], MediaError) for values in batch.values())
    assert all(values[2] is None for values in batch.values())
