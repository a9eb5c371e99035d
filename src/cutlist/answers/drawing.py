"""Samples as one picture: the rows of a reader on a contact sheet."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cutlist.errors import SelectionError, SettingsError, listing
from cutlist.media import contact_sheet

if TYPE_CHECKING:
    from cutlist.media.sheet import Picture
    from cutlist.reader import Reader
    from cutlist.reader.fetching import AnyPart


def picture_file(path: str | os.PathLike[str]) -> Path:
    """Return the path of a picture that can be written.

    Raises:
        SettingsError: if the file is no picture's, or its folder is not there.

    Examples:
        >>> picture_file("sheet.txt")
        Traceback (most recent call last):
        cutlist.errors.SettingsError: sheet.txt: expected a picture file: .png, .jpg or .webp
    """
    target = Path(path)
    if target.suffix.lower() not in (".png", ".jpg", ".jpeg", ".webp"):
        raise SettingsError(f"{target}: expected a picture file: .png, .jpg or .webp")
    if not target.parent.is_dir():
        raise SettingsError(f"{target}: there is no folder {target.parent}")
    return target


def draw_sheet(
    reader: Reader, steps: Iterable[Sequence[AnyPart]], path: Path, *, titles: Iterable[str] | None = None
) -> int:
    """Draw samples into a picture file, as `sheet_of` does; return how many were drawn."""
    sheet, count = sheet_of(reader, steps, titles=titles)
    sheet.save(path)
    return count


def sheet_of(
    reader: Reader, steps: Iterable[Sequence[AnyPart]], *, titles: Iterable[str] | None = None
) -> tuple[Picture, int]:
    """Return samples as one picture, each medium with what else its row has, and how many were drawn.

    Args:
        titles: One for each step, in front of the captions of its samples.

    Raises:
        SelectionError: if the samples have no media, or only raw bytes.
        MediaError: if a sample cannot be decoded.
    """
    columns = {each.name: each.media for selection in reader.selections for each in selection.columns}
    media = [name for name, is_media in columns.items() if is_media]
    if not media:
        raise SelectionError(f"a sheet needs a media column; the query has: {listing(columns)}")
    tiles, captions = [], []
    for title, rows in zip(itertools.repeat("") if titles is None else titles, reader.read(steps), strict=False):
        for row in rows:
            pictures = [row[name] for name in media if _is_picture(row.get(name))]
            if pictures:
                tiles.append(pictures[0])
                captions.append(title + _caption({name: value for name, value in row.items() if name not in media}))
    if not tiles:
        raise SelectionError("a sheet needs images or videos; the first samples have none (or raw bytes)")
    return contact_sheet(tiles, captions), len(tiles)


def _is_picture(value: Any) -> bool:
    """Return whether a value is an image or a video, and not raw bytes, sound or a tensor."""
    return isinstance(value, np.ndarray) and value.dtype == np.uint8 and value.ndim in (3, 4) and value.shape[-3] == 3


def _caption(values: Mapping[str, Any]) -> str:
    """Return what a sheet writes under a sample: its caption if it has one, else its short values."""
    if values.get("caption"):
        return str(values["caption"])
    short = {name: value for name, value in values.items() if isinstance(value, str | int | float)}
    return "  ".join(
        f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}" for name, value in short.items()
    )
