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
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from PIL import Image
from typer.testing import CliRunner

import cutlist
from cutlist import cli
from cutlist.errors import CatalogError, CutlistError, OrderError, QueryError, SettingsError, StateError
from cutlist.order import ONLY, Batching, Order, Rules, make_order
from cutlist.store import Store, blob_array, blob_field
from cutlist.values import counted

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


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_command_has_help_with_an_example_and_what_all_have(name: str) -> None:
    words = f"selections {name}".split() if name in ("list", "show", "drop") else [name]
    text = run(*words, "--help")
    for option in ("--root", "--views", "--timeout", "--debug", "Example: "):
        assert option in text, option
    assert name == "shell" or "--json" in text


def test_version_has_json() -> None:
    assert "Example: " in run("version", "--help")
    assert set(json.loads(run("version", "--json"))) == {"cutlist", "duckdb", "pylance", "av", "pillow"}


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


def test_several_statements_are_run_and_the_rows_are_those_of_the_last(made: Made, tmp_path: Path) -> None:
    where = ["--root", str(made.root), "--views", str(tmp_path)]
    text = (
        "-- Big; ones.\nCREATE VIEW big AS FROM my_videos WHERE fps > 0;\nFROM big; SELECT ';' AS s FROM big LIMIT 1;"
    )
    assert json.loads(run("sql", text, "--json", *where)) == [{"s": ";"}]
    assert (tmp_path / "big.sql").read_text() == "-- Big; ones.\nFROM my_videos WHERE fps > 0\n"
    with pytest.raises(QueryError, match=r'query:2:8: no column "captoin" in big'):
        run("sql", "FROM big;\nSELECT captoin FROM big;", *where)
    with pytest.raises(SettingsError, match="DROP VIEW big: nobody can be asked here; say --yes to drop it"):
        run("sql", "SELECT 1; DROP VIEW big", *where)
    with pytest.raises(QueryError, match="before"):
        run("sql", "SELECT error('before'); SELECT 1", *where)


def test_a_table_leaves_out_columns_and_says_what_has_them(made: Made) -> None:
    told = CliRunner().invoke(cli.app, ["sql", "FROM hd", *places(made)], env={"COLUMNS": "80"}).output
    assert max(map(len, told.splitlines())) <= 80
    assert "--format csv or json has all" in " ".join(told.split())


def test_errors_are_one_message_and_status_one(made: Made) -> None:
    done = process("sql", "SELECT captoin FROM hd", *places(made))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith('error: query:1:8: no column "captoin" in hd; did you mean "caption"? hd has: ')
    assert "Traceback" not in done.stderr
    missing = process("sql", "FROM t", "--root", str(made.root / "nowhere"))
    assert missing.returncode == 3
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


def test_a_table_has_the_short_text_of_values(made: Made) -> None:
    query = """SELECT list_transform(range(512), lambda x: 1 / sqrt(512))::FLOAT[512] AS e, [{a: i, b: [i], c: 'long'}
               FOR i IN range(20)] AS l, [video.clip(0, 1)] AS v, NULL AS n, 'a[b]' AS "x[b]" FROM my_videos LIMIT 1"""
    told = run("sql", query, *places(made))
    for each in ("f32[512] ‖x‖=1.00", "20 × {a, b, c}", '["my_videos.video[', "NULL", "a[b]", "x[b]"):
        assert each in told


def test_csv_keeps_every_digit_and_show_tables_lists(made: Made) -> None:
    assert run("sql", "SELECT pi(), 'x'::BLOB AS b", "--format", "csv", *places(made)).splitlines()[1] == (
        "3.141592653589793,78"
    )
    shown = json.loads(run("sql", "SHOW TABLES", "--json", *places(made)))
    assert {"name": "my_videos", "kind": "table", "version": 1, "description": ""} in shown
    views = [each["name"] for each in shown if each["kind"] == "view"]
    assert [name for name in views if "/" not in name] == ["clips", "gen1", "hd", "hd_middles", "pictures"]
    assert "curation/opensora2" in views


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
    assert said.endswith("2 queries: 0 errors, 1 warning\n")
    done = process("lint", "SELECT captoin FROM t", *small)
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.startswith('error: query:1:8: no column "captoin" in t')
    assert done.stdout.endswith("1 query: 1 error, 0 warnings\n")
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
        (["t", "id", "--kind", "IVFPQ"], r'^no index of kind "IVFPQ"; did you mean "IVF_PQ"\? There are BTREE, BITMAP'),
        (["t", "id", "--kind", "IVF_PQ"], r"^t\.id is of int64; a vector index needs float32 vectors of one length"),
        (["t", "pair"], r"^cannot index t\.pair \(struct<.*>\) by BTREE: .*; there are BTREE, BITMAP"),
        (["t", "image", "--kind", "BTREE"], r"t\.image is a media column, which has no index"),
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


