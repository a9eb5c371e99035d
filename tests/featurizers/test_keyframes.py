"""Keyframes against the frames that the decoder calls so, on real files of every codec, and at known places.

- A clip from a keyframe begins with that frame.
- Every start that the packet index proves safe is a keyframe.
- A video has the same values alone and in any batch; one that cannot be decoded fails alone.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from tests.featurizers.footage import footage, noise, real_videos, sounded

from cutlist.errors import MediaError
from cutlist.media import Op, PacketIndex, decode, index_packets
from cutlist.media.frames import open_video
from cutlist_featurizers.keyframes import find_keyframes, keyframes

PICTURES = [noise(48, 64, seed=k) for k in range(30)]


@pytest.mark.parametrize("container", ["mp4", "matroska", "mpegts"])
@pytest.mark.parametrize("codec", ["libx264", "mpeg4"])
def test_keyframes_at_known_places(codec: str, container: str) -> None:
    options = {"sc_threshold": "0"} if codec == "libx264" else {"sc_threshold": "1000000000"}
    found = find_keyframes(footage(PICTURES, fps=10, codec=codec, container=container, gop=8, options=options))
    assert found.keyframe_seconds == pytest.approx([0.0, 0.8, 1.6, 2.4])
    assert found.num_keyframes == 4
    assert found.max_keyframe_gap_seconds == pytest.approx(0.8)


def test_the_end_is_a_gap() -> None:
    found = find_keyframes(footage(PICTURES, fps=10, codec="libx264", gop=250, options={"sc_threshold": "0"}))
    assert found.keyframe_seconds == [0.0]
    assert found.max_keyframe_gap_seconds == pytest.approx(3.0)


def test_equal_the_decoder_on_real_videos(shared_media: Path) -> None:
    compared, several = 0, 0
    for path in real_videos(shared_media, at_most_seconds=10, each_of=3):
        with path.open("rb") as file:  # a file works as bytes do
            found = find_keyframes(file)
        data = path.read_bytes()
        with open_video(data) as frames:
            decoded = [shown.start for shown in frames.shown() if shown.frame.key_frame]
        assert found.keyframe_seconds == pytest.approx([float(start) for start in decoded], abs=1e-9), path.name
        assert found.num_keyframes == len(decoded)
        compared, several = compared + 1, several + (len(decoded) > 1)
    assert compared >= 20
    assert several >= 8


def test_safe_starts_are_keyframes_of_real_videos(shared_media: Path) -> None:
    compared = 0
    for path in real_videos(shared_media, at_most_seconds=10):
        data = path.read_bytes()
        index = index_packets(data)
        if isinstance(index, PacketIndex):
            starts = [index.seconds(int(pts)) for pts in index.pts[index.is_start]]
            found = find_keyframes(data).keyframe_seconds
            assert all(any(0 <= start - Fraction(each) < 1e-9 for each in found) for start in starts), path.name
            compared += len(starts)
    assert compared >= 40


@pytest.mark.parametrize("rate", [24, 30, 59])
def test_a_clip_from_a_keyframe_begins_with_it(rate: int) -> None:
    data = footage(PICTURES, fps=rate, codec="libx264", gop=7, options={"sc_threshold": "0"})
    whole = decode(data, [])
    for number, start in enumerate(find_keyframes(data).keyframe_seconds):
        assert np.array_equal(decode(data, [Op("clip", (start, 99.0))])[0], whole[7 * number])


@pytest.mark.parametrize("size", [(1, 1), (2, 2), (1, 2000), (2000, 4)])
def test_small_and_short(size: tuple[int, int]) -> None:
    data = footage([np.full(size, 50, np.uint8)], pix_fmt="yuv444p", fps=4)
    assert find_keyframes(data) == ([0.0], 1, 0.25)


def test_refuses_sound() -> None:
    with pytest.raises(MediaError, match="no video stream in the file"):
        find_keyframes(sounded(np.zeros((2, 4800), np.float32)))


def test_rows_do_not_depend_on_each_other() -> None:
    videos = [footage(PICTURES, gop=gop, codec="libx264") for gop in (5, 12)]
    batch = keyframes({"video": [videos[0], b"nothing of the kind", videos[1]]})
    for row, video in ((0, videos[0]), (2, videos[1])):
        assert {name: values[row] for name, values in batch.items()} == find_keyframes(video)._asdict()
    assert all(isinstance(values[1], MediaError) for values in batch.values())
