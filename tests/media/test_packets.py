"""Planned reads of videos: by their packet index, and with no container, come the frames of the whole file.

- Exact: whatever is asked of an indexed video, the planned path gives the array, or the error, of the container path.
- Safe starts only: recovery points, and pictures that need parameter sets from before them, are no start.
- Frugal: a plan reads the packets from the last safe start on, and next to nothing else.
- Stored: an index comes back from its bytes as it was; bytes that are damaged in any way are a MediaError.
- Honest: an index that promises what its packets do not give is found out.
"""

from __future__ import annotations

import io
import random
import struct
import zlib
from dataclasses import replace
from fractions import Fraction
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.media.every_clip import Film, agrees, by_plan, outcome, random_ops, watch
from tests.media.films import film, tone
from tests.media.remuxes import remux, without_reordering

from cutlist.errors import MediaError
from cutlist.media import Op, PacketIndex, decode, decode_planned, index_packets, plan_video
from cutlist.media.frames import TURNS
from cutlist.media.indexing import Unplanned
from cutlist.media.packets import Colour
from cutlist.media.planned import ByteRange, PromiseError
from cutlist.media.synthetic import plan_clips, render_clip

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from av.video.stream import VideoStream

TIMES = range(0, 4000, 125)
FRAGMENTED = {"movflags": "frag_keyframe+empty_moov+default_base_moof"}


def x264(params: str, **more: Any) -> bytes:
    return film(TIMES, moving=True, options={"x264-params": params}, **more)


def main_profile() -> bytes:
    return x264("b-adapt=0:bframes=3:b-pyramid=normal:8x8dct=0")


def forget_reordering(stream: VideoStream) -> None:
    stream.codec_context.extradata = without_reordering(stream.codec_context.extradata or b"")


def turn(stream: VideoStream) -> None:
    stream.set_display_rotation(90)


MADE: dict[str, Callable[[], bytes]] = {
    "mp4": lambda: film(TIMES, moving=True),
    "mov": lambda: film(TIMES, moving=True, container="mov"),
    "mkv": lambda: film(TIMES, moving=True, container="matroska"),
    "flv": lambda: film(TIMES, moving=True, container="flv"),
    "fragmented mp4": lambda: remux(film(TIMES, moving=True), options=FRAGMENTED),
    "open gop": lambda: x264("open-gop=1:keyint=10:scenecut=0:b-adapt=0:bframes=3"),
    "intra refresh": lambda: x264("intra-refresh=1:keyint=10:scenecut=0:bframes=0"),
    "slices": lambda: x264("slices=4"),
    "interlaced": lambda: x264("interlaced=1"),
    "no reorder depth": lambda: remux(main_profile(), setup=forget_reordering),
    "10 bits": lambda: film(TIMES, moving=True, pix_fmt="yuv420p10le"),
    "4:4:4": lambda: film(TIMES, moving=True, pix_fmt="yuv444p"),
    "hevc": lambda: film(TIMES, moving=True, codec="libx265", options={"x265-params": "log-level=none"}),
    "vp8": lambda: film(TIMES, moving=True, codec="libvpx", container="webm"),
    "vp9": lambda: film(TIMES, moving=True, codec="libvpx-vp9", container="webm", options={"lag-in-frames": "20"}),
    "mpeg4": lambda: film(TIMES, moving=True, codec="mpeg4"),
    "mpeg4 avi": lambda: film(TIMES, moving=True, codec="mpeg4", container="avi", b_frames=0),
    "mjpeg": lambda: film(TIMES, moving=True, codec="mjpeg", container="avi", b_frames=0, pix_fmt="yuvj420p"),
    "uneven": lambda: film([0, 125, 250, 1000, 1125, 2000, 2500, 2510, 2520, 4000, 4100, 5000], moving=True),
    "late": lambda: remux(film(TIMES, moving=True), shift_ms=700),
    "trimmed": lambda: remux(film(TIMES, moving=True), shift_ms=-600, options={"avoid_negative_ts": "disabled"}),
    "turned": lambda: remux(film(TIMES, moving=True), setup=turn),
    "sound": lambda: remux(film(TIMES, moving=True), sound=tone(4, rate=16_000, container="mp4", codec="aac")),
    "new parameter sets": lambda: remux(film(TIMES, moving=True), x264("cabac=0")),
}
"""Videos that are indexed."""

