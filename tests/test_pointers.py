"""Media referenced in place: the samples that copies give, no media byte in the table, dead pointers are failures."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image
from tests.buckets import serving

import cutlist
from cutlist import ingest as ingest_module
from cutlist.cli import app
from cutlist.errors import IngestError, MediaError
from cutlist.reader import Reader
from cutlist.store import Blobs, Pointer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import Made


def picture(path: Path, seed: int, size: tuple[int, int] = (8, 6)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 255, (size[1], size[0], 3), np.uint8)
    Image.fromarray(pixels).save(path)
    return path


@pytest.fixture
def session(tmp_path: Path) -> Iterator[cutlist.Session]:
    with cutlist.connect(tmp_path / "data", views=tmp_path, create=True) as opened:
        yield opened


def media_of(session: cutlist.Session, query: str) -> list[Any]:
    """Return the decoded values of a query of one column, read in one step."""
    selection = session.compile(query)
    reader = Reader([selection], session.store)
    ((*rows,),) = reader.read([[(0, np.arange(selection.num_samples))]])
    return [next(iter(row.values())) for row in rows]


def folder_bytes(folder: Path) -> int:
    return sum(each.stat().st_size for each in folder.rglob("*") if each.is_file())


def test_the_same_samples_as_from_copies_and_no_byte_copied(session: cutlist.Session, made: Made) -> None:
    """Decoded clips and pictures, explained bytes, sizes and every column are equal; the table holds no media."""
    media = [*sorted((made.media / "videos").iterdir())[:6], made.media / "images"]
    copied = session.ingest(media, table="copied")
    pointed = session.ingest(media, table="pointed", reference=True)
    assert (pointed.num_added, pointed.num_bytes) == (copied.num_added, copied.num_bytes)
    assert "MiB, referenced where they are)" in str(pointed)
    columns = "SELECT * EXCLUDE (video, image) FROM {} ORDER BY path"
    assert session.sql(columns.format("copied")).fetchall() == session.sql(columns.format("pointed")).fetchall()
    for query in (
        "SELECT video.clip(0.3, 1).resize(64, 36) AS v FROM {} WHERE video IS NOT NULL ORDER BY path",
        "SELECT image FROM {} WHERE image IS NOT NULL ORDER BY path",
        "SELECT raw(coalesce(video, image)) AS data FROM {} ORDER BY path",
    ):
        ours, theirs = (media_of(session, query.format(table)) for table in ("pointed", "copied"))
        assert len(ours) == len(theirs) > 0
        assert all(np.array_equal(one, other) for one, other in zip(ours, theirs, strict=True))
    explained = [session.explain(f"SELECT video, image FROM {table}").to_dict() for table in ("pointed", "copied")]
    one, other = (each["epoch_bytes"] for each in explained)
    assert copied.num_bytes / 2 < one == other <= copied.num_bytes
    root = Path(session.store.root)
    assert folder_bytes(root / "copied.lance") > copied.num_bytes > 10 * folder_bytes(root / "pointed.lance")


def test_a_table_mixes_copies_and_pointers_and_content_is_taken_once(session: cutlist.Session, tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    for seed in range(4):
        picture(folder / f"{seed}.png", seed)
    assert session.ingest(folder / "0.png", table="mixed", reference=True).num_added == 1
    second = session.ingest([folder / "0.png", folder / "1.png"], table="mixed")
    assert (second.num_added, second.num_known) == (1, 1)
    third = session.ingest(folder, table="mixed", reference=True)
    assert (third.num_added, third.num_known) == (2, 2)
    assert media_of(session, "SELECT raw(image) AS data FROM mixed ORDER BY path") == [
        (folder / f"{seed}.png").read_bytes() for seed in range(4)
    ]
    table = session.tables["mixed"]
    kinds = [each["kind"] for each in table.dataset.to_table(columns=["image"])["image"].to_pylist()]
    assert [kind == 3 for kind in kinds] == [True, False, True, True]
    assert Blobs(table, "image").sizes(np.arange(4, dtype=np.uint64)).tolist() == [
        (folder / f"{seed}.png").stat().st_size for seed in range(4)
    ]


def test_dead_pointers_fail_their_own_rows_alone(session: cutlist.Session, tmp_path: Path) -> None:
    """Gone, shorter, and a folder in its place; the others of the step are read, and the message names the row."""
    folder = tmp_path / "a folder"
    for seed in range(6):
        picture(folder / f"{seed}.png", seed)
    session.ingest(folder, table="pictures", reference=True)
    (folder / "1.png").rename(folder / "moved.png")
    (folder / "3.png").write_bytes((folder / "3.png").read_bytes()[:20])
    (folder / "4.png").unlink()
    (folder / "4.png").mkdir()
    uri = (folder / "x").as_uri().removesuffix("x")
    for op in ("image", "raw(image)", "image.resize(4, 4)"):
        selection = session.compile(f"SELECT {op} AS x FROM pictures ORDER BY path")
        for position in range(6):
            expected = {
                1: rf"pictures@\d+, row id 1, column image \(as x\): {uri}1\.png is not there; was it moved",
                3: rf"row id 3, column image \(as x\): {uri}3\.png has 20 bytes, and the row's are 0 to \d+; was it",
                4: rf"row id 4, column image \(as x\): {uri}4\.png cannot be read: Is a directory",
            }.get(position)
            steps = [[(0, np.array([position]))]]
            if expected is None:
                assert len(list(Reader([selection], session.store).read(steps))) == 1
                continue
            for _ in range(2):
                with pytest.raises(MediaError, match=expected):
                    list(Reader([selection], session.store).read(steps))
        good = [0, 2, 5]
        bad_step = [[(0, np.array(good))], [(0, np.arange(6))]]
        rows = Reader([selection], session.store).read(bad_step)
        assert len(next(rows)) == 3
        with pytest.raises(MediaError, match="row id 1"):
            next(rows)


def test_dead_pointers_that_are_read_in_parts(
    session: cutlist.Session, made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A long video is opened as a file: what is wrong shows only while it is decoded."""
    from cutlist.reader import fetching

    monkeypatch.setattr(fetching, "WHOLE_BYTES", 0)
    monkeypatch.setattr(fetching, "_index", lambda stored: None)
    files = sorted((made.media / "videos").iterdir())[:3]
    for file in files:
        shutil.copy(file, tmp_path)
    session.ingest([tmp_path / file.name for file in files], table="films", reference=True)
    query = "SELECT video.clip(0, 0.5) AS v FROM films ORDER BY path"
    assert len(media_of(session, query)) == 3
    (tmp_path / files[1].name).write_bytes(files[1].read_bytes()[:-1])
    selection = session.compile(query)
    steps = [[(0, np.array([position]))] for position in (0, 2, 1)]
    rows = Reader([selection], session.store).read(steps)
    next(rows)
    next(rows)
    with pytest.raises(MediaError, match=rf"row id 1, column video \(as v\): file://.*{files[1].name} has .* bytes"):
        next(rows)


