"""Watched work: its result, its error, its bar; Ctrl-C is in test_cli, with a real process."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

import cutlist
from cutlist.process.watch import interruptible, watched

if TYPE_CHECKING:
    from tests.conftest import Made


def test_the_result_and_the_error_come_out() -> None:
    assert watched(lambda: 7, interrupt=lambda: None, fraction=lambda: 0, title="work") == 7
    with pytest.raises(ZeroDivisionError):
        watched(lambda: 1 // 0, interrupt=lambda: None, fraction=lambda: 0, title="work")


def test_what_duckdb_makes_of_ctrl_c_is_an_interrupt() -> None:
    with pytest.raises(KeyboardInterrupt), interruptible():
        raise RuntimeError("Query interrupted")
    with pytest.raises(RuntimeError, match="another"), interruptible():
        raise RuntimeError("another")


def test_long_work_shows_a_bar_in_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")

    def fraction() -> float:
        return 0.5

    watched(lambda: time.sleep(1.2), interrupt=lambda: None, fraction=fraction, title="compile")
    assert "compile" in capsys.readouterr().err


def test_progress_and_interrupt_do_not_mind_a_cursor_that_was_closed(made: Made) -> None:
    """Compiling goes on for a while after its query has ended and its cursor is closed."""
    with cutlist.connect(made.root) as session:
        databases = session._engine.databases
        cursor = databases.cursor(compiling=True)
        cursor.execute("SELECT 1")
        cursor.close()
        assert session.progress() == -1
        session.interrupt()
