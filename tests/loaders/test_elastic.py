"""The same global batches however a run is made, and however often it is killed: what CI runs of both.

All configurations are run by `make matrix`, and any number of killed runs by `make kills`.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.loaders.kills import random_trials, run_trials
from tests.loaders.matrix import covering_cases, every_case, pairs, run
from tests.loaders.runs import ORDERS, WORLDS


def quiet(text: str) -> None:
    pass


@pytest.mark.timeout(900)
def test_ranks_workers_and_batches_ahead_do_not_change_the_global_batches(tmp_path: Path) -> None:
    """Half of the cases in which any two choices meet; `make matrix` has all."""
    cases = covering_cases()[::2]
    report = run(tmp_path, cases, at_once=2, say=quiet)
    assert report["problems"] == []
    assert {order for case in cases for order in case.orders} == set(ORDERS)
    assert {case.setup.world_size for case in cases} == set(WORLDS)
    assert len(report["configurations"]) >= 3 * len(ORDERS)


def test_any_two_choices_meet_in_a_configuration_that_is_run() -> None:
    """But for ranks beyond the second with spawned workers, which cost seconds each."""
    missing = pairs(every_case()) - pairs(covering_cases())
    assert missing == {(("world_size", world), ("method", "spawn")) for world in WORLDS if world > 2}


@pytest.mark.timeout(900)
def test_what_a_killed_run_made_and_what_another_makes_of_its_state_are_one_run(tmp_path: Path) -> None:
    report = run_trials(tmp_path, random_trials(len(ORDERS), seed=0)[::6], quiet)
    assert report["problems"] == []
    assert len(report["trials"]) == 2
