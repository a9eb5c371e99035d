"""Where the query of a command comes from: its words, a file, standard input, or the shell."""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.test_cli import places, run
from typer.testing import CliRunner

import cutlist
from cutlist import Session, cli
from cutlist.errors import NotFoundError, QueryError, SettingsError

if TYPE_CHECKING:
    from tests.conftest import Made


@pytest.fixture
def file(tmp_path: Path) -> str:
    (tmp_path / "q.sql").write_text("-- of all\nSELECT id, fps, width FROM my_videos")
    return str(tmp_path / "q.sql")


@pytest.fixture
def session(made: Made) -> Iterator[Session]:
    with cutlist.connect(made.root, views=made.views) as opened:
        yield opened


def test_a_query_comes_from_a_file_or_standard_input(made: Made, file: str) -> None:
    assert len(json.loads(run("sql", "-f", file, "--json", *places(made)))) == 24
    for words in (["-"], ["--file", "-"]):
        done = CliRunner().invoke(cli.app, ["sql", *words, "--json", *places(made)], input="SELECT 6 * 7 AS n")
        assert json.loads(done.stdout) == [{"n": 42}]


@pytest.mark.parametrize("before", [True, False])
def test_the_words_after_a_query_move_up_where_a_file_has_it(
    made: Made, file: str, tmp_path: Path, before: bool
) -> None:
    def called(name: str, *words: str) -> str:
        return run(name, *(["-f", file, *words] if before else [*words, "-f", file]), *places(made))

    assert called("plot", "fps", "--json").startswith("{")
    assert json.loads(called("plot", "width", "fps", "--json"))["kind"] == "scatter"
    assert called("save", str(tmp_path / "rows.csv")) == f"{tmp_path / 'rows.csv'}: 24 rows\n"
    assert called("lint") == "1 query: 0 errors, 0 warnings\n"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["sql", "SELECT 1", "-f", "q.sql"], "sql: give the query or --file, not both; `cutlist sql --help` has an"),
        (["sheet", "hd", "out.png", "-f", "q.sql"], "sheet: give the query or --file, not both"),
        (["sql", " "], "sql: no query: give one, or --file, or - for standard input"),
        (["lineage", "hd", "--format", "nope"], "lineage: Invalid value for '--format': 'nope' is not one of"),
        (["compile"], "compile: no query: give one, or --file, or - for standard input"),
        (["sheet", "hd"], "sheet: Missing argument 'out'"),
        (["nope"], "No such command 'nope'; `cutlist --help` lists all"),
    ],
)
def test_what_is_no_call_is_one_line_and_status_two(
    words: list[str], told: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["cutlist", *words])
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)  # main replaces it
    with pytest.raises(SystemExit, match="2"):
        cli.main()
    said = capsys.readouterr()
    assert (said.out, len(said.err.splitlines())) == ("", 1)
    assert f"error: {told}" in said.err


def test_a_file_that_is_not_there(made: Made) -> None:
    with pytest.raises(NotFoundError, match=r"^nope\.sql: no such file; -f takes one of SQL, or - for standard input$"):
        run("sql", "-f", "nope.sql", *places(made))
    with pytest.raises(SettingsError, match=r"^cannot read .*: Is a directory$"):
        run("sql", "-f", str(made.root), *places(made))


@pytest.mark.parametrize("comment", ["-- c", "--c", "--c = 1", "--json c"])
def test_a_query_may_begin_with_a_comment(made: Made, comment: str) -> None:
    assert json.loads(run("sql", f"{comment}\nSELECT 1 AS n", "--json", *places(made))) == [{"n": 1}]
    with pytest.raises(QueryError, match=r"query:2:8: no column \"nope\""):
        run("sql", f"{comment}\nSELECT nope", *places(made))


def test_an_option_whose_value_has_spaces_is_one(made: Made) -> None:
    with pytest.raises(QueryError, match="no column"):
        run("backfill", "my_videos", "media_probe", "--where=nope > 2", *places(made))


LAST = "--c\nSELECT id, fps, width FROM my_videos"


def test_the_last_query_of_the_shell_is_taken_where_none_is_given(
    session: Session, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def told(*words: str) -> str:
        cli.run(session, words, LAST)
        return capsys.readouterr().out

    assert "24 samples" in told("explain")
    assert json.loads(told("plot", "fps", "--json"))["kind"] == "histogram"
    assert json.loads(told("plot", "width", "fps", "--json"))["kind"] == "scatter"
    assert json.loads(told("plot", "HD", "width", "--json"))["kind"] == "histogram"
    assert json.loads(told("plot", "FROM my_images", "width", "--json"))["kind"] == "histogram"
    assert "24 rows" in told("save", str(tmp_path / "rows.csv"))
    assert "8 rows" in told("save", "hd", str(tmp_path / "hd.csv"))
    assert "queries" in told("lint")
    with pytest.raises(QueryError, match='no table or view "nope"'):
        told("explain", "nope")


def test_a_command_of_the_shell_that_has_no_query_is_an_error(session: Session) -> None:
    with pytest.raises(SettingsError, match=r"\.explain: no query: give one"):
        cli.run(session, ["explain"])