# -- plans of epochs and traces of steps -------------------------------------------------------------------------------

PLANNED = "SELECT id, word, flag, 1 + id // 4 AS cost, image FROM t"
"""Of `word`, w0 has 4 samples, w1 and w2 have 3; the cost is 1 to 3."""


def numbers_of(*arguments: str) -> list[tuple[str | None, int, int, int, int]]:
    """Return what `plan --json` says of each bucket: (bucket, samples, batch, steps, left out)."""
    return [
        (each["bucket"], each["num_samples"], each["global_batch_size"], each["num_batches"], each["num_dropped"])
        for each in json.loads(run("plan", *arguments, "--json"))
    ]


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ([], [(None, 10, 1, 10, 0)]),
        (["--batch-size", "4"], [(None, 10, 4, 2, 2)]),
        (["--batch-size", "2", "--world-size", "2"], [(None, 10, 4, 2, 2)]),
        (["--bucket-by", "word", "--batch-size", "2"], [("w0", 4, 2, 2, 0), ("w1", 3, 2, 1, 1), ("w2", 3, 2, 1, 1)]),
        (["--bucket-by", "flag", "--batch-size", "4"], [("false", 5, 4, 1, 1), ("true", 5, 4, 1, 1)]),
        (
            ["--bucket-by", "word", "--batch-size", "w0=4", "--batch-size", "w1=2", "--batch-size", "w2=1"],
            [("w0", 4, 4, 1, 0), ("w1", 3, 2, 1, 1), ("w2", 3, 1, 3, 0)],
        ),
        (
            ["--bucket-by", "cost", "--batch-budget", "cost=6.5"],
            [("1", 4, 6, 0, 4), ("2", 4, 3, 1, 1), ("3", 2, 2, 1, 0)],
        ),
        (["--batch-budget", "cost=9", "--world-size", "3"], [(None, 10, 9, 1, 1)]),
        (
            ["--bucket-by", "flag", "--weight-by", "id", "--batch-size", "2"],
            [("false", 5, 2, 2, 1), ("true", 4, 2, 2, 0)],
        ),
        (["--batch-size", "11"], [(None, 10, 11, 0, 10)]),
    ],
)
def test_plan(small: list[str], options: list[str], wanted: list[Any]) -> None:
    assert numbers_of(PLANNED, *options, *small) == wanted
    table = run("plan", PLANNED, *options, *small)
    for bucket, *numbers in wanted:
        row = next(line for line in table.splitlines() if line.startswith(f"│ {'all' if bucket is None else bucket} "))
        assert [cell.strip() for cell in row.strip("│").split("│")][1:5] == [f"{each:,}" for each in numbers]
    samples, dropped = (sum(each[i] for each in wanted) for i in (1, 4))
    assert f"{samples} samples in {counted(sum(each[3] for each in wanted), 'step')}" in table
    assert (f"; {dropped} (" in table) == (dropped > 0)


def test_plan_of_a_view_and_a_table(small: list[str]) -> None:
    assert numbers_of("good", "--batch-size", "3", *small) == numbers_of("t", "--batch-size", "3", *small)
    assert numbers_of("good", "--batch-size", "3", *small) == [(None, 10, 3, 3, 1)]


