"""CREATE VIEW and DROP VIEW: files of the folder of views, written as a whole or not at all.

- The file has the query as typed, and the comments above the statement; the session knows the view at once, and a new
  session finds the same.
- Whatever is refused leaves the folder as it was, to the last byte.
- Errors in the query have their place in the statement as typed.
- A view that others need is not dropped; with CASCADE it alone is, and what is broken is told.
"""

from __future__ import annotations

import errno
import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from typer.testing import CliRunner

from cutlist import Session, cli, connect
from cutlist.errors import CatalogError, QueryError, QueryWarning, SettingsError
from cutlist.store import Store


@pytest.fixture
def root(tmp_path: Path) -> Path:
    Store(root=str(tmp_path / "data")).append("t", pa.table({"id": range(5), "score": [0.5] * 5}), message="test")
    (tmp_path / "sql" / "sets").mkdir(parents=True)
    (tmp_path / "sql" / "good.sql").write_text("-- Good ones.\nSELECT id, score FROM t WHERE score > 0.1\n")
    (tmp_path / "sql" / "sets" / "best.sql").write_text("SELECT id FROM good WHERE score > 0.4\n")
    return tmp_path


@pytest.fixture
def session(root: Path) -> Iterator[Session]:
    with connect(root / "data", views=root / "sql") as opened:
        yield opened


def files(root: Path) -> dict[str, str]:
    folder = root / "sql"
    return {str(each.relative_to(folder)): each.read_text() for each in folder.rglob("*") if each.is_file()}


def test_a_view_is_the_query_as_typed_with_the_comments_above(root: Path, session: Session) -> None:
    typed = "-- The first ones.\n-- By id.\ncreate view first as\nSELECT  id  -- the key\nFROM t\nWHERE id < 2;\n"
    (row,) = session.sql(typed).fetchall()
    file = root / "sql" / "first.sql"
    assert row == ("first", str(file), "The first ones. By id.")
    assert file.read_text() == "-- The first ones.\n-- By id.\nSELECT  id  -- the key\nFROM t\nWHERE id < 2\n"
    assert session.sql("SELECT count(*) FROM first").fetchall() == [(2,)]
    assert session.compile("first").num_samples == 2
    with connect(root / "data", views=root / "sql") as again:
        assert again.views["first"] == session.views["first"]


def test_a_view_in_a_folder_and_one_over_views(root: Path, session: Session) -> None:
    session.sql('CREATE VIEW "new/sub/two words" AS FROM "sets/best"')
    assert (root / "sql" / "new" / "sub" / "two words.sql").read_text() == 'FROM "sets/best"\n'
    session.sql('CREATE VIEW third AS SELECT * FROM "new/sub/two words"')
    assert session.sql("SELECT count(*) FROM third").fetchall() == [(5,)]


def test_the_folder_of_views_is_made(root: Path) -> None:
    with connect(root / "data") as session:
        session.views_folder = root / "not" / "there"
        session.sql("CREATE VIEW one AS SELECT 1 AS one")
    assert (root / "not" / "there" / "one.sql").read_text() == "SELECT 1 AS one\n"


def test_or_replace_writes_the_file_anew(root: Path, session: Session) -> None:
    session.sql("CREATE OR REPLACE VIEW GOOD AS SELECT id, score FROM t WHERE id > 3")
    assert set(files(root)) == {"good.sql", "sets/best.sql"}
    assert session.sql('SELECT * FROM "sets/best"').fetchall() == [(4,)]


def test_or_replace_warns_of_views_that_it_breaks(session: Session) -> None:
    with pytest.warns(QueryWarning, match=r"good\.sql: with the new good, these .* no longer be bound: sets/best"):
        session.sql("CREATE OR REPLACE VIEW good AS SELECT id FROM t")


REFUSED = [
    (
        "CREATE VIEW good AS SELECT 1",
        CatalogError,
        r'query:1:13: there is a view "good" already, .*good\.sql; CREATE',
    ),
    ("CREATE VIEW Good AS SELECT 1", CatalogError, 'there is a view "good" already'),
    ("CREATE VIEW T AS SELECT 1", CatalogError, 'query:1:13: "T" is a table; a view needs a name of its own'),
    ('CREATE VIEW "a/../../b" AS SELECT 1', CatalogError, '"a/../../b" cannot be the name of a file; expected letters'),
    ('CREATE VIEW "/etc/x" AS SELECT 1', CatalogError, "cannot be the name of a file"),
    ('CREATE VIEW ".x" AS SELECT 1', CatalogError, "cannot be the name of a file"),
    ('CREATE VIEW "a*b" AS SELECT 1', CatalogError, "cannot be the name of a file"),
    (f'CREATE VIEW "{"x" * 300}" AS SELECT 1', CatalogError, "cannot be the name of a file"),
    ("-- c\nCREATE VIEW v AS\nSELECT idd FROM t", QueryError, 'query:3:8: no column "idd" in t; did you mean "id"'),
    ("CREATE VIEW v AS SELECT 1 FROM tt", QueryError, 'query:1:32: no table or view "tt"; did you mean "t"'),
    ("CREATE VIEW v AS SELECT id FROM t LIMIT 3", QueryError, "query:1:35: LIMIT"),
    ("CREATE VIEW v AS SELECT 1; SELECT 2", QueryError, "query:1:28: a second statement starts here"),
    ("CREATE VIEW v AS DROP TABLE t", QueryError, "query:1:18: this is DROP, expected one SELECT"),
    ("CREATE VIEW v AS", QueryError, "empty; expected one SELECT"),
    ("CREATE VIEW v AS SELECT FROM WHERE", QueryError, "query:1"),
    ("CREATE VIEW v AS FROM v", QueryError, "views use each other in a circle: v → v"),
    ('CREATE OR REPLACE VIEW good AS FROM "sets/best"', QueryError, "in a circle"),
    ("CREATE VIEW v (a) AS SELECT 1", QueryError, r"expected CREATE \[OR REPLACE\] VIEW name AS SELECT"),
    ("CREATE VIEW a.b AS SELECT 1", QueryError, "expected CREATE"),
    ("DROP VIEW", QueryError, r"expected DROP VIEW \[IF EXISTS\] name \[CASCADE\]"),
    ("DROP VIEW a, b", QueryError, "expected DROP VIEW"),
    ("DROP VIEW goood", CatalogError, 'query:1:11: no view "goood"; did you mean "good"'),
    ("DROP VIEW IF EXISTS t", CatalogError, '"t" is a table, not a view'),
    (
        "DROP VIEW good",
        CatalogError,
        r'the view "good" is needed by sets/best; DROP VIEW … CASCADE drops it',
    ),
    ("DROP VIEW good RESTRICT", CatalogError, "is needed by sets/best"),
]


