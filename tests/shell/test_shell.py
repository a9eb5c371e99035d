"""The shell, without a terminal: statements, commands, completion, and tables that fit."""

from __future__ import annotations

import io
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document
from prompt_toolkit.input.defaults import create_pipe_input
from prompt_toolkit.output import DummyOutput
from rich.console import Console

import cutlist
from cutlist import cli
from cutlist.shell import Shell
from cutlist.shell.answers import Answer, as_records, as_table, read
from cutlist.shell.completion import Names, SqlCompleter
from cutlist.shell.typed import statements

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.conftest import Made

    from cutlist import Session


@pytest.fixture
def session(made: Made) -> Iterator[Session]:
    with cutlist.connect(made.root, views=made.views) as opened:
        yield opened


@pytest.fixture
def screen() -> Console:
    return Console(file=io.StringIO(), width=100, height=40, highlight=False)


def text(screen: Console) -> str:
    assert isinstance(screen.file, io.StringIO)
    return screen.file.getvalue()


@pytest.fixture
def shell(session: Session, screen: Console) -> Shell:
    commands = {name: (function.__doc__ or "").partition(".")[0] for name, function in cli.COMMANDS.items()}
    return Shell(session, commands, cli.run, console=screen)


def said(shell: Shell, *lines: str) -> str:
    before = len(text(shell.console))
    for line in lines:
        assert shell.answer(line)
    return text(shell.console)[before:]


def test_media_are_told_in_words_and_null_is_seen(shell: Shell) -> None:
    told = said(
        shell, "SELECT video.clip(0, 0.5) AS v, NULL AS nothing, num_frames FROM my_videos ORDER BY id LIMIT 1;"
    )
    assert "video " in told
    assert "×" in told
    assert "fps" in told
    assert ".clip(0, 0.5)" in told
    assert "NULL" in told
    assert "1 row in " in told


def test_a_vector_is_its_length_and_norm(shell: Shell) -> None:
    told = said(shell, "SELECT list_transform(range(512), lambda x: 1 / sqrt(512))::FLOAT[512] AS e;")
    assert "f32[512] ‖x‖=1.00" in told


def test_a_list_of_structs_is_their_number_and_fields_and_whole_in_records(shell: Shell) -> None:
    query = "SELECT [{start_seconds: i, stop_seconds: i + 1} FOR i IN range(5)] AS scenes;"
    assert "5 × {start_seconds, stop_seconds}" in said(shell, query)
    told = said(shell, ".expanded on", query, "SELECT [{a: 1, b: 1e0 / 3}] AS few;")
    assert told.count("start_seconds") == 5
    assert '[{"a": 1, "b": 0.333333}]' in told


def test_an_error_shows_the_line_and_the_place(shell: Shell) -> None:
    told = said(shell, "SELECT id,\n  captoin FROM my_videos;")
    assert 'error: query:2:3: no column "captoin" in my_videos; did you mean "caption"?' in told
    assert "    captoin FROM my_videos;\n    ^^^^^^^\n" in told


def test_commands_of_the_registry_run_on_the_session_of_the_shell(
    shell: Shell, capsys: pytest.CaptureFixture[str]
) -> None:
    said(shell, ".status my_videos --json")
    assert '"table": "my_videos"' in capsys.readouterr().out
    said(shell, "SELECT video FROM my_videos", ".explain")
    assert "24 samples" in capsys.readouterr().out


def test_a_command_takes_the_last_query(shell: Shell, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said(shell, "SELECT id FROM my_videos ORDER BY id;", f".save {tmp_path / 'ids.csv'}")
    assert "ids.csv: 24 rows" in capsys.readouterr().out
    said(shell, "SELECT captoin FROM my_videos;", f".save {tmp_path / 'again.csv'}")
    assert "again.csv: 24 rows" in capsys.readouterr().out  # that one failed; there is nothing to take of it


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (".explane", 'no command "explane"; did you mean "explain"? .help lists them'),
        (".timer maybe", ".timer maybe: expected on or off"),
        (".read", ".read FILE: expected one file of statements"),
        (".read nope.sql", "cannot read nope.sql: No such file or directory\n"),
        (".sheet", "error: .sheet: Missing argument 'out'; `.help sheet` has an example\n"),
        (".status 'x", "No closing quotation"),
        (".status --nope", "No such option"),
        (".open", ".open ROOT [VIEWS]: expected the root"),
        (".open /no/such/folder", 'no folder "/no/such/folder"'),
        (".status nope", 'no table "nope"'),
    ],
)
def test_what_cannot_be_done_is_told_and_does_no_harm(shell: Shell, line: str, told: str) -> None:
    assert told in said(shell, line)
    assert "42" in said(shell, "SELECT 6 * 7;")


