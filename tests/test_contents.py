"""What there is to query, by the session and by the command line: tables, views, columns, and the loader of a query."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest
from tests.test_cli import places, run

import cutlist
from cutlist import Session
from cutlist.answers.contents import ColumnFacts
from cutlist.cli.loader import python
from cutlist.errors import NoQueryError
from cutlist.store import Store

if TYPE_CHECKING:
    from tests.conftest import Made


@pytest.fixture
def session(made: Made) -> Iterator[Session]:
    with cutlist.connect(made.root, views=made.views) as opened:
        yield opened


def test_tables(made: Made, session: Session) -> None:
    told = json.loads(run("tables", "--json", *places(made)))
    videos = next(each for each in told if each["name"] == "my_videos")
    size = session.sql("SELECT sum(size_bytes)::BIGINT FROM my_videos").fetchall()[0][0]
    assert (videos["num_rows"], videos["media"], videos["media_bytes"]) == (24, {"video": "video"}, size)
    assert videos["version"] == session.tables["my_videos"].version
    assert "media_probe" in videos["features"]
    assert "my_videos  " in run("tables", *places(made))


def test_a_table_without_media_and_a_root_without_tables(tmp_path: Path) -> None:
    assert run("tables", "--root", str(tmp_path)) == "no tables; `cutlist ingest PATH --table videos` makes one\n"
    Store(root=str(tmp_path)).append("t", pa.table({"size_bytes": ["x"]}), message="rows")
    with cutlist.connect(tmp_path) as session:
        (table,) = session.describe_tables()
    assert (table.num_rows, table.media, table.media_bytes, table.features) == (1, {}, None, ())
    assert table.num_bytes > 0


def test_views_tell_why_they_cannot_be_bound(made: Made, tmp_path: Path) -> None:
    (tmp_path / "good.sql").write_text("-- All of them. Really.\nFROM my_videos")
    (tmp_path / "bad.sql").write_text("SELECT captoin FROM my_videos")
    where = ["--root", str(made.root), "--views", str(tmp_path)]
    bad, good = json.loads(run("views", "--json", *where))
    assert good == {
        "name": "good",
        "description": "All of them. Really.",
        "file": str(tmp_path / "good.sql"),
        "problem": None,
    }
    assert 'bad.sql:1:8: no column "captoin"' in bad["problem"]
    said = " ".join(run("views", *where).split())
    assert "good All of them. " in said
    assert "bad.sql:1:8" in said
    (tmp_path / "none").mkdir()
    assert run("views", "--root", str(made.root), "--views", str(tmp_path / "none")).startswith("no views; CREATE VIEW")


def test_schema_tells_media_and_what_made_a_column(session: Session) -> None:
    found = {each.name: each for each in session.schema("my_videos")}
    assert found["video"] == ColumnFacts(name="video", type="MEDIA", media=("video",), made_by=())
    assert (found["fps"].type, found["fps"].made_by) == ("DOUBLE", ("media_probe@1",))
    assert (found["caption"].type, found["caption"].made_by) == ("VARCHAR", ())
    query = """SELECT [v.video.clip(0, 1)] AS clips, {a: image} AS s, v.fps * 2 AS twice, v.*
               FROM hd AS v CROSS JOIN my_images AS i"""
    columns = {each.name: each for each in session.schema(query)}
    assert (columns["clips"].type, columns["clips"].media) == ("MEDIA[]", ("video",))
    assert columns["s"].media == ("image",)
    assert columns["twice"].made_by == ("media_probe@1",)
    assert columns["video"].media == ("video",)


def test_schema_on_the_command_line(made: Made, session: Session) -> None:
    told = json.loads(run("schema", "hd", "--json", *places(made)))
    assert [each["name"] for each in told] == [each.name for each in session.schema("hd")]
    assert "media video" in run("schema", "hd", *places(made))
    with pytest.raises(NoQueryError, match='no table or view "nope"'):
        run("schema", "nope", *places(made))


QUERY = """SELECT clip(video, 0, 0.5).resize(32, 32) AS "the frames", 'it''s "it"' AS t
FROM my_videos"""


def test_loader_prints_a_program_that_runs(made: Made) -> None:
    code = run("loader", QUERY, *places(made))
    assert code == json.loads(run("loader", QUERY, "--json", *places(made)))["python"]
    assert QUERY in code
    (_, query, *_) = ast.parse(code).body
    assert isinstance(query, ast.Assign)
    assert ast.literal_eval(query.value).strip() == QUERY
    code = code.replace('batch["the frames"]', 'print(batch["the frames"][0].shape[1:])')
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.splitlines() == ["torch.Size([3, 32, 32])"] * 3, done.stderr


COLUMNS = [ColumnFacts(name="n", type="INTEGER", media=(), made_by=())]


@pytest.mark.parametrize("query", ["SELECT 'a\\b'\n", 'SELECT """\na"', "SELECT '犬🐕'", "SELECT\t1", 'FROM "t"'])
def test_any_text_of_a_query_is_its_literal(query: str) -> None:
    (_, assigned, *_) = ast.parse(python(query, "data", "sql", COLUMNS)).body
    assert isinstance(assigned, ast.Assign)
    assert ast.literal_eval(assigned.value).strip() == query.strip()