@pytest.mark.parametrize(("statement", "error", "message"), REFUSED, ids=[each[0][:40] for each in REFUSED])
def test_what_is_refused_leaves_nothing(
    root: Path, session: Session, statement: str, error: type[Exception], message: str
) -> None:
    before, views = files(root), dict(session.views)
    with pytest.raises(error, match=message):
        session.sql(statement)
    assert files(root) == before
    assert session.views == views


def test_a_file_that_appeared_meanwhile_is_left_alone(root: Path, session: Session) -> None:
    (root / "sql" / "late.sql").write_text("SELECT 1 AS theirs\n")
    with pytest.raises(CatalogError, match='there is a view "late" already'):
        session.sql("CREATE VIEW late AS SELECT 2 AS ours")
    assert files(root)["late.sql"] == "SELECT 1 AS theirs\n"


def test_a_write_that_fails_leaves_nothing(root: Path, session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    before = files(root)
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(CatalogError, match=r"good\.sql: cannot be written: No space left on device"):
        session.sql("CREATE OR REPLACE VIEW good AS SELECT 1 AS one")
    assert files(root) == before
    assert session.views["good"].text == before["good.sql"]


def test_drop_removes_the_file(root: Path, session: Session) -> None:
    assert session.sql('DROP VIEW "sets/BEST";').fetchall() == [
        ("sets/best", str(root / "sql" / "sets" / "best.sql"), [])
    ]
    assert session.sql("drop view if exists good").fetchall()[0][0] == "good"
    assert session.sql("DROP VIEW IF EXISTS good").fetchall() == [(None, None, [])]
    assert files(root) == {}
    assert not session.views


def test_cascade_drops_that_view_alone_and_says_what_is_broken(root: Path, session: Session) -> None:
    with pytest.warns(UserWarning, match="these views need good, and are broken now: sets/best"):
        dropped = session.sql("DROP VIEW good CASCADE").fetchall()
    assert dropped == [("good", str(root / "sql" / "good.sql"), ["sets/best"])]
    assert set(files(root)) == {"sets/best.sql"}


def test_statements_that_only_look_so_are_duckdbs(session: Session) -> None:
    assert session.sql("SELECT 'CREATE VIEW x AS SELECT 1' AS text").fetchall() == [("CREATE VIEW x AS SELECT 1",)]
    session.sql("CREATE TABLE made AS SELECT 1 AS one")
    session.sql("CREATE TEMP VIEW gone AS SELECT 1 AS one")
    assert session.sql("SELECT one FROM made").fetchall() == [(1,)]


# -- the command line -------------------------------------------------------------------------------------------------


def options(root: Path) -> list[str]:
    return ["--root", str(root / "data"), "--views", str(root / "sql")]


def run(*arguments: str) -> str:
    result = CliRunner().invoke(cli.app, arguments, env={"COLUMNS": "200", "TERM": "dumb"})
    if result.exception is not None:
        raise result.exception
    return result.output


def test_the_command_creates_and_drops_with_yes(root: Path) -> None:
    assert "new.sql" in run("sql", "/* New. */ CREATE VIEW new AS FROM t", *options(root))
    assert "New." in run("sql", "SHOW TABLES", *options(root))
    with pytest.raises(SettingsError, match="DROP VIEW new: nobody can be asked here; say --yes to drop it"):
        run("sql", "DROP VIEW new", *options(root))
    assert (root / "sql" / "new.sql").exists()
    run("sql", "DROP VIEW new", "--yes", *options(root))
    assert not (root / "sql" / "new.sql").exists()


@pytest.mark.parametrize(("answer", "status", "there"), [("n", 1, True), ("y", 0, False)])
def test_at_a_terminal_it_asks(root: Path, answer: str, status: int, there: bool) -> None:
    ours, its = pty.openpty()
    code = "from cutlist.cli import main; main()"
    os.write(ours, f"{answer}\n".encode())
    command = [sys.executable, "-c", code, "sql", 'DROP VIEW "sets/best"', *options(root)]
    done = subprocess.run(command, stdin=its, capture_output=True, text=True)
    os.close(ours)
    os.close(its)
    assert "Drop the view sets/best, and remove its file? [y/N]" in done.stdout
    assert done.returncode == status
    assert (root / "sql" / "sets" / "best.sql").exists() is there
