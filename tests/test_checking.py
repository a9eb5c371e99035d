"""`check`: every medium decoded, what fails recorded once, and a check that was stopped goes on."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from PIL import Image
from typer.testing import CliRunner

import cutlist
from cutlist import cli
from cutlist.errors import CatalogError
from cutlist.media import examine
from cutlist.process.pool import Watchdog
from cutlist.store import Store, blob_array, blob_field

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Made

BROKEN = (3, 50, 51, 70)


def picture(i: int) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (8, 8), (i, 0, 0)).save(file, "png")
    return file.getvalue()


def append(root: Path, ids: range) -> None:
    """Add pictures; those of BROKEN end after their header, and every tenth is NULL."""
    values = [None if i % 10 == 9 else picture(i)[:40] if i in BROKEN else picture(i) for i in ids]
    rows = pa.table({"id": ids}).append_column(blob_field("image", "image"), blob_array(values))
    Store(root=str(root)).append("t", rows, message="test")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    append(tmp_path, range(80))
    return tmp_path


def check(root: Path, **options: Any) -> tuple[int, int, int]:
    with cutlist.connect(root, views=root) as session:
        (report,) = session.check("t", **options)
    return report.num_checked, report.num_failed, report.num_before


def failures(root: Path) -> list[Any]:
    with cutlist.connect(root, views=root) as session:
        found = session.sql('SELECT row_id, "table", version, "column", stage, error_type FROM _failures ORDER BY ALL')
        return list(found.fetchall())


def test_every_medium_is_decoded_and_what_fails_is_recorded_once(root: Path) -> None:
    assert check(root) == (72, 4, 0)
    assert failures(root) == [(i, "t", 1, "image", "decode", "MediaError") for i in BROKEN]
    assert check(root) == (0, 0, 72)
    assert check(root, again=True) == (72, 4, 0)
    assert len(failures(root)) == 4


def test_rows_that_were_added_are_checked(root: Path) -> None:
    assert check(root)[0] == 72
    append(root, range(80, 100))
    assert check(root) == (18, 0, 72)


def test_probing_is_another_check(root: Path) -> None:
    assert check(root) == (72, 4, 0)
    assert check(root, only_probe=True)[0] == 72


def test_a_table_made_anew_is_checked_anew(root: Path) -> None:
    assert check(root)[0] == 72
    (file,) = (root / "_checks").iterdir()
    file.write_text(json.dumps({**json.loads(file.read_text()), "identity": "another"}))
    assert check(root)[0] == 72
    file.write_text("{")
    assert check(root)[0] == 72


PROGRAM = """
import sys, time, cutlist
from cutlist import checking
checking.SAVE_SECONDS = 0
slow = checking.examine
def examine(source):
    time.sleep(0.02)
    return slow(source)
checking.examine = examine
with cutlist.connect(sys.argv[1], views=sys.argv[1]) as session:
    print("begun", flush=True)
    session.check("t")
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_check_that_was_stopped_goes_on(root: Path, how: signal.Signals) -> None:
    command = [sys.executable, "-c", PROGRAM, str(root)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"begun\n"
        while not list((root / "_checks").glob("*.json")) and process.poll() is None:
            time.sleep(0.01)
        os.kill(process.pid, how)
    checked, _, before = check(root)
    assert before > 0
    assert checked + before == 72
    assert [row[0] for row in failures(root)] == list(BROKEN)


def test_what_can_be_checked_is_named(root: Path) -> None:
    with cutlist.connect(root, views=root) as session:
        with pytest.raises(CatalogError, match=r'^no table "tt"; did you mean "t"\? There are: t\.$'):
            session.check("tt")
        with pytest.raises(
            CatalogError, match=r'^table t has no media column "imgae"; did you mean "image"\? It has: image\.$'
        ):
            session.check("t", "imgae")


def test_the_command(root: Path) -> None:
    arguments = ["check", "t", "--root", str(root), "--views", str(root)]
    done = CliRunner().invoke(cli.app, arguments)
    assert done.exit_code == 1
    assert done.stdout == "t.image: 72 checked, 4 failed (SELECT row_id, message FROM _failures)\n"
    done = CliRunner().invoke(cli.app, [*arguments, "--json"])
    assert done.exit_code == 0
    assert json.loads(done.stdout) == [
        {"table": "t", "column": "image", "num_checked": 0, "num_failed": 0, "num_before": 72}
    ]


def test_whole_videos_are_decoded(made: Made) -> None:
    file = next((made.media / "videos").glob("*.mp4"))
    data = file.read_bytes()
    with cutlist.connect(made.root, views=made.views) as session:
        rows = session.sql(f"SELECT num_frames FROM my_videos WHERE path LIKE '%{file.name}'").fetchall()
    assert examine(data) == rows[0][0]


def test_a_watchdog_names_what_takes_long() -> None:
    watchdog = Watchdog(0.05)

    def work() -> int:
        with watchdog.over(lambda: "row 7"):
            time.sleep(0.3)
        return 3

    with ThreadPoolExecutor(1) as pool, pytest.warns(UserWarning, match=r"^row 7: has taken 0 s and is not") as caught:
        assert watchdog.result(pool.submit(work)) == 3
    assert len(caught) == 1

    def late() -> None:
        raise TimeoutError("my own")

    with ThreadPoolExecutor(1) as pool, pytest.raises(TimeoutError, match="my own"):
        watchdog.result(pool.submit(late))
