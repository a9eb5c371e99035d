"""`%load_ext cutlist`: cells of SQL in an IPython shell give results, views and variables; an error is one line."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from IPython.core.completer import provisionalcompleter
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

import cutlist
from cutlist.errors import QueryWarning
from cutlist.html import Result
from cutlist.magics import _one_line_warnings
from cutlist.store import Store


@pytest.fixture(scope="module")
def ipython(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    config = Config()
    config.HistoryManager.enabled = False
    config.InteractiveShell.colors = "nocolor"
    config.ProfileDir.location = str(tmp_path_factory.mktemp("ipython"))
    shell: Any = InteractiveShell  # IPython has no types here
    made = shell(config=config)
    assert made.run_cell("%load_ext cutlist").success
    yield made
    made.history_manager = None
    made.restore_sys_module_state()


@pytest.fixture
def shell(ipython: Any, tmp_path: Path) -> Iterator[Any]:
    """Return a shell in which `session` is over a root with one table of three rows."""
    Store(root=str(tmp_path / "data")).append("t", pa.table({"id": range(3), "caption": list("abc")}), message="test")
    (tmp_path / "views").mkdir()
    ipython.reset()
    run(ipython, f"%cutlist '{tmp_path / 'data'}' --views '{tmp_path / 'views'}'")
    yield ipython
    ipython.user_ns["session"].close()


def run(shell: Any, cell: str) -> Any:
    done = shell.run_cell(cell)
    done.raise_error()
    return done.result


def said(shell: Any, cell: str, capsys: pytest.CaptureFixture[str]) -> str:
    """Return what a cell that fails prints."""
    capsys.readouterr()
    assert not shell.run_cell(cell).success
    return "".join(capsys.readouterr()).strip()


def test_a_root_is_the_variable_session(shell: Any, tmp_path: Path) -> None:
    session = shell.user_ns["session"]
    assert isinstance(session, cutlist.Session)
    assert list(session.tables) == ["t"]
    assert run(shell, "%cutlist") is session


def test_a_cell_is_a_result(shell: Any) -> None:
    found = run(shell, "%%cutlist\nSELECT id, caption\nFROM t ORDER BY id DESC")
    assert isinstance(found, Result)
    assert found.rows == [[2, "c"], [1, "b"], [0, "a"]]
    assert "3 rows" in shell.display_formatter.format(found)[0]["text/html"]


def test_a_cell_with_a_name_is_a_view(shell: Any, tmp_path: Path) -> None:
    found = run(shell, "%%cutlist late\n-- All but the first.\nSELECT * FROM t WHERE id > 0;\n")
    assert found.num_rows == 2
    assert (tmp_path / "views" / "late.sql").read_text() == "-- All but the first.\nSELECT * FROM t WHERE id > 0\n"
    assert run(shell, "%%cutlist late\nFROM t WHERE id > 1").num_rows == 1
    assert run(shell, "%%cutlist\nlate").num_rows == 1


def test_a_result_goes_into_a_variable(shell: Any) -> None:
    assert run(shell, "%%cutlist late -o found\nFROM t WHERE id > 1") is None
    assert run(shell, "found.pl().rows()") == [(2, "c")]
    assert run(shell, "%%cutlist -o none\nCREATE TABLE u AS SELECT 1 AS a") is None


def test_a_session_of_python_is_used(shell: Any, tmp_path: Path) -> None:
    other = tmp_path / "other"
    Store(root=str(other)).append("u", pa.table({"a": [1]}), message="test")
    shell.user_ns["session"].close()
    run(shell, f"import cutlist; session = cutlist.connect({str(other)!r}, views={str(tmp_path / 'views')!r})")
    assert run(shell, "%%cutlist\nFROM u").rows == [[1]]


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        (
            "%%cutlist\nSELECT id,\n captoin FROM t",
            'QueryError: query:2:2: no column "captoin" in t; did you mean "caption"?',
        ),
        (
            "%%cutlist v\nSELECT captoin FROM t",
            'QueryError: query:1:8: no column "captoin" in t; did you mean "caption"?',
        ),
        ("%%cutlist t\nFROM t", 'CatalogError: query:1:1: "t" is a table; a view needs a name of its own'),
        ("%%cutlist -o 1x\nFROM t", "SettingsError: %%cutlist -o 1x: expected the name of a variable"),
        (
            "%%cutlist a b\nFROM t",
            "SettingsError: %%cutlist: unrecognized arguments: b; usage: %%cutlist [-o VARIABLE] [name]",
        ),
        ("%cutlist 'a", "SettingsError: %cutlist: No closing quotation; usage: %cutlist [--views VIEWS] [root]"),
        ("%cutlist nowhere", "NotFoundError: no folder "),
    ],
)
def test_an_error_is_one_line(shell: Any, cell: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = said(shell, cell, capsys)
    assert text.startswith(message)
    assert "\n" not in text


def test_without_a_session_a_cell_says_what_to_type(ipython: Any, capsys: pytest.CaptureFixture[str]) -> None:
    ipython.reset()
    text = said(ipython, "%%cutlist\nSELECT 1", capsys)
    assert text == ("SettingsError: %%cutlist: there is no session; type %cutlist ROOT, or session = cutlist.connect()")


def test_names_are_completed_in_cells_of_sql_alone(shell: Any) -> None:
    def completed(text: str) -> list[str]:
        with provisionalcompleter():
            return [each.text for each in shell.Completer.completions(text, len(text))]

    run(shell, "%%cutlist capped\nFROM t")
    assert completed("%%cutlist\nSELECT cap") == ["capped", "caption"]
    assert "caption" not in completed("cap")


def test_a_warning_of_a_query_is_one_line_and_others_are_as_before(capsys: pytest.CaptureFixture[str]) -> None:
    before: list[str] = []
    show = _one_line_warnings(lambda message, *_: before.append(str(message)))
    show(QueryWarning("query:1:8: 3 rows are dropped"), QueryWarning, "cell.py", 1)
    show(UserWarning("other"), UserWarning, "cell.py", 1)
    assert capsys.readouterr().err == "QueryWarning: query:1:8: 3 rows are dropped\n"
    assert before == ["other"]


def test_a_root_below_the_current_folder_is_named_from_there(
    shell: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert repr(shell.user_ns["session"]) == "Session(data: tables t@1; views none)"
    assert "session over data" in shell.user_ns["session"]._repr_html_()


def test_the_package_needs_no_ipython() -> None:
    program = "import sys, cutlist; cutlist.load_ipython_extension; print('IPython' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