def test_a_file_that_was_replaced_by_a_longer_one_is_not_noticed_unless_it_cannot_be_decoded(
    session: cutlist.Session, tmp_path: Path
) -> None:
    """What `reference` promises: the range must be there, its content is not hashed again."""
    file = picture(tmp_path / "a.png", 1)
    session.ingest(file, table="pictures", reference=True)
    size = file.stat().st_size
    other = picture(tmp_path / "b.png", 2).read_bytes() + b"more"
    file.write_bytes(other)
    assert media_of(session, "SELECT raw(image) AS data FROM pictures") == [other[:size]]
    file.write_bytes(b"<html>" + other)
    with pytest.raises(MediaError, match=rf"row id 0.*a\.png has [\d,]+ bytes, and had {size} when it was ingested"):
        media_of(session, "SELECT image FROM pictures")
    file.write_bytes(b"<html>" + other[: size - 6])
    with pytest.raises(MediaError, match=r"row id 0.*an HTML page"):
        media_of(session, "SELECT image FROM pictures")


def test_check_names_dead_pointers_and_files_of_another_size(session: cutlist.Session, tmp_path: Path) -> None:
    for seed in range(4):
        picture(tmp_path / "in" / f"{seed}.png", seed)
    session.ingest(tmp_path / "in", table="pictures", reference=True)
    (tmp_path / "in" / "1.png").unlink()
    with (tmp_path / "in" / "2.png").open("ab") as file:
        file.write(b"more")
    session.check("pictures")
    session.refresh()
    found = dict(session.sql("SELECT row_id, message FROM _failures").fetchall())
    assert found.keys() == {1, 2}
    assert found[1].endswith("1.png is not there; was it moved or deleted?")
    assert "when it was ingested; was it replaced?" in found[2]


