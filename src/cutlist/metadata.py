"""Metadata: captions and other columns that join media files by path."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
import pyarrow as pa

from cutlist.errors import IngestError, listing, suggest

if TYPE_CHECKING:
    from cutlist.sources import MediaFile


class Metadata:
    """Captions and other columns, one row for each media file, joined by path."""

    def __init__(
        self, file: str | os.PathLike[str], *, on: str, columns: Sequence[str] | None, made: Collection[str] = ()
    ):
        """Read a CSV, Parquet or JSONL file.

        Args:
            file: Read whole.
            on: The column that has the paths.
            columns: Those to take; default all.
            made: Lower-case names that it may not have.

        Raises:
            IngestError: if it cannot be read, lacks a column, names one as ingest does, or has a path twice.
        """
        self.file = Path(file)
        frame = self._read()
        for name in (on, *(columns or ())):
            if name not in frame.columns:
                raise IngestError(
                    f'{self.file}: no column "{name}"{suggest(name, frame.columns)} It has: {listing(frame.columns)}.'
                )
        kept = [name for name in (columns or frame.columns) if name != on]
        lower = [name.lower() for name in kept]
        odd = [name for name in kept if lower.count(name.lower()) > 1 or name.lower().startswith("_row")]
        if odd:
            raise IngestError(
                f"{self.file}: {listing(odd)}: names of columns must differ in more than case, and not start with _row"
            )
        clash = [name for name in kept if name.lower() in made]
        if clash:
            rest = ",".join(name for name in kept if name not in clash)
            raise IngestError(
                f"{self.file}: ingest makes columns of these names itself: {listing(clash)}; "
                f"rename them, or take others: `--columns {rest or '…'}`"
            )
        keys = frame.get_column(on)
        twice = keys.filter(keys.is_duplicated() & keys.is_not_null())
        if len(twice):
            raise IngestError(f'{self.file}: "{twice[0]}" is in column {on} more than once; expected one row a file')
        self._rows = {str(key): row for row, key in enumerate(keys.to_list()) if key is not None}
        self.table = _plain(frame.select(kept).to_arrow())
        self.used: set[int] = set()

    def _read(self) -> pl.DataFrame:
        readers: dict[str, Callable[[Path], pl.DataFrame]] = {
            ".csv": partial(pl.read_csv, infer_schema_length=None),
            ".parquet": pl.read_parquet,
            ".jsonl": partial(pl.read_ndjson, infer_schema_length=None),
            ".ndjson": partial(pl.read_ndjson, infer_schema_length=None),
        }
        if not self.file.is_file():
            raise IngestError(f"{self.file}: no such file")
        reader = readers.get(self.file.suffix.lower())
        if reader is None:
            raise IngestError(f"{self.file}: expected a file that ends in {listing(readers)}")
        try:
            return reader(self.file)
        except (pl.exceptions.PolarsError, OSError) as error:
            raise IngestError(f"{self.file}: {str(error).splitlines()[0]}") from error

    def row(self, media: MediaFile) -> int | None:
        """Return the metadata row of a media file, or None.

        A path in the metadata may be as in the table, relative to the metadata's own folder, absolute, or a URI.
        """
        keys = [media.located, media.named, media.path]  # the most particular first
        folder = f"{self.file.absolute().parent}/"
        if media.located.startswith(folder):
            keys.insert(1, media.located.removeprefix(folder))
        row = next((self._rows[key] for key in keys if key in self._rows), None)
        if row is not None:
            self.used.add(row)
        return row

    @property
    def num_unused(self) -> int:
        """Rows that no media file has asked for."""
        return int(self.table.num_rows) - len(self.used)


def _plain(table: pa.Table) -> pa.Table:
    """Return a table with strings in place of polars' views, dictionaries and columns that are all NULL."""
    kinds = []
    for each in table.schema:
        kind = each.type
        text = pa.types.is_large_string(kind) or pa.types.is_string_view(kind) or pa.types.is_dictionary(kind)
        kinds.append(each.with_type(pa.string()) if text or pa.types.is_null(kind) else each)
    return table.cast(pa.schema(kinds))
