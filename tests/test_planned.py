"""Videos read by packet: the frames of their containers, fewer bytes, and what explain says beforehand."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest
from typer.testing import CliRunner

import cutlist
from cutlist import cli
from cutlist.media.indexing import UNPLANNED, stored_index
from cutlist.reader import Reader, fetching
from cutlist.store import Store, blob_array, blob_field

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.conftest import Made

    from cutlist import Session
    from cutlist.reader import Row

QUERIES = [
    "SELECT id, video AS v FROM my_videos",
    "SELECT id, clip(video, 0.3, 0.7) AS v FROM my_videos",
    "SELECT id, video.frames(3).resize(16, 16) AS v FROM my_videos",
    "SELECT id, video.clip(0.25, 99).at_fps(5) AS v FROM my_videos",
    "SELECT id, video.random_clip(0.3).random_crop(8, 8) AS v FROM my_videos",
    "SELECT id, [video.clip(0, 0.2), video.frames(1)] AS v FROM my_videos",
    "SELECT id, video.clip(i / 10, i / 10 + 0.2).resize(8, 8) AS v FROM my_videos, range(4) r(i)",
    "SELECT id, video.frames(1) AS v, raw(video) AS bytes FROM my_videos",
]


@pytest.fixture
def session(made: Made) -> Iterator[Session]:
    with cutlist.connect(made.root, views=made.views) as opened:
        yield opened


def read(session: Session, query: str) -> tuple[list[Row], Reader]:
    selection = session.compile(query)
    reader = Reader([selection], session.store)
    parts = [[(0, each)] for each in np.array_split(np.arange(len(selection)), 5)]
    return [row for rows in reader.read(parts) for row in rows], reader


def equal(one: Any, other: Any) -> bool:
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(equal(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(equal, one, other))
    return np.array_equal(one, other) if isinstance(one, np.ndarray) else bool(one == other)


@pytest.mark.parametrize("query", QUERIES)
def test_frames_are_those_of_the_container(session: Session, monkeypatch: pytest.MonkeyPatch, query: str) -> None:
    planned, reader = read(session, query)
    assert reader.stats.num_planned > 0
    monkeypatch.setattr(fetching, "_index", lambda stored: None)
    whole, other = read(session, query)
    assert other.stats.num_planned == 0
    assert equal(planned, whole)


def test_a_clip_reads_its_own_bytes_and_explain_says_how_many(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    query = "SELECT id, video.clip(0.4, 0.6).resize(8, 8) AS v FROM my_videos"
    _, reader = read(session, query)
    plan = session.explain(query)
    (_, column) = plan.columns
    assert (plan.bound, column.num_planned) == ("exact", 24)
    indexes = sum(len(each) for each in stored(session, "my_videos"))
    assert reader.stats.num_bytes == plan.epoch_bytes + indexes
    whole = session.explain("SELECT id, raw(video) AS v FROM my_videos").epoch_bytes
    assert plan.epoch_bytes < whole / 2


def test_what_many_samples_read_is_told_from_some(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    from cutlist.answers import explain

    query = "SELECT video.clip(0.4, 0.6) AS v FROM my_videos, range(10)"
    exact = session.explain(query)
    monkeypatch.setattr(explain, "PLANNED_SAMPLES", 120)
    about = session.explain(query)
    assert about.bound == "about"
    assert 0.8 < about.epoch_bytes / exact.epoch_bytes < 1.25
    assert session.explain(query, exact=True).epoch_bytes == exact.epoch_bytes


def stored(session: Session, name: str) -> list[bytes]:
    table = session.tables[name].dataset.to_table(columns=["video_packet_index"])
    return [each for each in table["video_packet_index"].to_pylist() if each is not None]


def test_sql_does_not_see_the_indexes(session: Session) -> None:
    assert len(stored(session, "my_videos")) == 24
    columns = [row[0] for row in session.sql("DESCRIBE my_videos").fetchall()]
    assert "video" in columns
    assert not any("packet" in each for each in columns)
    assert "video_packet_index" not in session.tables["my_videos"].hidden_columns
    with pytest.raises(cutlist.CutlistError, match="video_packet_index"):
        session.compile("SELECT video_packet_index FROM my_videos")


@pytest.fixture
def bare(made: Made, tmp_path: Path) -> Path:
    """Return a root with a table `t` of six videos, a text that is none, and a NULL; it has no packet indexes."""
    files = sorted((made.media / "videos").iterdir())[:6]
    append(tmp_path, [*(each.read_bytes() for each in files), b"no video", None])
    return tmp_path


def append(root: Path, values: list[bytes | None]) -> None:
    rows = pa.table({"n": range(len(values))}).append_column(blob_field("video", "video"), blob_array(list(values)))
    Store(root=str(root)).append("t", rows, message="test")


CLIPS = "SELECT n, video.clip(0.3, 0.6).resize(8, 8) AS v FROM t WHERE n < 6"


def test_indexes_can_be_added(bare: Path) -> None:
    with cutlist.connect(bare, views=bare) as session:
        before, reader = read(session, CLIPS)
        assert reader.stats.num_planned == 0
        blobs = sizes(bare)
        made = session.index("t", "video")
        assert made == "t.video_packet_index by packet_index@1: 7 computed; 1 have no input"
        assert sizes(bare) == blobs  # no media byte was written
        found = stored(session, "t")
        assert [each.startswith(UNPLANNED) for each in found] == [False] * 6 + [True]
        after, reader = read(session, CLIPS)
        assert reader.stats.num_planned == 6
        assert equal(before, after)
        made = session.index("t", "video")
        assert made == "t.video_packet_index by packet_index@1: 0 computed; 7 were there; 1 have no input"
        append(bare, [(bare / "x.mp4").read_bytes() if (bare / "x.mp4").exists() else b"?", None])
        made = session.index("t", "video")
        assert made == "t.video_packet_index by packet_index@1: 1 computed; 7 were there; 2 have no input"


def sizes(root: Path) -> dict[str, int]:
    return {each.name: each.stat().st_size for each in root.rglob("*.blob")}


def test_the_command(bare: Path) -> None:
    done = CliRunner().invoke(cli.app, ["index", "t", "video", "--root", str(bare), "--views", str(bare)])
    assert done.exit_code == 0
    assert done.stdout.startswith("t.video: t.video_packet_index by packet_index@1: 7 computed")


@pytest.mark.parametrize("how", ["damaged", "of another file"])
def test_an_index_that_is_wrong_is_not_used(bare: Path, how: str) -> None:
    with cutlist.connect(bare, views=bare) as session:
        session.index("t", "video")
        before, _ = read(session, CLIPS)
        good = stored(session, "t")
        wrong = [good[1], good[0]] if how == "of another file" else [good[0][:-3], b"PKT\x01" + b"\xff" * 40]
        values = {"_rowid": pa.array([0, 1], pa.uint64()), "video_packet_index": pa.array(wrong, pa.large_binary())}
        session.store.fill("t", lambda base: pa.table(values))
        after, reader = read(session.refresh(), CLIPS)
        assert reader.stats.num_planned == 4
        assert reader.stats.num_failed == 0
        assert equal(before, after)


def test_a_file_that_was_changed_behind_its_pointer(made: Made, tmp_path: Path) -> None:
    files = sorted((made.media / "videos").iterdir())[:2]
    (tmp_path / "media").mkdir()
    for each in files:
        shutil.copy(each, tmp_path / "media" / each.name)
    with cutlist.connect(tmp_path / "data", views=tmp_path, create=True) as session:
        session.ingest(tmp_path / "media", table="t", reference=True)
        query = "SELECT path, video.clip(0, 0.5).resize(8, 8) AS v FROM t ORDER BY path"
        before, reader = read(session, query)
        assert reader.stats.num_planned == 2
        padded = files[1].read_bytes() + bytes(max(files[0].stat().st_size - files[1].stat().st_size, 0))
        (tmp_path / "media" / files[0].name).write_bytes(padded)
        after, reader = read(session, query)
        assert reader.stats.num_planned == 1
        assert equal(after[1], before[1])
        assert not equal(after[0]["v"], before[0]["v"])


def test_stored_indexes_say_why_there_is_none() -> None:
    assert stored_index(b"\x89PNG\r\n\x1a\n") == b"!not a video"
    assert stored_index(b"").startswith(b"!")