def test_plan_has_the_shapes_of_media(small: list[str]) -> None:
    sized = "SELECT resize(image, 16 * (1 + id % 2), 8) AS m, id % 2 AS b FROM t"
    table = run("plan", sized, "--bucket-by", "b", *small)
    assert "a sample's m" in table
    assert table.count(" 3×8×16 ") == table.count(" 3×8×32 ") == 1
    assert " varies " in run("plan", sized, *small)
    assert [each["shape"] for each in json.loads(run("plan", sized, "--bucket-by", "b", "--json", *small))] == [
        "m 3×8×16",
        "m 3×8×32",
    ]
    two = run("plan", "SELECT resize(image, 16, 8) AS one, image AS two FROM t", *small)
    assert "one 3×8×16, two varies" in two
    assert "sample's" not in run("plan", "SELECT id FROM t", *small)
    assert "shape" not in run("plan", "SELECT id FROM t", *small)


def test_plan_shows_names_as_they_are(small: list[str]) -> None:
    query = "SELECT id, (['[red]a', '1]', '', 'é b'])[1 + id % 4] AS b FROM t"
    assert [each[0] for each in numbers_of(query, "--bucket-by", "b", *small)] == ["", "1]", "[red]a", "é b"]
    table = run("plan", query, "--bucket-by", "b", *small)
    for name in ("│ 1] ", "│ [red]a ", "│ é b "):
        assert name in table


def test_plan_shows_whole_numbers_in_a_narrow_terminal(small: list[str]) -> None:
    query = "SELECT 'a bucket with a name of fifty letters and then some ' || id % 3 AS b FROM range(300_000) r(id)"
    arguments = ["plan", query, "--bucket-by", "b", "--batch-size", "64", *small]
    said = CliRunner().invoke(cli.app, arguments, env={"COLUMNS": "80", "TERM": "dumb"}).output
    assert said.count("100,000") == 3
    assert said.count("1,562") == 3


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        (["--batch-size", "x"], OrderError, r"^--batch-size x: expected a number, or BUCKET=NUMBER for each bucket$"),
        (["--batch-size", "4.5"], OrderError, r"^--batch-size 4\.5: expected a number"),
        (["--batch-size", "w0="], OrderError, r"^--batch-size w0=: expected a number"),
        (["--batch-size", "w0=-2"], OrderError, r"^--batch-size w0=-2: expected a number"),
        (["--batch-size", "=4"], OrderError, r"^--batch-size =4: expected a number"),
        (["--batch-size", "4", "--batch-size", "5"], OrderError, r"^--batch-size 4: expected a number, or BUCKET=NUMB"),
        (["--batch-size", "w0=4", "--batch-size", "5"], OrderError, r"^--batch-size 5: expected a number, or BUCKET=N"),
        (["--batch-size", "0"], OrderError, r"^batch_size=0: expected a whole number of at least 1$"),
        (["--batch-size", "w0=2"], OrderError, r"^batch_size has a size for each bucket, and there are none; give buc"),
        (
            ["--batch-size", "w0=2", "--bucket-by", "word"],
            OrderError,
            r'^batch_size has no size for the bucket "w1" of word\. It has: w0; `cutlist plan` shows the buckets$',
        ),
        (["--batch-budget", "cost"], OrderError, r"^--batch-budget cost: expected COLUMN=NUMBER, e\.g\. tokens=65536$"),
        (["--batch-budget", "cost=x"], OrderError, r"^--batch-budget cost=x: expected COLUMN=NUMBER"),
        (["--batch-budget", "=5"], OrderError, r"^--batch-budget =5: expected COLUMN=NUMBER"),
        (["--batch-budget", "cost=2"], OrderError, r"^batch_budget: a sample has cost = 3; 2 is the budget of a batch"),
        pytest.param(["--batch-budget", "cost=nan"], OrderError, r"^--batch-budget cost=nan: expected COLUMN=NUMBER"),
        pytest.param(["--batch-budget", "cost=inf"], OrderError, r"^--batch-budget cost=inf: expected COLUMN=NUMBER"),
        (["--batch-size", "2", "--batch-budget", "cost=9"], OrderError, r"^expected one of batch_size .*not 2 of them"),
        (["--bucket-by", "wrod"], OrderError, r'^bucket_by="wrod": the query has no such column; did you mean "word"'),
        (["--weight-by", "word"], OrderError, r'^weight_by="word": expected numbers, not string$'),
        (["--bucket-by", "image"], OrderError, r'^bucket_by="image": a column of type media cannot be used for that$'),
    ],
)
def test_plan_refuses(small: list[str], options: list[str], error: type[CutlistError], match: str) -> None:
    with pytest.raises(error, match=match):
        run("plan", PLANNED, *options, *small)


