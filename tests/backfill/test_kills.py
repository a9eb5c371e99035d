"""What is killed is taken up again, and what happens at once all lands."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.backfill.kills import is_right, try_kills, try_together


@pytest.mark.timeout(600)
def test_a_backfill_that_is_killed_at_random_goes_on(tmp_path: Path) -> None:
    seen = try_kills(tmp_path, num=6, seed=1)
    assert is_right(seen), seen
    assert seen["killed"] == 6


@pytest.mark.timeout(600)
def test_two_columns_at_once_with_appends_and_deletes(tmp_path: Path) -> None:
    seen = try_together(tmp_path)
    assert seen["codes"] == [0, 0]
    assert seen["columns"] == [True, True]
    assert seen["asked"] == [1, 1]  # nothing was computed twice
