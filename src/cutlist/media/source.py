"""What a source of media is: its kind by its first bytes, the limits it must keep, and how FFmpeg opens it."""

from __future__ import annotations

import io
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, TypeAlias, TypeVar

import av
from av.audio.stream import AudioStream
from av.stream import Disposition
from av.video.stream import VideoStream

from cutlist.errors import CutlistError, MediaError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from av.container import InputContainer
    from av.packet import Packet

Source: TypeAlias = bytes | BinaryIO
"""The whole file in memory, or a seekable binary file (read, seek, tell)."""

MAX_PIXELS = 178_956_970
"""Most pixels of one picture: the size at which Pillow itself calls an image a decompression bomb."""

MAX_FRAME_PIXELS = 1 << 26
"""Most pixels of one video frame, 8192x8192: a decoder may hold back 17 of them. The standards' levels end at half."""

MAX_PACKETS = 5_000_000
"""Most packets of one stream, two days at 30 frames per second: what is kept of each takes memory, and each time."""

MAX_OUTPUT_BYTES = 4 << 30
"""Most bytes that one decode may return: 4 GiB, so that absurd parameters fail and do not take the machine down."""

BUFFER_BYTES = 256 * 1024
"""How much FFmpeg reads at a time: fewer reads than its 32 KiB, fewer bytes than whole files."""

SNIFF_BYTES = 512
"""How many of the first bytes `sniff` looks at."""

FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,mpegts,mpeg,mpegvideo,m4v,avi,flv,asf,ogg,wav,w64,mp3,aac,flac,aiff,au,caf,"
    "amr,ac3,eac3,dts,h264,hevc,vvc,obu,av1,ivf,mxf,gxf,nut,rm,dv,h263,h261,wv,tta,ape,mpc,mpc8,mp2,swf,vc1,nsv,wtv"
)
"""The only FFmpeg formats that are opened: none that names other files (HLS, DASH, concat open paths and URLs)."""

MEDIA_SUFFIXES = frozenset(
    {
        *(".avif", ".bmp", ".gif", ".heic", ".heif", ".jfif", ".jp2", ".jpeg", ".jpg", ".png", ".ppm", ".qoi"),
        *(".tga", ".tif", ".tiff", ".webp"),
        *(".3gp", ".asf", ".avi", ".flv", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".mxf"),
        *(".ogv", ".ts", ".vob", ".webm", ".wmv"),
        *(".aac", ".aiff", ".flac", ".m4a", ".mka", ".mp3", ".oga", ".ogg", ".opus", ".wav", ".wma"),
    }
)
"""File name endings, lower case, that count as media when a folder is searched; what a file is, its content says."""

_IMAGE_MAGIC: tuple[bytes, ...] = (
    b"\xff\xd8\xff",  # JPEG
    b"\x89PNG\r\n\x1a\n",
    b"GIF8",
    b"BM",
    b"II*\x00",  # TIFF, either byte order, and BigTIFF
    b"MM\x00*",
    b"II+\x00",
    b"MM\x00+",
    b"\x00\x00\x00\x0cjP  ",  # JPEG 2000, boxed and bare
    b"\xff\x4f\xff\x51",
    b"\x00\x00\x00\x0cJXL ",  # JPEG XL, boxed and bare
    b"\xff\x0a",
    b"\x00\x00\x01\x00",  # ICO, CUR
    b"\x00\x00\x02\x00\x01\x00",
    b"8BPS",
    b"qoif",
    b"icns",
    b"DDS ",
    b"\x01\xda",  # SGI
    *(b"P%d%c" % (n, space) for n in range(1, 8) for space in b" \t\r\n"),
)

