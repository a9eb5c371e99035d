"""Confined SQL: what it may touch, what it is told, and that no credentials get out."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.embeddings import PALETTE, Colours, png, write_walls
from tests.shell.test_shell import said, screen, text
from tests.test_cli import places, run

import cutlist
from cutlist import Session, cli
from cutlist.errors import QueryError, SettingsError
from cutlist.shell import Shell
from cutlist.shell.prompt import KeptHistory

if TYPE_CHECKING:
    from rich.console import Console
    from tests.conftest import Made

__all__ = ["screen"]  # a fixture

REMEDY = "SQL here has the files of the root and of the working folder alone; --allow-files lifts that"


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A folder that SQL must not touch, with a file in it."""
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "secret.csv").write_text("a\n1\n")
    return folder


@pytest.fixture
def here(tmp_path: Path, outside: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with links out of it; its name has a quote."""
    folder = tmp_path / "it's here"
    folder.mkdir()
    (folder / "mine.csv").write_text("a\n7\n")
    (folder / "link.csv").symlink_to(outside / "secret.csv")
    (folder / "linked").symlink_to(outside)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("HOME", str(outside))
    return folder


@pytest.fixture
def confined(made: Made, here: Path) -> Iterator[Session]:
    with cutlist.connect(made.root, views=made.views, allow_files=False) as session:
        yield session


@pytest.mark.parametrize(
    "query",
    [
        "FROM read_text('{outside}/secret.csv')",
        "FROM '{outside}/secret.csv'",
        "FROM read_csv(['mine.csv', '{outside}/secret.csv'])",
        "FROM read_csv('../outside/secret.csv')",
        "FROM read_csv('{here}/../outside/secret.csv')",
        "FROM read_csv('../*/secret.csv')",
        "FROM read_csv('link.csv')",
        "FROM read_csv('linked/secret.csv')",
        "FROM '~/secret.csv'",
        "FROM read_csv('~/secret.csv')",
        "FROM read_text('file://{outside}/secret.csv')",
        "FROM read_text('/proc/self/environ')",
        "FROM glob('{outside}/*')",
        "FROM sniff_csv('{outside}/secret.csv')",
        "FROM read_csv('https://example.com/a.csv')",
        "FROM 's3://bucket/a.parquet'",
        "ATTACH '{outside}/new.db'",
        "ATTACH 'linked/new.db'",
        "COPY (SELECT 1) TO '{outside}/new.csv'",
        "COPY (SELECT 1) TO 'linked/new.csv'",
        "COPY (SELECT 1 AS a, 2 AS b) TO '../outside/new' (FORMAT csv, PARTITION_BY (a))",
        "EXPORT DATABASE '{outside}/new'",
        "IMPORT DATABASE '{outside}'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "LOAD '{outside}/x.duckdb_extension'",
        "CREATE SECRET s (TYPE http, BEARER_TOKEN 'x')",
        "CREATE OR REPLACE PERSISTENT SECRET s (TYPE http, BEARER_TOKEN 'x')",
        "SET allowed_directories = ['/']",
        "SET enable_external_access = true",
        "RESET allowed_directories",
        "SET GLOBAL temp_directory = '{outside}'",
        "SET home_directory = '{outside}'",
        "SET file_search_path = '{outside}'",
        "SET extension_directory = '{outside}'",
        "SET secret_directory = '{outside}'",
        "SET log_query_path = '{outside}/log'",
        "SET allow_persistent_secrets = true",
        "SET http_proxy = 'x'",
        "PRAGMA profiling_output = '{outside}/profile'",
        "PRAGMA enable_profiling",
    ],
)
def test_what_confined_sql_may_not_do(confined: Session, outside: Path, here: Path, query: str) -> None:
    typed = query.format(outside=outside, here=str(here).replace("'", "''"))
    with pytest.raises(QueryError, match=REMEDY), confined.reading(typed):
        confined.sql(typed).fetchall()
    assert [each.name for each in outside.iterdir()] == ["secret.csv"]


def test_what_confined_sql_may_do(confined: Session, here: Path) -> None:
    def rows(query: str) -> list[tuple[object, ...]]:
        relation = confined.sql(query)
        return [] if relation is None else list(relation.fetchall())

    quoted = str(here).replace("'", "''")
    assert rows("FROM 'mine.csv'") == rows(f"FROM read_csv('{quoted}/mine.csv')") == [(7,)]
    rows("COPY (FROM my_videos ORDER BY id) TO 'out.parquet'")
    assert rows("SELECT count(*) FROM 'out.parquet'") == [(24,)]
    rows("ATTACH 'mine.db' AS mine")
    assert rows("SELECT count(*) FROM hd JOIN my_videos USING (id)") == [(8,)]
    rows("CREATE TABLE kept AS FROM range(3)")
    assert rows("SELECT count(*) FROM kept") == [(3,)]
    rows("SET threads = 2")
    rows("SET memory_limit = '30MB'")
    assert rows(
        "SELECT count(*), max(n) FROM (SELECT row_number() OVER (ORDER BY hash(range)) AS n FROM range(2000000))"
    ) == [(2_000_000, 2_000_000)]
    assert confined.compile("hd").num_samples == 8


def test_the_root_is_open_by_any_path_to_it(made: Made, here: Path, tmp_path: Path) -> None:
    shutil.copytree(made.root / "my_images.lance", tmp_path / "real" / "my_images.lance")
    (tmp_path / "real" / "notes.csv").write_text("a\n3\n")
    (tmp_path / "way").symlink_to(tmp_path / "real")
    with cutlist.connect(tmp_path / "way", allow_files=False) as session:
        for folder in ("way", "real"):
            assert session.sql(f"FROM '{tmp_path / folder / 'notes.csv'}'").fetchall() == [(3,)]
        assert session.sql("SELECT count(*) FROM my_images").fetchall() == [(12,)]


def test_images_to_search_by_are_files_too(tmp_path: Path, outside: Path, here: Path) -> None:
    write_walls(tmp_path / "data", copies=1)
    picture = png(PALETTE["cyan"])
    for folder in (outside, here, tmp_path / "data"):
        (folder / "sky.png").write_bytes(picture)
    with cutlist.connect(tmp_path / "data") as session:
        session.backfill("walls", Colours())
        nearest = "SELECT caption FROM walls ORDER BY similarity(colour, image_file('{}')) DESC LIMIT 1"
        assert session.sql(nearest.format(outside / "sky.png")).fetchall() == [("a cyan wall",)]
    with cutlist.connect(tmp_path / "data", allow_files=False) as session:
        for run in (session.sql, session.compile):
            for path in (
                f"{outside}/sky.png",
                "../outside/sky.png",
                "linked/sky.png",
                "linked/none.png",
                "/etc/passwd",
            ):
                with pytest.raises(QueryError, match=rf"query:1:36: image_file\('{path}'\) may not be read: {REMEDY}"):
                    run(nearest.format(path))
        for path in ("sky.png", f"{tmp_path}/data/sky.png"):
            assert session.sql(nearest.format(path)).fetchall() == [("a cyan wall",)]


def test_python_is_open_and_the_command_line_is_not(made: Made, outside: Path, here: Path) -> None:
    query = f"SELECT a FROM '{outside}/secret.csv'"
    with cutlist.connect(made.root, views=made.views) as session:
        assert session.sql(query).fetchall() == [(1,)]
    for words in (["sql", query], ["save", query, "out.csv"], ["plot", query, "a"]):
        with pytest.raises(QueryError, match=REMEDY):
            run(*words, *places(made))
        assert run(*words, "--allow-files", *places(made))


def test_the_shell_is_confined_and_so_is_what_it_opens(
    confined: Session, screen: Console, made: Made, outside: Path
) -> None:
    shell = Shell(confined, {"sql": ""}, cli.run, console=screen)
    query = f"FROM '{outside}/secret.csv';"
    assert REMEDY in said(shell, query)
    assert REMEDY in said(shell, f".open {made.root}", query)
    assert "--allow-files: this shell is without; start it anew" in said(shell, ".sql --allow-files 'SELECT 1'")
    shell.session.close()
    with (
        pytest.raises(SettingsError, match="this shell is without"),
        cutlist.connect(made.root, allow_files=False) as one,
    ):
        cli.run(one, ["sql", "SELECT 1", "--allow-files"])


def test_a_training_set_has_no_files_however_it_was_opened(made: Made, here: Path) -> None:
    with cutlist.connect(made.root) as session, pytest.raises(QueryError, match="Cannot access file"):
        session.compile("FROM read_csv('mine.csv')")


CANARY = "canary-8f3a91c2d4e5"


def test_no_credentials_get_out(
    made: Made,
    tmp_path: Path,
    screen: Console,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    for name in ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AZURE_STORAGE_ACCOUNT_KEY", "MY_PASSWORD"):
        monkeypatch.setenv(name, CANARY)
    monkeypatch.setenv("HTTPS_PROXY", f"http://user:{CANARY}@localhost")
    monkeypatch.chdir(tmp_path)
    options = {"aws_secret_access_key": CANARY, "aws_session_token": CANARY}
    shutil.copytree(made.root, tmp_path / "data")
    history = KeptHistory(tmp_path / "history")
    for allow_files in (False, True):
        with cutlist.connect(
            tmp_path / "data", views=made.views, storage_options=options, allow_files=allow_files
        ) as session:
            shell = Shell(session, {}, cli.run, console=screen)
            for query in (
                "FROM duckdb_secrets();",
                "FROM duckdb_secrets(redact => false);",
                "FROM duckdb_settings() ORDER BY name;",
                "SELECT getenv('AWS_SECRET_ACCESS_KEY');",
                "SELECT current_setting('s3_secret_access_key');",
                f"CREATE SECRET s (TYPE http, BEARER_TOKEN '{CANARY}');",
                "FROM duckdb_secrets();",
                "FROM duckdb_secrets(redact => false);",
                "SET allow_unredacted_secrets = true;",
                f"SELECT * FROM nope WHERE key = '{CANARY}';",
            ):
                history.store_string(query)
                said(shell, ".expanded", query)
            screen.print(repr(session), repr(session.store), repr(session.tables), session.compile("hd"))
    assert CANARY not in text(screen)
    told = capfd.readouterr()
    assert CANARY not in told.out + told.err
    files = [each for each in tmp_path.rglob("*") if each.is_file()]
    assert len(files) > 10
    assert not [each for each in files if CANARY.encode() in each.read_bytes()]
    assert "duckdb_settings" in (tmp_path / "history").read_text()
    assert (tmp_path / "history").stat().st_mode & 0o777 == 0o600
