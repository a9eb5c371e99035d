"""The published recipes of curation, `sql/curation/*.sql`, over features.

- Each view passes `lint` without a remark, but of NULLs that are there by intent, and says what it is; over tables of
  real and of rendered media, with the features that are built in, each gives the rows that DuckDB gives of the same
  text over a plain copy.
- Each line of each WHERE has a row just inside and one just outside; without the line, the latter would be in.
- Stages are nested; EasyAnimate's anti-join keeps what has no score, and a plain WHERE does not.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

import cutlist
from cutlist.errors import QueryWarning, SelectionError
from cutlist.media.reference import FIELDS
from cutlist.media.synthetic import render_media
from cutlist.store import Store, blob_array, blob_field

SQL = Path(__file__).parents[1] / "sql"
VIEWS = {each.relative_to(SQL).with_suffix("").as_posix(): each.read_text() for each in SQL.glob("curation/*.sql")}
NAMES = sorted(VIEWS)
FUNNELS = (("wan_1_clean", "wan_2_motion", "wan_3_720p"), ("easyanimate", "easyanimate_scored"))
FEATURES = ("scenes", "motion", "sharpness", "luminance", "black_borders")

SCENES = pa.list_(pa.struct([("start_seconds", pa.float64()), ("stop_seconds", pa.float64())]))
SCHEMA = pa.schema(
    [
        *(("id", pa.string()), ("width", pa.int64()), ("height", pa.int64()), ("fps", pa.float64())),
        *(("bit_rate", pa.int64()), ("scenes", SCENES), ("motion", pa.float32())),
        *(("motion_per_frame", pa.list_(pa.float32())), ("sharpness_per_frame", pa.list_(pa.float32()))),
        *(("motion_vectors_mean", pa.float32()), ("motion_vectors_patch_min", pa.float32())),
        *(("luminance", pa.float32()), ("border_share", pa.float32())),
        *(("crop_x", pa.int32()), ("crop_y", pa.int32()), ("crop_width", pa.int32()), ("crop_height", pa.int32())),
    ]
)


def scenes(*spans: tuple[float, float]) -> list[dict[str, float]]:
    return [{"start_seconds": start, "stop_seconds": stop} for start, stop in spans]


GOOD = {
    "width": 1280,
    "height": 720,
    "fps": 30.0,
    "bit_rate": 10_000_000,
    "scenes": scenes((0, 6)),
    "motion": 5.0,
    "motion_per_frame": [0.0] + [5.0] * 899,
    "sharpness_per_frame": [500.0] * 5,
    "motion_vectors_mean": 0.01,
    "motion_vectors_patch_min": 0.001,
    "luminance": 100.0,
    "border_share": 0.0,
    "crop_x": 0,
    "crop_y": 0,
    "crop_width": 1280,
    "crop_height": 720,
}
"""A video that every recipe takes."""


def moving(score: float) -> dict[str, Any]:
    return {"motion_per_frame": [90.0] + [score] * 899}  # the first does not count


def sharp(*scores: float) -> dict[str, Any]:
    return {"sharpness_per_frame": list(scores)}


LINES: dict[str, list[tuple[str, dict[str, Any], dict[str, Any]]]] = {
    "opensora2": [
        ("part.stop_seconds", {"scenes": scenes((1, 3))}, {"scenes": scenes((1, 2.99))}),
        ("fps >= 16", {"fps": 16.0}, {"fps": 15.99}),
        ("width BETWEEN", {"width": 2160}, {"width": 2161}),
        ("width BETWEEN", {"height": 3840}, {"height": 3841}),
        ("bit_rate >= 0.02", {"bit_rate": 552_960}, {"bit_rate": 552_959}),
        ("share_at_least", sharp(200, 200, 0, 200, 0), sharp(200, 900, 199.9, 0, 0)),
        ("motion >= 2", moving(2.0), moving(1.99)),
        ("motion <= 30", moving(30.0), moving(30.01)),
    ],
    "easyanimate": [
        ("part.stop_seconds", {"scenes": scenes((0, 3))}, {"scenes": scenes((0, 2.99))}),
        ("(width * height", {"width": 960, "height": 960}, {"width": 1279}),
        ("(width * height", {"width": None}, {"height": 719}),
        ("(motion < 2)", {"motion": 2.0}, {"motion": 1.99}),
        ("(motion < 2)", {"motion": None}, {"motion": 0.0}),
    ],
    "easyanimate_scored": [("motion IS NOT NULL", {"motion": 2.0}, {"motion": None})],
    "wan_1_clean": [
        ("part.stop_seconds", {"scenes": scenes((0, 4.01))}, {"scenes": scenes((0, 4))}),
        ("least(width, height)", {"height": 480}, {"height": 479}),
        ("least(width, height)", {"width": 480}, {"width": 479}),
        ("fps >= 24", {"fps": 24.0}, {"fps": 23.98}),
        ("bit_rate >= 500000", {"bit_rate": 500_000}, {"bit_rate": 499_999}),
        ("border_share <= 0.4", {"border_share": 0.4}, {"border_share": 0.401}),
        ("luminance BETWEEN", {"luminance": 20.0}, {"luminance": 19.9}),
        ("luminance BETWEEN", {"luminance": 180.0}, {"luminance": 180.1}),
        ("share_at_least(sharpness_per_frame, 200)", sharp(200, 200, 0, 200, 0), sharp(200, 900, 199.9, 0, 0)),
        (
            "share_at_least(sharpness_per_frame, 2000)",
            sharp(2000, 2001, 500, 500, 500),
            sharp(2001, 2000, 2000, 0, 300),
        ),
    ],
    "wan_2_motion": [
        ("motion >= 2", moving(2.0), moving(1.99)),
        ("(motion_vectors_mean", {"motion_vectors_mean": 0.00098}, {"motion_vectors_mean": 0.00097}),
        ("(motion_vectors_mean", {"motion_vectors_mean": None}, {"motion_vectors_mean": 0.0}),
        ("(motion_vectors_patch_min", {"motion_vectors_patch_min": 1e-6}, {"motion_vectors_patch_min": 9e-7}),
        ("(motion_vectors_patch_min", {"motion_vectors_patch_min": None}, {"motion_vectors_patch_min": 0.0}),
    ],
    "wan_3_720p": [
        ("least(width, height)", {"height": 720}, {"height": 719}),
        ("luminance <= 140", {"luminance": 140.0}, {"luminance": 140.1}),
    ],
}
"""View → of each line of its WHERE how it begins, what makes GOOD a row just inside, and one just outside."""

CASES = [(f"curation/{view}", number) for view, lines in LINES.items() for number in range(len(lines))]


def rows() -> list[dict[str, Any]]:
    found = [{"id": "good", **GOOD}]
    for view, lines in LINES.items():
        for number, (_, inside, outside) in enumerate(lines):
            found.append({"id": f"curation/{view} {number} in", **GOOD, **inside})
            found.append({"id": f"curation/{view} {number} out", **GOOD, **outside})
    found.append({"id": "long", **GOOD, "scenes": scenes((0, 23.5), (23.5, 25), (25, 29))})
    found.append({"id": "no scenes", **GOOD, "scenes": None})
    return found


@pytest.fixture(scope="module")
def by_hand(tmp_path_factory: pytest.TempPathFactory) -> Iterator[cutlist.Session]:
    root = tmp_path_factory.mktemp("by_hand")
    table = pa.Table.from_pylist(rows(), schema=SCHEMA)
    table = table.append_column(blob_field("video", "video"), blob_array([b"x"] * len(table)))
    Store(root=str(root)).append("my_videos", table, message="test")
    with cutlist.connect(root, views=SQL) as session:
        yield session


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Iterator[cutlist.Session]:
    folder = tmp_path_factory.mktemp("rendered")
    render_media(folder / "media", num_videos=8, num_images=0, seed=2)
    with backfilled(folder, folder / "media") as session:
        yield session


@pytest.fixture(scope="module")
def real(shared_media: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[cutlist.Session]:
    videos = shared_media / "videos"
    sources = [videos / "sam2", videos / "torchcodec", *sorted((videos / "droid").rglob("*.mp4"))[:20]]
    with backfilled(tmp_path_factory.mktemp("real"), *sources) as session:
        yield session


def backfilled(folder: Path, *sources: Path) -> cutlist.Session:
    """Return a session over a table `my_videos` of media, with every feature that the views need."""
    session = cutlist.connect(folder / "data", views=SQL, create=True)
    session.ingest(sources, table="my_videos", kinds=("video",), progress=False)
    for feature in FEATURES:
        session.backfill("my_videos", feature, progress=False)
    return session


def plain(session: cutlist.Session, views: dict[str, str]) -> duckdb.DuckDBPyConnection:
    """Return a DuckDB with a copy of `my_videos`, its videos NULL, and views."""
    con = duckdb.connect(config={"python_enable_replacements": "false"})
    con.execute(f"CREATE TYPE media AS STRUCT({', '.join(f'{name} {kind}' for name, kind in FIELDS)})")
    con.execute(files("cutlist").joinpath("macros.sql").read_text(encoding="utf-8"))
    con.register("copied", session.sql("SELECT * EXCLUDE (video) FROM my_videos").to_arrow_table())
    con.execute("CREATE TABLE my_videos AS SELECT *, NULL::media AS video FROM copied")
    for name in NAMES:  # a stage comes after the one that it is over
        con.execute(f'CREATE VIEW "{name}" AS {views[name]}')
    return con


def keys(table: pa.Table) -> list[tuple[Any, ...]]:
    """Return all of some rows but their media, in an order of their own."""
    return sorted((tuple(each.values()) for each in table.drop_columns(["frames"]).to_pylist()), key=str)


def ids(session: cutlist.Session, view: str) -> set[str]:
    return {row[0] for row in session.sql(f'SELECT DISTINCT id FROM "{view}"').fetchall()}


def test_every_view_is_tested() -> None:
    assert sorted(f"curation/{view}" for view in LINES) == NAMES
    for view, lines in LINES.items():
        text = re.sub(r"--.*", "", VIEWS[f"curation/{view}"])
        wheres = re.findall(r"\n *WHERE(.*?)(?=\n\)|\Z)", text, re.DOTALL)
        written = [each.strip() for where in wheres for each in re.split(r"\n +AND ", where)]
        tested = list(dict.fromkeys(start for start, _, _ in lines))
        assert len(written) == len(tested), (view, written)
        assert all(each.startswith(start) for each, start in zip(written, tested, strict=True)), (view, written)


@pytest.mark.parametrize("tables", ["by_hand", "rendered", "real"])
def test_views_pass_lint_and_give_what_duckdb_gives(tables: str, request: pytest.FixtureRequest) -> None:
    session = request.getfixturevalue(tables)
    con = plain(session, VIEWS)
    for name in NAMES:
        unmeant = [
            each.text for each in session.lint(name) if "1 of 65 rows of my_videos have no width" not in each.text
        ]
        assert unmeant == []
        assert len(session.views[name].description) > 40
        expected = con.sql(f'FROM "{name}"').to_arrow_table()
        assert keys(session.sql(f'FROM "{name}"').to_arrow_table()) == keys(expected)
        if not len(expected):
            with pytest.raises(SelectionError, match="the selection is empty"):
                session.compile(name)
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", QueryWarning)  # of NULLs
            selection = session.compile(name)
        assert keys(selection.to_arrow()) == keys(expected)


@pytest.mark.parametrize(("view", "number"), CASES)
def test_each_line_has_an_effect(by_hand: cutlist.Session, view: str, number: int) -> None:
    found = ids(by_hand, view)
    assert "good" in found
    assert f"{view} {number} in" in found
    assert f"{view} {number} out" not in found
    line = LINES[view.removeprefix("curation/")][number][0]
    without = re.sub(rf"((WHERE|AND)\s+){re.escape(line)}.*?(?= --|\n|$)", r"\1true", VIEWS[view], count=1)
    con = plain(by_hand, {**VIEWS, view: without})
    assert (f"{view} {number} out",) in con.sql(f'SELECT DISTINCT id FROM "{view}"').fetchall()


@pytest.mark.parametrize("tables", ["by_hand", "rendered", "real"])
def test_stages_are_nested(tables: str, request: pytest.FixtureRequest) -> None:
    session = request.getfixturevalue(tables)
    for stages in FUNNELS:
        for wider, stricter in pairwise(stages):
            keys = "SELECT id, start_seconds, stop_seconds FROM"
            missing = f'{keys} "curation/{stricter}" EXCEPT {keys} "curation/{wider}"'
            assert session.sql(missing).fetchall() == []
    assert len(ids(session, "curation/wan_1_clean")) >= len(ids(session, "curation/wan_2_motion"))


def test_clips_without_a_score_are_kept_unlike_by_where(by_hand: cutlist.Session) -> None:
    kept, dropped = ids(by_hand, "curation/easyanimate"), ids(by_hand, "curation/easyanimate_scored")
    unscored = {row[0] for row in by_hand.sql("SELECT id FROM my_videos WHERE motion IS NULL").fetchall()}
    assert kept - dropped == unscored
    where = {row[0] for row in by_hand.sql('SELECT id FROM "curation/easyanimate" WHERE motion >= 2').fetchall()}
    assert where == dropped
    assert "no scenes" not in kept


@pytest.mark.parametrize(
    ("view", "expected"),
    [
        ("opensora2", [(0, 8), (8, 16), (16, 23.5), (25, 29)]),
        ("easyanimate", [(0, 10), (10, 20), (20, 23.5), (25, 29)]),
        ("wan_1_clean", [(0, 23.5)]),
    ],
)
def test_a_sample_for_each_scene_or_piece(
    by_hand: cutlist.Session, view: str, expected: list[tuple[float, float]]
) -> None:
    query = f"SELECT start_seconds, stop_seconds FROM \"curation/{view}\" WHERE id = 'long' ORDER BY start_seconds"
    assert by_hand.sql(query).fetchall() == expected
    frames = by_hand.sql(query.replace("start_seconds, stop_seconds", "frames.start_seconds, frames.stop_seconds", 1))
    assert frames.fetchall() == expected


@pytest.mark.parametrize(
    ("fps", "crop", "expected"),
    [
        (30.0, (0, 0, 1280, 720), (None, 1080, 608)),
        (60.0, (10, 20, 640, 400), (30.0, 640, 400)),
        (24.0, (0, 131, 1920, 818), (None, 1080, 460)),
        (25.0, (0, 0, 720, 1279), (None, 608, 1080)),
    ],
)
def test_what_open_sora_makes_of_a_video(
    tmp_path: Path, fps: float, crop: tuple[int, ...], expected: tuple[float | None, int, int]
) -> None:
    boxed = dict(zip(("crop_x", "crop_y", "crop_width", "crop_height"), crop, strict=True))
    table = pa.Table.from_pylist([{"id": "a", **GOOD, **boxed, "fps": fps}], schema=SCHEMA)
    table = table.append_column(blob_field("video", "video"), blob_array([b"x"]))
    Store(root=str(tmp_path)).append("my_videos", table, message="test")
    with cutlist.connect(tmp_path, views=SQL) as session:
        ((*found,),) = session.sql(
            "SELECT frames.fps, frames.width, frames.height, frames.crop_x, frames.crop_y, frames.crop_width, "
            'frames.crop_height FROM "curation/opensora2"'
        ).fetchall()
        assert session.compile("curation/opensora2").num_samples == 1
    assert tuple(found) == (*expected, *crop)


def test_real_samples_decode(real: cutlist.Session, tmp_path: Path) -> None:
    assert real.sheet("curation/opensora2", tmp_path / "sheet.png", num_samples=4) > 0