def test_plan_of_what_is_not_there(small: list[str]) -> None:
    with pytest.raises(QueryError, match=r'^query: no table or view "godo"; did you mean "good"\?'):
        run("plan", "godo", *small)
    assert status("plan", "good", "--world-size", "0", *small)[0] == 2


def order_in(root: str, queries: dict[str, str], batching: Batching, **rules: Any) -> Order:
    with cutlist.connect(root) as session:
        selections = {name: session.compile(query) for name, query in queries.items()}
        return make_order(selections, dict.fromkeys(queries, batching), Rules(**rules), store=session.store)


@pytest.fixture
def order(small: list[str]) -> Order:
    """The order of a run over the 10 rows of `t`, in steps of 4."""
    return order_in(small[1], {ONLY: "SELECT resize(image, 8, 8) AS m, id FROM t"}, Batching(batch_size=4), seed=5)


@pytest.fixture
def state(order: Order, tmp_path: Path) -> Path:
    """A file with the state of that run at epoch 3, step 1."""
    path = tmp_path / "ckpt.json"
    path.write_text(json.dumps(order.state(3, 1)))
    return path


def positions_in(draws: list[dict[str, Any]]) -> list[int]:
    return [row["position"] for draw in draws for row in draw["rows"]]


def test_trace(small: list[str], state: Path, order: Order) -> None:
    root = small[:2]
    (draw,) = json.loads(run("trace", "--state", str(state), "--json", *root))
    assert (draw["component"], draw["bucket"], draw["epoch"]) == (None, None, 3)
    assert draw["selection"] == order.components[0].selection.fingerprint
    positions = order.at(3, 1)[0].positions.tolist()
    ids = order.components[0].selection.to_arrow()["id"].to_pylist()
    assert [row["position"] for row in draw["rows"]] == positions
    assert draw["rows"][2] == {
        "sample": 2,
        "rank": 0,
        "position": positions[2],
        "column": "m",
        "table": "t",
        "version": 1,
        "row_id": ids[positions[2]],
        "decode": "resize(8, 8)",
        "size_bytes": 5,
    }
    table = run("trace", "--state", str(state), *root)
    assert table.startswith("Epoch 3, step 1 of 2")
    assert table.count(" m.resize(8, 8) ") == table.count(" t@1 ") == table.count(" 5 bytes ") == 4
    assert "rank" not in table
    assert "component" not in table
    assert table.endswith(f"4 samples, media of 20 bytes; selection {draw['selection'][:12]} in its epoch 3\n")


def test_trace_of_other_steps(small: list[str], state: Path, order: Order) -> None:
    def drawn(*options: str) -> list[int]:
        return positions_in(json.loads(run("trace", "--state", str(state), *options, "--json", *small[:2])))

    def wanted(epoch: int, step: int, **ranks: int) -> list[int]:
        return [int(each) for draw in order.at(epoch, step, **ranks) for each in draw.positions]

    assert drawn("--step", "0") == wanted(0, 0)
    assert drawn("--step", "13") == wanted(6, 1)
    assert drawn("--step", "1", "--epoch", "8") == wanted(8, 1)
    assert drawn("--step", "0", "--world-size", "2") == wanted(0, 0)
    assert drawn("--step", "13", "--rank", "1", "--world-size", "2") == wanted(6, 1, rank=1, world_size=2)
    ranked = run("trace", "--state", str(state), "--world-size", "2", *small[:2])
    assert "┃ rank ┃" in ranked
    assert run("trace", "--state", str(state), "--step", "13", *small[:2]).startswith("Epoch 6, step 1 of 2")


def test_trace_of_another_epoch(small: list[str], state: Path) -> None:
    code, said = status("trace", "--state", str(state), "--epoch", "8", *small[:2])
    assert code != 0 or said.startswith("Epoch 8, step 0")


