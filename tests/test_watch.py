"""Watched work: its result, its error, its bar; Ctrl-C is in test_cli, with a real process."""

from __future__ import annotations

import time

import pytest

from cutlist.watch import watched


def test_the_result_and_the_error_come_out() -> None:
    assert watched(lambda: 7, interrupt=lambda: None, fraction=lambda: 0, title="work") == 7
    with pytest.raises(ZeroDivisionError):
        watched(lambda: 1 // 0, interrupt=lambda: None, fraction=lambda: 0, title="work")


def test_long_work_shows_a_bar_in_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")

    def fraction() -> float:
        return 0.5

    watched(lambda: time.sleep(1.2), interrupt=lambda: None, fraction=fraction, title="compile")
    assert "compile" in capsys.readouterr().err
