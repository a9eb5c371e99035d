"""Videos written anew with their packets as they are: trimmed, turned, joined, with sound, in other containers."""

from __future__ import annotations

import io
import re
from contextlib import ExitStack
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import av

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from av.container import InputContainer
    from av.packet import Packet
    from av.video.stream import VideoStream


def remux(
    *films: bytes,
    container: str = "mp4",
    options: dict[str, str] | None = None,
    shift_ms: int = 0,
    sound: bytes | None = None,
    setup: Callable[[VideoStream], None] = lambda stream: None,
) -> bytes:
    """Return videos of one size and codec, one after another.

    The header is that of the first; the first packet of each later one, of H.264, brings its own parameter sets.

    Args:
        films: The videos.
        container: FFmpeg's name of the file format to write.
        options: The container's.
        shift_ms: Added to all times. What is before 0 then is in an MP4, but its edit list leaves it out.
        sound: A file whose sound is written between the pictures.
        setup: Called with the stream before it is written.
    """
    file = io.BytesIO()
    with ExitStack() as stack:
        inputs = [stack.enter_context(av.open(io.BytesIO(each), "r")) for each in films]
        output = stack.enter_context(av.open(file, "w", format=container, container_options=options or {}))
        stream = output.add_stream_from_template(inputs[0].streams.video[0])
        setup(stream)
        packets: list[Packet[Any]] = list(_joined(inputs, Fraction(shift_ms, 1000)))
        for packet in packets:
            packet.stream = stream
        if sound is not None:
            spoken = stack.enter_context(av.open(io.BytesIO(sound), "r"))
            voice = output.add_stream_from_template(spoken.streams.audio[0])
            said = [packet for packet in spoken.demux(spoken.streams.audio[0]) if packet.dts is not None]
            for each in said:
                each.stream = voice
            packets += said
        for packet in sorted(packets, key=lambda packet: (packet.dts or 0) * packet.time_base):
            output.mux(packet)
    return file.getvalue()


def _joined(inputs: list[InputContainer], begin: Fraction) -> Iterator[Packet[Any]]:
    for number, each in enumerate(inputs):
        stream = each.streams.video[0]
        sets = parameter_sets(stream.codec_context.extradata or b"") if number else b""
        for packet in each.demux(stream):
            if packet.dts is None or packet.pts is None:
                continue
            other: Packet[Any] = av.Packet(sets + bytes(packet))
            other.pts = packet.pts + int(begin / packet.time_base)
            other.dts = packet.dts + int(begin / packet.time_base)
            other.duration, other.time_base = packet.duration, packet.time_base
            other.is_keyframe = packet.is_keyframe
            sets = b""
            yield other
        begin += Fraction(each.duration or 0, av.time_base)


def parameter_sets(avcc: bytes) -> bytes:
    """Return the parameter sets of H.264 setup bytes (avcC, ISO 14496-15), each after its length in 4 bytes."""
    found = b""
    at = 5
    for mask in (31, 255):
        count, at = avcc[at] & mask, at + 1
        for _ in range(count):
            stop = at + 2 + int.from_bytes(avcc[at : at + 2], "big")
            found += bytes(2) + avcc[at:stop]
            at = stop
    return found


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