def test_trace_of_a_mixture(small: list[str], tmp_path: Path) -> None:
    queries = {"a": "SELECT image, word FROM t", "b": "SELECT id, word FROM t"}
    mixture = {"a": 1, "b": 1}
    order = order_in(small[1], queries, Batching(batch_size=1, bucket_by="word"), mixture=mixture, num_steps=9)
    path = tmp_path / "ckpt.json"
    path.write_text(json.dumps(order.state(0, 0)))
    first, second = (run("trace", "--state", str(path), "--step", str(step), *small[:2]) for step in range(2))
    for name in ("component", "bucket", " a ", "image", "t@1", "1 sample, media of 5 bytes; a "):
        assert name in first
    assert "1 sample, media of 0 bytes; b " in second
    assert "image" not in second


@pytest.mark.parametrize("name", ["SELECT [image] AS l FROM t", "[a]", "[/a]"])
def test_trace_shows_names_as_they_are(small: list[str], tmp_path: Path, name: str) -> None:
    queries = {name: "SELECT [image] AS l, id FROM t"}
    order = order_in(small[1], queries, Batching(batch_size=1), mixture={name: 1}, num_steps=9)
    path = tmp_path / "ckpt.json"
    path.write_text(json.dumps(order.state(0, 0)))
    assert run("trace", "--state", str(path), *small[:2]).count(name) == 2


@pytest.mark.parametrize("key", [None, "loader", "dataloader", "data"])
def test_trace_finds_the_state_in_a_checkpoint(small: list[str], state: Path, key: str | None) -> None:
    plain = run("trace", "--state", str(state), "--json", *small[:2])
    given = json.loads(state.read_text())
    state.write_text(json.dumps({"step": 7, "model": [1, 2], key: given} if key is not None else {**given, "note": 1}))
    assert run("trace", "--state", str(state), "--json", *small[:2]) == plain


@pytest.mark.parametrize(
    ("text", "match"),
    [
        (None, r"ckpt\.json: no such file; save json\.dumps\(loader\.state_dict\(\)\) there$"),
        ("", r"ckpt\.json: not JSON: Expecting value.*; save json\.dumps\(loader\.state_dict\(\)\) there$"),
        ("{", r"ckpt\.json: not JSON: "),
        (b"\xff\xfe", r"ckpt\.json: not JSON: 'utf-8' codec can't decode"),
        ("[]", r"ckpt\.json: no state in it; expected what Loader\.state_dict returned, as JSON$"),
        ("null", r"ckpt\.json: no state in it"),
        ('{"loader": null}', r"ckpt\.json: no state in it"),
        ('{"epoch": 1}', r"ckpt\.json: no state in it"),
        ('{"order_version": 1}', r"^the state is of another state version: None there, 2 here; use the version of cut"),
        ('{"version": 1, "order_version": 2}', r"^the state is of another state version: 1 there, 2 here"),
        ('{"version": 2, "order_version": 1}', r"^the state is of another order version: 1 there, \d here"),
        ('{"version": 2, "order_version": 2}', r"^the state has no '\w+'; expected what Loader\.state_dict returned$"),
    ],
)
def test_trace_refuses_what_is_no_state(small: list[str], state: Path, text: str | bytes | None, match: str) -> None:
    if text is None:
        state.unlink()
    else:
        state.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(StateError, match=match):
        run("trace", "--state", str(state), *small[:2])


def test_trace_refuses_a_folder(small: list[str], tmp_path: Path) -> None:
    with pytest.raises(StateError, match=r"not JSON: .*Is a directory"):
        run("trace", "--state", str(tmp_path), *small[:2])


