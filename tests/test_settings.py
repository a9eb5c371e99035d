"""Settings: arguments before the environment before pyproject.toml; typed, frozen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from pydantic import ValidationError

import cutlist
from cutlist.errors import SettingsError

if TYPE_CHECKING:
    from pathlib import Path


def test_the_first_to_name_a_setting_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert cutlist.Settings().root == "."
    (tmp_path / "pyproject.toml").write_text('[tool.cutlist]\nroot = "from-file"\nnum_threads = 3\n')
    assert (cutlist.Settings().root, cutlist.Settings().num_threads) == ("from-file", 3)
    monkeypatch.setenv("CUTLIST_ROOT", "from-environment")
    assert (cutlist.Settings().root, cutlist.Settings().num_threads) == ("from-environment", 3)
    assert cutlist.Settings(root="from-argument").root == "from-argument"


def test_a_wrong_setting_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CUTLIST_NUM_THREADS", "abc")
    with pytest.raises(SettingsError, match=r"setting num_threads \(CUTLIST_NUM_THREADS, or .*\): .* not 'abc'"):
        cutlist.connect(tmp_path)
    monkeypatch.delenv("CUTLIST_NUM_THREADS")
    (tmp_path / "pyproject.toml").write_text("[tool.cutlist]\nrooot = 3\n")
    with pytest.raises(SettingsError, match=r"setting rooot .*Extra inputs are not permitted"):
        cutlist.connect(tmp_path)
    (tmp_path / "pyproject.toml").write_text("[tool")
    with pytest.raises(SettingsError, match=r"pyproject\.toml: "):
        cutlist.connect(tmp_path)


def test_settings_are_typed_and_frozen() -> None:
    with pytest.raises(ValidationError, match="greater than or equal to 1"):
        cutlist.Settings(num_threads=0)
    with pytest.raises(ValidationError, match="frozen"):
        cutlist.Settings().root = "elsewhere"


def test_connect_takes_root_and_views_from_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "views").mkdir()
    (tmp_path / "views" / "one.sql").write_text("SELECT 1 AS one")
    monkeypatch.setenv("CUTLIST_ROOT", str(tmp_path / "data"))
    monkeypatch.setenv("CUTLIST_VIEWS", str(tmp_path / "views"))
    with cutlist.connect() as session:
        assert session.sql("FROM one").fetchall() == [(1,)]
        assert repr(session) == f"Session({tmp_path / 'data'}: tables none; views one)"
