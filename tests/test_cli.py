"""The command line, as a user types it: real processes for what a process does, the app in this one for the rest."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest
from PIL import Image
from typer.testing import CliRunner

from cutlist import cli
from cutlist.errors import CutlistError

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


@pytest.mark.parametrize("command", ["ingest", "sql", "compile", "sheet", "version"])
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
