"""A saved selection is a promise: the file of a version is read for ever, and the same rows make the same file.

`golden/selection-2.arrow` was written when its format was new.
`python -m tests.test_golden` writes one of a new format.
"""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pytest
from tests.selections import media, reference, selection_of

from cutlist import Selection
from cutlist.errors import SelectionError
from cutlist.selection import FORMAT, Source, TableVersion

FILE = Path(__file__).parent / "golden" / f"selection-{FORMAT}.arrow"

FINGERPRINT = "4d2915f1b8c20fe2"


def made() -> Selection:
    """Return a selection with everything that a file may have: constants, NULLs, nested media, two sources."""
    clips = [
        None if i == 3 else reference(i * 7, ("clip", (i / 4, i / 4 + 1.5)), ("resize", (64, 48)), source=i % 2)
        for i in range(6)
    ]
    return selection_of(
        {
            "clip": media(clips),
            "caption": pa.array(["a", None, "ü", "", "e", "f"]),
            "n": pa.array([1, 2, 3, 4, 5, 6], pa.int32()),
            "score": pa.array([0.5, -0.0, 1e300, None, 2.0, 3.0]),
            "vector": pa.array([[float(i), 1.0] for i in range(6)], pa.list_(pa.float32(), 2)),
            "many": pa.array([[reference(i), reference(i + 1)] for i in range(6)], pa.list_(media([]).type)),
        },
        sources=[
            Source(table="videos", version=3, column="video", kind="video"),
            Source(table="images", version=1, column="image", kind="image"),
        ],
        tables=[
            TableVersion(name="images", version=1, identity="data/one.lance"),
            TableVersion(name="videos", version=3, identity="data/three.lance"),
        ],
    )


def test_the_file_of_this_format_is_read() -> None:
    found, expected = Selection.load(FILE), made()
    assert found.fingerprint.startswith(FINGERPRINT)
    assert found.num_samples == 6
    assert found.columns == expected.columns
    assert found.sources == expected.sources
    assert found.tables == expected.tables
    assert found.to_arrow().equals(expected.to_arrow())


def test_the_same_rows_make_the_same_file(tmp_path: Path) -> None:
    again = made().save(tmp_path / "again.arrow")
    assert again.fingerprint.startswith(FINGERPRINT)
    assert (tmp_path / "again.arrow").read_bytes() == FILE.read_bytes()


def test_another_format_is_refused(tmp_path: Path) -> None:
    with pa.ipc.open_file(FILE) as file:
        schema, batches = file.schema, [file.get_batch(i) for i in range(file.num_record_batches)]
    header = {key: json.loads(value) if value[:1] == b"{" else value for key, value in schema.metadata.items()}
    (key,) = (key for key, value in header.items() if isinstance(value, dict) and "format" in value)
    changed = {**schema.metadata, key: json.dumps({**header[key], "format": FORMAT + 1}).encode()}
    with pa.ipc.new_file(tmp_path / "new.arrow", schema.with_metadata(changed)) as out:
        for batch in batches:
            out.write_batch(batch)
    with pytest.raises(SelectionError, match=f"selection format {FORMAT + 1}; this version of cutlist reads {FORMAT}"):
        Selection.load(tmp_path / "new.arrow")


if __name__ == "__main__":
    FILE.parent.mkdir(exist_ok=True)
    made().save(FILE)
