"""Small videos and sounds of known content, made with PyAV for the tests of this folder."""

from __future__ import annotations

import io
import re
from contextlib import ExitStack
from fractions import Fraction
from typing import TYPE_CHECKING, Any, cast

import av
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from av.audio.stream import AudioStream
    from av.packet import Packet
    from av.video.stream import VideoStream

WIDTH, HEIGHT = 64, 48


def grey(index: int) -> int:
    """Return the grey value of frame `index`; neighbours differ by 3, more than what the codec blurs."""
    return (16 + 3 * index) % 256


def film(
    times_ms: Sequence[int],
    *,
    container: str = "mp4",
    codec: str = "libx264",
    gop: int = 10,
    size: tuple[int, int] = (WIDTH, HEIGHT),
    b_frames: int = 3,
    noise: bool = False,
    moving: bool = False,
    options: dict[str, str] | None = None,
    pix_fmt: str = "yuv420p",
) -> bytes:
    """Return a video whose frame k is all `grey(k)`, or noise, or one noise that moves, and starts at times_ms[k].

    The last frame lasts as long as the one before it. `options` are the encoder's.
    """
    lasts = dict(zip(times_ms, np.diff([*times_ms, 2 * times_ms[-1] - times_ms[-2]]).tolist(), strict=True))
    file = io.BytesIO()
    rng = np.random.default_rng(0)
    still = rng.integers(0, 256, (size[1], size[0], 3), np.uint8)
    with av.open(file, "w", format=container) as output:
        stream = cast("VideoStream", output.add_stream(codec, rate=Fraction(1000), options=options or {}))
        stream.width, stream.height = size
        stream.pix_fmt = pix_fmt
        stream.codec_context.time_base = Fraction(1, 1000)
        stream.codec_context.gop_size = gop
        stream.codec_context.max_b_frames = b_frames
        for index, time_ms in enumerate(times_ms):
            pixels = np.full((size[1], size[0], 3), grey(index), np.uint8)
            if noise:
                pixels = rng.integers(0, 256, pixels.shape, np.uint8)
            elif moving:
                pixels = np.roll(still, 2 * index, axis=1)
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = time_ms, Fraction(1, 1000)
            for packet in stream.encode(frame):
                output.mux(packet)
        for packet in stream.encode(None):  # the encoder forgets how long the last frame lasts
            packet.duration = lasts[packet.pts or 0]
            output.mux(packet)
    return file.getvalue()


def remux(
    *films: bytes,
    container: str = "mp4",
    options: dict[str, str] | None = None,
    shift_ms: int = 0,
    degrees: int = 0,
    extradata: bytes | None = None,
    in_band: bool = False,
    sound: bytes | None = None,
) -> bytes:
    """Return the videos, one after another, with their packets as they are.

    Args:
        films: Videos of one size and codec; the header is that of the first.
        container: FFmpeg's name of the file format to write.
        options: The container's.
        shift_ms: Added to all times. What is before 0 then is in an MP4, but its edit list leaves it out.
        degrees: Counter-clockwise turn that the container asks for.
        extradata: Replaces the setup bytes of the codec.
        in_band: Whether the H.264 parameter sets of each video but the first come with its first packet.
        sound: A file whose sound is written between the pictures.
    """
    file = io.BytesIO()
    with ExitStack() as stack:
        inputs = [stack.enter_context(av.open(io.BytesIO(each))) for each in films]
        output = stack.enter_context(av.open(file, "w", format=container, container_options=options or {}))
        stream = output.add_stream_from_template(inputs[0].streams.video[0])
        if extradata is not None:
            stream.codec_context.extradata = extradata
        if degrees:
            stream.set_display_rotation(degrees)
        mixed: list[tuple[float, bytes | None, Packet[Any]]] = []
        if sound is not None:
            spoken = stack.enter_context(av.open(io.BytesIO(sound)))
            voice = output.add_stream_from_template(spoken.streams.audio[0])
            for packet in spoken.demux(spoken.streams.audio[0]):
                if packet.dts is not None:
                    packet.stream = voice
                    mixed.append((float(packet.dts * packet.time_base), None, packet))
        begin = Fraction(shift_ms, 1000)
        for number, each in enumerate(inputs):
            source = each.streams.video[0]
            sets = length_prefixed_sets(source.codec_context.extradata or b"") if in_band and number else b""
            for packet in each.demux(source):
                if packet.dts is None or packet.pts is None:
                    continue
                packet.pts += int(begin / packet.time_base)
                packet.dts += int(begin / packet.time_base)
                mixed.append((float(packet.dts * packet.time_base), sets, packet))
                sets = b""
            begin += Fraction(each.duration or 0, av.time_base)
        for _, sets, packet in sorted(mixed, key=lambda entry: entry[0]):
            if sets:
                packet = with_payload(packet, sets + bytes(packet))
            if sets is not None:
                packet.stream = stream
            output.mux(packet)
    return file.getvalue()


