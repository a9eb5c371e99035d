"""`session.save`: the rows of a query in a file, in each format the same, whole or not at all.

- What is read back from each format is what `session.sql` returns, with media references as text at any depth.
- A query or a disk that fails leaves what was there, and nothing beside it.
"""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from cutlist import Session, cli, connect
from cutlist.errors import QueryError, SettingsError
from cutlist.store import Store, blob_array, blob_field


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("root")
    rows = pa.table({"id": range(4), "score": [0.1, None, 2.5, 1e300], "tags": [["a", None], [], None, ["b"]]})
    rows = rows.append_column(blob_field("image", "image"), blob_array([b"x", None, b"y", b"z"]))
    Store(root=str(folder)).append("t", rows, message="test")
    return folder


@pytest.fixture(scope="module")
def session(root: Path) -> Iterator[Session]:
    with connect(root) as opened:
        yield opened


QUERY = """SELECT id, score, tags, image.resize(8, 6) AS small, [image, NULL] AS several, {'m': image, 'n': id} AS both
FROM t ORDER BY id"""


def expected() -> list[dict[str, Any]]:
    rows = []
    for i, (score, tags) in enumerate(zip([0.1, None, 2.5, 1e300], [["a", None], [], None, ["b"]], strict=True)):
        ref = None if i == 1 else f"t.image[{i}]"
        small = None if ref is None else f"{ref}.resize(8, 6)"
        both = {"m": ref, "n": i}
        rows.append({"id": i, "score": score, "tags": tags, "small": small, "several": [ref, None], "both": both})
    return rows


@pytest.mark.parametrize("suffix", [".parquet", ".arrow", ".json"])
def test_each_format_has_the_rows(session: Session, tmp_path: Path, suffix: str) -> None:
    out = tmp_path / f"rows{suffix}"
    assert session.save(QUERY, out) == 4
    if suffix == ".parquet":
        rows = pq.read_table(out).to_pylist()
    elif suffix == ".arrow":
        with pa.memory_map(str(out)) as file, pa.ipc.open_file(file) as reader:
            rows = reader.read_all().to_pylist()
    else:
        rows = json.loads(out.read_text())
    assert rows == expected()
    assert [each.name for each in tmp_path.iterdir()] == [out.name]


def test_csv_has_text(session: Session, tmp_path: Path) -> None:
    out = tmp_path / "rows.csv"
    session.save(QUERY, out)
    with out.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["small"] for row in rows] == [each["small"] or "" for each in expected()]
    assert rows[0]["tags"] == '["a", null]'
    assert float(rows[3]["score"]) == 1e300


def test_many_rows_and_none(session: Session, tmp_path: Path) -> None:
    out = tmp_path / "rows.parquet"
    assert session.save("SELECT range AS n, range::VARCHAR AS s FROM range(300000)", out) == 300_000
    assert pq.read_table(out)["n"].to_pylist() == list(range(300_000))
    assert session.save("SELECT id, image FROM t WHERE false", out) == 0
    assert pq.read_schema(out).field("image").type == pa.string()
    assert session.save("t", out) == 4


@pytest.mark.parametrize(
    ("query", "name", "error", "message"),
    [
        ("t", "rows.xls", SettingsError, r"rows\.xls: expected a file of rows: \.arrow, \.csv, \.json or \.parquet"),
        ("t", "no/rows.csv", SettingsError, "there is no folder"),
        ("SELECT idd FROM t", "rows.csv", QueryError, 'query:1:8: no column "idd"'),
        ("SELECT 1 AS a, 2 AS a", "rows.csv", QueryError, 'two columns are named "a", which a file cannot have'),
        ("SELECT error('no ' || id)::INT AS n FROM t", "rows.json", QueryError, "no 0"),
        ("SELECT if(range > 250000, error('late'), 1) AS n FROM range(300000)", "rows.csv", QueryError, "late"),
    ],
)  # fmt: skip
def test_what_fails_leaves_nothing(
    session: Session, tmp_path: Path, query: str, name: str, error: type[Exception], message: str
) -> None:
    (tmp_path / "rows.csv").write_text("before")
    with pytest.raises(error, match=message):
        session.save(query, tmp_path / name)
    assert [each.name for each in tmp_path.iterdir()] == ["rows.csv"]
    assert (tmp_path / "rows.csv").read_text() == "before"


def test_a_full_disk_leaves_what_was_there(session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    (tmp_path / "rows.csv").write_text("before")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(SettingsError, match=r"rows\.csv: cannot be written: No space left on device"):
        session.save("t", tmp_path / "rows.csv")
    assert [each.read_text() for each in tmp_path.iterdir()] == ["before"]


def test_the_command_says_how_many(root: Path, tmp_path: Path) -> None:
    out = tmp_path / "rows.csv"
    result = CliRunner().invoke(cli.app, ["save", "SELECT id FROM t", str(out), "--root", str(root)])
    assert result.output.replace("\n", "") == f"{out}: 4 rows"
    assert out.read_text().split() == ["id", "0", "1", "2", "3"]
