"""What differs between two training sets, against DuckDB over plain copies.

- In both, only in one: EXCEPT ALL of what tells samples apart. Also with repeated samples, NULL media, lists of media.
- Why: the conditions of the other side, counted over its FROM by queries of their own.
- Versions, saved selections, other decode parameters, columns in place of media.
- A sheet, the command, and what is refused.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import lance
import pyarrow as pa
import pytest
from PIL import Image
from tests.test_cli import run

import cutlist
from cutlist import Session
from cutlist.errors import SelectionError
from cutlist.store import Store, blob_array, blob_field

if TYPE_CHECKING:
    from tests.conftest import Made

    from cutlist.answers.diff import Side

pytestmark = pytest.mark.filterwarnings("ignore::cutlist.errors.QueryWarning")

NUM_ROWS = 120


def rows() -> pa.Table:
    """Return 120 rows; of each 10 `motion` is NULL in one."""
    return pa.table(
        {
            "id": range(NUM_ROWS),
            "motion": pa.array([None if i % 10 == 0 else i % 7 for i in range(NUM_ROWS)]),
            "fps": [20 + i % 9 for i in range(NUM_ROWS)],
            "caption": [f"c{i}" for i in range(NUM_ROWS)],
            "group": [i % 3 for i in range(NUM_ROWS)],
        }
    )


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("root")
    store = Store(root=str(folder))
    media = [None if i == 7 else b"x" for i in range(NUM_ROWS)]
    table = rows().append_column(blob_field("video", "video"), blob_array(media))
    store.append("v", table.append_column(blob_field("depth", "tensor"), blob_array([b"y"] * NUM_ROWS)), message="test")
    lance.dataset(store.uri("v")).update({"caption": "'new'"}, where="id < 30")
    (folder / "views").mkdir()
    (folder / "views" / "good.sql").write_text("SELECT video, caption FROM v\nWHERE motion > 2 AND fps >= 24")
    (folder / "views" / "best.sql").write_text("SELECT * FROM good WHERE caption <> 'c50'")
    return folder


@pytest.fixture(scope="module")
def session(root: Path) -> Iterator[Session]:
    with cutlist.connect(root, views=root / "views") as opened:
        yield opened


@pytest.fixture(scope="module")
def oracle() -> duckdb.DuckDBPyConnection:
    """Return a database in which `video` and `depth` are names of their rows."""
    connection = duckdb.connect()
    connection.register("plain", rows())
    connection.execute("CREATE VIEW v AS SELECT *, CASE WHEN id <> 7 THEN id END AS video, -id AS depth FROM plain")
    return connection


def reasons(side: Side) -> list[tuple[str, int, int, int]]:
    return [(each.condition, each.num_dropped, each.num_only, each.num_null) for each in side.reasons]


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("SELECT video FROM v", "SELECT video FROM v"),
        ("SELECT video FROM v WHERE motion > 2", "SELECT video FROM v WHERE fps > 24"),
        ("SELECT video FROM v WHERE id < 10", "SELECT video FROM v WHERE id > 100"),
        ("SELECT video, depth FROM v", "SELECT depth, video FROM v WHERE id % 2 = 0"),
        ("SELECT video, depth FROM v WHERE id < 50", "SELECT a.video, b.depth FROM v a JOIN v b ON b.id = a.id % 40"),
        ("SELECT video FROM v, range(3)", "SELECT video FROM v, range(2) WHERE id > 3"),
        ("SELECT video FROM v UNION ALL SELECT video FROM v WHERE motion > 3", "SELECT video FROM v WHERE fps > 22"),
        (
            "SELECT a.video FROM v a LEFT JOIN v b ON b.id = a.id + 1",
            "SELECT b.video FROM v a LEFT JOIN v b ON b.id = a.id + 9",
        ),
        ("SELECT [video, depth] AS m FROM v WHERE id < 60", "SELECT [video, depth] AS m FROM v WHERE fps > 22"),
        ("SELECT list(video ORDER BY id) AS m FROM v GROUP BY id % 9", "SELECT list(video ORDER BY id) AS m FROM v"),
        ("SELECT video FROM v ORDER BY id LIMIT 50", "SELECT video FROM v ORDER BY id DESC LIMIT 90"),
    ],
)
def test_both_and_only_are_those_of_duckdb(session: Session, oracle: duckdb.DuckDBPyConnection, a: str, b: str) -> None:
    found = session.diff(a, b)
    columns = ", ".join(found.keys)
    mine, others = (Counter(map(str, oracle.sql(f"SELECT {columns} FROM ({each})").fetchall())) for each in (a, b))
    assert found.num_both == (mine & others).total()
    assert (found.a.num_only, found.b.num_only) == ((mine - others).total(), (others - mine).total())
    assert (found.a.num_samples, found.b.num_samples) == (mine.total(), others.total())
    for side, query in ((found.a, a), (found.b, b)):
        assert len(set(side.positions.tolist())) == side.num_only
        assert all(position < session.compile(query).num_samples for position in side.positions)
    turned = session.diff(b, a)
    assert (turned.num_both, turned.a.num_only, turned.b.num_only) == (
        found.num_both,
        found.b.num_only,
        found.a.num_only,
    )


def test_positions_are_those_of_the_selection(session: Session) -> None:
    found = session.diff("SELECT video, id FROM v WHERE id <> 7", "SELECT video FROM v WHERE motion > 2")
    ids = session.compile("SELECT video, id FROM v WHERE id <> 7").take(found.a.positions).column("id").to_pylist()
    plain = rows().to_pylist()
    assert ids == [row["id"] for row in plain if row["id"] != 7 and not (row["motion"] or 0) > 2]


def test_each_sample_is_told_the_conditions_that_drop_it(session: Session, oracle: duckdb.DuckDBPyConnection) -> None:
    found = session.diff("SELECT video, id FROM v WHERE fps < 28", "good", num_examples=200)

    def count(condition: str) -> int:
        return int(oracle.sql(f"SELECT count(*) FROM v WHERE fps < 28 AND ({condition})").fetchall()[0][0])

    slow, still = "fps >= 24 IS NOT TRUE", "motion > 2 IS NOT TRUE"
    assert reasons(found.a) == [
        ("motion > 2", count(still), count(f"{still} AND NOT {slow}"), count("motion IS NULL")),
        ("fps >= 24", count(slow), count(f"{slow} AND NOT {still}"), 0),
    ]
    assert [each.place.rpartition("/")[2] for each in found.a.reasons] == ["good.sql:2:7", "good.sql:2:22"]
    assert (found.a.num_absent, found.a.num_passed) == (0, 0)
    assert found.a.num_only == count(f"{slow} OR {still}")
    plain = rows().to_pylist()
    for example in found.a.examples:
        row = plain[int(example.sample["id"])]
        expected = [] if (row["motion"] or 0) > 2 else ["motion > 2"]
        assert list(example.dropped_by) == expected + ([] if row["fps"] >= 24 else ["fps >= 24"])
        motion = None if row["motion"] is None else str(row["motion"])
        assert example.values == {"motion": motion, "fps": str(row["fps"])}
    assert reasons(found.b) == [("fps < 28", found.b.num_only, found.b.num_only, 0)]


def test_reasons_go_through_views(session: Session) -> None:
    found = session.diff("SELECT video FROM v", "best")
    assert [each.condition for each in found.a.reasons] == ["motion > 2", "fps >= 24", "caption <> 'c50'"]
    assert found.b.num_only == 0


def test_what_no_condition_drops_is_told_apart(session: Session) -> None:
    later = session.diff("SELECT video FROM v", "SELECT video FROM v ORDER BY id LIMIT 20")
    assert (later.a.num_only, later.a.num_passed, later.a.num_absent) == (100, 100, 0)
    other = session.diff("SELECT video FROM v WHERE id < 9", "SELECT depth AS video FROM v WHERE id > 5")
    assert (other.num_both, other.a.num_absent, other.a.num_passed) == (0, 9, 0)
    twice = session.diff("SELECT video FROM v, range(2) WHERE id <> 7", "SELECT video FROM v")
    assert (twice.num_both, twice.a.num_only, twice.a.num_passed) == (119, 119, 119)


def test_what_cannot_be_told_is_said(session: Session) -> None:
    found = session.diff("SELECT video FROM v", "SELECT any_value(video ORDER BY id) AS video FROM v GROUP BY id % 7")
    assert (found.num_both, found.a.num_only, found.a.reasons, found.a.num_absent) == (7, 113, (), None)
    assert found.notes == (
        "why samples are in one alone is not told: query: GROUP BY makes its samples of several rows",
    )
    union = session.diff(
        "SELECT video FROM v", "SELECT video FROM v WHERE id < 4 UNION ALL SELECT video FROM v WHERE id > 9"
    )
    assert union.a.num_only == 6
    assert union.notes[0].startswith("why samples are in one alone is not told: query: no WHERE to take apart here")


def test_values_of_samples_in_both(session: Session) -> None:
    a = "SELECT video, id, caption, motion, fps FROM v WHERE id < 60"
    b = "SELECT video, id::VARCHAR AS id, upper(caption) AS caption, coalesce(motion, 0) AS motion, fps FROM v"
    found = session.diff(a, f"{b} WHERE id > 9")
    assert found.num_both == 50
    assert found.changed == {"id": 0, "caption": 50, "motion": 5, "fps": 0}


def test_versions_of_a_table(session: Session) -> None:
    found = session.diff("v", "v AT (VERSION => 1)")
    assert (found.num_both, found.changed["caption"], found.changed["fps"]) == (NUM_ROWS, 30, 0)
    assert found.notes == ("v: version 2 in the first, 1 in the second",)
    assert (found.a.tables, found.b.tables) == (("v@2",), ("v@1",))


def test_saved_selections(session: Session) -> None:
    saved = session.compile("SELECT video, id FROM v WHERE id < 50")
    found = session.diff(f"selection('{saved.fingerprint[:8]}')", "SELECT depth, video FROM v WHERE id > 20")
    assert (found.num_both, found.a.num_only, found.b.num_only) == (29, 21, 70)
    assert reasons(found.a) == [("id > 20", 21, 21, 0)]
    assert (found.b.reasons, found.b.num_absent) == ((), 70)


def test_other_decode_parameters_make_other_samples(session: Session) -> None:
    first = "SELECT video.clip(id % 3, id % 3 + 2).resize(64, 64) AS x, id FROM v WHERE id <> 7"
    same = session.diff(first, first.replace("AS x", "AS y"))
    assert (same.num_both, same.notes) == (119, ())
    shifted = session.diff(first, first.replace("id % 3,", "id % 3 + (id % 2) * 0.5,"))
    assert (shifted.num_both, shifted.a.num_only, shifted.a.num_absent) == (60, 59, 59)
    smaller = session.diff(first, first.replace("64, 64", "32, 32"))
    assert (smaller.num_both, smaller.a.num_only) == (0, 119)
    assert smaller.notes == (
        "x is decoded as clip(…, …).resize(64, 64) in one and clip(…, …).resize(32, 32) in the other, which makes "
        "other samples; to compare rows, name columns that tell them apart: on=…",
    )
    by_id = session.diff(first, first.replace("64, 64", "32, 32"), on=["ID"])
    assert (by_id.num_both, by_id.keys, by_id.changed) == (119, ("id",), {"x": 119})


def test_columns_in_place_of_media(session: Session) -> None:
    found = session.diff("SELECT id, caption FROM v", "SELECT id + 0.0 AS id FROM v WHERE motion > 2", on=["id"])
    assert found.a.num_only == reasons(found.a)[0][1]
    assert (found.b.num_only, found.changed) == (0, {})
    both = session.diff('SELECT "group", fps FROM v', 'SELECT "group", fps FROM v WHERE id > 9', on=["group", "fps"])
    assert (both.num_both, both.a.num_only, reasons(both.a)) == (110, 10, [])
    assert both.a.num_passed == 10  # there less often
    text = session.diff("SELECT id FROM v", "SELECT caption AS id FROM v", on=["id"])
    assert (text.num_both, text.a.num_only, text.a.num_absent) == (0, 120, 120)


def test_an_empty_side(session: Session) -> None:
    found = session.diff("SELECT video FROM v", "SELECT video FROM v WHERE id > 1000")
    assert (found.num_both, found.a.num_only, found.b.num_only) == (0, 120, 0)
    assert reasons(found.a) == [("id > 1000", 120, 120, 0)]


def test_nothing_is_left_in_the_root(session: Session, root: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*")}
    session.diff("SELECT video FROM v WHERE id < 77", "good")
    assert {path: path.stat().st_mtime_ns for path in root.rglob("*")} == before


@pytest.mark.parametrize(
    ("a", "b", "on", "match"),
    [
        ("SELECT id FROM v", "SELECT id FROM v", None, "no media column is in both, so nothing tells which samples"),
        (
            "SELECT id FROM v",
            "SELECT id FROM v",
            ["ids"],
            r'on: the first has no column "ids"; did you mean "id"\? It has',
        ),
        ("SELECT id FROM v", "SELECT fps FROM v", ["id"], r'on: the second has no column "id"'),
        ("SELECT video FROM v", "SELECT id AS video FROM v", ["video"], "on: column video is media in the first and"),
        ("SELECT video AS x, depth AS y FROM v", "SELECT video AS z FROM v", None, "They have: x, y; and z"),
    ],
)
def test_what_tells_samples_apart_is_needed(session: Session, a: str, b: str, on: list[str] | None, match: str) -> None:
    with pytest.raises(SelectionError, match=match):
        session.diff(a, b, on=on)


def test_late_columns_are_not_compared(tmp_path: Path) -> None:
    table = pa.table({"id": [1, 2], "doc": [random.Random(i).randbytes(3000).hex() for i in (1, 2)]})
    Store(root=str(tmp_path)).append("t", table, message="test")
    with cutlist.connect(tmp_path) as session:
        found = session.diff("SELECT * FROM t", "SELECT * FROM t WHERE id > 1", on=["id"])
        assert (found.num_both, found.changed) == (1, {})
        assert found.notes == ("not compared, as their values are read late: doc",)
        with pytest.raises(SelectionError, match='on: column "doc" is read late'):
            session.diff("SELECT * FROM t", "SELECT * FROM t", on=["doc"])


def test_a_sheet_has_the_samples_that_differ(made: Made, tmp_path: Path) -> None:
    out = tmp_path / "diff.png"
    queries = [f"SELECT image, caption FROM my_images WHERE _rowid {each}" for each in ("< 8", "> 3")]
    with cutlist.connect(made.root) as session:
        found = session.diff(*queries, sheet=out, num_examples=2)
        assert (found.a.num_only > 0, found.b.num_only > 0) == (True, True)
        with Image.open(out) as sheet:
            assert sheet.width > 400
        with pytest.raises(SelectionError, match="a sheet needs samples that differ, and there are none to show"):
            session.diff(queries[0], queries[0], sheet=out)


def test_the_command_prints_every_count(root: Path) -> None:
    places = ["--root", str(root), "--views", str(root / "views")]
    said = run("diff", "v", "good", *places)
    again = json.loads(run("diff", "v", "good", "--json", "--examples", "3", *places))
    assert list(again) == ["a", "b", "num_both", "keys", "changed", "notes"]
    assert f"in both    {again['num_both']}  by video\n" in said
    assert f"only in A  {again['a']['num_only']} of 120  v\n" in said
    (motion, fps) = again["a"]["reasons"]
    assert f"motion > 2  ({motion['num_only']} by it alone, {motion['num_null']} NULL)" in said
    assert f"{fps['num_dropped']}  fps >= 24" in said
    assert len(again["a"]["examples"]) == 3
    assert "motion NULL" in said
    assert "Only in B" not in said
    by_id = run("diff", "SELECT id FROM v", "SELECT id + 1 AS id FROM v", "--on", "id", *places)
    assert "1  are no row of B's FROM" in by_id