_IMAGE_BRANDS = frozenset({b"avif", b"avis", b"mif1", b"msf1", b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis"})

_NOT_MEDIA: tuple[tuple[bytes, str], ...] = (
    (b"<!doctype html", "an HTML page (a download that was answered with an error page?)"),
    (b"<html", "an HTML page (a download that was answered with an error page?)"),
    (b"<?xml", "an XML document (a download that was answered with an error?)"),
    (b"<error", "an XML document (a download that was answered with an error?)"),
    (b"{", "a JSON document (a download that was answered with an error?)"),
    (b"version https://git-lfs", "a Git LFS pointer (run `git lfs pull` to get the file itself)"),
    (b"#extm3u", "a playlist, which names other files; give the files themselves"),
    (b"ffconcat", "a playlist, which names other files; give the files themselves"),
)

Kept = TypeVar("Kept", VideoStream, AudioStream)


class NoVideoError(MediaError):
    """The file has no video stream; it may be sound."""


def sniff(head: bytes) -> Literal["image", "av"]:
    """Return which library decodes a file that starts with `head`: "image" Pillow, "av" FFmpeg.

    Content decides, never the file's name. Whatever is no known still image goes to FFmpeg.

    Args:
        head: The first bytes; `SNIFF_BYTES` of them are enough.

    Examples:
        >>> sniff(b"\\xff\\xd8\\xff\\xe0"), sniff(b"\\x00\\x00\\x00\\x18ftypmp42")
        ('image', 'av')
    """
    if head.startswith(_IMAGE_MAGIC) or (head[:4] == b"RIFF" and head[8:12] == b"WEBP"):
        return "image"
    if head[4:8] == b"ftyp" and head[8:12] in _IMAGE_BRANDS:
        return "image"
    return "image" if _is_tga(head) else "av"


def _is_tga(head: bytes) -> bool:
    """Return whether the header holds together as TGA, which has no magic number at its start."""
    if len(head) < 18:
        return False
    colour_map, kind, depth = head[1], head[2], head[16]
    width, height = int.from_bytes(head[12:14], "little"), int.from_bytes(head[14:16], "little")
    fits = colour_map == 1 if kind in (1, 9) else kind in (2, 3, 10, 11) and colour_map == 0
    return fits and depth in (8, 15, 16, 24, 32) and width > 0 and height > 0


def read_head(source: Source) -> bytes:
    """Return the first `SNIFF_BYTES` bytes; a file is left at its start.

    Raises:
        MediaError: if there are none, or if they are those of a web page or another text that is no media.
    """
    if isinstance(source, bytes):
        head = source[:SNIFF_BYTES]
    else:
        source.seek(0)
        head = bytes(source.read(SNIFF_BYTES))
        source.seek(0)
    if not head:
        raise MediaError("empty: 0 bytes where an image, video or audio file should be")
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    for start, what in _NOT_MEDIA:
        if text.startswith(start):
            raise MediaError(f"not an image, video or audio file: the bytes are {what}")
    return head


def as_file(source: Source) -> BinaryIO:
    """Return a binary file over the source, at its start."""
    if isinstance(source, bytes):
        return io.BytesIO(source)
    source.seek(0)
    return source


@contextmanager
def media_errors(doing: str) -> Iterator[None]:
    """Turn whatever is raised inside into a MediaError `doing: message`; cutlist's own errors pass as they are."""
    try:
        yield
    except CutlistError:
        raise
    except Exception as error:  # parsers of hostile bytes raise anything: struct.error, SyntaxError, IndexError, …
        if isinstance(error, BlockingIOError):  # "try again" is what FFmpeg says, and again is no better
            raise MediaError(f"{doing}: FFmpeg cannot go on in the middle of it; is it damaged?") from error
        text = str(getattr(error, "strerror", None) or error).strip() or "no message"
        raise MediaError(f"{doing}: {text} ({type(error).__name__})") from error


@contextmanager
def open_container(source: Source) -> Iterator[InputContainer]:
    """Open a video or audio file with FFmpeg; what goes wrong inside is raised as MediaError."""
    with media_errors("not an image, video or audio file that FFmpeg or Pillow can open"):
        # Untyped: PyAV's second overload is for names of files.
        file: Any = as_file(source)
        # metadata is never read: a tag in a wrong encoding is no reason to refuse the file
        options = {"format_whitelist": FORMATS}
        container = av.open(file, "r", container_options=options, metadata_errors="replace", buffer_size=BUFFER_BYTES)
    with container, media_errors(f"{container_name(container)} file cannot be decoded"):
        yield container


def container_name(container: InputContainer) -> str:
    """Return the short name of a container's format: mp4, mov, webm, matroska, mpegts, …"""
    names = container.format.name.split(",")
    if "mp4" in names:
        return "mov" if container.metadata.get("major_brand", "").strip() in ("qt", "") else "mp4"
    return names[0]


def video_stream(container: InputContainer) -> VideoStream | None:
    """Return the video stream that FFmpeg would play, set to decode on one thread, or None if there is none.

    Of several that is the one with the most pixels, as a rule. Attached pictures (cover art) are no video.
    """
    still = Disposition.attached_pic | Disposition.timed_thumbnails
    streams = [stream for stream in container.streams.video if not stream.disposition & still]
    best = container.streams.best("video")
    chosen = next((stream for stream in streams if best is not None and stream.index == best.index), None)
    return _single_threaded(chosen or streams[0]) if streams else None


def audio_stream(container: InputContainer) -> AudioStream | None:
    """Return the first audio stream, set to decode on one thread, or None."""
    return _single_threaded(container.streams.audio[0]) if container.streams.audio else None


def _single_threaded(stream: Kept) -> Kept:
    """Return the stream with a decoder of one thread: callers run many decodes side by side in a pool."""
    if stream.codec_context is None:
        raise MediaError(f"the {stream.type} stream is in a codec that this FFmpeg cannot decode")
    stream.codec_context.thread_type = "NONE"
    stream.codec_context.thread_count = 1
    stream.codec_context.options = {"max_pixels": str(MAX_FRAME_PIXELS)}  # before a frame that is larger is allocated
    return stream


def packets_of(container: InputContainer, stream: Kept) -> Iterator[Packet[Kept]]:
    """Yield the packets of a stream.

    Raises:
        MediaError: after `MAX_PACKETS` of them.
    """
    for number, packet in enumerate(container.demux(stream)):
        if number >= MAX_PACKETS:
            raise MediaError(f"more than {MAX_PACKETS} packets in the {stream.type} stream, which is the limit")
        yield packet


def check_pixels(width: int, height: int, limit: int = MAX_PIXELS) -> None:
    """Raise MediaError if a picture of this size is over a limit of pixels.

    Examples:
        >>> check_pixels(100_000, 100_000)
        Traceback (most recent call last):
        cutlist.errors.MediaError: 100000x100000 is over the limit of 178956970 pixels (a decompression bomb?)
    """
    if width * height > limit:
        raise MediaError(f"{width}x{height} is over the limit of {limit} pixels (a decompression bomb?)")


def check_output(shape: tuple[int, ...]) -> None:
    """Raise MediaError if a uint8 result of this shape is over `MAX_OUTPUT_BYTES`."""
    size = 1
    for length in shape:
        size *= length
    if size > MAX_OUTPUT_BYTES:
        raise MediaError(
            f"the result, uint8 {shape}, would take {size} bytes and the limit is {MAX_OUTPUT_BYTES}; "
            "take a shorter clip, fewer frames or a smaller size"
        )
