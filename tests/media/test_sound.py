"""`audio` gives the sound of a video aligned with its frames, at any rate.

- Sample k of a clip is at (first + k) / rate seconds after the first frame, whatever the container, the codec, the rate
  of the file, and the place where decoding began.
- Where the file has no sound, silence; after the end of the video, nothing.
- A random clip of the sound is that of the frames.
"""

from __future__ import annotations

import csv
import io
from fractions import Fraction
from math import ceil
from typing import TYPE_CHECKING, cast

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from tests.media.films import film, tone
from tests.media.test_exact import MEDIA

from cutlist.errors import MediaError
from cutlist.media import Op, decode, resolve

if TYPE_CHECKING:
    from av.audio.stream import AudioStream

HERTZ = 440.0


def talkie(
    *,
    seconds: float = 6.0,
    rate: int = 48_000,
    container: str = "mov",
    codec: str = "pcm_s16le",
    late: float = 0.0,
    sound_seconds: float | None = None,
    origin: float = 0.0,
) -> bytes:
    """Return a video of 8 frames a second with a sine that is 0 and rising at time zero, on both channels.

    The picture starts at `origin` seconds; the sound `late` seconds after it, and lasts `sound_seconds`.
    """
    file = io.BytesIO()
    with av.open(file, "w", format=container) as output:
        video = output.add_stream("libx264", rate=8)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        video.codec_context.max_b_frames = 0
        video.codec_context.time_base = Fraction(1, 1000)
        sound = cast("AudioStream", output.add_stream(codec, rate=rate, layout="stereo"))
        for k in range(round(seconds * 8)):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 4 * k, np.uint8), format="rgb24")
            frame.pts, frame.time_base = round(1000 * origin) + 125 * k, Fraction(1, 1000)
            output.mux(video.encode(frame))
        output.mux(video.encode(None))
        count = round((seconds if sound_seconds is None else sound_seconds) * rate)
        times = late + np.arange(count) / rate
        wave = np.stack([sine(times)] * 2)
        for at in range(0, count, 1024):
            part = wave[:, at : at + 1024]
            if sound.codec_context.format.name == "s16":
                given = (part.T.reshape(1, -1) * 32767).round().astype(np.int16)
                piece = av.AudioFrame.from_ndarray(np.ascontiguousarray(given), format="s16", layout="stereo")
            else:
                piece = av.AudioFrame.from_ndarray(np.ascontiguousarray(part), format="fltp", layout="stereo")
            piece.sample_rate, piece.time_base = rate, Fraction(1, rate)
            piece.pts = round((origin + late) * rate) + at
            output.mux(sound.encode(piece))
        output.mux(sound.encode(None))
    return file.getvalue()


def sine(times: NDArray[np.float64]) -> NDArray[np.float32]:
    return (0.5 * np.sin(2 * np.pi * HERTZ * times)).astype(np.float32)


def heard(data: bytes | io.BytesIO, *ops: Op) -> NDArray[np.float32]:
    got = decode(data, ops)
    assert isinstance(got, np.ndarray)
    assert got.dtype == np.float32
    assert got.flags.c_contiguous
    return cast("NDArray[np.float32]", got)


@pytest.mark.parametrize(("container", "codec", "error"), [("mov", "pcm_s16le", 1e-3), ("mp4", "aac", 0.02)])
@pytest.mark.parametrize("rate", [16_000, 48_000, 44_100, 11_025])
@pytest.mark.parametrize(("start", "stop"), [(0.0, 1.0), (2.0, 2.5), (3.3333, 4.7), (5.0, 99.0)])
def test_samples_are_at_their_times(
    container: str, codec: str, error: float, rate: int, start: float, stop: float
) -> None:
    data = TALKIES[codec]
    got = heard(data, Op("clip", (start, stop)), Op("audio", (rate,)))
    places = np.array([k for k in range(rate * 6) if Fraction(start) <= Fraction(k, rate) < Fraction(stop)])
    assert got.shape == (2, len(places))
    inside = (places / rate > 0.05) & (places / rate < 5.9)  # the wave begins and ends with an edge
    assert np.abs(got - sine(places / rate))[:, inside].max() < error


TALKIES = {"pcm_s16le": talkie(), "aac": talkie(container="mp4", codec="aac")}


@pytest.mark.parametrize("codec", TALKIES)
@pytest.mark.parametrize("rate", [48_000, 22_050])
def test_a_part_is_that_part_of_the_whole(codec: str, rate: int) -> None:
    """Also where decoding begins in the middle: a clip that starts after the preroll is sought."""
    whole = heard(TALKIES[codec], Op("audio", (rate,)))
    assert whole.shape == (2, 6 * rate)
    for start, stop in ((0.25, 0.75), (1.5, 2.0), (4.0, 5.5)):
        for ops in (
            [Op("clip", (start, stop)), Op("audio", (rate,))],
            [Op("audio", (rate,)), Op("clip", (start, stop))],
        ):
            part = heard(io.BytesIO(TALKIES[codec]), *ops)
            assert np.abs(part - whole[:, ceil(start * rate) : ceil(stop * rate)]).max() < 1e-4