UNPLANNED: dict[str, tuple[Callable[[], bytes], str]] = {
    "ts": (lambda: film(TIMES, container="mpegts"), "mpegts_stream_id"),
    "avi with B-frames": (lambda: film(TIMES, codec="mpeg4", container="avi"), "in which order"),
}


@cache
def made(name: str) -> tuple[bytes, PacketIndex]:
    data = MADE[name]()
    index = index_packets(data, verify=True)
    assert isinstance(index, PacketIndex), index
    return data, index


@cache
def watched(name: str) -> Film:
    return watch(made(name)[0])


@pytest.mark.parametrize("name", MADE)
def test_the_planned_path_gives_what_the_container_gives(name: str) -> None:
    data, index = made(name)
    stored = PacketIndex.from_bytes(index.to_bytes())
    rng = random.Random(name)
    chosen = [[], [Op("clip", (9.0, 10.0))], *(random_ops(rng, float(index.end)) for _ in range(25))]
    chosen += [[*ops, Op("resize_short", (30,)), Op("center_crop", (20, 30))] for ops in chosen[-5:]]
    assert not [ops for ops in chosen if not agrees(data, watched(name), stored, ops)]


@pytest.mark.parametrize("name", UNPLANNED)
def test_what_cannot_be_planned_says_why(name: str) -> None:
    make, reason = UNPLANNED[name]
    found = index_packets(make())
    assert isinstance(found, Unplanned)
    assert reason in found.reason


def test_rendered_clips_of_every_codec(tmp_path: Path) -> None:
    rng = random.Random(0)
    for number, clip in enumerate(plan_clips(10, seed=5)):
        path = tmp_path / f"{number}{clip.suffix}"
        render_clip(clip, path)
        data = path.read_bytes()
        index = index_packets(data)
        assert isinstance(index, PacketIndex), (clip, index)
        whole = watch(data)
        assert all(agrees(data, whole, index, random_ops(rng, float(index.end))) for _ in range(3))


def test_a_file_gives_the_index_of_its_bytes() -> None:
    data, index = made("mkv")
    found = index_packets(io.BytesIO(data), verify=True)
    assert isinstance(found, PacketIndex)
    assert found.to_bytes() == index.to_bytes()


@pytest.mark.parametrize(
    ("name", "starts"),
    [
        ("mp4", [0, 10, 20, 30]),
        ("open gop", [0]),
        ("intra refresh", [0]),
        ("4:4:4", []),
        ("new parameter sets", [0, 10, 20, 30, 32]),
    ],
)
def test_where_decoding_may_start(name: str, starts: list[int]) -> None:
    assert np.flatnonzero(made(name)[1].is_start).tolist() == starts


def test_the_bytes_of_a_clip_are_those_of_its_packets() -> None:
    data, index = made("mp4")
    plan = plan_video(index, [Op("clip", (1.25, 1.75))])
    assert plan.runs == (
        (10, 15),
    )  # from the keyframe to the last of four frames, which the one at 1.75 s comes before
    assert plan.needed_bytes == plan.read_bytes == int(index.sizes[10:15].sum())
    assert plan.ranges == (ByteRange(int(index.offsets[10]), plan.needed_bytes),)
    assert by_plan(data, index, [Op("clip", (1.25, 1.75))]).shape == (4, 3, 48, 64)


def test_sparse_frames_leave_out_what_lies_between() -> None:
    _, index = made("mp4")
    plan = plan_video(index, [Op("clip", (0.0, 3.0)), Op("at_fps", (0.4,))])
    assert plan.runs == ((0, 1), (10, 20))
    assert plan.needed_bytes == int(index.sizes[[0, *range(10, 20)]].sum())


def test_gaps_are_read_as_far_as_waste_allows() -> None:
    _, index = made("sound")
    bare, some, whole = (plan_video(index, [], waste=waste) for waste in (0.0, 0.4, 10.0))
    assert len(whole.ranges) == 1 < len(some.ranges) < len(bare.ranges)
    assert bare.read_bytes == bare.needed_bytes == whole.needed_bytes == int(index.sizes.sum())
    assert bare.needed_bytes < some.read_bytes <= 1.4 * some.needed_bytes


