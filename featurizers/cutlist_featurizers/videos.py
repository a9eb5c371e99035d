"""What the featurizers that read whole videos are given: open files, of which they read what they need."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol, TypeVar, cast

from cutlist.store import BlobFile
from cutlist_featurizers.rows import each_row

if TYPE_CHECKING:
    import pyarrow as pa

    from cutlist.media.source import Source

T = TypeVar("T")

WHOLE_VIDEO = "as_file(video) AS video"
"""Not its bytes: long videos need not fit into memory, and of some no more than a header is read."""

WHOLE_VIDEO_BATCH = 4
"""Rows at a time: each takes long, and a thread without a batch waits for the others."""


class Measured(Protocol):
    """The outputs of one row, a NamedTuple."""

    def _asdict(self) -> dict[str, Any]: ...


def each_video(
    measure: Callable[[Source], Measured], videos: Sequence[Source | BlobFile], outputs: Sequence[pa.Field]
) -> dict[str, list[Any]]:
    """Return, by the name of an output, what `measure` gives of each video; see `each_row`.

    Args:
        videos: Files of a table, or what else `measure` takes: bytes, seekable binary files.
    """
    return each_row(lambda video: of_file(measure, video)._asdict(), videos, outputs)


def of_file(measure: Callable[[Source], T], video: Source | BlobFile) -> T:
    """Return what a measure gives of a video.

    Raises:
        StorageError: if a read of a file of a table failed, whatever FFmpeg made of that, which takes it for the end.
    """
    if isinstance(video, BlobFile):
        return video.given_to(lambda file: measure(cast("BinaryIO", file)))
    return measure(video)
