"""Damaged files give a result or a MediaError, and never end the process: 150 mutants; `make mutants` tries 20,000."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.media.mutants import MUTATIONS, made_files, mutant, try_all

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/clear_refs").exists(), reason="memory is measured by Linux's /proc"
)


def test_mutants_give_a_result_or_a_media_error() -> None:
    report = try_all(made_files(), range(150), limit_seconds=250)
    assert report.wrong == []
    assert report.num_tried == 150
    names = {name.split(":")[0] for name in report.outcomes}
    assert {"probe", "stored_index", "examine", "decode as None", "planned", "container"} <= names


def test_a_mutant_is_the_same_each_time_and_every_mutation_occurs() -> None:
    mutants = [mutant(made_files(), 1, number) for number in range(100)]
    assert mutants == [mutant(made_files(), 1, number) for number in range(100)]
    assert all(any(each.__name__ in one.how for one in mutants) for each in MUTATIONS)