FLAGS = st.tuples(st.booleans(), st.booleans())
PACKETS = st.lists(st.tuples(st.integers(-50, 50), st.integers(0, 5000), st.integers(0, 5000), FLAGS), min_size=1)


def an_index(packets: list[tuple[int, int, int, tuple[bool, bool]]]) -> PacketIndex:
    """Return an index of packets given by (time behind that of packet order, gap before it, size, flags)."""
    sizes = np.array([size for _, _, size, _ in packets], np.int64)
    gaps = np.array([gap for _, gap, _, _ in packets], np.int64)
    shown = np.array([flags[0] for *_, flags in packets])
    shown[0] = True
    return PacketIndex(
        decoder="h264",
        extradata=b"\1\2",
        tag=b"avc1",
        width=64,
        height=48,
        colour=Colour(2, 1, 1, 1, 1),
        reorder_depth=2,
        turn=TURNS[3],
        time_base=Fraction(1, 100),
        origin=-7,
        end=Fraction(22, 7),
        pts=np.array([10 * i + late for i, (late, *_) in enumerate(packets)], np.int64),
        offsets=np.cumsum(sizes + gaps) - sizes,
        sizes=sizes,
        checks=(sizes * 37 % 256).astype(np.uint8),
        is_start=np.array([flags[1] for *_, flags in packets]) & shown,
        is_shown=shown,
    )


@given(packets=PACKETS, waste=st.sampled_from([0.0, 0.02, 1.0]), data=st.data())
def test_a_plan_has_the_packets_that_decoding_needs(packets: Any, waste: float, data: st.DataObject) -> None:
    index = an_index(packets)
    ops = data.draw(st.sampled_from([[], [Op("frames", (3,))], [Op("clip", (-9.0, 1.0)), Op("frames", (2,))]]))
    try:
        plan = plan_video(index, ops, waste=waste)
    except MediaError:
        return
    for packet in plan.packets:
        start = max(run.start for run in plan.runs if run.start <= packet < run.stop)
        assert start == 0 or (index.is_start[start] and index.pts[start] <= index.pts[packet])
    decoded = [number for run in plan.runs for number in range(*run)]
    assert decoded == sorted(set(decoded))
    for number in decoded:
        start, stop = index.offsets[number], index.offsets[number] + index.sizes[number]
        assert any(offset <= start and stop <= offset + size for offset, size in plan.ranges)
    assert all(a.offset + a.size <= b.offset for a, b in zip(plan.ranges, plan.ranges[1:], strict=False))
    assert plan.needed_bytes == index.sizes[decoded].sum()
    assert plan.read_bytes <= (1 + waste) * plan.needed_bytes


@given(packets=PACKETS)
def test_an_index_comes_back_from_its_bytes(packets: Any) -> None:
    index = an_index(packets)
    found = PacketIndex.from_bytes(index.to_bytes())
    for name in PacketIndex.__dataclass_fields__:
        assert np.array_equal(getattr(found, name), getattr(index, name)), name
        assert type(getattr(found, name)) is type(getattr(index, name))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"pts": np.zeros(9, np.int64)}, "columns of different lengths"),
        ({"time_base": Fraction(0)}, "a time out of range"),
        ({"origin": 2**62}, "a time out of range"),
        ({"reorder_depth": 17}, "a reorder depth of 17"),
        ({"is_shown": np.zeros(32, np.bool_)}, "no packet is shown"),
        ({"offsets": np.full(32, -1)}, "a packet outside of any file"),
        ({"sizes": np.full(32, 2**62)}, "a packet outside of any file"),
    ],
)
def test_an_index_that_no_file_has_is_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(MediaError, match=f"packet index: {message}"):
        replace(made("mp4")[1], **wrong)


def test_an_index_is_small() -> None:
    _, index = made("mp4")
    assert len(index.to_bytes()) < 8 * len(index)


