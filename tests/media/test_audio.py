"""Sound comes out at its own rate, and a clip of it holds the samples whose time is in it."""

from __future__ import annotations

import numpy as np
import pytest
from tests.media.films import tone

from cutlist.errors import MediaError
from cutlist.media import Op, decode, probe

RAMP = tone(2.0)


@pytest.mark.parametrize(("start", "stop"), [(0.0, 1.0), (0.5, 0.75), (1.9998, 5.0), (0.00001, 0.0003)])
def test_clip_holds_the_samples_in_it(start: float, stop: float) -> None:
    got = decode(RAMP, [Op("clip", (start, stop))])
    assert isinstance(got, np.ndarray)
    assert got.dtype == np.float32
    assert (got[0] * 32768).astype(int).tolist() == [k for k in range(16000) if start <= k / 8000 < stop]


def test_whole_sound_and_its_probe() -> None:
    got = decode(RAMP, [])
    assert isinstance(got, np.ndarray)
    assert got.shape == (1, 16000)
    found = probe(RAMP)
    assert (found.kind, found.codec, found.sample_rate, found.num_channels) == ("audio", "pcm_s16le", 8000, 1)
    assert found.duration_seconds == pytest.approx(2.0)
    assert found.container == "wav"
    assert (found.width, found.fps, found.num_frames) == (None, None, None)


def test_an_mp4_with_only_sound_is_audio() -> None:
    data = tone(1.0, rate=48_000, container="mp4", codec="aac")
    found = probe(data)
    assert (found.kind, found.codec, found.container) == ("audio", "aac", "mp4")
    got = decode(data, [])
    assert isinstance(got, np.ndarray)
    assert got.ndim == 2


@pytest.mark.parametrize(
    ("op", "message"),
    [
        (Op("resize", (2, 2)), "this is audio, and resize works on pictures; audio takes clip and raw"),
        (Op("at_fps", (2.0,)), "this is audio, and at_fps"),
        (Op("clip", (7.0, 8.0)), "no sample in the clip; the audio lasts 2 s"),
    ],
)
def test_what_does_not_fit_sound_is_said(op: Op, message: str) -> None:
    with pytest.raises(MediaError, match=message):
        decode(RAMP, [op])
