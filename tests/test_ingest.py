"""Ingest: one row for each file with what a probe says, only what is new, metadata by path, failures recorded."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pytest
from PIL import Image

import cutlist
from cutlist import ingest as ingest_module
from cutlist.errors import IngestError, SettingsError
from cutlist.store import Blobs

if TYPE_CHECKING:
    from tests.conftest import Made

    from cutlist.sources import Sample


def picture(path: Path, seed: int, size: tuple[int, int] = (8, 6)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 255, (size[1], size[0], 3), np.uint8)
    Image.fromarray(pixels).save(path)
    return path


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Three pictures, one of them in a folder, a broken one, a hidden one and a text."""
    folder = tmp_path / "pictures"
    for seed, name in enumerate(["a.png", "b.png", "sub dir/ü.png", ".hidden.png"]):
        picture(folder / name, seed)
    (folder / "broken.jpg").write_bytes(b"<html>404</html>")
    (folder / "notes.txt").write_text("not media")
    return folder


@pytest.fixture
def session(tmp_path: Path) -> Any:
    with cutlist.connect(tmp_path / "data", views=tmp_path, create=True) as opened:
        yield opened


def test_every_file_is_a_row_with_its_bytes_and_probe(made: Made) -> None:
    with cutlist.connect(made.root) as session:
        rows = session.sql("SELECT * EXCLUDE (video), raw(video) AS data FROM my_videos ORDER BY path").pl().to_dicts()
        blobs = Blobs(session.tables["my_videos"], "video").read(range(24))
        by_hash = {hashlib.sha256(data).hexdigest(): data for data in blobs if isinstance(data, bytes)}
    assert [row["path"] for row in rows] == sorted(
        path.relative_to(made.media).as_posix() for path in (made.media / "videos").iterdir()
    )
    for row in rows:
        data = (made.media / row["path"]).read_bytes()
        assert by_hash[row["sha256"]] == data
        assert row["id"] == row["sha256"][:16]
        assert row["size_bytes"] == len(data)
        assert row["kind"] == "video"
        assert f"{min(row['width'], row['height'])}p, {row['fps']:.0f} fps" in row["caption"]
        assert row["num_frames"] == pytest.approx(row["duration_seconds"] * row["fps"], abs=0.1)
        assert row["has_audio"] == ("tone" in row["caption"])


def test_the_columns_have_sql_friendly_types(made: Made) -> None:
    with cutlist.connect(made.root) as session:
        described = session.sql("SELECT column_name, column_type FROM (DESCRIBE my_videos)").fetchall()
    types = {name: kind for name, kind in described if name != "video"}
    assert types == {
        "id": "VARCHAR",
        "path": "VARCHAR",
        "kind": "VARCHAR",
        "size_bytes": "BIGINT",
        "sha256": "VARCHAR",
        "width": "BIGINT",
        "height": "BIGINT",
        "fps": "DOUBLE",
        "duration_seconds": "DOUBLE",
        "num_frames": "BIGINT",
        "codec": "VARCHAR",
        "pix_fmt": "VARCHAR",
        "bit_rate": "BIGINT",
        "rotation": "INTEGER",
        "has_audio": "BOOLEAN",
        "audio_codec": "VARCHAR",
        "sample_rate": "INTEGER",
        "num_channels": "INTEGER",
        "container": "VARCHAR",
        "caption": "VARCHAR",
        "subject": "VARCHAR",
        "colour": "VARCHAR",
    }


