"""Every featurizer run over a table of real videos and photos, and its columns used in SQL.

- Rows that a featurizer is for have a value in every column, except where its docstring says NULL; no row fails.
- Scenes are clips, black borders are crops, hashes are compared, and duplicates are left out, each by a query.
- Values are those of a call with the bytes of the file.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image
from tests.featurizers.pictures import decoded, interleaved, photo_files

import cutlist
import cutlist_featurizers
from cutlist.backfill import Featurizer, declared
from cutlist.errors import QueryError, StorageError
from cutlist.reader import Reader
from cutlist.store import BlobFile
from cutlist_featurizers import Duplicates, keyframes, loudness, motion, scenes
from cutlist_featurizers.videos import of_file
from cutlist_torch import Loader

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cutlist import Session
    from cutlist.backfill import BackfillReport

VIDEOS = {
    "androidx_media/bt601.mov": True,
    "androidx_media/sample_av1.mp4": True,
    "androidx_media/sample_rotate_and_reflect.mp4": True,
    "mdn/stream-of-water.webm": True,
    "androidx_media/fragmented_captions.mp4": False,
    "androidx_media/sample_h264.ts": False,
    "androidx_media/bbb_176x144_192kbps_15fps_mpeg4.mp4": False,
    "intel_asl/again.mkv": False,
}
"""Of `videos/` in the shared media, and whether they have sound."""

BORDER = 24
"""Pixels above and below a photo, black."""

OF_MEDIA = [each for each in vars(cutlist_featurizers).values() if isinstance(each, Featurizer)]

MAY_BE_NULL = {
    "loudness_lufs": "no sound",
    "loudness_range_lu": "no sound",
    "true_peak_dbtp": "no sound",
    "motion_vectors_mean": "a codec whose vectors FFmpeg does not give",
    "motion_vectors_patch_min": "the same, or a side under 256 pixels",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Featured:
    """A root with a table `t` of 8 videos and 6 images with every feature, and the reports of the backfills."""

    root: Path
    media: Path
    reports: dict[str, BackfillReport]


@pytest.fixture(scope="module")
def featured(shared_media: Path, tmp_path_factory: pytest.TempPathFactory) -> Featured:
    folder = tmp_path_factory.mktemp("featured")
    media = folder / "media"
    media.mkdir()
    for name in VIDEOS:
        shutil.copy(shared_media / "videos" / name, media)
    for number, file in enumerate(photo_files(shared_media, 4)):
        shutil.copy(file, media / f"photo_{number}.jpg")
    photo = Image.fromarray(interleaved(decoded((media / "photo_0.jpg").read_bytes())))
    photo.resize((photo.width // 2, photo.height // 2)).save(media / "copy_of_0.jpg", quality=60)
    boxed = Image.new("RGB", (photo.width, photo.height + 2 * BORDER))
    boxed.paste(Image.new("RGB", photo.size, (90, 120, 40)), (0, BORDER))
    boxed.save(media / "boxed.png")
    with cutlist.connect(folder / "data", views=folder, create=True) as session:
        session.ingest(media, table="t", kinds=("video", "image"))
        reports = {each.name: session.backfill("t", each) for each in OF_MEDIA}
        reports["duplicates"] = session.backfill("t", Duplicates())
    return Featured(root=folder / "data", media=media, reports=reports)


@pytest.fixture
def session(featured: Featured) -> Iterator[Session]:
    with cutlist.connect(featured.root, views=featured.root) as opened:
        yield opened


def rows_of(session: Session, query: str) -> list[dict[str, Any]]:
    """Return the samples of a query, compiled and decoded."""
    selection = session.compile(query)
    steps = Reader([selection], session.store).read([[(0, np.arange(len(selection)))]])
    return [dict(row) for rows in steps for row in rows]


def test_there_are_featurizers_here() -> None:
    assert {"black_borders", "freeze", "keyframes", "loudness", "motion", "phash", "scenes", "sharpness"} <= {
        each.name for each in OF_MEDIA
    }


@pytest.mark.parametrize("featurizer", OF_MEDIA, ids=lambda each: each.name)
def test_every_row_has_a_value(featurizer: Featurizer, featured: Featured, session: Session) -> None:
    report = featured.reports[featurizer.name]
    of_images = any("image" in each for each in declared(featurizer).inputs)
    assert (report.num_computed, report.num_failed, report.num_skipped) == ((14, 0, 0) if of_images else (8, 0, 6))
    for field in featurizer.outputs:
        (counts,) = session.sql(
            f"SELECT count({field.name}) FILTER (video IS NOT NULL), count({field.name}) FILTER (image IS NOT NULL), "
            f"typeof(any_value({field.name})) FROM t"
        ).fetchall()
        assert counts[1] == (6 if of_images else 0)
        assert 4 <= counts[0] <= 8 if field.name in MAY_BE_NULL else counts[0] == 8, field.name
        assert counts[2] != '"NULL"'


def test_nothing_failed(featured: Featured, session: Session) -> None:
    assert "_failures" not in session.tables


def test_videos_without_sound_have_no_loudness(session: Session) -> None:
    found = dict(session.sql("SELECT path, loudness_lufs IS NOT NULL FROM t WHERE video IS NOT NULL").fetchall())
    assert {Path(path).name: has for path, has in found.items()} == {
        Path(name).name: has for name, has in VIDEOS.items()
    }
    query = "SELECT count(*) FROM t WHERE has_audio = (loudness_lufs IS NOT NULL) AND video IS NOT NULL"
    assert session.sql(query).fetchall() == [(8,)]


@pytest.mark.parametrize("featurizer", [keyframes, loudness, motion, scenes], ids=lambda each: each.name)
def test_values_are_those_of_the_bytes(featurizer: Featurizer, featured: Featured, session: Session) -> None:
    names = [field.name for field in featurizer.outputs]
    rows = session.sql(f"SELECT path, {', '.join(names)} FROM t WHERE video IS NOT NULL").fetchall()
    for path, *values in rows:
        direct = featurizer({"video": [(featured.media / Path(path).name).read_bytes()]})
        for name, value in zip(names, values, strict=True):
            assert flattened(value) == pytest.approx(flattened(direct[name][0]), rel=1e-6), (path, name)


def flattened(value: Any) -> list[float]:
    """Return the numbers in a value, an absurd one for NULL."""
    if isinstance(value, list | tuple):
        return [number for each in value for number in flattened(each)]
    if isinstance(value, dict):
        return flattened(list(value.values()))
    return [-1e9 if value is None else float(value)]


def test_scenes_are_clips_that_have_each_frame_once(session: Session) -> None:
    rows = rows_of(
        session,
        "SELECT path, clip(video, s.start_seconds, s.stop_seconds).resize(16, 16) AS frames "
        "FROM t, UNNEST(t.scenes) AS u(s) ORDER BY path, s.start_seconds",
    )
    frames: dict[str, int] = {}
    for row in rows:
        frames[row["path"]] = frames.get(row["path"], 0) + len(row["frames"])
    expected = session.sql("SELECT path, len(scene_scores_per_frame) FROM t WHERE video IS NOT NULL").fetchall()
    assert frames == dict(expected)


def test_a_loader_reads_scenes(featured: Featured) -> None:
    query = (
        "SELECT frames(clip(video, s.start_seconds, s.stop_seconds), 2).resize(32, 32) AS frames, motion "
        "FROM t, UNNEST(t.scenes) AS u(s) WHERE s.stop_seconds - s.start_seconds > 0.2"
    )
    batches = list(Loader(query, root=featured.root, views=featured.root, batch_size=4))
    assert batches
    assert tuple(batches[0]["frames"].shape) == (4, 2, 3, 32, 32)


def test_black_borders_are_cropped(session: Session) -> None:
    rows = rows_of(
        session,
        "SELECT path, crop(image, crop_x, crop_y, crop_width, crop_height) AS inside, "
        "crop_width AS width, crop_height AS height, border_share FROM t WHERE image IS NOT NULL",
    )
    for row in rows:
        assert row["inside"].shape == (3, row["height"], row["width"])
    (boxed,) = (row for row in rows if row["path"].endswith("boxed.png"))
    assert (boxed["inside"] == np.array([90, 120, 40], np.uint8)[:, np.newaxis, np.newaxis]).all()
    assert boxed["border_share"] == pytest.approx(2 * BORDER / (boxed["height"] + 2 * BORDER))


def test_black_borders_of_videos_are_those_of_the_displayed_picture(session: Session) -> None:
    rows = rows_of(
        session,
        "SELECT frames(crop(video, crop_x, crop_y, crop_width, crop_height), 1) AS inside, "
        "crop_width AS width, crop_height AS height FROM t WHERE video IS NOT NULL",
    )
    assert len(rows) == 8
    for row in rows:
        assert row["inside"].shape == (1, 3, row["height"], row["width"])


def test_hashes_are_compared_in_sql(session: Session) -> None:
    found = session.sql(
        "SELECT parse_filename(a.path), parse_filename(b.path) FROM t a JOIN t b "
        "ON bit_count(xor(a.phash, b.phash)) <= 8 AND a._rowid < b._rowid WHERE a.image IS NOT NULL"
    ).fetchall()
    assert [set(pair) for pair in found] == [{"copy_of_0.jpg", "photo_0.jpg"}]


def test_duplicates_are_left_out(session: Session) -> None:
    groups = session.sql(
        "SELECT list(parse_filename(path) ORDER BY path), min(_rowid) = group_id, count(*) FILTER (is_representative) "
        "FROM t GROUP BY group_id HAVING count(*) > 1 ORDER BY 1"
    ).fetchall()
    # The two videos are of one camera shot, in other codecs and sizes.
    assert groups == [(["bt601.mov", "sample_av1.mp4"], True, 1), (["copy_of_0.jpg", "photo_0.jpg"], True, 1)]
    rows = rows_of(session, "SELECT parse_filename(path) AS name, frames(video, 1) AS v FROM t WHERE is_representative")
    assert len(rows) == 12
    assert not {"bt601.mov", "copy_of_0.jpg"} & {row["name"] for row in rows}  # the smaller ones


def test_a_second_run_computes_nothing(featured: Featured, session: Session) -> None:
    for each in (*OF_MEDIA, Duplicates()):
        report = session.backfill("t", each)
        assert (report.num_computed, report.num_failed) == (0, 0)
        assert report.num_before == featured.reports[each.name].num_computed


def test_a_score_that_the_table_has_not(session: Session) -> None:
    with pytest.raises(QueryError, match='no column "aesthetics"'):
        session.backfill("t", Duplicates(score="aesthetics"))


def test_a_read_that_the_storage_failed_is_no_failure_of_the_row(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: BlobFile, start: int, stop: int) -> bytes:
        self.failure = StorageError("the storage is away")
        raise self.failure

    monkeypatch.setattr(BlobFile, "_load", fail)
    with pytest.raises(StorageError, match="the storage is away"):
        session.backfill("t", keyframes, again=True)
    monkeypatch.undo()
    assert session.status("t")
    assert "_failures" not in session.tables


def test_a_file_of_a_table_and_bytes_are_measured_alike(featured: Featured) -> None:
    data = (featured.media / "again.mkv").read_bytes()
    assert of_file(lambda source: source, data) is data
    with (featured.media / "again.mkv").open("rb") as file:
        assert (
            keyframes({"video": [file, data]})["num_keyframes"] == keyframes({"video": [data, data]})["num_keyframes"]
        )


def test_text_is_no_score(session: Session) -> None:
    with pytest.raises(QueryError, match=r"Could not convert string .* to DOUBLE"):
        session.backfill("t", Duplicates(score="path"), again=True)
