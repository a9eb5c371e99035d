"""What a compressed packet says about itself: whether decoding may start at it, and whether it is shown at all.

Containers call packets keyframes that are none to start at (H.264 recovery points: 8 of 25 clips came out short), so
the first bytes of the packet decide. Sources: ITU-T H.264 table 7-1, H.265 table 7-1, ISO 14496-2 §6.2, RFC 6386 §9.1,
the VP9 bitstream specification §6.2, the AV1 bitstream specification §5.5 to §5.9.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

_INTRA_ONLY = ("mjpeg", "prores", "dnxhd", "ffvhuff", "huffyuv", "rawvideo", "qtrle", "cfhd")


def starts_clean(codec: str, extradata: bytes | None, packet: bytes) -> bool:
    """Return whether every frame displayed from this packet's own on decodes the same with nothing before the packet.

    False where that cannot be shown, which includes every codec not known here.

    Args:
        codec: FFmpeg's name of the codec, e.g. "h264".
        extradata: The codec's setup bytes from the container's header.
        packet: A packet that the container flags as a keyframe.

    Examples:
        >>> starts_clean("vp8", None, b"\\x10\\x02\\x00"), starts_clean("vp8", None, b"\\x11\\x02\\x00")
        (True, False)
    """
    test = _TESTS.get(codec)
    return test is not None and test(extradata or b"", packet)


def is_shown(codec: str, packet: bytes | memoryview) -> bool:
    """Return whether a packet gives a frame to display; VP8 and VP9 have packets that are only references."""
    if not packet:
        return False
    if codec == "vp8":
        return bool(packet[0] & 0x10)
    superframe = packet[-1] & 0xE0 == 0xC0
    if codec == "vp9" and not superframe:
        bits = _vp9_bits(packet)
        return bool(bits & 4) or bool(bits & 1)
    return True


def _vp9_bits(packet: bytes | memoryview) -> int:
    """Return three bits of a VP9 frame header: show_existing_frame (4), not a keyframe (2), show_frame (1)."""
    head = int.from_bytes(bytes(packet[:2]).ljust(2, b"\x00"), "big")
    profile = (head >> 13 & 1) | (head >> 11 & 2)
    return head >> (8 if profile == 3 else 9) & 7


def parameter_sets(codec: str, extradata: bytes | None, packet: bytes) -> set[bytes]:
    """Return the parameter sets of H.264 and HEVC in a packet that the codec's setup bytes do not have.

    A packet is no place to start at if it lacks one that came before it: it may need it.
    """
    if codec not in ("h264", "hevc"):
        return set()
    known = extradata or b""
    is_set, shift, mask = ((7, 8, 13, 15), 0, 0x1F) if codec == "h264" else ((32, 33, 34), 1, 0x3F)
    units = _units(packet, _length_bytes(codec, known))
    found = {packet[start:stop].rstrip(b"\x00") for start, stop in units if packet[start] >> shift & mask in is_set}
    return {each for each in found if each not in known}


def _h264(extradata: bytes, packet: bytes) -> bool:
    units = _units(packet, _length_bytes("h264", extradata))
    slices = [kind for kind in (packet[start] & 0x1F for start, _ in units) if 1 <= kind <= 5]
    return bool(slices) and all(kind == 5 for kind in slices)


def _hevc(extradata: bytes, packet: bytes) -> bool:
    units = _units(packet, _length_bytes("hevc", extradata))
    slices = [kind for kind in (packet[start] >> 1 & 0x3F for start, _ in units) if kind < 32]
    return bool(slices) and all(16 <= kind <= 21 for kind in slices)


def _length_bytes(codec: str, extradata: bytes) -> int:
    """Return the size of the length field before each NAL unit, or 0 where start codes are between them."""
    at = 4 if codec == "h264" else 21
    return (extradata[at] & 3) + 1 if len(extradata) > at + 1 and extradata[0] == 1 else 0


def _units(packet: bytes, length_bytes: int) -> Iterator[tuple[int, int]]:
    """Yield where each NAL unit starts and stops: behind length fields, or start codes where `length_bytes` is 0."""
    at = 0
    while length_bytes and at + length_bytes < len(packet):
        start = at + length_bytes
        at = start + int.from_bytes(packet[at:start], "big")
        yield start, at
    at = -1 if length_bytes else packet.find(b"\x00\x00\x01")
    while 0 <= at < len(packet) - 3:
        start = at + 3
        at = packet.find(b"\x00\x00\x01", start)
        yield start, at if at >= 0 else len(packet)


def _mpeg4(extradata: bytes, packet: bytes) -> bool:
    """Return whether it is one intra picture, with its layer's header and the encoder's name in it or in `extradata`.

    FFmpeg takes how to repair the bugs of that encoder from its name.
    """
    picture = packet.find(b"\x00\x00\x01\xb6")
    alone = picture >= 0 and packet.find(b"\x00\x00\x01\xb6", picture + 4) < 0
    is_intra = alone and picture + 4 < len(packet) and packet[picture + 4] >> 6 == 0
    heads = (packet[: max(picture, 0)], extradata)
    return is_intra and any(b"\x00\x00\x01\xb2" in head and b"\x00\x00\x01\x20" in head for head in heads)


def _vp8(_: bytes, packet: bytes) -> bool:
    return bool(packet) and packet[0] & 1 == 0


def _vp9(_: bytes, packet: bytes) -> bool:
    return bool(packet) and _vp9_bits(packet) & 6 == 0


def _av1(_: bytes, packet: bytes) -> bool:
    """Return whether a sequence header is followed, first of all frames, by a key frame that is shown."""
    at, has_sequence = 0, False
    while at < len(packet):
        header = packet[at]
        kind, extended, sized = header >> 3 & 15, header >> 2 & 1, header >> 1 & 1
        at += 1 + extended
        size, shift = 0, 0
        while sized and at < len(packet) and shift < 56:
            size |= (packet[at] & 0x7F) << shift
            shift += 7
            at += 1
            if packet[at - 1] < 0x80:
                break
        if kind == 1:
            has_sequence = True
            if at < len(packet) and packet[at] >> 3 & 1:  # reduced_still_picture_header: no such bits follow
                return False
        if kind in (3, 6):  # frame header, frame: show_existing_frame 0, frame_type 00, show_frame 1
            return has_sequence and at < len(packet) and packet[at] >> 4 == 0b0001
        if not sized:
            return False
        at += size
    return False


def _always(_: bytes, packet: bytes) -> bool:
    return True


_TESTS: Mapping[str, Callable[[bytes, bytes], bool]] = {
    "h264": _h264,
    "hevc": _hevc,
    "vp8": _vp8,
    "vp9": _vp9,
    "av1": _av1,
    "mpeg4": _mpeg4,
    **dict.fromkeys(_INTRA_ONLY, _always),
}