ODD_NAMES = [
    "a b",
    "ü",
    "u\u0308",
    "日本",
    "#1",
    "50%",
    "%41",
    "a?b=c",
    "a&b",
    "+",
    "~",
    "[x]",
    "*",
    "'\"",
    "\\",
    "a..b",
]


def test_odd_names_links_and_relative_paths(
    session: cutlist.Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Spaces, letters of all kinds, what URIs reserve, links, `..`: the bytes read are those of the file."""
    top = tmp_path / "top"
    for seed, name in enumerate(ODD_NAMES):
        picture(top / name / f"{name}.png", seed)
    picture(tmp_path / "elsewhere" / "x.png", 100)
    (top / "link.png").symlink_to(tmp_path / "elsewhere" / "x.png")
    (tmp_path / "deep" / "er").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "deep" / "er")
    report = session.ingest("../../top", table="pictures", reference=True)
    assert (report.num_added, report.num_failed) == (len(ODD_NAMES) + 1, 0)
    monkeypatch.chdir("/")
    paths = [path for (path,) in session.sql("SELECT path FROM pictures ORDER BY path").fetchall()]
    assert media_of(session, "SELECT raw(image) AS data FROM pictures ORDER BY path") == [
        (top / path).read_bytes() for path in paths
    ]
    uris = session.tables["pictures"].dataset.to_table(columns=["image"])["image"].to_pylist()
    assert all(".." not in each["blob_uri"].split("/") for each in uris)
    assert (top / "link.png").as_uri() in [each["blob_uri"] for each in uris]  # the link, not what it is to now


def test_names_that_no_pointer_can_have_are_failures(session: cutlist.Session, tmp_path: Path) -> None:
    picture(tmp_path / "top" / "a\tb.png", 1)
    picture(tmp_path / "top" / "good.png", 2)
    (tmp_path / "top" / "empty.png").touch()
    odd = os.fsencode(tmp_path / "top") + b"/\xff.png"
    with open(odd, "wb") as file:  # noqa: PTH123 - the name is bytes
        file.write((tmp_path / "top" / "good.png").read_bytes())
    report = session.ingest(tmp_path / "top", table="pictures", reference=True)
    assert (report.num_added, report.num_failed) == (1, 3)
    messages = session.sql("SELECT message FROM _failures ORDER BY path").fetchall()
    assert [message for (message,) in messages] == [
        "the file's name is not UTF-8; rename it",
        "a control character in its path, which a URI cannot have; rename it",
        "empty: 0 bytes where an image, video or audio file should be",
    ]
    assert session.ingest(tmp_path / "top", table="copies").num_added == 2  # a copy keeps no path


def test_large_files_are_hashed_and_probed_where_they_are(
    session: cutlist.Session, made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = session.ingest(made.media / "images", table="whole", reference=True)
    monkeypatch.setattr(ingest_module, "IN_MEMORY_BYTES", 10)
    parts = session.ingest(made.media / "images", table="parts", reference=True)
    assert parts.num_added == whole.num_added == 12
    columns = "SELECT * EXCLUDE (image) FROM {} ORDER BY path"
    assert session.sql(columns.format("whole")).fetchall() == session.sql(columns.format("parts")).fetchall()
    copies = session.ingest(made.media / "images", table="copies")
    assert copies.num_added == 12
    data = media_of(session, "SELECT raw(image) AS data FROM copies ORDER BY path")
    assert data == media_of(session, "SELECT raw(image) AS data FROM parts ORDER BY path")


def test_metadata_joins_pointers(session: cutlist.Session, tmp_path: Path) -> None:
    picture(tmp_path / "in" / "a b.png", 1)
    (tmp_path / "m.csv").write_text("path,caption\na b.png,red\n")
    report = session.ingest(tmp_path / "in", table="pictures", reference=True, metadata=tmp_path / "m.csv")
    assert report.num_without_metadata == 0
    assert session.sql("SELECT caption FROM pictures").fetchall() == [("red",)]


def test_object_stores(tmp_path: Path, made: Made) -> None:
    """An S3 prefix is listed, hashed and probed; pointers and copies of it read the same; a deleted object is named."""
    bucket = tmp_path / "s3" / "films"
    files = sorted((made.media / "videos").iterdir())[:2]
    (bucket / "day 1" / ".hidden").mkdir(parents=True)
    for file in files:
        shutil.copy(file, bucket / "day 1" / f"é #{file.name}")
    (bucket / "day 1" / "notes.txt").write_text("no medium")
    (bucket / "day 1" / ".hidden" / "x.png").touch()
    with (
        serving(tmp_path / "s3") as options,
        cutlist.connect(tmp_path / "data", storage_options=options, views=tmp_path, create=True) as session,
    ):
        pointed = session.ingest("s3://films/day 1", table="pointed", reference=True)
        assert (pointed.num_added, pointed.num_other, pointed.num_failed) == (2, 1, 0)
        one = session.ingest(f"s3://films/day 1/é #{files[0].name}", table="copied")
        assert (one.num_added, session.ingest("s3://films", table="copied").num_known) == (1, 1)
        for query in (
            "SELECT raw(video) AS x FROM {} ORDER BY sha256",
            "SELECT video.clip(0, 1) AS x FROM {} ORDER BY sha256",
        ):
            ours, theirs = (media_of(session, query.format(table)) for table in ("pointed", "copied"))
            assert all(np.array_equal(one, other) for one, other in zip(ours, theirs, strict=True))
        paths = session.sql("SELECT path FROM pointed ORDER BY path").fetchall()
        assert paths == [(f"é #{file.name}",) for file in files]
        (bucket / "day 1" / f"é #{files[0].name}").unlink()
        with pytest.raises(MediaError, match=r"row id 0.*s3://films/day%201/%C3%A9%20%23\S+ is not there"):
            media_of(session, "SELECT video FROM pointed")
        shorter = bucket / "day 1" / f"é #{files[1].name}"
        shorter.write_bytes(shorter.read_bytes()[:100])
        with pytest.raises(
            MediaError, match=r"row id 1.*s3://films\S+ has fewer than [\d,]+ bytes, where the row's end"
        ):
            media_of(session, "SELECT video FROM pointed WHERE _rowid = 1")
        with pytest.raises(IngestError, match=r"s3://films/nothing: no such object, and none below it"):
            session.ingest("s3://films/nothing", table="pointed")
    with pytest.raises(
        IngestError, match=r"ftp://x/y: cannot read ftp://; expected a path, or a URI with s3:// or gs://"
    ):
        session.ingest("ftp://x/y", table="pointed")


def test_file_uris_are_paths(session: cutlist.Session, tmp_path: Path) -> None:
    file = picture(tmp_path / "a b.png", 1)
    assert session.ingest(file.as_uri(), table="pictures").num_added == 1


def test_a_pointer_knows_what_is_wrong_with_it(tmp_path: Path) -> None:
    file = tmp_path / "x.bin"
    file.write_bytes(b"0123456789")
    assert Pointer(uri=file.as_uri(), position=4, size_bytes=6).problem() is None
    assert "has 10 bytes, and the row's are 5 to 11" in str(
        Pointer(uri=file.as_uri(), position=5, size_bytes=6).problem()
    )
    assert Pointer.of(None) is None
    assert Pointer.of({"kind": 0, "position": 0, "size": 3, "blob_uri": ""}) is None


def test_the_command_line_references_and_makes_no_root_for_nothing(tmp_path: Path) -> None:
    from typer.testing import CliRunner

    run = CliRunner()
    root = tmp_path / "new" / "root"
    absent = run.invoke(app, ["ingest", str(tmp_path / "absent"), "--table", "t", "--root", str(root)])
    assert absent.exit_code == 1
    assert isinstance(absent.exception, IngestError)
    assert not root.parent.exists()
    picture(tmp_path / "in" / "a.png", 1)
    said = run.invoke(app, ["ingest", str(tmp_path / "in"), "--table", "t", "--reference", "--root", str(root)])
    assert said.exit_code == 0
    assert "t: 1 added (0.0 MiB, referenced where they are)" in said.output
    assert root.is_dir()
