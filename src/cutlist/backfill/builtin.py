"""The two featurizers of the core, which every table of media has: what a file says of itself, and its packet index."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar, cast

import pyarrow as pa

from cutlist.backfill.featurizer import Batch, Featurizer
from cutlist.compiler import quoted
from cutlist.errors import MediaError
from cutlist.media import Probe, probe
from cutlist.media.indexing import UNPLANNED, stored_index
from cutlist.store import packets_field

if TYPE_CHECKING:
    from cutlist.media.source import Source
    from cutlist.store import BlobFile

T = TypeVar("T")

PROBED = (
    pa.field("width", pa.int64()),
    pa.field("height", pa.int64()),
    pa.field("fps", pa.float64()),
    pa.field("duration_seconds", pa.float64()),
    pa.field("num_frames", pa.int64()),
    pa.field("codec", pa.string()),
    pa.field("pix_fmt", pa.string()),
    pa.field("bit_rate", pa.int64()),
    pa.field("rotation", pa.int32()),
    pa.field("has_audio", pa.bool_()),
    pa.field("audio_codec", pa.string()),
    pa.field("sample_rate", pa.int32()),
    pa.field("num_channels", pa.int32()),
    pa.field("container", pa.string()),
)
"""What a probe says, as columns (`cutlist.media.Probe`)."""


class MediaProbe(Featurizer):
    """What the header of each medium says: size, frame rate, duration, codec and so on (`cutlist.media.probe`)."""

    name = "media_probe"
    inputs = ("as_file(video) AS media", "as_file(image) AS media", "as_file(audio) AS media")
    outputs = PROBED
    batch_size = 16
    parallel = True

    def __call__(self, batch: Batch) -> dict[str, list[Any]]:
        """Return the facts of each medium."""
        found = [_made(probe, file) for file in batch["media"]]
        return {
            field.name: [each if isinstance(each, Exception) else getattr(each, field.name) for each in found]
            for field in PROBED
        }


class PacketIndexes(Featurizer):
    """The packet index of each video (`cutlist.media.PacketIndex`), or why it has none, as it is stored beside it."""

    batch_size = 4
    parallel = True

    def __init__(self, column: str = "video"):
        """Make one for a media column."""
        self.name = "packet_index" if column == "video" else f"{column.lower()}_packet_index"
        self.inputs = f"as_file({quoted(column)}) AS media"
        self.outputs = (packets_field(column),)

    def __call__(self, batch: Batch) -> list[bytes]:
        """Return the index of each video."""
        made = [_made(stored_index, file) for file in batch["media"]]
        return [UNPLANNED + str(each).encode() if isinstance(each, Exception) else each for each in made]


def _made(work: Callable[[Source], T], file: BlobFile) -> T | MediaError:
    try:
        return file.given_to(lambda opened: work(cast("BinaryIO", opened)))
    except MediaError as error:
        return error


assert {each.name for each in fields(Probe)} == {"kind", *(each.name for each in PROBED)}, "a column for each fact"
