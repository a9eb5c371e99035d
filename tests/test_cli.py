"""The command line, as a user types it: real processes for what a process does, the app in this one for the rest."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest
from PIL import Image
from typer.testing import CliRunner

from cutlist import cli
from cutlist.errors import CatalogError, CutlistError
from cutlist.store import Store, blob_array, blob_field

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Made


def run(*arguments: str) -> str:
    result = CliRunner().invoke(cli.app, arguments, env={"COLUMNS": "200", "TERM": "dumb"})
    if result.exception is not None:
        raise result.exception
    return result.output


def places(made: Made) -> list[str]:
    return ["--root", str(made.root), "--views", str(made.views)]


def process(*arguments: str) -> subprocess.CompletedProcess[str]:
    code = "import sys; from cutlist.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, env={**os.environ, "COLUMNS": "200"}
    )


@pytest.mark.parametrize("command", ["ingest", "sql", "compile", "explain", "lint", "index", "sheet", "version"])
def test_every_command_has_help_with_an_example_and_takes_a_root(command: str) -> None:
    text = run(command, "--help")
    assert "--root" in text
    assert f"Example: cutlist {command}" in text.replace("\n", " ")


def test_ingest_then_ask_then_compile_then_look(made: Made, tmp_path: Path) -> None:
    root = str(tmp_path / "new" / "data")
    media, captions = str(made.media), str(made.media / "captions.csv")
    said = run("ingest", media, "--table", "my_images", "--kind", "image", "--metadata", captions, "--root", root)
    assert said.startswith("my_images: 12 added (")
    again = run("ingest", media, "--table", "my_images", "--kind", "image", "--root", root)
    assert "0 added (0.0 MiB); 12 already there" in again
    rows = json.loads(
        run("sql", "SELECT count(*) AS n, any_value(kind) AS kind FROM my_images", "--json", "--root", root)
    )
    assert rows == [{"n": 12, "kind": "image"}]
    compiled = run("compile", "pictures", "--root", root, "--views", str(made.views))
    assert "12 samples, fingerprint " in compiled
    assert "picture: media resize_short.center_crop" in compiled
    out = tmp_path / "sheet.png"
    assert run("sheet", "pictures", str(out), "--samples", "5", "--root", root, "--views", str(made.views)) == (
        f"{out}: 5 samples\n"
    )
    with Image.open(out) as sheet:
        assert sheet.width > 400


def test_the_seed_query_gives_the_right_number(made: Made) -> None:
    query = "SELECT COUNT(1) AS num_hd FROM my_videos WHERE height * width >= 1080 * 1920"
    with_captions = "SELECT count(*) AS num_hd FROM my_videos WHERE caption LIKE '%1080p%'"
    rows = json.loads(run("sql", query, "--json", *places(made)))
    assert rows == json.loads(run("sql", with_captions, "--format", "json", *places(made)))
    assert rows[0]["num_hd"] > 0
    assert f" {rows[0]['num_hd']} " in run("sql", query, *places(made))


def test_json_is_one_array_of_objects_and_csv_has_a_header(made: Made) -> None:
    query = """SELECT path, video.clip(0, 1.5).resize(32, 24) AS clip, [1, NULL] AS l, 'nan'::FLOAT AS f, NULL AS n
               FROM hd ORDER BY path"""
    rows = json.loads(run("sql", query, "--json", *places(made)))
    assert len(rows) == 8
    number = rows[0]["clip"].removeprefix("my_videos.video[").split("]")[0]
    assert rows[0] == {
        "path": rows[0]["path"],
        "clip": f"my_videos.video[{number}].clip(0, 1.5).resize(32, 24)",
        "l": [1, None],
        "f": None,
        "n": None,
    }
    table = list(csv.DictReader(io.StringIO(run("sql", query, "--format", "csv", *places(made)))))
    assert [row["clip"] for row in table] == [row["clip"] for row in rows]
    assert json.loads(run("sql", query + " LIMIT 0", "--json", *places(made))) == []


def test_a_long_table_says_that_there_is_more(made: Made) -> None:
    assert "the first 40 rows; --format csv or json prints all" in run("sql", "FROM range(41)", *places(made))
    assert "the first" not in run("sql", "FROM range(40)", *places(made))


def test_errors_are_one_message_and_status_one(made: Made) -> None:
    done = process("sql", "SELECT captoin FROM hd", *places(made))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith('error: query:1:8: no column "captoin" in hd; did you mean "caption"? hd has: ')
    assert "Traceback" not in done.stderr
    missing = process("sql", "FROM t", "--root", str(made.root / "nowhere"))
    assert missing.returncode == 1
    assert "to make it, ingest something: `cutlist ingest PATH --table videos --root" in missing.stderr
    assert process("sql").returncode == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["sql", "SELECT CAST(path AS INT) AS i FROM my_videos"], "error: query: Could not convert string"),
        (["sql", "SELECT resize(video, -1, 3) AS r FROM my_videos"], "error: query: resize(…, -1, 3): expected width"),
        (["sql", "FROM my_vidoes"], 'error: query:1:6: no table or view "my_vidoes"; did you mean "my_videos"?'),
        (["sql", "SELECT 1 AS a, 2 AS a", "--json"], 'two columns are named "a", which JSON cannot have'),
        (["sheet", "hd", "out.xyz"], "out.xyz: expected a picture file: .png, .jpg or .webp"),
        (["sheet", "hd", "nowhere/out.png"], "nowhere/out.png: there is no folder nowhere"),
    ],
)
def test_nothing_of_ours_is_a_traceback(made: Made, arguments: list[str], message: str) -> None:
    done = process(*arguments, *places(made))
    assert done.returncode == 1
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_csv_keeps_every_digit_and_show_tables_lists(made: Made) -> None:
    assert run("sql", "SELECT pi(), 'x'::BLOB AS b", "--format", "csv", *places(made)).splitlines()[1] == (
        "3.141592653589793,78"
    )
    shown = json.loads(run("sql", "SHOW TABLES", "--json", *places(made)))
    assert {"name": "my_videos", "kind": "table", "version": 1, "description": ""} in shown
    assert [each["name"] for each in shown if each["kind"] == "view"] == ["clips", "hd", "hd_middles", "pictures"]


def test_the_root_comes_from_the_environment_and_the_option_wins(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUTLIST_ROOT", str(made.root))
    monkeypatch.setenv("CUTLIST_VIEWS", str(made.views))
    assert "24" in run("sql", "SELECT count(*) FROM my_videos")
    with pytest.raises(CutlistError, match="no folder"):
        run("sql", "SELECT count(*) FROM my_videos", "--root", str(made.root / "nowhere"))


def test_ctrl_c_stops_a_running_query(made: Made) -> None:
    query = "SELECT sum(sin(a.range) * cos(b.range)) FROM range(10000000) a, range(100000) b"
    code = """if True:
        import signal
        from cutlist.cli import main
        signal.signal(signal.SIGINT, signal.default_int_handler)
        print("ready", flush=True)
        main()
    """
    running = subprocess.Popen(
        [sys.executable, "-c", code, "sql", query, *places(made)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert running.stdout is not None
    assert running.stdout.readline() == "ready\n"
    time.sleep(3)  # the query runs for hours
    assert running.poll() is None
    running.send_signal(signal.SIGINT)
    _, said = running.communicate(timeout=60)
    assert running.returncode == 130
    assert "interrupted" in said
    assert "Traceback" not in said


def test_version_needs_no_root() -> None:
    assert run("version").startswith("cutlist 0.1.0 (duckdb ")


# -- plans, checks, indexes and saved selections ----------------------------------------------------------------------


@pytest.fixture
def small(tmp_path: Path) -> list[str]:
    """Options for a root with a table `t`: 10 rows, NULLs in `score`, images of 5 bytes; and two views."""
    rows = pa.table(
        {
            "id": range(10),
            "score": pa.array([None if i % 5 == 0 else i / 2 for i in range(10)]),
            "word": [f"w{i % 3}" for i in range(10)],
            "flag": [i % 2 == 0 for i in range(10)],
            "tags": [["a"], ["b"]] * 5,
            "pair": [{"x": 1}] * 10,
        }
    ).append_column(blob_field("image", "image"), blob_array([b"12345"] * 10))
    Store(root=str(tmp_path / "data")).append("t", rows, message="test")
    views = tmp_path / "views"
    views.mkdir()
    (views / "good.sql").write_text("SELECT id, image FROM t")
    (views / "holes.sql").write_text("SELECT id\nFROM t WHERE score > 1")
    return ["--root", str(tmp_path / "data"), "--views", str(views)]


def status(*arguments: str) -> tuple[int, str]:
    """Return the exit status and what is printed, run in this process."""
    result = CliRunner().invoke(cli.app, arguments, env={"COLUMNS": "200", "TERM": "dumb"})
    return result.exit_code, result.output


def test_explain_tells_what_is_read(small: list[str]) -> None:
    query = "SELECT id, [image] AS l, score FROM t WHERE id IN (1, 2, 3)"
    found = json.loads(run("explain", query, "--json", *small))
    assert (found["num_samples"], found["epoch_bytes"], found["sql"]) == (3, 15, query)
    assert [(each["table"], each["version"], each["num_rows"]) for each in found["scans"]] == [("t", 1, 10)]
    assert [(each["name"], each["read"], each["epoch_bytes"]) for each in found["columns"]] == [
        ("id", "now", 0),
        ("l", "later", 15),
        ("score", "now", 0),
    ]
    text = run("explain", "SELECT clip(image, 0, 1) AS c, id FROM t WHERE id > 0", *small)
    assert "Read to compile" in text
    assert "media of t.image" in text
    assert "9 samples; " in text
    assert "an epoch reads at most 45 bytes" in text
    assert "an epoch reads 50 bytes" in run("explain", "good", *small)


def test_explain_saves_nothing_and_has_the_warnings(small: list[str]) -> None:
    text = run("explain", "holes", *small).replace("\n", "")
    assert "holes.sql:2:14: 2 of 10 rows of t have no score and are dropped by `score > 1`" in text
    assert json.loads(run("selections", "list", "--json", *small[:2])) == []
    (warning,) = json.loads(run("explain", "holes", "--json", *small))["warnings"]
    assert "holes.sql:2:14: 2 of 10 rows" in warning


def test_lint_has_status_one_for_errors_alone(small: list[str]) -> None:
    code, said = status("lint", *small)
    assert code == 0
    assert "holes.sql:2:14: 2 of 10 rows of t have no score" in said.replace("\n", "")
    assert said.endswith("2 queries: 0 errors, 1 warnings\n")
    done = process("lint", "SELECT captoin FROM t", *small)
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.startswith('error: query:1:8: no column "captoin" in t')
    assert done.stdout.endswith("1 query: 1 errors, 0 warnings\n")
    code, said = status("lint", "SELECT random() AS r FROM t WHERE score > 1", "--json", *small)
    assert code == 1
    assert [(each["place"], each["error"]) for each in json.loads(said)] == [
        ("query:1:8", True),
        ("query:1:35", False),
    ]
    assert json.loads(run("lint", "good", "--json", *small)) == []


def test_lint_looks_at_every_view(small: list[str], tmp_path: Path) -> None:
    (tmp_path / "views" / "bad.sql").write_text("SELECT id FROM vidoes")
    code, said = status("lint", "--json", *small)
    assert code == 1
    found = json.loads(said)
    assert [(each["place"].rpartition("/")[2], each["error"]) for each in found] == [
        ("bad.sql:1:16", True),
        ("holes.sql:2:14", False),
    ]
    assert found[0]["text"].startswith('no table or view "vidoes"')


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["id"], "t.id: BTREE index, in version 2\n"),
        (["flag"], "t.flag: BITMAP index, in version 2\n"),
        (["tags"], "t.tags: LABEL_LIST index, in version 2\n"),
        (["word", "--kind", "bitmap"], "t.word: BITMAP index, in version 2\n"),
        (["word", "--kind", "NGRAM"], "t.word: NGRAM index, in version 2\n"),
        (["score", "--kind", "ZONEMAP"], "t.score: ZONEMAP index, in version 2\n"),
        (["id", "--kind", "BLOOMFILTER"], "t.id: BLOOMFILTER index, in version 2\n"),
    ],
)
def test_index_of_each_kind(small: list[str], arguments: list[str], said: str) -> None:
    assert run("index", "t", *arguments, *small) == said
    column = arguments[0]
    rows = "SELECT count(*) AS n FROM t WHERE {} IS NOT NULL"
    assert json.loads(run("sql", rows.format(column), "--json", *small)) == [{"n": 8 if column == "score" else 10}]


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (["tt", "id"], r'^no table "tt"(\.|; did you mean "t"\?) There are: t\.$'),
        (
            ["t", "scoer"],
            r'^table t has no column "scoer"; did you mean "score"\? It has: flag, id, image, pair, score',
        ),
        (["t", "id", "--kind", "IVF_PQ"], r'^no index of kind "IVF_PQ"; there are BTREE, BITMAP, LABEL_LIST, NGRAM'),
        (["t", "pair"], r"^cannot index t\.pair \(struct<.*>\) by BTREE: .*; there are BTREE, BITMAP"),
        (["t", "image"], r"t\.image is a media column, which has no scalar index"),
        (["t", "id", "--kind", "NGRAM"], r"^cannot index t\.id \(int64\) by NGRAM: .*; there are BTREE"),
        (["good", "id"], r'^no table "good".* There are: t\.$'),
    ],
)
def test_what_cannot_be_indexed(small: list[str], arguments: list[str], match: str) -> None:
    with pytest.raises(CatalogError, match=match):
        run("index", *arguments, *small)


def test_index_of_a_table_in_other_letters(small: list[str]) -> None:
    assert run("index", "T", "id", *small) == "t.id: BTREE index, in version 2\n"


def test_selections_list_show_and_drop(small: list[str]) -> None:
    root = small[:2]
    assert run("selections", "list", *root) == "no saved selections\n"
    assert json.loads(run("selections", "list", "--json", *root)) == []
    run("compile", "good", *small)
    run("compile", "SELECT id, image, score FROM good JOIN t USING (id, image)\nWHERE id < 3", *small)
    newest, oldest = json.loads(run("selections", "list", "--json", *root))
    assert [each["num_samples"] for each in (newest, oldest)] == [3, 10]
    assert oldest["sql"] == "SELECT id, image FROM t"
    assert oldest["tables"] == ["t@1"]
    assert set(oldest) == {"fingerprint", "num_samples", "size_bytes", "saved", "tables", "sql", "path"}
    listed = run("selections", "list", *root)
    assert oldest["fingerprint"][:12] in listed
    assert "t@1" in listed

    start = newest["fingerprint"][:6]
    shown = run("selections", "show", start, *root)
    assert shown.startswith(f"{newest['fingerprint']}  saved {newest['saved']}")
    for part in (
        "3 samples of t@1",
        "score: double, 1 NULL",
        "-- good\nSELECT id, image FROM t",
        "-- the query\nSELECT",
    ):
        assert part in shown
    about = json.loads(run("selections", "show", start, "--json", *root))
    assert about["views"] == {"good": "SELECT id, image FROM t"}
    assert about["columns"] == [
        {"name": "id", "type": "BIGINT", "num_null": 0},
        {"name": "image", "type": "media", "num_null": 0},
        {"name": "score", "type": "DOUBLE", "num_null": 1},
    ]
    assert {key: about[key] for key in newest} == newest

    assert run("selections", "drop", start, *root) == f"dropped {newest['fingerprint']}\n"
    assert run("selections", "drop", oldest["fingerprint"], *root) == (
        f"dropped {oldest['fingerprint']}\nno selection needs t@1 any more: its tag is dropped\n"
    )
    assert run("selections", "list", *root) == "no saved selections\n"
    for command in ("show", "drop"):
        with pytest.raises(CatalogError, match=f'no saved selection has a fingerprint that starts with "{start}"'):
            run("selections", command, start, *root)
        with pytest.raises(CatalogError, match='"ab" is too short; give at least 4 digits'):
            run("selections", command, "ab", *root)


@pytest.mark.parametrize("command", ["list", "show", "drop"])
def test_selections_have_help_with_an_example_and_take_a_root(command: str) -> None:
    text = run("selections", command, "--help")
    assert "--root" in text
    assert f"Example: cutlist selections {command}" in text.replace("\n", " ")


def test_warnings_go_to_standard_error(small: list[str], tmp_path: Path) -> None:
    done = process("compile", "holes", *small)
    assert done.returncode == 0
    assert done.stderr.startswith(f"warning: {tmp_path}/views/holes.sql:2:14: 2 of 10 rows of t have no score and are")
    assert done.stderr.count("\n") == 1
    assert "warning:" not in done.stdout
    bracket = process("compile", "SELECT id FROM t WHERE [score][1] > 1 AND score < 9", *small)
    assert bracket.stderr.startswith("warning: query:1:43: 2 of 10 rows of t have no score and are dropped by `score <")


def test_a_damaged_selection_is_a_warning(small: list[str], tmp_path: Path) -> None:
    run("compile", "good", *small)
    (tmp_path / "data" / "_selections" / "bad[1].arrow").write_text("hello")
    done = process("selections", "list", "--json", *small[:2])
    assert (done.returncode, len(json.loads(done.stdout))) == (0, 1)
    assert done.stderr.startswith("warning: ")
    assert "bad[1].arrow: not a saved selection, or a damaged one" in done.stderr


def test_a_selection_of_a_table_that_is_gone_can_be_dropped(small: list[str], tmp_path: Path) -> None:
    run("compile", "good", *small)
    (found,) = json.loads(run("selections", "list", "--json", *small[:2]))
    shutil.rmtree(tmp_path / "data" / "t.lance")
    assert "good" not in run("selections", "show", found["fingerprint"], *small[:2])
    assert run("selections", "drop", found["fingerprint"], *small[:2]).startswith("dropped ")