def with_payload(packet: Packet[Any], payload: bytes) -> Packet[Any]:
    """Return a packet of the same times with other bytes."""
    other: Packet[Any] = av.Packet(payload)
    other.pts, other.dts, other.duration = packet.pts, packet.dts, packet.duration
    other.time_base, other.is_keyframe = packet.time_base, packet.is_keyframe
    return other


def length_prefixed_sets(avcc: bytes) -> bytes:
    """Return the parameter sets of an AVCDecoderConfigurationRecord (ISO 14496-15), each after its length in 4 bytes."""
    at, found = 6, []
    for count in (avcc[5] & 31, None):
        if count is None:
            count, at = avcc[at], at + 1
        for _ in range(count):
            size = int.from_bytes(avcc[at : at + 2], "big")
            found.append(avcc[at + 2 : at + 2 + size])
            at += 2 + size
    return b"".join(len(each).to_bytes(4, "big") + each for each in found)


def without_reordering(avcc: bytes) -> bytes:
    """Return the setup bytes of an H.264 video of profile Main without VUI, which says how frames are reordered."""
    size = int.from_bytes(avcc[6:8], "big")
    sps = avcc[8 : 8 + size]
    assert sps[1] == 77, "Main profile: its SPS has no more than this"
    bits = "".join(f"{byte:08b}" for byte in sps[4:].replace(b"\0\0\3", b"\0\0"))
    at = 0

    def exp_golomb() -> int:
        nonlocal at
        zeros = bits.index("1", at) - at
        at += 2 * zeros + 1
        return int(bits[at - zeros - 1 : at], 2) - 1

    exp_golomb(), exp_golomb()  # the set's id, log2_max_frame_num
    assert exp_golomb() == 0, "pic_order_cnt_type"
    exp_golomb(), exp_golomb()  # log2_max_pic_order_cnt_lsb, reference frames
    at += 1
    exp_golomb(), exp_golomb()  # width and height in macroblocks
    assert bits[at] == "1", "frame_mbs_only"
    at += 2
    at += 1
    if bits[at - 1] == "1":  # cropping
        exp_golomb(), exp_golomb(), exp_golomb(), exp_golomb()
    short = bits[:at] + "01"  # no VUI; the stop bit
    short += "0" * (-len(short) % 8)
    payload = int(short, 2).to_bytes(len(short) // 8, "big")
    sps = sps[:4] + re.sub(b"\0\0(?=[\0-\3])", b"\0\0\3", payload)
    return avcc[:6] + len(sps).to_bytes(2, "big") + sps + avcc[8 + size :]


def tone(seconds: float, *, rate: int = 8000, container: str = "wav", codec: str = "pcm_s16le") -> bytes:
    """Return a mono ramp that goes up by one step of 16 bits each sample."""
    file = io.BytesIO()
    with av.open(file, "w", format=container) as output:
        stream = cast("AudioStream", output.add_stream(codec, rate=rate, layout="mono"))
        samples = np.arange(round(seconds * rate), dtype=np.int16)[None]
        frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
        output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return file.getvalue()