def test_only_what_is_new_is_added_and_failures_are_recorded_once(session: cutlist.Session, pictures: Path) -> None:
    first = session.ingest(pictures, table="pictures")
    assert (first.num_added, first.num_known, first.num_failed, first.num_other) == (3, 0, 1, 1)
    assert str(first).startswith("pictures: 3 added (0.0 MiB); 1 other files left out; 1 failed (SELECT path, message")
    picture(pictures / "new.png", 9)
    shutil.copy(pictures / "a.png", pictures / "renamed.png")
    shutil.copy(pictures / "new.png", pictures / "twin.png")
    second = session.ingest([pictures], table="pictures")
    assert (second.num_added, second.num_known, second.num_duplicate, second.num_failed) == (1, 4, 1, 1)
    paths = session.sql("SELECT path FROM pictures ORDER BY path").fetchall()
    assert paths == [("a.png",), ("b.png",), ("new.png",), ("sub dir/ü.png",)]
    failures = session.sql('SELECT "table", path, stage, error_type, message, first_seen FROM _failures').fetchall()
    ((table, path, stage, error_type, message, first_seen),) = failures
    assert (table, path, stage, error_type) == ("pictures", "broken.jpg", "probe", "MediaError")
    assert "HTML" in message
    assert first_seen is not None


