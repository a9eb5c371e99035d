"""Whether all of a file can be decoded, without keeping what is decoded."""

from __future__ import annotations

from cutlist.errors import MediaError
from cutlist.media.audio import check_audio
from cutlist.media.frames import open_video
from cutlist.media.image import open_image
from cutlist.media.source import NoVideoError, Source, media_errors, read_head, sniff


def examine(source: Source) -> int:
    """Decode every picture of a file, or every sample of a sound that has none; return how many there are.

    Takes the memory of one picture, however long the file is. Safe to call from many threads.

    Args:
        source: The whole file as bytes, or a seekable binary file.

    Raises:
        MediaError: if a part of it cannot be decoded; nothing else.

    Examples:
        >>> examine(b"P6 2 1 255 RGBrgb")
        1
    """
    with media_errors("cannot decode"):
        if sniff(read_head(source)) == "image":
            with open_image(source) as image:
                image.load()
            return 1
        try:
            with open_video(source) as frames:
                count = sum(1 for _ in frames.shown())
        except NoVideoError:
            return check_audio(source)
        if count == 0:
            raise MediaError("no decodable frame in the video stream")
        return count