def test_options_are_switched(shell: Shell) -> None:
    assert "timer off" in said(shell, ".timer off")
    assert " in 0." not in said(shell, "SELECT 1;")
    told = said(shell, ".expanded on", "SELECT id, caption FROM my_videos ORDER BY id LIMIT 2;")
    assert "─ row 2 ─" in told
    assert "caption │ " in told


def test_files_are_read_and_roots_opened(shell: Shell, made: Made, tmp_path: Path) -> None:
    (tmp_path / "a.sql").write_text("-- two\nSELECT 'a;b' AS one;\nSELECT 2 AS two;\n.timer off\n")
    told = said(shell, f".read {tmp_path / 'a.sql'}")
    assert "a;b" in told
    assert "timer off" in told
    assert "Session(" in said(shell, f".open {made.root} {made.views}")
    assert "24" in said(shell, "SELECT count(*) FROM my_videos;")
    shell.session.close()


def test_the_last_statement_is_edited_into_several(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    editor = tmp_path / "editor"
    editor.write_text("#!/bin/sh\necho \"SELECT 'edited' AS a; SELECT 'too' AS b;\" > \"$1\"\n")
    editor.chmod(0o755)
    monkeypatch.setenv("VISUAL", str(editor))
    told = said(shell, "SELECT 1;", ".edit")
    assert told.count("1 row in") == 3
    monkeypatch.setenv("VISUAL", "/no/such/editor")
    assert "error: .edit: /no/such/editor: No such file or directory; set EDITOR to another" in said(shell, ".edit")


def test_a_text_has_no_command_for_the_terminal(shell: Shell) -> None:
    told = said(shell, "SELECT 'a' || chr(27) || '[31m' || chr(9) || 'b' AS s;")
    assert "a\\x1b[31m\\tb" in told


def test_help_names_every_command(shell: Shell) -> None:
    told = said(shell, ".help")
    for name in ("status", "explain", "backfill", "pictures", "quit"):
        assert f".{name}" in told


def test_it_is_left_by_quit(shell: Shell) -> None:
    assert not shell.answer(".quit")
    assert shell.answer("")


def complete(session: Session, line: str, requested: bool = False) -> list[str]:
    completer = SqlCompleter(Names(session), {"explain": "what a query reads", "status": ""})
    found = completer.get_completions(Document(line), CompleteEvent(completion_requested=requested))
    return [each.text for each in found]


def test_completion_knows_the_catalog(session: Session) -> None:
    assert complete(session, "SELECT * FROM my_") == ["my_images", "my_videos"]
    assert complete(session, "SELECT v.cap") == []
    assert complete(session, "SELECT v.cap FROM my_videos v"[:12] + "") == []
    found = complete(session, "SELECT durat")
    assert found[0] == "duration_seconds"
    assert "num_frames" in complete(session, "SELECT nu")
    assert "SELECT" in complete(session, "SEL")
    assert "select" in complete(session, "sel")
    assert "resize(" in complete(session, "SELECT resi")
    assert complete(session, ".expl") == ["explain"]
    assert "hd" in complete(session, ".explain h")
    assert complete(session, "SELECT ") == []


def test_completion_after_a_dot(session: Session) -> None:
    document = Document("SELECT v.cap FROM my_videos v", cursor_position=len("SELECT v.cap"))
    found = list(SqlCompleter(Names(session), {}).get_completions(document, CompleteEvent()))
    assert [each.text for each in found] == ["caption"]
    assert "clip(" in complete(session, "SELECT video.cl")


def shown(session: Session, answer: Answer, width: int) -> list[str]:
    console = Console(file=io.StringIO(), width=width)
    console.print(as_table(session, answer, width))
    return text(console).splitlines()


@pytest.mark.parametrize("width", [40, 60, 80, 200])
def test_a_table_of_300_columns_fits_and_names_what_it_leaves_out(session: Session, width: int) -> None:
    names = [f"column_{i}" for i in range(300)]
    answer = Answer(names=names, types=["INTEGER"] * 300, rows=[tuple(range(300))], is_whole=True)
    lines = shown(session, answer, width)
    assert max(map(len, lines)) <= width
    assert "no room for:" in "".join(lines)


@pytest.mark.parametrize("width", [60, 100])
def test_wide_characters_and_long_texts_fit(session: Session, width: int) -> None:
    relation = session.sql("SELECT repeat('犬🐕', 40) AS dog, 'naïve\ncafé' AS two, repeat('x', 500) AS long")
    lines = shown(session, read(relation, 10), width)
    from rich.cells import cell_len

    assert max(map(cell_len, lines)) <= width
    assert "🐕" in "".join(lines)


def test_an_empty_result_has_its_header(session: Session) -> None:
    lines = shown(session, read(session.sql("SELECT id, caption FROM my_videos WHERE false"), 10), 80)
    assert "caption" in "".join(lines)


def test_records_have_a_line_for_each_value(session: Session) -> None:
    console = Console(file=io.StringIO(), width=80)
    console.print(as_records(session, read(session.sql("SELECT 1 AS a, NULL AS bb"), 10)))
    assert " a │ 1" in text(console)
    assert "bb │ NULL" in text(console)


def test_statements_of_a_text() -> None:
    assert statements("SELECT 1;\n\n-- a; b\nSELECT\n 2;") == ["SELECT 1;", "-- a; b\nSELECT\n 2;"]
    assert statements("SELECT 1") == ["SELECT 1"]
    assert statements(" \n") == []
    assert statements("SELECT $$;$$; FROM a;\n.sheet 'x;y'\n.tables") == [
        "SELECT $$;$$;",
        "FROM a;",
        ".sheet 'x;y'",
        ".tables",
    ]
    assert statements("SELECT 1; /* and; */ -- so;\n") == ["SELECT 1; /* and; */ -- so;"]


def test_what_is_typed_is_answered_and_kept(session: Session, screen: Console, tmp_path: Path) -> None:
    with create_pipe_input() as pipe:
        made = Shell(
            session, {}, cli.run, console=screen, history=tmp_path / "history", input=pipe, output=DummyOutput()
        )
        pipe.send_text("SELECT 40 +\r 2 AS answer;\r")
        pipe.send_text(".quit\r")
        made.run()
    assert "answer" in text(screen)
    assert "42" in text(screen)
    assert "SELECT 40 +" in (tmp_path / "history").read_text()


@pytest.mark.parametrize(("answer", "dropped"), [("y\r", True), ("\r", False), ("no\r", False), ("\x03", False)])
def test_drop_view_asks(made: Made, screen: Console, tmp_path: Path, answer: str, dropped: bool) -> None:
    (tmp_path / "mine.sql").write_text("FROM my_videos")
    with create_pipe_input() as pipe, cutlist.connect(made.root, views=tmp_path) as session:
        made_shell = Shell(session, {}, cli.run, console=screen, input=pipe, output=DummyOutput())
        pipe.send_text(answer)
        assert made_shell.answer("DROP VIEW mine;")
    assert (tmp_path / "mine.sql").exists() is not dropped
    assert ("nothing is dropped" in text(screen)) is not dropped


def test_what_comes_through_a_pipe_is_run_and_never_asks(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, made: Made
) -> None:
    monkeypatch.setattr(
        sys, "stdin", io.StringIO("SELECT 6 *\n 7 AS n;\n.timer off\nDROP VIEW hd;\nSELECT 'last' AS l")
    )
    shell.run()
    told = text(shell.console)
    assert "42" in told
    assert "error: DROP VIEW hd: nobody can be asked here; `cutlist sql --yes` drops it" in told
    assert "last" in told
    assert shell.num_failed == 1
    assert (made.views / "hd.sql").exists()


def test_a_view_that_was_made_is_the_last_query(
    made: Made, screen: Console, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with cutlist.connect(made.root, views=tmp_path) as session:
        shell = Shell(session, {"schema": ""}, cli.run, console=screen)
        said(shell, "CREATE VIEW mine AS SELECT fps FROM my_videos;", ".schema --json")
    assert '"name": "fps"' in capsys.readouterr().out


def test_it_starts_without_torch(made: Made) -> None:
    code = (
        "import sys, io, cutlist; from cutlist import cli; from cutlist.shell import Shell\n"
        "from rich.console import Console\n"
        f"session = cutlist.connect({str(made.root)!r}, views={str(made.views)!r})\n"
        "Shell(session, {}, cli.run, console=Console(file=io.StringIO())).answer('FROM my_videos LIMIT 1;')\n"
        "assert 'torch' not in sys.modules"
    )
    done: Any = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
