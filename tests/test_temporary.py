"""Folders for temporary files: gone when closed; of processes that were killed, when another is made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cutlist.process.temporary import PREFIX, TemporaryFolder

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_what_was_left_is_removed_and_what_is_used_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    (tmp_path / f"{PREFIX}left" / "deep").mkdir(parents=True)
    (tmp_path / "cutlist-other").mkdir()
    one = TemporaryFolder()
    (one.path / "file").touch()
    other = TemporaryFolder()
    assert {each.name for each in tmp_path.iterdir()} == {one.path.name, other.path.name, "cutlist-other"}
    assert (one.path / "file").exists()
    one.close()
    assert not one.path.exists()
    del other  # forgotten, as at exit
    assert [each.name for each in tmp_path.iterdir()] == ["cutlist-other"]
