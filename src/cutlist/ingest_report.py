"""What an ingest did, in numbers and in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cutlist.shown import Shown


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestReport(Shown):
    """What an ingest did. Counts of files, or of keys of shards.

    Attributes:
        num_bytes: Size of the media added; of `reference`, which copies nothing, of those pointed at.
        left_out: Kind of member → how many members of shards are neither media nor columns.
    """

    table: str
    version: int | None
    num_added: int
    num_bytes: int
    num_known: int
    num_duplicate: int
    num_failed: int
    num_other: int
    num_without_metadata: int | None
    num_metadata_unused: int | None
    reference: bool
    left_out: Mapping[str, int]

    def __str__(self) -> str:
        where = ", referenced where they are" if self.reference else ""
        parts = [f"{self.table}: {self.num_added:,} added ({self.num_bytes / 2**20:,.1f} MiB{where})"]
        if self.num_known:
            kept = "" if self.num_without_metadata is None else ", their columns left as they were"
            parts.append(f"{self.num_known:,} already there{kept}")
        if self.num_duplicate:
            parts.append(f"{self.num_duplicate:,} with the same content as another")
        if self.num_other:
            parts.append(f"{self.num_other:,} other files left out")
        if self.left_out:
            members = ", ".join(f"{count:,} {kind}" for kind, count in sorted(self.left_out.items()))
            parts.append(f"left out of shards: {members}")
        if self.num_without_metadata:
            parts.append(f"{self.num_without_metadata:,} added without a row in the metadata")
        if self.num_metadata_unused:
            parts.append(f"{self.num_metadata_unused:,} rows of the metadata without a file")
        if self.num_failed:
            parts.append(f"{self.num_failed:,} failed (SELECT path, message FROM _failures)")
        return "; ".join(parts)
