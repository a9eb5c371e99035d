"""Small tables for tests of backfill: pictures of one colour each, captions, and featurizers that count their calls."""

from __future__ import annotations

import hashlib
import io
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import lance
import pyarrow as pa
from PIL import Image

from cutlist.backfill import Batch, Featurizer
from cutlist.store import Store, blob_array, blob_field

if TYPE_CHECKING:
    from cutlist import Session


def picture(i: int, size: int = 8) -> bytes:
    """Return a picture of one colour that says the number."""
    file = io.BytesIO()
    Image.new("RGB", (size, size), (i % 251, 7, 9)).save(file, "png")
    return file.getvalue()


def append(root: Path, ids: Iterable[int], *, broken: Iterable[int] = (), without: Iterable[int] = ()) -> None:
    """Append rows to the table `t`: an id, a caption, a picture; some are cut after their header, some NULL."""
    ids, broken, without = list(ids), set(broken), set(without)
    media = [None if i in without else picture(i)[:40] if i in broken else picture(i) for i in ids]
    rows = pa.table({"id": ids, "caption": [f"caption {i}" for i in ids], "other": [0] * len(ids)})
    Store.at(root).append("t", rows.append_column(blob_field("image", "image"), blob_array(media)), message="test")


def write_root(folder: Path, *, fragments: int = 3, rows: int = 10, **options: Any) -> Path:
    """Write `t` with several fragments of ids that count from 0; return the root."""
    for number in range(fragments):
        append(folder, range(number * rows, (number + 1) * rows), **options)
    return folder


class Red(Featurizer):
    """The red of each picture, and its square; counts how often each was asked for."""

    name = "red"
    inputs = "id, image"
    outputs = (pa.field("red", pa.float32()), pa.field("red_squared", pa.int64()))
    batch_size = 4

    def __init__(self, version: int = 1, *, fails: Iterable[int] = ()):
        self.version = version
        self.fails = frozenset(fails)
        self.calls: Counter[int] = Counter()

    def __call__(self, batch: Batch) -> dict[str, list[Any]]:
        self.calls.update(batch["id"])
        for i in batch["id"]:
            if i in self.fails:
                raise ValueError(f"no red in {i}")
        reds = [int(each[0, 0, 0]) for each in batch["image"]]
        return {"red": [self.version * red for red in reds], "red_squared": [red * red for red in reds]}


def reds(session: Session, column: str = "red") -> dict[int, Any]:
    """Return id → value."""
    return dict(session.refresh().sql(f"SELECT id, {column} FROM t").fetchall())


def media_files(root: Path, table: str = "t") -> dict[str, str]:
    """Return the files of media bytes in a table → the SHA-256 of each."""
    files = (root / f"{table}.lance").rglob("*.blob")
    found = {str(each.relative_to(root)): hashlib.sha256(each.read_bytes()).hexdigest() for each in files}
    return found


def row_ids(session: Session) -> dict[int, int]:
    """Return id → row id."""
    return dict(session.refresh().sql("SELECT id, _rowid FROM t").fetchall())


def validate(root: Path, table: str = "t") -> None:
    """Raise if Lance finds the table damaged."""
    dataset: Any = lance.dataset(str(root / f"{table}.lance"))
    dataset.validate()
