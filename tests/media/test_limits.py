"""What one sample may take is limited by numbers that are the same on every machine; each limit is in its message."""

from __future__ import annotations

import pytest
from tests.media.films import film, tone
from tests.media.mutants import made_files

from cutlist.errors import MediaError
from cutlist.media import Op, decode, examine, index_packets, probe, source
from cutlist.media.indexing import Unplanned, stored_index
from cutlist.media.source import check_pixels


@pytest.mark.parametrize("data", [film(range(0, 800, 40)), tone(2.0)], ids=["video", "sound"])
def test_packets_are_limited(data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "MAX_PACKETS", 3)
    for read in (probe, examine, lambda data: decode(data, []), lambda data: decode(data, [Op("audio", (8000,))])):
        with pytest.raises(MediaError, match=r"more than 3 packets in the (video|audio) stream, which is the limit"):
            read(data)
    if data[4:8] == b"ftyp":
        with pytest.raises(MediaError, match="more than 3 packets in the video stream"):
            index_packets(data)


def test_pixels_of_a_frame_are_limited() -> None:
    with pytest.raises(MediaError, match="8193x8192 is over the limit of 67108864 pixels"):
        check_pixels(8193, 8192, source.MAX_FRAME_PIXELS)


def test_a_tensor_that_ffmpeg_takes_for_a_video_has_no_index() -> None:
    data = made_files()["made/noise.npy"] + made_files()["made/h264.ts"]
    assert stored_index(data) == b"!not a video"


def test_a_video_whose_frames_go_back_before_the_first_has_no_index() -> None:
    data = bytearray(film(range(400, 1200, 40), container="flv", codec="flv1", b_frames=0))
    tags, at = [], 13
    while at < len(data):  # a tag: type, 3 bytes of size, 3 of time, 4 others, then its content and 4 bytes more
        tags += [at] if data[at] == 9 else []
        at += 15 + int.from_bytes(data[at + 1 : at + 4], "big")
    assert not isinstance(index_packets(bytes(data)), Unplanned)
    data[tags[5] + 4 : tags[5] + 7] = bytes(3)
    assert index_packets(bytes(data)) == Unplanned("a frame has a time before that of the first one")


def test_ffmpegs_try_again_is_no_advice() -> None:
    told = pytest.raises(MediaError, match="mpegts file: FFmpeg cannot go on in the middle of it; is it damaged")
    with told, source.media_errors("mpegts file"):
        raise BlockingIOError(11, "Resource temporarily unavailable")