@given(data=st.data())
def test_damaged_bytes_are_a_media_error(data: st.DataObject) -> None:
    """With and without a checksum that fits: what is inside is checked, too."""
    film, index = made("sound")
    good = index.to_bytes()
    payload = bytearray(zlib.decompress(good[8:], wbits=-15))
    for _ in range(data.draw(st.integers(1, 4))):
        payload[data.draw(st.integers(0, len(payload) - 1))] = data.draw(st.integers(0, 255))
    stop = data.draw(st.integers(0, len(payload)) | st.just(len(payload)))
    deflated = zlib.compress(bytes(payload[:stop]), wbits=-15)
    fits = good[:4] + struct.pack("<I", zlib.crc32(deflated)) + deflated
    broken = bytearray(good)
    broken[data.draw(st.integers(0, len(good) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(MediaError, match="packet index: "):
        PacketIndex.from_bytes(bytes(broken))
    with pytest.raises(MediaError, match="packet index: "):
        PacketIndex.from_bytes(good[: data.draw(st.integers(0, len(good) - 1))])
    try:
        index = PacketIndex.from_bytes(fits)
        by_plan(film, index, [Op("clip", (0.5, 1.5))])
    except MediaError:
        return


@given(data=st.binary(max_size=200))
def test_other_bytes_are_a_media_error(data: bytes) -> None:
    with pytest.raises(MediaError, match="packet index: "):
        PacketIndex.from_bytes(data)


def test_another_version_is_named() -> None:
    good = made("mp4")[1].to_bytes()
    with pytest.raises(MediaError, match=r"version 77, and this cutlist reads version 1; make the index anew"):
        PacketIndex.from_bytes(good[:3] + bytes([77]) + good[4:])


def test_packets_that_are_not_as_promised_are_found_out() -> None:
    data, index = made("mp4")
    for wrong in (
        replace(index, pts=index.pts[[*range(12), 13, 12, *range(14, len(index))]]),
        replace(index, offsets=np.roll(index.offsets, 1)),
        replace(index, checks=index.checks ^ (np.arange(len(index)) == 12).astype(np.uint8)),
        replace(index, extradata=b""),
        replace(index, decoder="no such decoder"),
    ):
        with pytest.raises(PromiseError):
            by_plan(data, wrong, [Op("clip", (1.25, 2.0))])
        assert not agrees(data, watched("mp4"), wrong, [])


def test_a_piece_that_is_too_short_is_said() -> None:
    data, index = made("mp4")
    plan = plan_video(index, [])
    offset, size = plan.ranges[0]
    with pytest.raises(MediaError, match=rf"bytes \[{offset}, {offset + size}\) of the file: 9 came; is it cut short"):
        decode_planned(index, plan, [data[offset : offset + 9]])


@pytest.mark.parametrize(
    "ops",
    [
        [Op("clip", (9.0, 10.0))],
        [Op("clip", (0.01, 0.02))],
        [Op("clip", (-2.0, -1.0))],
        [Op("clip", (2.0, 1.0))],
        [Op("clip", (1e300, float("inf")))],
        [Op("frames", (4,)), Op("clip", (0.0, 0.25))],
        [Op("at_fps", (0.0,))],
        [Op("at_fps", (1e9,))],
        [Op("frames", (0,))],
        [Op("resize", (0, 4))],
        [Op("crop", (60, 0, 5, 5))],
    ],
)
def test_errors_are_those_of_the_container_path(ops: list[Op]) -> None:
    data, index = made("mp4")
    expected = outcome(lambda: decode(data, ops))
    assert isinstance(expected, str)
    assert outcome(lambda: by_plan(data, index, ops)) == expected


def test_real_videos(shared_media: Path) -> None:
    """A sample; `python -m tests.media.every_clip` is for all of them, and hundreds of clips of each."""
    files = sorted(path for path in (shared_media / "videos").rglob("*") if path.stat().st_size < 800_000)
    rng = random.Random(1)
    wrong = []
    num_indexed = 0
    for path in rng.sample(files, 30):
        data = path.read_bytes()
        index = index_packets(data)
        if isinstance(index, PacketIndex) and not path.name.startswith("long_"):
            num_indexed += 1
            whole = watch(data)
            chosen = [random_ops(rng, float(index.end)) for _ in range(5)]
            wrong += [(path.name, ops) for ops in chosen if not agrees(data, whole, index, ops)]
    assert not wrong
    assert num_indexed > 20
