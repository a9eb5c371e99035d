"""What is killed is taken up again, and what happens at once all lands."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.backfill.kills import is_right, try_ingest_kills, try_kills, try_together

if TYPE_CHECKING:
    from tests.conftest import Made


@pytest.mark.timeout(600)
def test_a_backfill_that_is_killed_at_random_goes_on(tmp_path: Path) -> None:
    seen = try_kills(tmp_path, num=6, seed=1)
    assert is_right(seen), seen
    assert seen["killed"] == 6


@pytest.mark.timeout(600)
def test_an_ingest_that_is_killed_is_finished_by_the_next(tmp_path: Path, made: Made) -> None:
    seen = try_ingest_kills(tmp_path, made.media, num=5, seed=2)
    assert seen["same"]
    assert seen["killed"] >= 3


@pytest.mark.timeout(600)
def test_two_columns_at_once_with_appends_and_deletes(tmp_path: Path) -> None:
    seen = try_together(tmp_path)
    assert seen["codes"] == [0, 0]
    assert seen["columns"] == [True, True]
    assert seen["asked"] == [1, 1]  # nothing was computed twice