def test_a_stopped_run_keeps_what_was_committed_and_goes_on(
    session: cutlist.Session, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Commits of one row, and a stop when the third file is read."""
    monkeypatch.setattr(ingest_module, "COMMIT_ROWS", 1)
    load = ingest_module._load

    def stop_at_the_third(sample: Sample, how: Any) -> Any:
        if sample.path.startswith("sub"):
            raise KeyboardInterrupt
        return load(sample, how)

    with monkeypatch.context() as patched:
        patched.setattr(ingest_module, "_load", stop_at_the_third)
        with pytest.raises(KeyboardInterrupt):
            session.ingest(pictures, table="pictures")
    session.refresh()
    assert session.sql("SELECT path FROM pictures").fetchall() == [("a.png",)]
    assert session.ingest(pictures, table="pictures").num_added == 2


def test_large_files_are_copied_from_where_they_are(
    session: cutlist.Session, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingest_module, "IN_MEMORY_BYTES", 10)
    assert session.ingest(pictures, table="pictures").num_added == 3
    stored = Blobs(session.tables["pictures"], "image").read(range(3))
    assert stored == [(pictures / name).read_bytes() for name in ("a.png", "b.png", "sub dir/ü.png")]
    shutil.rmtree(pictures)
    assert Blobs(session.tables["pictures"], "image").read(range(1))[0] == stored[0]


def test_a_table_that_was_never_written_to_its_end_is_left_out(tmp_path: Path, pictures: Path) -> None:
    """As a kill during the very first commit leaves it: files, but no version."""
    root = tmp_path / "data"
    (root / "pictures.lance" / "data").mkdir(parents=True)
    (root / "pictures.lance" / "data" / "half.lance").write_bytes(b"LANC")
    with pytest.warns(UserWarning, match=r"pictures\.lance: no version was ever written to its end; left out"):
        session = cutlist.connect(root, views=tmp_path)
    with session:
        assert session.ingest(pictures, table="pictures").num_added == 3
        assert session.sql("SELECT count(*) FROM pictures").fetchall() == [(3,)]


def test_kinds_share_a_table_or_are_chosen(session: cutlist.Session, made: Made) -> None:
    mixed = session.ingest(made.media, table="mixed")
    assert mixed.num_added == 36
    assert session.sql("SELECT count(video), count(image), count(*) FROM mixed").fetchall() == [(24, 12, 36)]
    some = session.ingest(made.media, table="chosen", kinds=("image",))
    assert (some.num_added, some.num_other) == (12, 25)
    assert "video" not in session.tables["chosen"].schema.names
    more = session.ingest(made.media, table="chosen")
    assert more.num_added == 24
    assert session.sql("SELECT count(video), count(image) FROM chosen").fetchall() == [(24, 12)]
    with pytest.raises(IngestError, match=r"kinds film: expected some of video, image, audio"):
        session.ingest(made.media, table="none", kinds=("film",))


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".jsonl"])
def test_metadata_joins_by_path(session: cutlist.Session, pictures: Path, tmp_path: Path, suffix: str) -> None:
    frame = pl.DataFrame(
        {
            "file": ["pictures/a.png", str(pictures / "b.png"), "nowhere.png"],  # by its own folder, and absolute
            "caption": ["an a", "a b", "?"],
            "score": [0.5, None, 1.0],
        }
    )
    file = tmp_path / f"captions{suffix}"
    writers: dict[str, Any] = {".csv": frame.write_csv, ".parquet": frame.write_parquet, ".jsonl": frame.write_ndjson}
    writers[suffix](file)
    report = session.ingest(pictures, table="pictures", metadata=file, on="file")
    assert (report.num_without_metadata, report.num_metadata_unused) == (1, 1)
    assert session.sql("SELECT path, caption, score FROM pictures ORDER BY path").fetchall() == [
        ("a.png", "an a", 0.5),
        ("b.png", "a b", None),
        ("sub dir/ü.png", None, None),
    ]


def test_metadata_of_a_later_run_brings_columns_and_keeps_types(
    session: cutlist.Session, pictures: Path, tmp_path: Path
) -> None:
    session.ingest(pictures / "a.png", table="pictures")
    (tmp_path / "m.csv").write_text("path,stars,note\nb.png,5,\n")
    session.ingest(pictures / "b.png", table="pictures", metadata=tmp_path / "m.csv")
    assert session.sql("SELECT path, stars, note FROM pictures ORDER BY path").fetchall() == [
        ("a.png", None, None),
        ("b.png", 5, None),
    ]
    (tmp_path / "m.csv").write_text("path,stars\nsub dir/ü.png,many\n")
    with pytest.raises(
        SettingsError, match=r"column stars of table pictures has the type int64; the new rows have str"
    ):
        session.ingest(pictures, table="pictures", metadata=tmp_path / "m.csv")
    assert session.sql("SELECT count(*) FROM pictures").fetchall() == [(2,)]


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("path,caption\na.png,x\na.png,y\n", {}, r'm\.csv: "a\.png" is in column path more than once; expected one'),
        ("file,caption\na.png,x\n", {}, r'm\.csv: no column "path". It has: caption, file'),
        ("path,captoin\na.png,x\n", {"columns": ["caption"]}, r'no column "caption"; did you mean "captoin"\? It has'),
        ("path,width\na.png,3\n", {}, r"ingest makes columns of these names itself: width; rename them"),
        ("path,caption\nzzz.png,x\n", {}, r"none of its paths is one of the files; expected paths like a\.png"),
        ("", {}, r"m\.csv: "),
        ("path,Note,note\na.png,x,y\n", {}, r"Note, note: names of columns must differ in more than case"),
        ("path,_rowid\na.png,3\n", {}, r"_rowid: names of columns must .* not start with _row"),
    ],
)
def test_metadata_that_does_not_fit_is_refused(
    session: cutlist.Session, pictures: Path, tmp_path: Path, text: str, options: dict[str, Any], message: str
) -> None:
    (tmp_path / "m.csv").write_text(text)
    with pytest.raises(IngestError, match=message):
        session.ingest(pictures, table="pictures", metadata=tmp_path / "m.csv", **options)
    assert "pictures" not in session.tables


def test_metadata_files_of_another_kind_are_refused(session: cutlist.Session, pictures: Path, tmp_path: Path) -> None:
    with pytest.raises(IngestError, match=r"m\.xml: no such file"):
        session.ingest(pictures, table="pictures", metadata=tmp_path / "m.xml")
    (tmp_path / "m.xml").write_text("<x/>")
    with pytest.raises(IngestError, match=r"m\.xml: expected a file that ends in \.csv, \.jsonl, \.ndjson, \.parquet"):
        session.ingest(pictures, table="pictures", metadata=tmp_path / "m.xml")


def test_two_files_of_one_path_are_refused_and_one_named_twice_is_taken_once(
    session: cutlist.Session, tmp_path: Path
) -> None:
    picture(tmp_path / "ab" / "a" / "x.png", 1)
    picture(tmp_path / "ab" / "b" / "x.png", 2)
    with pytest.raises(IngestError, match=r"a/x\.png and .*b/x\.png would both have the path x\.png in the table"):
        session.ingest([tmp_path / "ab" / "a", tmp_path / "ab" / "b"], table="pictures")
    assert session.ingest([tmp_path / "ab", tmp_path / "ab" / "a" / "x.png"], table="pictures").num_added == 2


def test_the_most_particular_path_of_the_metadata_wins(session: cutlist.Session, tmp_path: Path) -> None:
    picture(tmp_path / "a" / "x.png", 1)
    (tmp_path / "m.csv").write_text("path,caption\nx.png,any\na/x.png,this\n")
    session.ingest(tmp_path / "a", table="pictures", metadata=tmp_path / "m.csv")
    assert session.sql("SELECT caption FROM pictures").fetchall() == [("this",)]


def test_odd_names_and_links(session: cutlist.Session, tmp_path: Path) -> None:
    """A name that is not UTF-8 is a recorded failure; a link to a folder is followed, a loop once."""
    picture(tmp_path / "real" / "a.png", 1)
    (tmp_path / "top").mkdir()
    (tmp_path / "top" / "link").symlink_to(tmp_path / "real")
    (tmp_path / "real" / "loop").symlink_to(tmp_path / "top")
    (tmp_path / "real" / "dangling.png").symlink_to(tmp_path / "nowhere.png")
    odd = os.fsencode(tmp_path / "top") + b"/\xff.png"
    with open(odd, "wb") as file:  # noqa: PTH123 - the name is bytes
        file.write((tmp_path / "real" / "a.png").read_bytes())
    report = session.ingest(tmp_path / "top", table="pictures")
    assert (report.num_added, report.num_failed) == (1, 1)
    assert session.sql("SELECT path FROM pictures").fetchall() == [("link/a.png",)]
    assert session.sql("SELECT message FROM _failures").fetchall() == [("the file's name is not UTF-8; rename it",)]


def test_tables_that_differ_in_case_alone_are_refused(session: cutlist.Session, pictures: Path) -> None:
    session.ingest(pictures, table="pictures")
    with pytest.raises(IngestError, match="there is a table pictures already, and SQL does not tell Pictures from it"):
        session.ingest(pictures, table="Pictures")


@pytest.mark.parametrize(
    ("source", "table", "message"),
    [
        ("nothing", "t", r"nothing: no such file or folder"),
        (".", "t", r"no media files; their suffixes are \."),
        ("pictures", "my-table", r'"my-table" is no name for a table; expected letters'),
        ("pictures", "_failures", r'"_failures" is no name for a table'),
        ("pictures", "foreign", r"table foreign was not made by ingest \(it has no column sha256\)"),
    ],
)
def test_sources_and_tables_that_do_not_fit_are_refused(
    session: cutlist.Session, pictures: Path, tmp_path: Path, source: str, table: str, message: str
) -> None:
    import pyarrow as pa

    session.store.append("foreign", pa.table({"x": [1]}), message="made elsewhere")
    (tmp_path / "empty").mkdir()
    where = tmp_path / ("empty" if source == "." else source)
    with pytest.raises(IngestError, match=message):
        session.ingest(where, table=table)


def test_the_real_media_go_in(session: cutlist.Session, shared_media: Path) -> None:
    """Every file of a few folders becomes a row or a recorded failure; sizes are those of the manifest."""
    folders = ["videos/mdn", "images/exif-samples", "robustness/derived"]
    manifest = pl.read_csv(shared_media / "MANIFEST.csv", infer_schema_length=None)
    for folder in folders:
        files = [path for path in (shared_media / folder).rglob("*") if path.is_file()]
        report = session.ingest(shared_media / folder, table="real")
        done = report.num_added + report.num_failed + report.num_duplicate + report.num_known + report.num_other
        assert done == len(files)
    sizes = {
        row["sha256"]: (row["width"], row["height"]) for row in manifest.to_dicts() if row["decode_status"] == "ok"
    }
    for sha256, width, height in session.sql("SELECT sha256, width, height FROM real").fetchall():
        if sha256 in sizes and sizes[sha256][0] is not None:
            assert (width, height) in (sizes[sha256], sizes[sha256][::-1])