@pytest.mark.parametrize(
    ("container", "codec"), [("mov", "pcm_s16le"), ("matroska", "pcm_s16le"), ("matroska", "flac")]
)
@pytest.mark.parametrize("origin", [0.0, 1.5])
def test_sound_that_starts_late_and_ends_early_is_silence_there(container: str, codec: str, origin: float) -> None:
    data = talkie(container=container, codec=codec, late=0.5, sound_seconds=4.0, origin=origin)
    got = heard(data, Op("audio", (16_000,)))
    assert got.shape == (2, 96_000)
    assert np.abs(got[:, :7_900]).max() == np.abs(got[:, 72_100:]).max() == 0
    times = np.arange(8_100, 71_900) / 16_000
    assert np.abs(got[:, 8_100:71_900] - sine(times)).max() < 1e-3
    part = heard(data, Op("clip", (4.0, 5.0)), Op("audio", (16_000,)))
    assert np.abs(part - got[:, 64_000:80_000]).max() < 1e-4


def test_of_a_file_without_pictures_time_zero_is_the_first_sample() -> None:
    ramp = heard(tone(2.0), Op("audio", (8000,)))
    assert (ramp[0] * 32768).astype(int).tolist() == list(range(16_000))
    half = heard(tone(2.0), Op("audio", (4000,)), Op("clip", (0.5, 1.0)))
    assert half.shape == (1, 2000)
    assert np.abs(half[0] * 32768 - np.arange(4000, 8000, 2)).max() < 2
    drawn = resolve([Op("random_clip", (0.5,)), Op("audio", (8000,))], seed=1, epoch=2, sample=3)
    (begin, *_), number = heard(tone(2.0), *drawn)[0] * 8000 * 4.096, drawn[0].args[1]
    assert begin / 8000 == pytest.approx(number * 1.5, abs=2e-4)


def test_a_random_clip_has_frames_and_sound_of_one_part() -> None:
    data, starts = TALKIES["pcm_s16le"], set()
    for epoch in range(6):
        ops = resolve([Op("clip", (1.0, 5.0)), Op("random_clip", (1.0,))], seed=0, epoch=epoch, sample=9)
        frames, got = decode(data, ops), heard(data, *ops, Op("audio", (8000,)))
        assert isinstance(frames, np.ndarray)
        assert frames.shape[0] == 8
        assert got.shape == (2, 8000)
        begin = 1 + ops[1].args[1] * 3
        first = round(float(frames[0].mean()) / 4)
        assert 0 <= first / 8 - begin < 0.125 + 0.13  # greys are a bit off after coding
        places = np.ceil(begin * 8000) + np.arange(8000)
        assert np.abs(got - sine(places / 8000)).max() < 0.01
        starts.add(begin)
    assert len(starts) == 6


@pytest.mark.parametrize(
    ("data", "ops", "message"),
    [
        (film(range(0, 1000, 125)), [Op("audio", (16_000,))], "the video has no sound"),
        (
            TALKIES["aac"],
            [Op("audio", (0,))],
            r"audio\(0\): the sample rate must be a whole number in \[1000, 768000\]",
        ),
        (
            TALKIES["aac"],
            [Op("audio", (8000,)), Op("resize", (8, 8))],
            r"resize\(8, 8\) after audio\(8000\): sound has no",
        ),
        (TALKIES["aac"], [Op("clip", (7.0, 8.0)), Op("audio", (8000,))], "no sample in it; the video lasts 6 s"),
        (tone(2.0), [Op("clip", (7.0, 8.0)), Op("audio", (8000,))], "no sample in it; the sound lasts 2 s"),
        (tone(2.0), [Op("random_clip", (1.0,)), Op("audio", (8000,))], "nothing is drawn for it yet"),
        (b"P6 2 1 255 RGBrgb", [Op("audio", (8000,))], "this is an image, and audio works on video and sound"),
    ],
)
def test_what_does_not_fit_is_said(data: bytes, ops: list[Op], message: str) -> None:
    with pytest.raises(MediaError, match=message):
        decode(data, ops)


def test_what_was_done_to_the_picture_before_changes_nothing() -> None:
    ops = [Op("clip", (1.0, 2.0)), Op("frames", (4,)), Op("resize", (8, 8)), Op("audio", (8000,))]
    assert np.array_equal(heard(TALKIES["aac"], *ops), heard(TALKIES["aac"], ops[0], ops[3]))


@pytest.mark.skipif(not (MEDIA / "MANIFEST.csv").exists(), reason="no ../shared/media beside the repository")
def test_real_videos_have_sound_as_long_as_their_clip() -> None:
    with (MEDIA / "MANIFEST.csv").open(newline="") as file:
        found = [row for row in csv.DictReader(file) if row["subset"] == "videos" and row["has_audio"] == "1"]
    wrong = []
    for row in sorted(found, key=lambda row: int(row["bytes"]))[:60]:
        data = (MEDIA / row["file"]).read_bytes()
        for ops in ([], [Op("clip", (0.25, 0.5))]):
            try:
                got = heard(data, *ops, Op("audio", (16_000,)))
            except MediaError as error:
                known = ("no sample in it", "in a codec that this FFmpeg cannot decode")
                wrong += [] if any(each in str(error) for each in known) else [(row["file"], str(error))]
                continue
            if ops and not 0 < got.shape[1] <= 4_000:
                wrong.append((row["file"], str(got.shape)))
    assert not wrong