def test_trace_refuses_what_is_not_there(small: list[str], state: Path, tmp_path: Path) -> None:
    root = small[:2]
    for options, match in (
        (["--rank", "1"], r"^rank 1 of world size 1: expected 0 <= rank < world_size$"),
        (["--rank", "2", "--world-size", "2"], r"^rank 2 of world size 2"),
        (["--world-size", "3"], r"^the step's 4 samples cannot be shared equally by 3 ranks$"),
        (["--epoch", "1", "--step", "2"], r"^there is no step 2 in epoch 1: it has 2; without an epoch, steps count f"),
    ):
        with pytest.raises(OrderError, match=match):
            run("trace", "--state", str(state), *options, *root)
    with pytest.raises(SettingsError, match=r"step\.txt: expected a picture file: \.png, \.jpg or \.webp"):
        run("trace", "--state", str(state), "--sheet", str(tmp_path / "step.txt"), *root)
    for options in (["--step", "-1"], ["--world-size", "0"], ["--epoch", "x"], []):
        code, _ = status("trace", *(["--state", str(state)] if options else []), *options, *root)
        assert code == 2
    fingerprint = json.loads(state.read_text())["components"][ONLY]["selection"]
    run("selections", "drop", fingerprint, *root)
    with pytest.raises(CatalogError, match=f'no saved selection has a fingerprint that starts with "{fingerprint}"; `'):
        run("trace", "--state", str(state), *root)


def test_trace_draws_a_sheet(made: Made, tmp_path: Path) -> None:
    root, out = str(shutil.copytree(made.root, tmp_path / "data")), tmp_path / "step.png"
    order = order_in(root, {ONLY: "SELECT image, caption FROM my_images"}, Batching(batch_size=4))
    path = tmp_path / "ckpt.json"
    path.write_text(json.dumps(order.state(0, 0)))
    said = run("trace", "--state", str(path), "--step", "7", "--sheet", str(out), "--root", root)
    assert said.startswith("Epoch 2, step 1 of 3")
    assert said.endswith(f"{out}: 4 samples\n")
    with Image.open(out) as sheet:
        assert sheet.width > 400


def test_trace_as_json_with_a_sheet_is_json(made: Made, tmp_path: Path) -> None:
    root, out = str(shutil.copytree(made.root, tmp_path / "data")), tmp_path / "step.png"
    order = order_in(root, {ONLY: "SELECT image, caption FROM my_images"}, Batching(batch_size=2))
    path = tmp_path / "ckpt.json"
    path.write_text(json.dumps(order.state(0, 0)))
    arguments = ["trace", "--state", str(path), "--sheet", str(out), "--json", "--root", root]
    said = CliRunner().invoke(cli.app, arguments)
    assert len(json.loads(said.stdout)) == 1
    assert said.stderr == f"{out}: 2 samples\n"


def test_exit_statuses(made: Made) -> None:
    assert process("sql", "SELECT 1", *places(made)).returncode == 0
    assert process("sql", "SELECT nope", *places(made)).returncode == 1
    assert process("nope").returncode == 2
    assert process("sql", "SELECT 1", "--format", "nope", *places(made)).returncode == 2
    assert process("backfill", "nope", "media_probe", *places(made)).returncode == 3
    assert process("selections", "show", "123456", *places(made)).returncode == 3
    assert process("schema", "nope", *places(made)).returncode == 3


def test_a_command_that_takes_too_long_is_stopped(made: Made) -> None:
    query = "SELECT sum(a.range * b.range) FROM range(1000000) a, range(1000000) b"
    done = process("sql", query, "--timeout", "1.5", *places(made))
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "error: not done after 1.5 s (--timeout)\n")


def test_debug_gives_the_traceback(made: Made) -> None:
    done = process("sql", "SELECT nope", "--debug", *places(made))
    assert done.returncode == 1
    assert "Traceback" in done.stderr


def test_every_command_of_the_registry_is_a_method_of_the_session() -> None:
    called = {"tables": "describe_tables", "views": "describe_views"}
    for name in set(cli.COMMANDS) - {"list", "show", "drop", "shell", "loader"}:
        assert callable(getattr(cutlist.Session, called.get(name, name))), name


@pytest.mark.parametrize("format", ["csv", "json"])
def test_a_query_that_fails_after_its_first_rows_is_one_message(made: Made, format: str) -> None:
    query = "SELECT if(range > 250000, error('late'), 1) AS n FROM range(300000)"
    done = process("sql", query, "--format", format, *places(made))
    assert done.returncode == 1
    assert done.stderr.startswith("error: query: ")
    assert "late" in done.stderr
    assert "Traceback" not in done.stderr
